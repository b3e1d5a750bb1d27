//! Programs that a test puts somewhere and then starts.
//!
//! Another process writes them. If the test's process did, a thread that starts a program at the same moment would pass the
//! file, still open for writing, on to its child for a moment, and the kernel refuses to execute such a file ("text file
//! busy").

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Writes an executable script, and the folders above it.
///
/// # Panics
/// If the file cannot be written.
pub fn script(path: &Path, text: &str) {
    create_folder_of(path);
    let mut shell = Command::new("sh")
        .args(["-c", "cat >\"$1\" && chmod 755 \"$1\"", "sh"])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .expect("a shell starts");
    let mut input = shell.stdin.take().expect("its input is a pipe");
    input
        .write_all(text.as_bytes())
        .expect("the shell reads the script");
    drop(input);
    assert!(
        shell.wait().expect("the shell ends").success(),
        "{} cannot be written",
        path.display()
    );
}

/// Copies an executable file, and creates the folders above the copy.
///
/// # Panics
/// If the file cannot be copied.
pub fn install(program: &Path, path: &Path) {
    create_folder_of(path);
    let copied = Command::new("cp").arg(program).arg(path).status();
    assert!(
        copied.expect("cp starts").success(),
        "{} cannot be copied to {}",
        program.display(),
        path.display()
    );
}

fn create_folder_of(path: &Path) {
    let folder = path.parent().expect("a file is in a folder");
    fs::create_dir_all(folder).expect("a test can create folders");
}
