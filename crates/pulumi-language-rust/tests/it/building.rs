//! Cargo runs once, and again only when something has changed.

use crate::support::{CountingCargo, Host, Project, eventually, text};
use pulumi_wire::fake::FakeEngine;
use pulumi_wire::proto::{AboutRequest, RunResponse};
use std::fs::{self, File};
use std::time::{Duration, SystemTime};

/// A project that has been built once.
struct Built {
    project: Project,
    cargo: CountingCargo,
}

impl Built {
    async fn new() -> Self {
        let built = Self {
            project: Project::package(),
            cargo: CountingCargo::new(),
        };
        assert_eq!(built.run_again().await, RunResponse::default());
        assert_eq!(built.cargo.asked().len(), 1);
        built
    }

    /// Runs it in another host, as every operation does.
    async fn run_again(&self) -> RunResponse {
        Host::start(&[("PATH", &self.cargo.path())])
            .await
            .run(&self.project)
            .await
    }

    /// How often cargo is asked by two more runs.
    async fn asked_by_two_runs(&self) -> usize {
        let before = self.cargo.asked().len();
        for _ in 0..2 {
            assert_eq!(self.run_again().await, RunResponse::default());
        }
        self.cargo.asked().len() - before
    }

    fn touch(&self, path: &str) {
        let file = File::options().append(true).open(self.project.at(path)).unwrap();
        // The clock of files lags some milliseconds behind the other one: a pause on both sides puts the change after
        // the last build and before the next.
        std::thread::sleep(Duration::from_millis(20));
        file.set_modified(SystemTime::now()).unwrap();
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[tokio::test]
async fn cargo_is_not_asked_when_nothing_has_changed() {
    assert_eq!(Built::new().await.asked_by_two_runs().await, 0);
}

#[tokio::test]
async fn a_touched_source_or_manifest_asks_cargo_once() {
    let built = Built::new().await;
    for path in ["src/main.rs", "Cargo.toml"] {
        built.touch(path);
        assert_eq!(built.asked_by_two_runs().await, 1, "{path}");
    }
}

#[tokio::test]
async fn a_new_toolchain_file_or_cargo_configuration_asks_cargo_once() {
    let built = Built::new().await;
    built
        .project
        .write(".cargo/config.toml", "[term]\nverbose = false\n");
    assert_eq!(built.asked_by_two_runs().await, 1);
    fs::remove_file(built.project.at(".cargo/config.toml")).unwrap();
    assert_eq!(built.asked_by_two_runs().await, 1);
}

#[tokio::test]
async fn a_local_crate_that_the_program_uses_counts_too() {
    let built = Built::new().await;
    built.project.write(
        "part/Cargo.toml",
        "[package]\nname = \"part\"\nedition = \"2024\"\n",
    );
    built.project.write("part/src/lib.rs", "//! Nothing yet.\n");
    // What a build script makes is younger than the build's start, and no reason to build again.
    built.project.write(
        "part/build.rs",
        "fn main() {\n    println!(\"cargo::rerun-if-changed=words\");\n    \
         std::fs::write(format!(\"{}/made.rs\", std::env::var(\"OUT_DIR\").unwrap()), \"pub const MADE: u8 = 1;\").unwrap();\n}\n",
    );
    built.project.write("part/words/one.txt", "one");
    built.project.write(
        "part/src/lib.rs",
        "include!(concat!(env!(\"OUT_DIR\"), \"/made.rs\"));\n",
    );
    built.project.write(
        "Cargo.toml",
        "[package]\nname = \"tiny\"\nedition = \"2024\"\n[dependencies]\npart = { path = \"part\" }\n[workspace]\n",
    );
    built.project.write(
        "src/main.rs",
        "fn main() {\n    println!(\"{}\", part::MADE);\n}\n",
    );
    fs::remove_file(built.project.at("Cargo.lock")).unwrap();
    assert_eq!(built.asked_by_two_runs().await, 1, "the new crate");
    for path in ["part/src/lib.rs", "part/Cargo.toml", "part/words/one.txt"] {
        built.touch(path);
        assert_eq!(built.asked_by_two_runs().await, 1, "{path}");
    }
}

#[tokio::test]
async fn the_profile_is_dev_unless_the_project_names_another() {
    let built = Built::new().await;
    assert!(
        built.cargo.asked()[0].contains("--profile dev "),
        "{:?}",
        built.cargo.asked()
    );
    assert!(built.project.at("target/debug/tiny").exists());
    let Built { project, cargo } = built;
    let built = Built {
        project: project.option("profile", text("release")),
        cargo,
    };
    assert_eq!(built.asked_by_two_runs().await, 1);
    assert!(built.project.at("target/release/tiny").exists());
}

#[tokio::test]
async fn a_package_of_the_workspace_is_built_and_run_in_the_folder_of_the_project() {
    let cargo = CountingCargo::new();
    let project = Project::empty().option("package", text("program"));
    project.write(
        "Cargo.toml",
        "[workspace]\nmembers = [\"crates/*\"]\nresolver = \"3\"\n",
    );
    project.write(
        "crates/program/Cargo.toml",
        "[package]\nname = \"program\"\nedition = \"2024\"\n",
    );
    project.write(
        "crates/program/src/main.rs",
        "fn main() {\n    std::fs::write(\"seen\", \"\").unwrap();\n}\n",
    );
    project.write(
        "crates/other/Cargo.toml",
        "[package]\nname = \"other\"\nedition = \"2024\"\n",
    );
    project.write(
        "crates/other/src/lib.rs",
        "compile_error!(\"not part of the program\");\n",
    );
    for _ in 0..2 {
        let mut host = Host::start(&[("PATH", &cargo.path())]).await;
        assert_eq!(host.run(&project).await, RunResponse::default());
    }
    assert_eq!(cargo.asked().len(), 1, "{:?}", cargo.asked());
    assert!(
        project.at("seen").exists(),
        "the program runs in the folder of Pulumi.yaml"
    );
    assert!(project.at("target/debug/program").exists());
}

#[tokio::test]
async fn a_package_that_the_workspace_does_not_have_is_reported_before_anything_is_built() {
    let cargo = CountingCargo::new();
    let project = Project::package().option("package", text("absent"));
    let error = Host::start(&[("PATH", &cargo.path())])
        .await
        .run(&project)
        .await
        .error;
    assert!(
        error.starts_with("runtime.options.package names absent, but the workspace ")
            && error.contains("\nhint: "),
        "{error}"
    );
    assert_eq!(cargo.asked().len(), 0);
}

#[tokio::test]
async fn a_setting_that_steers_cargo_asks_cargo_once() {
    let built = Built::new().await;
    let run = async || {
        let variables = [
            ("PATH", &*built.cargo.path()),
            ("RUSTFLAGS", "-Cdebug-assertions=no"),
        ];
        Host::start(&variables).await.run(&built.project).await
    };
    run().await;
    run().await;
    assert_eq!(built.cargo.asked().len(), 2);
}

#[tokio::test]
async fn two_hosts_at_once_build_once() {
    let project = Project::package();
    let cargo = CountingCargo::new();
    let path = cargo.path();
    let engine = FakeEngine::preview().start().await;
    let (mut one, mut other) = (
        Host::start(&[("PATH", &path)]).await,
        Host::start(&[("PATH", &path)]).await,
    );
    let mut third = Host::start(&[("PATH", &path)]).await;
    let (first, second, about) = tokio::join!(
        one.run_for(&project, &engine),
        other.run_for(&project, &engine),
        third.client.about(AboutRequest {
            info: Some(project.info())
        }),
    );
    assert_eq!((first, second), (RunResponse::default(), RunResponse::default()));
    assert!(about.is_ok());
    assert_eq!(cargo.asked().len(), 1, "{:?}", cargo.asked());
    for host in [&one, &other] {
        eventually("both have run", || host.stdout() == "tiny says hello\n").await;
    }
}

#[tokio::test]
async fn a_program_that_does_not_compile_is_told_in_short_and_shown_in_full() {
    let built = Built::new().await;
    built.project.write("src/main.rs", "fn main() { wrong }");
    let mut host = Host::start(&[("PATH", &built.cargo.path())]).await;
    let error = host.run(&built.project).await.error;
    assert!(
        error.contains("building tiny in ") && error.contains("cargo failed with code 101"),
        "{error}"
    );
    eventually("the compiler's words are shown", || {
        host.stderr().contains("cannot find value `wrong`")
    })
    .await;
    assert_eq!(host.stdout(), "", "nothing of cargo's reaches stdout");
    built.project.write("src/main.rs", "fn main() {}");
    assert_eq!(host.run(&built.project).await, RunResponse::default());
}

#[tokio::test]
async fn a_run_does_not_alter_the_lock_file() {
    let built = Built::new().await;
    assert!(
        !built.cargo.asked()[0].contains("--locked"),
        "there was no lock file yet"
    );
    built
        .project
        .write("part/Cargo.toml", "[package]\nname = \"part\"\n");
    built.project.write("part/src/lib.rs", "");
    let lock = fs::read_to_string(built.project.at("Cargo.lock")).unwrap();
    built.project.write(
        "Cargo.toml",
        "[package]\nname = \"tiny\"\nedition = \"2024\"\n[dependencies]\npart = { path = \"part\" }\n[workspace]\n",
    );
    let error = built.run_again().await.error;
    assert!(
        error.contains("hint: repair the program; if only the lock file is out of date, `pulumi install`"),
        "{error}"
    );
    assert_eq!(fs::read_to_string(built.project.at("Cargo.lock")).unwrap(), lock);
}

#[tokio::test]
async fn a_build_script_sees_no_secret() {
    let project = Project::package();
    project.write(
        "build.rs",
        "fn main() {\n    let all: Vec<_> = std::env::vars().collect();\n    std::fs::write(\"seen\", format!(\"{all:?}\")).unwrap();\n}\n",
    );
    let mut host = Host::start(&[
        ("PULUMI_CONFIG_PASSPHRASE", "hunter2"),
        ("PULUMI_ACCESS_TOKEN", "hunter2"),
        ("AWS_SESSION_TOKEN", "hunter2"),
        ("OPENAI_API_KEY", "hunter2"),
        ("ORDINARY", "seen by build scripts"),
    ])
    .await;
    assert_eq!(host.run(&project).await, RunResponse::default());
    let seen = fs::read_to_string(project.at("seen")).unwrap();
    assert!(
        seen.contains("seen by build scripts") && !seen.contains("hunter2"),
        "{seen}"
    );
}

#[tokio::test]
async fn cancel_ends_a_build() {
    let project = Project::package();
    project.write("build.rs", "fn main() {\n    std::fs::write(\"started\", \"\").unwrap();\n    std::thread::sleep(std::time::Duration::from_secs(300));\n}\n");
    let host = Host::start(&[]).await;
    let engine = FakeEngine::preview().start().await;
    let (mut client, request) = (host.client.clone(), project.request(&engine.address()));
    let run = tokio::spawn(async move { client.run(request).await.unwrap().into_inner() });
    eventually("the build has begun", || project.at("started").exists()).await;
    host.client.clone().cancel(()).await.unwrap();
    let error = run.await.unwrap().error;
    assert!(
        error.ends_with("stopped, because the operation was cancelled"),
        "{error}"
    );
}
