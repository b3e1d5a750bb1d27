//! The environment of a program, and the meaning of its exit code.

use crate::support::{Host, Project, eventually, list, old_engine, text};
use pulumi_wire::fake::FakeEngine;
use pulumi_wire::proto::RunResponse;
use std::collections::BTreeMap;
use std::fs;

/// A program that writes its environment to a file.
fn environment_writer() -> Project {
    Project::script("env >environment")
}

fn environment(project: &Project) -> BTreeMap<String, String> {
    let text = fs::read_to_string(project.at("environment")).expect("the program has run");
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    // Variables that the shell sets itself.
    let own = ["_", "PWD", "OLDPWD", "SHLVL"];
    pairs
        .filter(|(name, _)| !own.contains(name))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn failed(error: &str) -> RunResponse {
    RunResponse {
        error: error.to_owned(),
        bail: false,
    }
}

#[tokio::test]
async fn a_program_gets_the_variables_of_its_operation() {
    let project = environment_writer();
    let engine = FakeEngine::preview().start().await;
    let mut host = Host::start(&[]).await;
    assert_eq!(host.run_for(&project, &engine).await, RunResponse::default());
    let seen = environment(&project);
    let variables: Vec<_> = seen
        .iter()
        .filter(|(name, _)| name.starts_with("PULUMI_"))
        .collect();
    let monitor = engine.address();
    let folder = project.folder.path().display().to_string();
    let expected = [
        ("PULUMI_DRY_RUN", "true"),
        ("PULUMI_ENGINE", "127.0.0.1:1"),
        ("PULUMI_MONITOR", &monitor),
        ("PULUMI_ORGANIZATION", "organization"),
        ("PULUMI_PARALLEL", "3"),
        ("PULUMI_PROJECT", "demo"),
        ("PULUMI_ROOT_DIRECTORY", &folder),
        ("PULUMI_STACK", "dev"),
    ];
    let variables: Vec<_> = variables
        .into_iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(variables, expected);
}

#[tokio::test]
async fn a_program_gets_no_passphrase_and_only_listed_variables() {
    let project = environment_writer().option("forward", list(&["KUBECONFIG"]));
    let mut host = Host::start(&[
        ("PULUMI_CONFIG_PASSPHRASE", "hunter2"),
        ("PULUMI_CONFIG_PASSPHRASE_FILE", "/hunter2"),
        ("PULUMI_ACCESS_TOKEN", "hunter2"),
        ("AWS_SECRET_ACCESS_KEY", "hunter2"),
        ("DATABASE_PASSWORD", "hunter2"),
        ("KUBECONFIG", "/kubeconfig"),
        ("LC_ALL", "C"),
        ("RUST_LOG", "debug"),
    ])
    .await;
    assert_eq!(host.run(&project).await, RunResponse::default());
    let seen = environment(&project);
    assert!(!seen.values().any(|value| value.contains("hunter2")), "{seen:?}");
    let names: Vec<_> = seen
        .keys()
        .filter(|name| !name.starts_with("PULUMI_"))
        .map(String::as_str)
        .collect();
    assert_eq!(names, ["HOME", "KUBECONFIG", "LC_ALL", "PATH", "RUST_LOG"]);
}

#[tokio::test]
async fn forwarding_the_passphrase_is_rejected_before_the_program_starts() {
    let project = environment_writer().option("forward", list(&["PULUMI_CONFIG_PASSPHRASE"]));
    let ended = Host::start(&[("PULUMI_CONFIG_PASSPHRASE", "hunter2")])
        .await
        .run(&project)
        .await;
    assert!(
        ended
            .error
            .contains("contains PULUMI_CONFIG_PASSPHRASE, which must not be passed to programs"),
        "{}",
        ended.error
    );
    assert!(!project.at("environment").exists());
}

#[tokio::test]
async fn the_configuration_is_not_in_the_environment_if_the_engine_provides_it() {
    let project = environment_writer();
    Host::start(&[]).await.run(&project).await;
    assert!(
        !environment(&project)
            .keys()
            .any(|name| name.starts_with("PULUMI_CONFIG"))
    );
}

#[tokio::test]
async fn for_an_older_engine_the_configuration_is_in_the_environment() {
    let project = environment_writer();
    let engine = old_engine().start().await;
    Host::start(&[]).await.run_for(&project, &engine).await;
    let seen = environment(&project);
    assert_eq!(seen["PULUMI_CONFIG"], r#"{"demo:key":"configured"}"#);
    assert_eq!(seen["PULUMI_CONFIG_SECRET_KEYS"], r#"["demo:key"]"#);
}

#[tokio::test]
async fn a_configuration_that_is_too_large_for_the_environment_is_reported_with_a_hint() {
    let project = environment_writer();
    let engine = old_engine().start().await;
    let mut request = project.request(&engine.address());
    request
        .config
        .insert("demo:large".to_owned(), "x".repeat(200_000));
    let ended = Host::start(&[])
        .await
        .client
        .run(request)
        .await
        .unwrap()
        .into_inner();
    assert!(
        ended.error.contains("too large") && ended.error.contains("hint: upgrade the Pulumi CLI"),
        "{}",
        ended.error
    );
}

#[tokio::test]
async fn a_program_runs_in_the_requested_folder_with_its_arguments() {
    let project = Project::script("pwd -P; echo \"$@\"");
    fs::create_dir(project.at("below")).unwrap();
    let engine = FakeEngine::preview().start().await;
    let mut request = project.request(&engine.address());
    request.pwd = project.at("below").display().to_string();
    request.args = vec!["one".to_owned(), "two words".to_owned()];
    let mut host = Host::start(&[]).await;
    host.client.run(request).await.unwrap();
    let folder = fs::canonicalize(project.at("below")).unwrap();
    let expected = format!("{}\none two words\n", folder.display());
    eventually("the program's stdout is ours", || host.stdout() == expected).await;
}

#[tokio::test]
async fn the_host_prints_the_output_of_the_program() {
    let project = Project::script("echo to stdout; echo to stderr >&2");
    let mut host = Host::start(&[]).await;
    host.run(&project).await;
    eventually("both have come", || {
        host.stdout() == "to stdout\n" && host.stderr() == "to stderr\n"
    })
    .await;
}

#[tokio::test]
async fn the_exit_code_determines_the_result() {
    let mut host = Host::start(&[]).await;
    let mut end = async |script: &str| host.run(&Project::script(script)).await;
    assert_eq!(end("exit 0").await, RunResponse::default());
    assert_eq!(
        end("exit 32").await,
        RunResponse {
            error: String::new(),
            bail: true
        }
    );
    assert_eq!(end("exit 7").await, failed("program.sh exited with code 7"));
    assert_eq!(
        end("kill -SEGV $$").await,
        failed("program.sh was killed by signal 11 (segmentation fault)")
    );
}

#[tokio::test]
async fn a_binary_that_cannot_be_started_is_reported_with_a_hint() {
    let mut host = Host::start(&[]).await;
    let absent = Project::empty().option("binary", text("dist/demo"));
    let error = host.run(&absent).await.error;
    assert!(
        error.contains("dist/demo, which does not exist\nhint: build it first"),
        "{error}"
    );

    let plain = Project::empty().option("binary", text("plain"));
    plain.write("plain", "");
    let error = host.run(&plain).await.error;
    assert!(
        error.contains("plain, which is not executable\nhint: run `chmod +x`"),
        "{error}"
    );

    let lost = Project::empty().option("binary", text("lost"));
    lost.write_script("lost", "");
    lost.write("lost", "#!/absent/interpreter\n");
    let error = host.run(&lost).await.error;
    assert!(
        error.contains("lost exited with code 126, which indicates that it cannot be executed"),
        "{error}"
    );
    eventually("the reason is printed", || host.stderr().contains("No such file")).await;
}

#[tokio::test]
async fn a_project_without_a_program_is_reported_with_a_hint() {
    let mut host = Host::start(&[]).await;
    let error = host.run(&Project::empty()).await.error;
    assert!(
        error.contains("has no Cargo.toml") && error.contains("\nhint: create it"),
        "{error}"
    );

    let several = Project::package();
    several.write("src/bin/other.rs", "fn main() {}");
    let error = host.run(&several).await.error;
    assert!(
        error.contains("several binaries (other, tiny)") && error.contains("default-run"),
        "{error}"
    );
}
