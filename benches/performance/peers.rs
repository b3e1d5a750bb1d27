//! Other programs that judge manifests: where they are installed, they are measured too. Row P2.
//!
//! conftest and Kyverno judge by rules that somebody has to write: of `benches/peers`, eighty for the one and fifteen for
//! the other, so that they have less to do than the policy pack. Checkov and kube-score have rules of their own.

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
            let rules = root.join("benches/peers/manifests.rego");
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

    /// Its version: of a Go program, that of the module it was built from; else the first word of its answer that has
    /// digits and dots.
    pub fn version(&self, program: &Path) -> String {
        let asked = |command: &mut Command| {
            let answer = command.output();
            answer.map_or_else(
                |_| String::new(),
                |answer| String::from_utf8_lossy(&answer.stdout).into_owned(),
            )
        };
        let built_from = asked(Command::new("go").args(["version", "-m"]).arg(program));
        let module = built_from.lines().find_map(|line| {
            let mut words = line.split_whitespace();
            (words.next() == Some("mod")).then(|| words.nth(1).unwrap_or_default().to_owned())
        });
        let version = module.or_else(|| {
            let answer = asked(Command::new(program).args(self.question));
            let mut words = answer.split_whitespace();
            let is_version = |word: &&str| {
                word.trim_start_matches('v')
                    .starts_with(|first: char| first.is_ascii_digit())
                    && word.contains('.')
            };
            words.find(is_version).map(str::to_owned)
        });
        version
            .unwrap_or_else(|| "unknown".to_owned())
            .trim_start_matches('v')
            .to_owned()
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
