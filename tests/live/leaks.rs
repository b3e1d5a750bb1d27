//! Canaries in every secret, looked for in everything that the engine, the host, the program and the provider say and write,
//! and in what the system shows of them while they run. Modes `local` and `esc-direct`; `pulumi-esc` differs from `local` only
//! in who gives the engine its configuration, and in `external-secrets` no value comes near.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;

use crate::esc::TOKEN;
use crate::esc_direct::{canaries, from_environment, start};
use crate::live::{Live, files_with, needed, said};
use phoenix_testing::canary::{self, Canaries};

/// What the system shows of the processes of a sandbox while something is done: who they are, and which of them
/// have a secret in their environment or their command line.
struct Watched {
    seen: BTreeSet<String>,
    leaking: BTreeSet<String>,
}

fn watched<T>(canaries: &Canaries, act: impl FnOnce() -> T) -> (T, Watched) {
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut watched = Watched {
                seen: BTreeSet::new(),
                leaking: BTreeSet::new(),
            };
            while !is_done.load(Ordering::Relaxed) {
                for entry in std::fs::read_dir("/proc").unwrap().flatten() {
                    look_at(&entry.path(), canaries, &mut watched);
                }
            }
            watched
        });
        let done = act();
        is_done.store(true, Ordering::Relaxed);
        (done, watcher.join().unwrap())
    })
}

/// Looks at one process. One that has ended in between shows nothing.
fn look_at(process: &Path, canaries: &Canaries, watched: &mut Watched) {
    let Ok(name) = std::fs::read_to_string(process.join("comm")) else {
        return;
    };
    let name = name.trim().to_owned();
    // This test, which knows all values, has them nowhere but in its memory.
    for file in ["environ", "cmdline"] {
        let Ok(content) = std::fs::read(process.join(file)) else {
            continue;
        };
        if canaries.are_in(&String::from_utf8_lossy(&content)) {
            watched.leaking.insert(format!("{name} {file}"));
        }
    }
    watched.seen.insert(name);
}

/// As much as anybody can ask for. What the engine writes from -v=9 on, and with it all that its plugins are sent, is a
/// known exception.
fn loud(command: &mut Command) -> &mut Command {
    command
        .env("RUST_LOG", "trace")
        .env("RUST_BACKTRACE", "full")
        .env("PULUMI_DEBUG_COMMANDS", "true")
        .env("PULUMI_EXPERIMENTAL", "true")
        .stdin(Stdio::null())
}

/// Everything a person does with a stack, and what is said to it.
fn everything(live: &Live, mode: &str) -> String {
    let plan = live.directory().join(format!("plan-of-{mode}.json"));
    let plan = plan.to_str().unwrap();
    let log = live.directory().join(format!("events-of-{mode}.json"));
    let events = ["--event-log", log.to_str().unwrap()];
    let mut words = String::new();
    for arguments in [
        &[
            "preview",
            "--diff",
            "--show-sames",
            "--show-config",
            "--save-plan",
            plan,
        ][..],
        &["preview", "--json"],
        &[
            &["up", "--yes", "--skip-preview", "--diff", "--plan", plan][..],
            &events,
        ]
        .concat(),
        &[
            "up",
            "--yes",
            "--debug",
            "--logtostderr",
            "-v=8",
            "--show-full-output",
        ],
        &["refresh", "--yes", "--diff", "--run-program"],
        &["stack", "export"],
        &["stack", "output", "--json"],
        &["stack", "--show-urns"],
        &["config"],
        &["config", "--json"],
    ] {
        let output = loud(&mut live.pulumi_as_it_is())
            .env("PHOENIX_ESC_TOKEN", TOKEN)
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", output.status);
        words += &said(&output);
    }
    let plan = std::fs::read_to_string(plan).unwrap();
    assert!(
        plan.contains("qdrant-keys"),
        "the plan was written, and is looked at with the other files"
    );
    words
}

/// Sets a secret of the stack in its own configuration, as a person would: the value does not stand in a command line.
fn set(live: &Live, key: &str, value: &str) {
    let mut child = live
        .pulumi_as_it_is()
        .args(["config", "set", "--secret", key])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(value.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

/// Somebody makes a Secret immutable, so that a change of it is refused.
fn make_immutable(live: &Live) {
    live.ask(|client| async move {
        let secrets: Api<Secret> = Api::namespaced(client, "sophia-memory");
        let body = Patch::Merge(json!({"immutable": true}));
        secrets
            .patch("qdrant-keys", &PatchParams::default(), &body)
            .await
            .unwrap();
    });
}

fn refused(live: &Live) -> Output {
    let output = loud(&mut live.pulumi_as_it_is())
        .env("PHOENIX_ESC_TOKEN", TOKEN)
        .args(["up", "--yes", "--diff"])
        .output()
        .unwrap();
    assert!(!output.status.success(), "the Secret is immutable");
    assert!(said(&output).contains("qdrant-keys"), "{}", said(&output));
    output
}

#[test]
#[ignore = "needs the real tools; .ci/run runs it, or: cargo test --test live -- --ignored --test-threads=1"]
fn no_secret_is_in_any_output_file_or_process_list() {
    let folder = tempfile::tempdir().unwrap();
    let service = start(folder.path());
    let live = Live::up("dev");
    let canaries = canaries();
    let values: Vec<_> = needed("dev").iter().map(|row| canary::value(row.key)).collect();
    // The token has to be in the environment of those that hand it on.
    let without_token = Canaries::of(values.iter().map(String::as_str));
    let examine = |mode: &str| {
        let (words, watched) = watched(&without_token, || everything(&live, mode));
        canaries.are_not_in(&words, &format!("what was said in mode {mode}"));
        assert_eq!(watched.leaking, BTreeSet::new(), "processes in mode {mode}");
        for name in ["pulumi", "pulumi-language", "phoenix-program", "pulumi-resource"] {
            assert!(
                watched
                    .seen
                    .iter()
                    .any(|seen| seen.starts_with(name) || name.starts_with(seen.as_str())),
                "{name} was looked at: {:?}",
                watched.seen
            );
        }
    };

    from_environment(&live, &service, "dev", || examine("esc-direct"));
    for row in needed("dev") {
        set(&live, &row.full_key(), &canary::value(row.key));
    }
    examine("local");

    // An error in the middle of an update is reported without values too.
    make_immutable(&live);
    set(&live, "phoenix:qdrantApiKey", &canary::value("openaiApiKey"));
    canaries.are_not_in(&said(&refused(&live)), "what a refused update says");

    // etcd is the cluster's own store of Secrets.
    let leaks = files_with(&live.directory(), &canaries, &[OsStr::new("etcd")]);
    assert_eq!(leaks, Vec::<std::path::PathBuf>::new());
}
