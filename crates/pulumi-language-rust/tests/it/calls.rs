//! Each method of the service, called as the engine calls it.

use crate::support::{Client, Host, Project, RecordingCargo, eventually, text};
use pulumi_wire::proto::run_plugin_response::Output;
use pulumi_wire::proto::{
    AboutRequest, GetProgramDependenciesRequest, GetRequiredPackagesRequest, InstallDependenciesRequest,
    LanguageHandshakeRequest, RunPluginRequest,
};
use std::fs;
use tonic::{Code, Status};

/// The output of a plugin and its exit code.
struct Plugin {
    stdout: String,
    stderr: String,
    code: Option<i32>,
}

async fn run_plugin(
    client: &mut Client,
    project: &Project,
    arguments: &[&str],
    env: &[&str],
) -> Result<Plugin, Status> {
    let request = RunPluginRequest {
        pwd: project.folder.path().display().to_string(),
        info: Some(project.info()),
        args: arguments.iter().map(ToString::to_string).collect(),
        env: env.iter().map(ToString::to_string).collect(),
        kind: "analyzer".to_owned(),
        ..Default::default()
    };
    let mut stream = client.run_plugin(request).await?.into_inner();
    let mut plugin = Plugin {
        stdout: String::new(),
        stderr: String::new(),
        code: None,
    };
    while let Some(message) = stream.message().await? {
        assert_eq!(plugin.code, None, "the exit code comes last");
        match message.output.expect("every message says something") {
            Output::Stdout(bytes) => plugin.stdout.push_str(&String::from_utf8(bytes).unwrap()),
            Output::Stderr(bytes) => plugin.stderr.push_str(&String::from_utf8(bytes).unwrap()),
            Output::Exitcode(code) => plugin.code = Some(code),
        }
    }
    Ok(plugin)
}

async fn install(client: &mut Client, project: &Project) -> (String, Option<Status>) {
    let request = InstallDependenciesRequest {
        info: Some(project.info()),
        ..Default::default()
    };
    let mut stream = client.install_dependencies(request).await.unwrap().into_inner();
    let mut said = String::new();
    loop {
        match stream.message().await {
            Ok(Some(message)) => {
                said.push_str(&String::from_utf8([message.stdout, message.stderr].concat()).unwrap());
            }
            Ok(None) => return (said, None),
            Err(status) => return (said, Some(status)),
        }
    }
}

#[tokio::test]
async fn the_host_prints_only_the_port() {
    let mut host = Host::start(&[]).await;
    assert_eq!(
        host.client
            .get_plugin_info(())
            .await
            .unwrap()
            .into_inner()
            .version,
        env!("CARGO_PKG_VERSION")
    );
    host.client.cancel(()).await.unwrap();
    eventually("the host has ended", || {
        host.process.try_wait().unwrap().is_some()
    })
    .await;
    assert_eq!((host.stdout(), host.stderr()), (String::new(), String::new()));
}

#[tokio::test]
async fn a_handshake_sets_the_address_of_the_engine() {
    let project = Project::script("echo $PULUMI_ENGINE");
    let mut host = Host::start(&[]).await;
    let request = LanguageHandshakeRequest {
        engine_address: "127.0.0.1:2".to_owned(),
        ..Default::default()
    };
    host.client.handshake(request).await.unwrap();
    host.run(&project).await;
    eventually("the program knows the engine", || {
        host.stdout() == "127.0.0.1:2\n"
    })
    .await;
}

#[tokio::test]
async fn the_required_packages_are_those_of_the_manifest() {
    let project = Project::package();
    let checksum = "00ff".repeat(16);
    project.write(
        "Cargo.toml",
        &format!(
            "[package]\nname = \"tiny\"\n[package.metadata.pulumi]\npackages = [{{ name = \"random\", \
             version = \"4.18.0\", checksums = {{ linux-amd64 = \"{checksum}\" }} }}]\n"
        ),
    );
    let request = GetRequiredPackagesRequest {
        info: Some(project.info()),
    };
    let mut host = Host::start(&[]).await;
    let packages = host
        .client
        .get_required_packages(request)
        .await
        .unwrap()
        .into_inner()
        .packages;
    assert_eq!(packages.len(), 1);
    let package = &packages[0];
    assert_eq!(
        (&*package.name, &*package.kind, &*package.version),
        ("random", "resource", "4.18.0")
    );
    assert_eq!(package.checksums["linux-amd64"], [0x00, 0xff].repeat(16));
}

