//! Other policy tools, which are measured if they are installed. Row P2.
//!
//! conftest and Kyverno come without rules for this purpose; they get eighty and fifteen from `benches/peers`, so they
//! evaluate fewer rules than the policy pack. Checkov and kube-score use their built-in rules.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::corpus::Corpus;
use crate::measure::Run;

/// A policy tool.
#[derive(Debug)]
pub struct Peer {
    /// The name of its executable.
    pub name: &'static str,
    /// The goal: how many times faster `phoenix check` is, at least.
    pub goal: f64,
    /// The number of measured pairs.
    pub count: usize,
    /// The arguments that print its version.
    version_arguments: &'static [&'static str],
    arguments: fn(root: &Path, manifests: &Path) -> Vec<OsString>,
}

/// The tools that are measured.
pub const PEERS: [Peer; 3] = [
    Peer {
        name: "conftest",
        goal: 10.0,
        count: 11,
        version_arguments: &["--version"],
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
        version_arguments: &["version"],
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
        version_arguments: &["--version"],
        arguments: |_, manifests| {
            // Without `--skip-download` it contacts its vendor.
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
    /// Its path, if it is on `PATH`.
    pub fn find(&self) -> Option<PathBuf> {
        let search = std::env::var_os("PATH")?;
        std::env::split_paths(&search)
            .map(|folder| folder.join(self.name))
            .find(|path| path.is_file())
    }

    /// Its version: the module version of a Go program, otherwise the first word in its version output that looks like a
    /// version number.
    pub fn version(&self, program: &Path) -> String {
        let output = |command: &mut Command| {
            command.output().map_or_else(
                |_| String::new(),
                |output| String::from_utf8_lossy(&output.stdout).into_owned(),
            )
        };
        let built_from = output(Command::new("go").args(["version", "-m"]).arg(program));
        let module = built_from.lines().find_map(|line| {
            let mut words = line.split_whitespace();
            (words.next() == Some("mod")).then(|| words.nth(1).unwrap_or_default().to_owned())
        });
        let version = module.or_else(|| {
            let answer = output(Command::new(program).args(self.version_arguments));
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

    /// The command that checks a corpus.
    pub fn run(&self, program: &Path, root: &Path, corpus: &Corpus) -> Run {
        Run {
            program: program.to_owned(),
            arguments: (self.arguments)(root, &corpus.yaml),
            stdin: "/dev/null".into(),
            directory: root.to_owned(),
            environment: [].into(),
            tree: false,
            // 1: findings.
            expected_codes: &[0, 1],
        }
    }
}
