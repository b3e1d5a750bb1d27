//! Other programs that judge manifests: where they are installed, they are measured too. Row P2.
//!
//! conftest and Kyverno judge by rules that somebody has to write; those of `benches/peers` are fifteen about pods, so
//! that they have less to do than the policy pack. Checkov and kube-score have rules of their own.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::corpus::Corpus;
use crate::measure::Run;

/// A program that judges manifests.
#[derive(Debug)]
pub struct Peer {
    /// What it is called, also on `PATH`.
    pub name: &'static str,
    /// How many times faster we want to be than it, at the least.
    pub goal: f64,
    /// How often it is measured.
    pub count: usize,
    /// What it is asked for its version.
    question: &'static [&'static str],
    arguments: fn(root: &Path, manifests: &Path) -> Vec<OsString>,
}

/// Those that we know how to ask.
pub const PEERS: [Peer; 3] = [
    Peer {
        name: "conftest",
        goal: 10.0,
        count: 11,
        question: &["--version"],
        arguments: |root, manifests| {
            let rules = root.join("benches/peers/pods.rego");
            [
                "test".into(),
                "--no-color".into(),
                "--policy".into(),
                rules.into(),
                manifests.into(),
            ]
            .into()
        },
    },
    Peer {
        name: "kyverno",
        goal: 45.0,
        count: 5,
        question: &["version"],
        arguments: |root, manifests| {
            let rules = root.join("benches/peers/pods.kyverno.yaml");
            [
                "apply".into(),
                rules.into(),
                "--resource".into(),
                manifests.into(),
            ]
            .into()
        },
    },
    Peer {
        name: "checkov",
        goal: 190.0,
        count: 3,
        question: &["--version"],
        arguments: |_, manifests| {
            // Without the last word it asks its maker for news.
            let words = [
                "--framework",
                "kubernetes",
                "--quiet",
                "--compact",
                "--skip-download",
                "--file",
            ];
            words
                .into_iter()
                .map(Into::into)
                .chain([manifests.into()])
                .collect()
        },
    },
];

impl Peer {
    /// Where it is on `PATH`, if anywhere.
    pub fn find(&self) -> Option<PathBuf> {
        let search = std::env::var_os("PATH")?;
        std::env::split_paths(&search)
            .map(|folder| folder.join(self.name))
            .find(|path| path.is_file())
    }

    /// What it says of its version: the first word with digits and dots.
    pub fn version(&self, program: &Path) -> String {
        let answer = Command::new(program).args(self.question).output();
        let words = answer.map(|answer| String::from_utf8_lossy(&answer.stdout).into_owned());
        let words = words.unwrap_or_default();
        let version = words.split_whitespace().find(|word| {
            word.trim_start_matches('v')
                .starts_with(|first: char| first.is_ascii_digit())
                && word.contains('.')
        });
        version.unwrap_or("unknown").trim_start_matches('v').to_owned()
    }

    /// It judges a corpus.
    pub fn run(&self, program: &Path, root: &Path, corpus: &Corpus) -> Run {
        Run {
            program: program.to_owned(),
            arguments: (self.arguments)(root, &corpus.yaml),
            stdin: "/dev/null".into(),
            directory: root.to_owned(),
            environment: [].into(),
            tree: false,
            // 1 is that it found something.
            ends_with: &[0, 1],
        }
    }
}