#[tokio::test]
async fn a_malformed_package_fails_the_call_with_its_position() {
    let project = Project::package();
    project.write(
        "Cargo.toml",
        "[package]\nname = \"tiny\"\n[package.metadata.pulumi]\npackages = [{ name = \"random\", version = \"v4\" }]\n",
    );
    let request = GetRequiredPackagesRequest {
        info: Some(project.info()),
    };
    let status = Host::start(&[])
        .await
        .client
        .get_required_packages(request)
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(
        status
            .message()
            .contains("entry 1 of `packages`: `v4` is not an exact version of random\nhint:"),
        "{status}"
    );
}

#[tokio::test]
async fn a_prebuilt_binary_requires_no_manifest_and_no_packages() {
    let project = Project::script("");
    let mut host = Host::start(&[("PATH", "/absent")]).await;
    let request = GetRequiredPackagesRequest {
        info: Some(project.info()),
    };
    assert_eq!(
        host.client
            .get_required_packages(request)
            .await
            .unwrap()
            .into_inner()
            .packages,
        []
    );
    let request = GetProgramDependenciesRequest {
        info: Some(project.info()),
        ..Default::default()
    };
    assert_eq!(
        host.client
            .get_program_dependencies(request)
            .await
            .unwrap()
            .into_inner()
            .dependencies,
        []
    );
    assert_eq!(
        install(&mut host.client, &project)
            .await
            .1
            .map(|status| status.to_string()),
        None
    );
    let about = host
        .client
        .about(AboutRequest {
            info: Some(project.info()),
        })
        .await
        .unwrap()
        .into_inner();
    assert!(about.executable.ends_with("program.sh"), "{about:?}");
}

#[tokio::test]
async fn about_returns_the_compiler_and_queries_it_only_before_the_first_build() {
    let project = Project::package();
    let mut host = Host::start(&[]).await;
    let request = AboutRequest {
        info: Some(project.info()),
    };
    let before = host.client.about(request.clone()).await.unwrap().into_inner();
    assert!(
        before.executable.ends_with("rustc") && before.version.starts_with("1."),
        "{before:?}"
    );
    host.run(&project).await;
    let request = AboutRequest {
        info: Some(project.info()),
    };
    let mut blind = Host::start(&[("PATH", "/absent")]).await;
    assert_eq!(blind.client.about(request).await.unwrap().into_inner(), before);
}

#[tokio::test]
async fn the_crates_of_a_program_are_the_direct_or_all_dependencies() {
    let project = Project::package();
    project.write(
        "Cargo.toml",
        "[package]\nname = \"tiny\"\n[dependencies]\none = { path = \"one\" }\n[dev-dependencies]\nthree = { path = \"three\" }\n[workspace]\n",
    );
    let member = |name: &str, rest: &str| {
        project.write(
            &format!("{name}/Cargo.toml"),
            &format!("[package]\nname = \"{name}\"\nversion = \"1.2.3\"\n{rest}"),
        );
        project.write(&format!("{name}/src/lib.rs"), "");
    };
    member("one", "[dependencies]\ntwo = { path = \"../two\" }\n");
    member("two", "");
    member("three", "");
    let mut host = Host::start(&[]).await;
    let mut names = async |transitive_dependencies| {
        let request = GetProgramDependenciesRequest {
            info: Some(project.info()),
            transitive_dependencies,
            ..Default::default()
        };
        let crates = host
            .client
            .get_program_dependencies(request)
            .await
            .unwrap()
            .into_inner()
            .dependencies;
        crates
            .into_iter()
            .map(|found| format!("{} {}", found.name, found.version))
            .collect::<Vec<_>>()
    };
    assert_eq!(names(false).await, ["one 1.2.3"]);
    assert_eq!(names(true).await, ["one 1.2.3", "two 1.2.3"]);
}

#[tokio::test]
async fn install_builds_the_program_and_forwards_the_output_of_cargo() {
    let project = Project::package();
    let cargo = RecordingCargo::new();
    let mut host = Host::start(&[("PATH", &cargo.path())]).await;
    let (said, failure) = install(&mut host.client, &project).await;
    assert_eq!(failure.map(|status| status.to_string()), None);
    assert!(
        said.contains("Compiling tiny") && said.contains("Finished"),
        "{said}"
    );
    host.run(&project).await;
    assert_eq!(cargo.calls().len(), 1, "the run found it built");
}

