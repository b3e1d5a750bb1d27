//! How `phoenix` starts `phoenix-live` for the verbs that need a network, a cluster or the sandbox.

use std::path::PathBuf;
use std::process::Command;

use phoenix_testing::programs::{install, script};

use crate::support::Checkout;

/// A folder with a copy of `phoenix`, as an installer leaves it.
struct Installed {
    checkout: Checkout,
    program: PathBuf,
}

impl Installed {
    fn new() -> Self {
        let checkout = Checkout::bare();
        let program = checkout.path("installed/phoenix");
        install(crate::PROGRAM.as_ref(), &program);
        Self { checkout, program }
    }

    fn with_live(self, text: &str) -> Self {
        script(&self.checkout.path("installed/phoenix-live"), text);
        self
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(self.checkout.root()).args(arguments);
        command
    }
}

#[test]
fn the_program_beside_phoenix_gets_the_arguments_and_its_exit_code_is_passed_on() {
    let installed = Installed::new().with_live("#!/bin/sh\nprintf '%s\\n' \"$@\"\nexit 42\n");
    let answer = installed
        .checkout
        .answer(&mut installed.command(&["sandbox", "pulumi", "--", "preview", "--diff"]));
    assert_eq!(answer.code, 42, "{answer}");
    let version = concat!("--started-by-phoenix=", env!("CARGO_PKG_VERSION"));
    let expected = [version, "sandbox", "pulumi", "--", "preview", "--diff"];
    assert_eq!(answer.out.lines().collect::<Vec<_>>(), expected);
}

#[test]
#[cfg(unix)]
fn signals_reach_the_program_because_it_replaces_phoenix() {
    use std::os::unix::process::ExitStatusExt as _;
    let installed = Installed::new().with_live("#!/bin/sh\nkill -TERM $$\n");
    let status = installed.command(&["sandbox", "status"]).status().unwrap();
    assert_eq!(status.signal(), Some(15));
}

#[test]
fn a_program_on_path_is_never_used() {
    let installed = Installed::new();
    script(
        &installed.checkout.path("elsewhere/phoenix-live"),
        "#!/bin/sh\nexit 0\n",
    );
    let mut command = installed.command(&["sandbox", "status"]);
    command.env("PATH", installed.checkout.path("elsewhere"));
    let answer = installed.checkout.answer(&mut command);
    assert_eq!(answer.code, 1, "{answer}");
    assert!(
        answer.err.contains("phoenix-live is missing") && answer.err.contains("hint: install both programs"),
        "{answer}"
    );
}

#[test]
fn without_a_cluster_doctor_and_secrets_do_not_need_the_program() {
    let installed = Installed::new();
    for arguments in [&["doctor"][..], &["doctor", "dev"], &["secrets", "check", "dev"]] {
        let mut command = installed.command(arguments);
        command.env("KUBECONFIG", installed.checkout.path("none"));
        let answer = installed.checkout.answer(&mut command);
        assert!(!answer.err.contains("phoenix-live"), "{answer}");
        assert!(!answer.out.is_empty(), "{answer}");
    }
}
