//! Two sandboxes at once, and one that is killed midway.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::live::{Live, PHOENIX, root, said};

/// Processes that belong to a sandbox's directory.
fn processes_of(live: &Live) -> Vec<String> {
    let directory = live.directory();
    let directory = directory.to_str().unwrap();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let read = |file: &str| {
            std::fs::read(entry.path().join(file))
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
                .unwrap_or_default()
        };
        let is_process = entry
            .file_name()
            .to_str()
            .is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
        if is_process && (read("environ").contains(directory) || read("cmdline").contains(directory)) {
            found.push(read("cmdline").replace('\0', " "));
        }
    }
    found
}

#[test]
#[ignore = "needs the real tools; .ci/run runs it, or: cargo test --test live -- --ignored --test-threads=1"]
fn two_sandboxes_run_side_by_side_and_leave_nothing() {
    let (one, two) = (Live::new(), Live::new());
    for live in [&one, &two] {
        let output = live.phoenix(&["sandbox", "up", "dev", "--no-deploy"]);
        assert!(output.status.success(), "{}", said(&output));
    }
    let address = |live: &Live| std::fs::read_to_string(live.sandbox().kubeconfig()).unwrap();
    assert_ne!(address(&one), address(&two));
    assert!(one.sandbox().cluster().unwrap().ready() && two.sandbox().cluster().unwrap().ready());
    assert!(processes_of(&one).len() >= 5);

    let output = one.phoenix(&["sandbox", "down"]);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(processes_of(&one), Vec::<String>::new());
    assert!(!one.directory().exists());
    assert!(
        two.sandbox().cluster().unwrap().ready(),
        "the other one does not notice"
    );
}

#[test]
#[ignore = "needs the real tools; .ci/run runs it, or: cargo test --test live -- --ignored --test-threads=1"]
fn a_sandbox_that_was_killed_midway_is_cleaned_by_down() {
    for pause in [300, 1500, 4000] {
        let live = Live::new();
        let mut up = Command::new(PHOENIX)
            .current_dir(root())
            .args(["sandbox", "up", "dev", "--dir"])
            .arg(live.directory())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(pause));
        up.kill().unwrap();
        up.wait().unwrap();
        let output = live.phoenix(&["sandbox", "down"]);
        assert!(output.status.success(), "{}", said(&output));
        assert_eq!(
            processes_of(&live),
            Vec::<String>::new(),
            "killed after {pause} ms"
        );
        assert!(!live.directory().exists());
    }
}
