//! A checkout to talk about, and the command to talk to.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use phoenix::platform;
use phoenix_cli::formats;
use phoenix_cli::stack_file::StackFile;
use phoenix_testing::http::HttpStub;
use phoenix_testing::json_schema::violations;
use serde_json::Value;

/// The stacks that a checkout has.
pub const STACKS: [&str; 3] = ["dev", "prod", "staging"];

/// A copy of what this repository declares, in a temporary folder.
pub struct Checkout {
    folder: tempfile::TempDir,
    /// A server that the checkout's kubeconfig names; its violations fail the test when the checkout is dropped.
    server: Option<Arc<HttpStub>>,
}

/// What a command answered.
pub struct Answer {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Checkout {
    /// The stack files and the project, without git.
    pub fn bare() -> Self {
        let checkout = Self {
            folder: tempfile::tempdir().expect("a temporary folder can be made"),
            server: None,
        };
        let repository = repository();
        for file in ["Pulumi.yaml", "Cargo.toml"] {
            checkout.write(
                file,
                &fs::read_to_string(repository.join(file)).expect("the repository has it"),
            );
        }
        let stacks = STACKS.map(|stack| format!("stacks/Pulumi.{stack}.yaml"));
        let definitions = ["common", "staging", "prod"].map(|name| format!("stacks/esc/{name}.yaml"));
        for file in stacks.iter().chain(&definitions) {
            let text = fs::read_to_string(repository.join(file)).expect("the repository has it");
            checkout.write(file, &text);
        }
        let profile = "policies/profiles/dev.yaml";
        let text = fs::read_to_string(repository.join(profile)).expect("the repository has it");
        checkout.write(profile, &text);
        // What the policies find in the larger stacks changes with the platform, and is reviewed elsewhere.
        for environment in ["staging", "prod"] {
            checkout.write(
                &format!("policies/profiles/{environment}.yaml"),
                "all: disabled\n",
            );
        }
        checkout
    }

    /// The same in git, without a commit.
    pub fn without_commits() -> Self {
        let checkout = Self::bare();
        checkout.git(&["init", "--quiet", "--initial-branch", "main"]);
        checkout
    }

    /// The same with one commit, snapshots included.
    pub fn new() -> Self {
        let checkout = Self::without_commits();
        checkout.snapshot();
        checkout.commit("The platform");
        checkout
    }

    /// A branch with a stack of one object more than the code declares, so that the object is deleted.
    pub fn with_a_leftover() -> Self {
        let checkout = Self::new();
        let leftover = "---\nsource: tests/it/stacks.rs\n---\n---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata:\n  \
                        name: leftover\n  namespace: sophia-memory\n";
        checkout.write("tests/snapshots/dev/qdrant_old.yaml.snap", leftover);
        checkout.commit("A claim that the code no longer declares");
        checkout
    }

    /// Keeps a server running as long as the checkout.
    pub fn keep(&mut self, server: Arc<HttpStub>) {
        self.server = Some(server);
    }

    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("folders can be made");
        fs::write(path, text).expect("files can be written");
    }

