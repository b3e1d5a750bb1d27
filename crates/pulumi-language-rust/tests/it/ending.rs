//! No process outlives the host, and the host exits with the engine.

use crate::support::{Host, Project, eventually, lives, process_id};
use pulumi_wire::fake::FakeEngine;
use pulumi_wire::proto::RunPluginRequest;
use std::time::{Duration, Instant};

/// A program that writes its process id and waits. The shell does not forward signals.
fn sleeper(before: &str) -> Project {
    Project::script(&format!(
        "{before}\nsleep 300 &\necho $! >child\necho $$ >program\nwait; wait"
    ))
}

/// Starts a run and returns the engine's side of it.
async fn start_run(host: &Host, project: &Project) -> tokio::task::JoinHandle<Result<String, tonic::Status>> {
    let engine = FakeEngine::preview().start().await;
    let request = project.request(&engine.address());
    let mut client = host.client.clone();
    let run = tokio::spawn(async move {
        let _engine = engine;
        client.run(request).await.map(|ended| ended.into_inner().error)
    });
    process_id(&project.at("program")).await;
    run
}

#[tokio::test]
async fn cancel_terminates_the_program_and_its_children() {
    let project = sleeper("");
    let mut host = Host::start(&[]).await;
    let run = start_run(&host, &project).await;
    let (program, child) = (
        process_id(&project.at("program")).await,
        process_id(&project.at("child")).await,
    );
    assert!(lives(program) && lives(child));
    host.client.cancel(()).await.unwrap();
    let error = run.await.unwrap().unwrap();
    assert_eq!(error, "program.sh was stopped because the operation was canceled");
    assert!(!lives(program) && !lives(child));
    eventually("the host has ended", || {
        host.process.try_wait().unwrap().is_some()
    })
    .await;
}

#[tokio::test]
async fn a_program_has_time_to_exit_by_itself() {
    let project = sleeper("trap 'echo done >ended; exit 0' INT");
    let mut host = Host::start(&[]).await;
    let run = start_run(&host, &project).await;
    host.client.cancel(()).await.unwrap();
    run.await.unwrap().unwrap();
    assert!(project.at("ended").exists());
}

#[tokio::test]
async fn a_program_that_ignores_the_interrupt_is_killed() {
    let project = sleeper("trap '' INT");
    let mut host = Host::start(&[]).await;
    let run = start_run(&host, &project).await;
    let program = process_id(&project.at("program")).await;
    let start = Instant::now();
    host.client.cancel(()).await.unwrap();
    run.await.unwrap().unwrap();
    assert!(!lives(program));
    let taken = start.elapsed();
    assert!(
        taken > Duration::from_secs(3) && taken < Duration::from_secs(5),
        "{taken:?}"
    );
}

#[tokio::test]
async fn cancel_can_be_called_twice_and_without_a_program() {
    let mut host = Host::start(&[]).await;
    let mut other = host.client.clone();
    let (first, second) = tokio::join!(host.client.cancel(()), other.cancel(()));
    assert!(first.is_ok() && second.is_ok());
}

#[tokio::test]
async fn no_process_is_left_when_the_engine_is_killed() {
    let project = sleeper("");
    let mut host = Host::start(&[]).await;
    let _run = start_run(&host, &project).await;
    let (program, child) = (
        process_id(&project.at("program")).await,
        process_id(&project.at("child")).await,
    );
    host.lose_engine();
    eventually("the host has ended", || {
        host.process.try_wait().unwrap().is_some()
    })
    .await;
    assert!(!lives(program) && !lives(child));
}

#[tokio::test]
async fn a_call_that_the_engine_cancels_terminates_its_program() {
    let project = sleeper("");
    let host = Host::start(&[]).await;
    let run = start_run(&host, &project).await;
    let program = process_id(&project.at("program")).await;
    run.abort();
    eventually("the program has ended", || !lives(program)).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_program_is_killed_with_its_host() {
    let project = sleeper("");
    let mut host = Host::start(&[]).await;
    let _run = start_run(&host, &project).await;
    let (program, child) = (
        process_id(&project.at("program")).await,
        process_id(&project.at("child")).await,
    );
    host.process.kill().unwrap();
    eventually("the program has ended", || !lives(program)).await;
    // The kernel kills only the program. Its child would hold the files of this test run for five minutes.
    let child = rustix::process::Pid::from_raw(child.try_into().unwrap()).unwrap();
    rustix::process::kill_process(child, rustix::process::Signal::KILL).unwrap();
}

#[tokio::test]
async fn a_plugin_whose_call_is_canceled_is_terminated() {
    let project = sleeper("");
    let mut host = Host::start(&[]).await;
    let request = RunPluginRequest {
        info: Some(project.info()),
        env: vec!["PATH=/usr/bin:/bin".to_owned()],
        ..Default::default()
    };
    let stream = host.client.run_plugin(request).await.unwrap();
    let program = process_id(&project.at("program")).await;
    assert!(lives(program));
    drop(stream);
    eventually("the plugin has ended", || !lives(program)).await;
}