#[tokio::test]
async fn install_fails_with_the_error_of_cargo() {
    let project = Project::package();
    project.write(
        "Cargo.toml",
        "[package]\nname = \"tiny\"\n[dependencies]\none = { path = \"absent\" }\n[workspace]\n",
    );
    let (said, failure) = install(&mut Host::start(&[]).await.client, &project).await;
    let failure = failure.expect("it cannot succeed");
    assert!(
        failure.message().starts_with("building tiny in ")
            && failure.message().contains("cargo failed with exit code"),
        "{failure}"
    );
    assert!(said.contains("absent/Cargo.toml"), "{said}");
}

#[tokio::test]
async fn a_missing_cargo_is_reported_with_a_hint() {
    let (_, failure) = install(
        &mut Host::start(&[("PATH", "/absent")]).await.client,
        &Project::package(),
    )
    .await;
    let failure = failure.expect("it cannot succeed");
    assert!(
        failure.message().contains("cargo is not on PATH") && failure.message().contains("\nhint: install"),
        "{failure}"
    );
}

#[tokio::test]
async fn a_plugin_is_built_and_run_as_requested() {
    let project = Project::package();
    project.write(
        "src/main.rs",
        "fn main() {\n    println!(\"{:?}\", std::env::args().skip(1).collect::<Vec<_>>());\n    \
         eprintln!(\"{:?}\", std::env::vars().collect::<Vec<_>>());\n    std::process::exit(3);\n}\n",
    );
    let mut host = Host::start(&[]).await;
    let env = [
        "ASKED=yes",
        "PULUMI_CONFIG_PASSPHRASE=hunter2",
        "PULUMI_ACCESS_TOKEN=hunter2",
    ];
    let plugin = run_plugin(&mut host.client, &project, &["127.0.0.1:3"], &env)
        .await
        .unwrap();
    assert_eq!(
        (plugin.stdout.as_str(), plugin.code),
        ("[\"127.0.0.1:3\"]\n", Some(3))
    );
    assert!(
        plugin.stderr.ends_with("[(\"ASKED\", \"yes\")]\n"),
        "{}",
        plugin.stderr
    );
    assert_eq!(
        (host.stdout(), host.stderr()),
        (String::new(), String::new()),
        "nothing of it is ours"
    );
}

#[tokio::test]
async fn the_stdin_of_a_plugin_is_open() {
    let project = Project::script("read -r line && echo not reached; echo \"ended after $line\"");
    let mut host = Host::start(&[]).await;
    let running = run_plugin(&mut host.client, &project, &[], &["PATH=/usr/bin:/bin"]);
    let waited = tokio::time::timeout(std::time::Duration::from_millis(300), running).await;
    assert!(
        waited.is_err(),
        "a plugin that reads its stdin to detect the end of the host keeps running"
    );
}

#[tokio::test]
async fn a_plugin_that_cannot_be_built_fails_the_call_with_the_reason() {
    let project = Project::package();
    project.write("src/main.rs", "fn main() { wrong }");
    let mut host = Host::start(&[]).await;
    let request = RunPluginRequest {
        info: Some(project.info()),
        ..Default::default()
    };
    let mut stream = host.client.run_plugin(request).await.unwrap().into_inner();
    let mut said = String::new();
    let failure = loop {
        match stream.message().await {
            Ok(Some(message)) => match message.output {
                Some(Output::Stderr(bytes)) => said.push_str(&String::from_utf8(bytes).unwrap()),
                other => panic!("{other:?}"),
            },
            Ok(None) => panic!("it cannot succeed"),
            Err(status) => break status,
        }
    };
    assert!(said.contains("cannot find value `wrong`"), "{said}");
    assert!(
        failure.message().contains("cargo failed with exit code 101"),
        "{failure}"
    );
}

#[tokio::test]
async fn a_misspelled_option_fails_every_call_that_reads_it() {
    let project = Project::package().option("binry", text("dist"));
    let mut host = Host::start(&[]).await;
    let error = host.run(&project).await.error;
    assert!(
        error.contains("runtime.options.binry is not an option"),
        "{error}"
    );
    let request = GetRequiredPackagesRequest {
        info: Some(project.info()),
    };
    assert!(host.client.get_required_packages(request).await.is_err());
    assert!(!fs::exists(project.at("target")).unwrap());
}