    /// Replaces a piece of a file that is there once.
    pub fn edit(&self, path: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path(path)).expect("the file is there");
        assert_eq!(text.matches(from).count(), 1, "{from:?} in {path}");
        self.write(path, &text.replace(from, to));
    }

    /// Evaluates the stack dev with this rule only; the rule is written as in a profile.
    pub fn evaluate_dev_with(&self, rule: &str) {
        let profile = format!("all: disabled\nrules:\n  {rule}\n");
        self.write("policies/profiles/dev.yaml", &profile);
    }

    /// Replaces the policy settings of the stack dev.
    pub fn set_policies_of_dev(&self, settings: &str) {
        let file = "stacks/Pulumi.dev.yaml";
        let text = fs::read_to_string(self.path(file)).expect("the file is there");
        let (before, after) = text
            .split_once("\n  phoenix:policies:\n")
            .expect("the stack has policy settings");
        let rest = &after[after.find("\n  phoenix:").expect("it is not the last key")..];
        let own = format!("  phoenix:policies:\n    {}", settings.replace('\n', "\n    "));
        self.write(file, &format!("{before}\n{own}{rest}"));
    }

    /// Writes what the stack files declare now as their snapshots.
    pub fn snapshot(&self) {
        for stack in STACKS {
            let text = fs::read_to_string(self.path(&format!("stacks/Pulumi.{stack}.yaml")))
                .expect("the file is there");
            let file = StackFile::parse("stack", text).expect("the stack file can be read");
            let config = file.checked().expect("the stack file is good");
            let graph = platform::build(&config);
            for system in platform::SYSTEMS {
                let yaml = graph.component(system).yaml();
                self.write(
                    &format!("tests/snapshots/{stack}/{system}.yaml.snap"),
                    &format!("---\nsource: tests/it/stacks.rs\n---\n{yaml}"),
                );
            }
        }
    }

    pub fn commit(&self, message: &str) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", message]);
        self.git(&["rev-parse", "HEAD"]).trim().to_owned()
    }

    pub fn git(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("git");
        quiet(&mut command, self.root());
        command
            .arg("-C")
            .arg(self.root())
            .args(["-c", "user.name=Tests", "-c", "user.email=tests@example.com"])
            .args(arguments);
        let output = command.output().expect("git can be run");
        assert!(
            output.status.success(),
            "git {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("git answers in UTF-8")
    }

    /// The command, ready to be given more.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(crate::PROGRAM);
        quiet(&mut command, self.root());
        command
            .current_dir(self.root())
            .args(arguments)
            .stdin(Stdio::null());
        command
    }

    /// What the command answers.
    pub fn phoenix(&self, arguments: &[&str]) -> Answer {
        self.answer(&mut self.command(arguments))
    }

    /// The same, with a text on stdin.
    pub fn phoenix_with_input(&self, arguments: &[&str], input: &str) -> Answer {
        self.write("input", input);
        let input = fs::File::open(self.path("input")).expect("it was just written");
        self.answer(self.command(arguments).stdin(Stdio::from(input)))
    }

    pub fn answer(&self, command: &mut Command) -> Answer {
        let output = command.output().expect("the command can be run");
        let text =
            |bytes: Vec<u8>| self.steady(&String::from_utf8(bytes).expect("the command answers in UTF-8"));
        let answer = Answer {
            code: output.status.code().expect("it ended by itself"),
            out: text(output.stdout),
            err: text(output.stderr),
        };
        answer.matches_its_schema();
        answer
    }

    /// A text without what is different in every run: this folder, and the names of commits.
    fn steady(&self, text: &str) -> String {
        let real = fs::canonicalize(self.root()).expect("the folder is there");
        let text = text
            .replace(&*real.to_string_lossy(), "ROOT")
            .replace(&*self.root().to_string_lossy(), "ROOT");
        let commits = if self.path(".git").exists() {
            self.git(&["rev-list", "--all"])
        } else {
            String::new()
        };
        commits.lines().fold(text, |text, commit| {
            text.replace(commit, "COMMIT").replace(&commit[..10], "COMMIT")
        })
    }
}

impl Answer {
    /// Every JSON document, except SARIF and schemas, conforms to the schema of its format.
    fn matches_its_schema(&self) {
        let Ok(document) = serde_json::from_str::<Value>(&self.out) else {
            return;
        };
        if !document.is_object() || document.get("$schema").is_some() {
            return;
        }
        let format = document["format"]
            .as_str()
            .unwrap_or_else(|| panic!("no format: {self}"));
        let schema = formats::schema(format).unwrap_or_else(|| panic!("the format {format} has no schema"));
        let schema = serde_json::from_str(schema).expect("the schema is JSON");
        assert_eq!(violations(&schema, &document), Vec::<String>::new(), "{self}");
    }

    /// The document on stdout.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self}"))
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "exit {}\n--- stdout\n{}--- stderr\n{}",
            self.code,
            without_checksums(&self.out),
            self.err
        )
    }
}

/// Checksums of settings change with every change of a system; what a test is about does not.
fn without_checksums(text: &str) -> String {
    let is_checksum = |word: &str| word.starts_with("sha256-");
    let words = text
        .split_inclusive([' ', '\n'])
        .map(|word| match word.trim_end() {
            checksum if is_checksum(checksum) => word.replace(checksum, "CHECKSUM"),
            _ => word.to_owned(),
        });
    words.collect()
}

/// Nothing of the person who runs the tests may leak into them.
fn quiet(command: &mut Command, home: &Path) {
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("GIT_") || name.starts_with("PULUMI_") {
            command.env_remove(&*name);
        }
    }
    command
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0");
    // rustup finds its toolchains through these, and they are all that a home is needed for.
    for (name, folder) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
        if let (None, Some(home)) = (std::env::var_os(name), std::env::var_os("HOME")) {
            command.env(name, Path::new(&home).join(folder));
        }
    }
    command
        .env("HOME", home)
        .env("RUST_BACKTRACE", "1")
        .env_remove("KUBECONFIG")
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("NO_COLOR");
}

pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("the package is two levels below the root")
        .to_owned()
}
