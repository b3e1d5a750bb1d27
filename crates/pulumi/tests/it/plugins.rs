//! How a plugin starts and stops, and how a program ends, each as a process of its own.
//!
//! The processes are this crate's examples, which `cargo test` builds.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pulumi_wire::fake::{FakeEngine, Reaction};
use pulumi_wire::proto::language_runtime_client::LanguageRuntimeClient;

fn example(name: &str) -> Command {
    let mut path: PathBuf = std::env::current_exe().expect("a test has a path");
    path.pop();
    path.pop();
    path.extend(["examples", name]);
    assert!(
        path.exists(),
        "{name} is not built (hint: run `cargo test -p pulumi-wire` without --test)"
    );
    Command::new(path)
}

/// Starts the host, reads its port, and gives both.
fn host(stdin: Stdio) -> (Child, u16) {
    let mut child = example("host")
        .stdin(stdin)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the host starts");
    let mut line = String::new();
    let stdout = child.stdout.as_mut().expect("stdout is piped");
    BufReader::new(stdout)
        .read_line(&mut line)
        .expect("the host writes");
    let port = line
        .strip_suffix('\n')
        .expect("a whole line")
        .parse()
        .expect("nothing but a port");
    (child, port)
}

async fn client(port: u16) -> LanguageRuntimeClient<tonic::transport::Channel> {
    LanguageRuntimeClient::connect(format!("http://127.0.0.1:{port}"))
        .await
        .expect("the host listens")
}

/// How the process ended, if it did so soon. It does not block: our own side of a connection has to close, too.
async fn ended(child: &mut Child) -> Option<std::process::ExitStatus> {
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait().expect("our own child") {
            return Some(status);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    child.kill().expect("our own child");
    None
}

#[tokio::test]
async fn a_plugin_answers_on_the_port_it_prints_and_stops_on_cancel() {
    let (mut child, port) = host(Stdio::piped());
    let mut client = client(port).await;
    let info = client
        .get_plugin_info(())
        .await
        .expect("the host answers")
        .into_inner();
    assert_eq!(info.version, "1.2.3");
    client.cancel(()).await.expect("the answer to a cancel arrives");
    drop(client);
    assert!(ended(&mut child).await.expect("it stops").success());
    let mut rest = String::new();
    child
        .stdout
        .take()
        .expect("stdout is piped")
        .read_to_string(&mut rest)
        .expect("readable");
    assert_eq!(rest, "", "nothing but the port is written");
}

#[tokio::test]
async fn a_plugin_stops_when_the_engine_exits() {
    let (mut child, _) = host(Stdio::piped());
    drop(child.stdin.take());
    assert!(ended(&mut child).await.expect("it stops").success());
}

#[tokio::test]
async fn a_plugin_without_a_pipe_on_stdin_keeps_running() {
    let (mut child, port) = host(Stdio::null());
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(client(port).await.get_plugin_info(()).await.is_ok());
    child.kill().expect("our own child");
    child.wait().expect("our own child");
}

#[cfg(unix)]
#[tokio::test]
async fn a_plugin_stops_on_an_interrupt() {
    for signal in ["INT", "TERM"] {
        let (mut child, _) = host(Stdio::null());
        let sent = Command::new("kill")
            .args(["-s", signal, &child.id().to_string()])
            .status();
        assert!(sent.expect("kill exists").success());
        assert!(
            ended(&mut child).await.expect("it stops").success(),
            "SIG{signal}"
        );
    }
}

#[tokio::test]
async fn an_unknown_method_is_unimplemented() {
    let (mut child, port) = host(Stdio::piped());
    // Drops a message into a method of the real protocol that our description leaves out.
    let channel =
        tonic::transport::Channel::from_shared(format!("http://127.0.0.1:{port}")).expect("an address");
    let mut grpc = tonic::client::Grpc::new(channel.connect().await.expect("the host listens"));
    grpc.ready().await.expect("connected");
    let codec = tonic_prost::ProstCodec::<(), ()>::default();
    let path = "/pulumirpc.LanguageRuntime/GeneratePackage"
        .parse()
        .expect("a path");
    let status = grpc
        .unary(tonic::Request::new(()), path, codec)
        .await
        .expect_err("it is not implemented");
    assert_eq!(status.code(), tonic::Code::Unimplemented);
    drop(child.stdin.take());
    assert!(
        ended(&mut child).await.expect("it stops").success(),
        "an idle connection does not hold it up"
    );
}

/// Runs the example program against a fake engine, with a proxy in its environment that leads nowhere.
async fn program(fake: &FakeEngine) -> std::process::Output {
    let mut command = example("program");
    command.env_clear().envs(fake.environment());
    for proxy in [
        "http_proxy",
        "HTTP_PROXY",
        "https_proxy",
        "all_proxy",
        "ALL_PROXY",
    ] {
        command.env(proxy, "http://127.0.0.1:1");
    }
    tokio::task::spawn_blocking(move || command.output().expect("the program starts"))
        .await
        .expect("no panic")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_connects_to_the_engine_without_a_proxy() {
    let fake = FakeEngine::up().start().await;
    let output = program(&fake).await;
    assert!(output.status.success(), "{output:?}");
    assert_eq!(fake.registrations().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_with_a_logged_error_prints_nothing_and_exits_with_32() {
    let refuse = Reaction::Refuse(tonic::Code::InvalidArgument, "no".to_owned());
    let fake = FakeEngine::up().react("store", refuse).start().await;
    let output = program(&fake).await;
    assert_eq!(output.status.code(), Some(32));
    assert_eq!((output.stdout.len(), output.stderr.len()), (0, 0), "{output:?}");
    assert_eq!(fake.logs().len(), 1);
}

#[test]
fn a_program_that_pulumi_did_not_start_prints_a_hint_and_exits_with_1() {
    let output = example("program")
        .env_clear()
        .output()
        .expect("the program starts");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        text.contains("PULUMI_MONITOR") && text.contains("pulumi up"),
        "{text}"
    );
}
