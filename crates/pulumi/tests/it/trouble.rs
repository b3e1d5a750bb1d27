//! Registrations that go wrong: what is still done, what is said, and under which resource.

use std::collections::BTreeMap;
use std::time::Duration;

use pulumi_wire::fake::{FakeEngine, Reaction};
use pulumi_wire::proto::LogSeverity;
use pulumi_wire::{DEFAULT_IN_FLIGHT, Error, SecretString, Value, register};
use tonic::Code;

use super::{flat, properties, run, shop, story};

const STORE: &str = "urn:pulumi:stack::project::shop:index:Store::store";
const ROOT: &str = "urn:pulumi:stack::project::pulumi:pulumi:Stack::project-stack";

fn refuse() -> Reaction {
    Reaction::Refuse(Code::InvalidArgument, "the disk is too small".to_owned())
}

#[tokio::test]
async fn every_missing_secret_is_reported_before_anything_is_registered() {
    let mut plan = shop();
    plan.outputs = properties(&[("token", Value::SecretRef("stack-token".to_owned()))]);
    let fake = FakeEngine::up().start().await;
    let engine = fake.connect().await;
    let deployment = engine.deployment().await.expect("the engine answers");
    let none: BTreeMap<String, SecretString> = BTreeMap::new();
    let error = register(&engine, &deployment, &plan, &none, DEFAULT_IN_FLIGHT)
        .await
        .expect_err("no secrets");
    assert_eq!(fake.registrations().len(), 0);
    let text = error.to_string();
    for expected in [
        "\"data\"",
        "\"backup\"",
        "\"disk-key\"",
        "the stack's outputs",
        "\"stack-token\"",
    ] {
        assert!(text.contains(expected), "{expected} is not in {text}");
    }
    assert!(error.already_shown());
    assert_eq!(fake.logs(), [(LogSeverity::Error, text, String::new())]);
}

#[tokio::test]
async fn a_rejected_resource_is_logged_for_its_component_and_ends_the_program() {
    let fake = FakeEngine::up().react("data", refuse()).start().await;
    let error = run(&fake, &shop()).await.expect_err("it was refused");
    let text = "cannot register disk:index:Disk \"data\": the disk is too small".to_owned();
    assert_eq!(fake.logs(), [(LogSeverity::Error, text, STORE.to_owned())]);
    assert!(error.already_shown());
    assert!(
        !story(&fake).contains(&"register backup".to_owned()),
        "what depends on it is not started"
    );
    assert!(
        !story(&fake).contains(&"end".to_owned()),
        "the end is not signalled after an error"
    );
    assert!(!story(&fake).contains(&"outputs project-stack".to_owned()));
}

#[tokio::test]
async fn after_an_error_no_call_starts_and_running_calls_are_awaited() {
    let mut plan = flat(&["slow", "bad", "after-slow"]);
    plan.resources[2].dependencies = vec![0];
    let fake = FakeEngine::up()
        .react("slow", Reaction::Delay(Duration::from_millis(100)))
        .react("bad", refuse())
        .start()
        .await;
    let started = std::time::Instant::now();
    run(&fake, &plan).await.expect_err("one was refused");
    assert!(
        started.elapsed() >= Duration::from_millis(100),
        "the slow one was awaited"
    );
    let names: Vec<_> = fake
        .registrations()
        .into_iter()
        .map(|request| request.name)
        .collect();
    assert_eq!(names, ["project-stack", "slow", "bad"]);
}

#[tokio::test]
async fn a_rejected_stack_is_logged_without_a_resource() {
    let fake = FakeEngine::up().react("project-stack", refuse()).start().await;
    run(&fake, &shop()).await.expect_err("it was refused");
    let (_, message, urn) = fake.logs().remove(0);
    assert_eq!((message.contains("project-stack"), urn.as_str()), (true, ""));
}

#[tokio::test]
async fn a_failed_resource_does_not_stop_independent_resources() {
    let mut plan = flat(&["bad", "after-bad", "good", "after-good", "skipped"]);
    plan.resources[1].dependencies = vec![0];
    plan.resources[3].dependencies = vec![2];
    let fake = FakeEngine::up()
        .react("bad", Reaction::Fail)
        .react("skipped", Reaction::Skip)
        .start()
        .await;
    let error = run(&fake, &plan).await.expect_err("one failed");
    let names: Vec<_> = fake
        .registrations()
        .into_iter()
        .map(|request| request.name)
        .collect();
    assert!(
        names.contains(&"after-good".to_owned()) && !names.contains(&"after-bad".to_owned()),
        "{names:?}"
    );
    let text = "1 resource failed: disk:index:Disk \"bad\"; 2 dependent resources skipped because of that"
        .to_owned();
    assert_eq!(fake.logs(), [(LogSeverity::Error, text, ROOT.to_owned())]);
    assert!(error.already_shown());
    assert!(!story(&fake).contains(&"end".to_owned()));
}

#[tokio::test]
async fn an_engine_that_shuts_down_is_not_reported_as_an_error() {
    let fake = FakeEngine::up().react("data", Reaction::ShutDown).start().await;
    let error = run(&fake, &shop()).await.expect_err("it was stopped");
    assert!(matches!(error, Error::Cancelled), "{error:?}");
    assert!(error.already_shown(), "the program has nothing to add");
    assert_eq!(fake.logs(), []);
    assert!(!story(&fake).contains(&"end".to_owned()));
}

#[tokio::test]
async fn an_interrupt_ends_running_calls() {
    let fake = FakeEngine::up()
        .react("slow", Reaction::Delay(Duration::from_mins(10)))
        .start()
        .await;
    let plan = flat(&["slow", "quick"]);
    let (result, ()) = tokio::join!(run(&fake, &plan), async {
        while fake.registrations().len() < 3 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        fake.shut_down();
    });
    assert!(matches!(result, Err(Error::Cancelled)), "{result:?}");
}

#[tokio::test]
async fn a_specific_error_is_reported_instead_of_the_shutdown() {
    let fake = FakeEngine::up()
        .react(
            "gone",
            Reaction::Refuse(Code::Unavailable, "resource monitor shut down".to_owned()),
        )
        .react("bad", refuse())
        .delay(Duration::from_millis(20))
        .start()
        .await;
    let error = run(&fake, &flat(&["gone", "bad"]))
        .await
        .expect_err("both were refused");
    assert!(error.to_string().contains("\"bad\""), "{error}");
}

#[tokio::test]
async fn an_error_that_cannot_be_logged_is_not_marked_as_shown() {
    let fake = FakeEngine::up().start().await;
    let engine = fake.connect().await;
    drop(fake);
    // The server needs a moment to close; until then it still takes messages.
    let mut error = Error::NotStartedByPulumi {
        variable: "PULUMI_STACK",
    };
    for _ in 0..100 {
        error = engine
            .show(
                Error::NotStartedByPulumi {
                    variable: "PULUMI_STACK",
                },
                None,
            )
            .await;
        if !error.already_shown() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(!error.already_shown());
}
