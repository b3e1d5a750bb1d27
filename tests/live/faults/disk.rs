//! A disk for the state that is too small for it.
//!
//! The means is a small tmpfs over the folder of the state, in a mount namespace of the run's own: nobody else sees it, and it ends with the run.
//! What was in it in the end becomes the folder's content, as if somebody had made room on the disk.

use std::ffi::OsString;
use std::path::Path;
use std::process::Output;

use super::run::Run;
use crate::live::Live;

/// Lays the small disk over `$1`, copies what is there onto it, runs the rest, and copies what is left to `$2`.
const SCRIPT: &str = r#"
set -e
state=$1 copy=$2 kibibytes=$3
shift 3
cp -a "$state" "$copy.before"
mount -t tmpfs -o "size=${kibibytes}k" tmpfs "$state"
cp -a "$copy.before/." "$state"
code=0
"$@" || code=$?
cp -a "$state" "$copy"
exit "$code"
"#;

/// How much of the new state the disk has room for: some checkpoints, and not the last.
const ROOM: u64 = 160;

/// Runs the engine while its state lies on a disk that becomes full.
pub fn run_on_a_small_one(live: &Live, run: Run) -> Output {
    let state = live.directory().join("state");
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("state");
    let size = kibibytes(&state) + ROOM;
    let arguments: Vec<OsString> = [
        "--mount".into(),
        "--map-root-user".into(),
        "sh".into(),
        "-c".into(),
        SCRIPT.into(),
        "sh".into(),
        state.clone().into(),
        copy.clone().into(),
        size.to_string().into(),
    ]
    .into();
    let output = run.wrapped("unshare", &arguments).output();
    std::fs::remove_dir_all(&state).unwrap();
    let moved = std::process::Command::new("cp")
        .arg("-a")
        .arg(&copy)
        .arg(&state)
        .status();
    assert!(moved.unwrap().success());
    output
}

/// Where the write of the state was cut off in the middle, puts the newest whole checkpoint of the history in its place, as the how-to says.
pub fn restore_the_state(live: &Live, stack: &str) {
    let backend = live.directory().join("state/.pulumi");
    let state = backend.join(format!("stacks/phoenix/{stack}.json"));
    if is_whole(&state) {
        return;
    }
    let history = std::fs::read_dir(backend.join(format!("history/phoenix/{stack}"))).unwrap();
    // Their names hold the time, in figures of one length.
    let newest = history
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().unwrap().ends_with(".checkpoint.json") && is_whole(path))
        .max();
    std::fs::copy(newest.expect("the history has a whole checkpoint"), state).unwrap();
}

fn is_whole(file: &Path) -> bool {
    let text = std::fs::read_to_string(file).unwrap();
    serde_json::from_str::<serde_json::Value>(&text).is_ok()
}

/// What a folder takes on a disk of pages.
fn kibibytes(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().flatten();
    let sizes = entries.map(|entry| {
        let metadata = entry.metadata().unwrap();
        if metadata.is_dir() {
            kibibytes(&entry.path())
        } else {
            metadata.len().div_ceil(4096) * 4
        }
    });
    sizes.sum()
}
