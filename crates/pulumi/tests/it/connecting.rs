//! Finding the engine, and learning from it what is being deployed.

use pulumi_wire::fake::FakeEngine;
use pulumi_wire::{Engine, Error, ExposeSecret as _};

#[tokio::test]
async fn a_program_that_pulumi_did_not_start_reports_how_to_start_it() {
    for variable in ["PULUMI_MONITOR", "PULUMI_ENGINE"] {
        let environment = move |name: &str| (name != variable).then(|| "127.0.0.1:1".to_owned());
        let error = Engine::connect_with(environment)
            .await
            .err()
            .expect("nothing to connect to");
        let text = error.with_causes();
        assert!(text.contains(variable) && text.contains("pulumi up"), "{text}");
        assert!(!error.already_shown());
    }
}

#[tokio::test]
async fn an_unreachable_engine_is_reported_with_its_address() {
    // Nothing listens on port 1 of loopback.
    let error = Engine::connect_with(|_| Some("127.0.0.1:1".to_owned()))
        .await
        .err()
        .expect("nothing listens");
    assert!(matches!(error, Error::Connect { .. }), "{error:?}");
    assert!(
        error.with_causes().contains("127.0.0.1:1"),
        "{}",
        error.with_causes()
    );
}

#[tokio::test]
async fn an_invalid_address_is_reported_with_its_variable() {
    let error = Engine::connect_with(|_| Some("not an address".to_owned()))
        .await
        .err()
        .expect("no address");
    assert!(
        matches!(
            error,
            Error::Variable {
                variable: "PULUMI_MONITOR",
                ..
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn the_deployment_is_read_from_the_engine() {
    let fake = FakeEngine::preview()
        .config("shop:size", "3")
        .secret("shop:key", "hunter2")
        .start()
        .await;
    let deployment = fake
        .connect()
        .await
        .deployment()
        .await
        .expect("the engine answers");
    assert_eq!(
        (deployment.project.as_str(), deployment.stack.as_str()),
        ("project", "stack")
    );
    assert!(deployment.preview);
    assert_eq!(
        deployment.config.keys().collect::<Vec<_>>(),
        ["shop:size"],
        "the secret is not among the rest"
    );
    assert_eq!(deployment.secrets["shop:key"].expose_secret(), "hunter2");
    assert!(!format!("{deployment:?}").contains("hunter2"));
}

#[tokio::test]
async fn the_deployment_of_an_old_engine_is_read_from_the_environment() {
    let script = FakeEngine::preview()
        .config("shop:size", "3")
        .secret("shop:key", "hunter2");
    let (old, new) = (
        script.clone().without_deployment_info().start().await,
        script.start().await,
    );
    let from_old = old
        .connect()
        .await
        .deployment()
        .await
        .expect("the environment is complete");
    let from_new = new
        .connect()
        .await
        .deployment()
        .await
        .expect("the engine answers");
    assert_eq!(format!("{from_old:?}"), format!("{from_new:?}"));
    assert_eq!(from_old.secrets["shop:key"].expose_secret(), "hunter2");
}

#[tokio::test]
async fn an_old_engine_without_the_environment_is_an_error() {
    let fake = FakeEngine::preview().without_deployment_info().start().await;
    let address = fake.address();
    let only_addresses = move |name: &str| {
        ["PULUMI_MONITOR", "PULUMI_ENGINE"]
            .contains(&name)
            .then(|| address.clone())
    };
    let engine = Engine::connect_with(only_addresses)
        .await
        .expect("the fake engine listens");
    let error = engine.deployment().await.expect_err("no project is known");
    assert!(
        matches!(
            error,
            Error::NotStartedByPulumi {
                variable: "PULUMI_PROJECT"
            }
        ),
        "{error:?}"
    );
}

/// The strictness of the fake engine is what other tests rely on.
mod strictness {
    use pulumi_wire::proto::resource_monitor_client::ResourceMonitorClient;
    use pulumi_wire::proto::{RegisterResourceOutputsRequest, RegisterResourceRequest};
    use tonic::Code;

    use super::FakeEngine;

    type Client = ResourceMonitorClient<tonic::transport::Channel>;

    async fn client(fake: &FakeEngine) -> Client {
        ResourceMonitorClient::connect(format!("http://{}", fake.address()))
            .await
            .expect("it listens")
    }

    fn stack() -> RegisterResourceRequest {
        let r#type = "pulumi:pulumi:Stack".to_owned();
        RegisterResourceRequest {
            r#type,
            name: "project-stack".to_owned(),
            ..Default::default()
        }
    }

    fn disk(parent: &str) -> RegisterResourceRequest {
        RegisterResourceRequest {
            r#type: "disk:index:Disk".to_owned(),
            name: "data".to_owned(),
            parent: parent.to_owned(),
            custom: true,
            ..Default::default()
        }
    }

    async fn refusal(client: &mut Client, request: RegisterResourceRequest) -> String {
        let status = client
            .register_resource(request)
            .await
            .expect_err("the engine refuses it");
        assert_eq!(status.code(), Code::InvalidArgument);
        status.message().to_owned()
    }

    #[tokio::test]
    async fn the_fake_engine_rejects_what_the_real_one_rejects() {
        let fake = FakeEngine::up().start().await;
        let mut client = client(&fake).await;
        let root = client
            .register_resource(stack())
            .await
            .expect("well-formed")
            .into_inner()
            .urn;
        assert!(refusal(&mut client, stack()).await.contains("two resources"));
        assert!(
            refusal(&mut client, disk(""))
                .await
                .contains("must have a parent")
        );
        assert!(
            refusal(&mut client, disk("urn:unknown"))
                .await
                .contains("is not registered")
        );
        let foreign = RegisterResourceRequest {
            provider: format!("{root}::wrong-id"),
            ..disk(&root)
        };
        assert!(refusal(&mut client, foreign).await.contains("provider"));
        let odd = RegisterResourceRequest {
            r#type: "Disk".to_owned(),
            ..disk(&root)
        };
        assert!(refusal(&mut client, odd).await.contains("three parts"));
        assert!(client.register_resource(disk(&root)).await.is_ok());
    }

    #[tokio::test]
    async fn outputs_are_accepted_once_and_only_for_components() {
        let fake = FakeEngine::up().start().await;
        let mut client = client(&fake).await;
        let root = client
            .register_resource(stack())
            .await
            .expect("well-formed")
            .into_inner()
            .urn;
        let disk = client
            .register_resource(disk(&root))
            .await
            .expect("well-formed")
            .into_inner()
            .urn;
        let outputs = |urn: &str| RegisterResourceOutputsRequest {
            urn: urn.to_owned(),
            outputs: None,
        };
        assert!(
            client
                .register_resource_outputs(outputs("urn:unknown"))
                .await
                .is_err()
        );
        assert!(
            client.register_resource_outputs(outputs(&disk)).await.is_err(),
            "its provider gives its outputs"
        );
        assert!(client.register_resource_outputs(outputs(&root)).await.is_ok());
        assert!(
            client.register_resource_outputs(outputs(&root)).await.is_err(),
            "once is enough"
        );
    }

    #[tokio::test]
    async fn a_program_without_result_reporting_gets_a_failed_call() {
        let fake = FakeEngine::up()
            .react("data", pulumi_wire::fake::Reaction::Fail)
            .start()
            .await;
        let mut client = client(&fake).await;
        let root = client
            .register_resource(stack())
            .await
            .expect("well-formed")
            .into_inner()
            .urn;
        let status = client
            .register_resource(disk(&root))
            .await
            .expect_err("it did not say that it takes results");
        assert_eq!(status.code(), Code::Internal);
    }
}
