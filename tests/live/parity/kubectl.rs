//! Compares our reader with `kubectl`'s own, which runs in a long-lived helper (`sandbox/tools/kubernetes/reader`).
//!
//! The live lane and the fuzzer (`policies/fuzz`) share this file.

use std::io::{BufReader, BufWriter, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use phoenix_manifests::Manifests;
use serde_json::{Value, json};

/// The helper.
pub struct Kubectl {
    process: Child,
    requests: BufWriter<ChildStdin>,
    responses: BufReader<ChildStdout>,
}

/// What `kubectl` makes of a file.
pub struct Answer {
    /// The objects that it would apply.
    pub objects: Vec<Value>,
    /// Its first error.
    pub error: Option<String>,
}

impl Kubectl {
    /// Starts the helper.
    pub fn start(program: &Path) -> Self {
        let mut process = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the helper starts");
        let requests = process.stdin.take().expect("its input is a pipe");
        let responses = process.stdout.take().expect("its output is a pipe");
        Self {
            process,
            requests: BufWriter::new(requests),
            responses: BufReader::new(responses),
        }
    }

    /// Has `kubectl` read the content of a file.
    pub fn read(&mut self, content: &[u8]) -> Answer {
        let length = u32::try_from(content.len()).expect("a test file is short");
        self.requests
            .write_all(&length.to_be_bytes())
            .expect("the helper reads");
        self.requests.write_all(content).expect("the helper reads");
        self.requests.flush().expect("the helper reads");
        let mut length = [0; 4];
        self.responses
            .read_exact(&mut length)
            .expect("the helper answers");
        let mut answer = vec![0; u32::from_be_bytes(length) as usize];
        self.responses
            .read_exact(&mut answer)
            .expect("the helper answers");
        let answer: Value = serde_json::from_slice(&answer).expect("the answer is JSON");
        Answer {
            objects: answer["objects"].as_array().cloned().unwrap_or_default(),
            error: answer["error"].as_str().map(str::to_owned),
        }
    }

    /// How our reader differs from `kubectl`, if it claims to have read all of a file.
    pub fn difference(&mut self, content: &[u8]) -> Option<String> {
        let ours = read(content);
        if is_incomplete(&ours) {
            return None;
        }
        let theirs = self.read(content);
        if let Some(error) = theirs.error {
            return Some(format!("kubectl rejects it: {error}\nours: {:#?}", bodies(&ours)));
        }
        let list = json!({"apiVersion": "v1", "kind": "List", "items": theirs.objects});
        // Our form of the same objects.
        let expected = read(list.to_string().as_bytes());
        let (ours, theirs) = (bodies(&ours), bodies(&expected));
        (ours != theirs || is_incomplete(&expected)).then(|| format!("ours: {ours:#?}\nkubectl: {theirs:#?}"))
    }
}

impl Drop for Kubectl {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Reads the content of a file with our reader.
pub fn read(content: &[u8]) -> Manifests {
    let mut manifests = Manifests::new();
    manifests.read_bytes("a.yaml", content.to_vec());
    manifests
}

/// Whether a check of these would fail because something was not read.
pub fn is_incomplete(manifests: &Manifests) -> bool {
    manifests.error_count > 0 || manifests.skipped_count > 0
}

fn bodies(manifests: &Manifests) -> Vec<String> {
    let objects = manifests.graph.objects();
    let mut bodies: Vec<_> = objects.map(|object| object.body().to_string()).collect();
    bodies.sort();
    bodies
}
