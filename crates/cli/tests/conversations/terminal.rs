//! Help, completions, colors and pipes.

use std::process::Command;

use clap::CommandFactory as _;
use phoenix_cli::Cli;

use crate::support::Checkout;

#[test]
fn help_goes_to_stdout_and_usage_errors_to_stderr_with_exit_code_1() {
    let checkout = Checkout::bare();
    for arguments in [&["--help"][..], &["preview", "--help"], &["--version"]] {
        let answer = checkout.phoenix(arguments);
        assert_eq!((answer.code, answer.err.as_str()), (0, ""), "{answer}");
        assert!(!answer.out.is_empty());
    }
    for arguments in [
        &["--no-such-option"][..],
        &["no-such-verb"],
        &["render"],
        &[],
        &["preview", "--allow-destructive", "qdrant"],
    ] {
        let answer = checkout.phoenix(arguments);
        assert_eq!((answer.code, answer.out.as_str()), (1, ""), "{answer}");
        assert!(!answer.err.is_empty());
    }
}

#[test]
fn every_shell_gets_its_completions_anywhere() {
    let elsewhere = tempfile::tempdir().unwrap();
    let checkout = Checkout::bare();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let answer = checkout.answer(
            checkout
                .command(&["completions", shell])
                .current_dir(elsewhere.path()),
        );
        assert_eq!(answer.code, 0, "{answer}");
        for verb in Cli::command().get_subcommands() {
            let name = verb.get_name();
            assert!(answer.out.contains(name), "{shell} completes {name}");
            let options = verb.get_arguments().filter(|option| !option.is_hide_set());
            for option in options.filter_map(clap::Arg::get_long) {
                // Elvish and PowerShell list options with two dashes, fish without.
                assert!(
                    answer.out.contains(option),
                    "{shell} completes --{option} of {name}"
                );
            }
        }
        if shell == "bash" {
            checkout.write("completions.bash", &answer.out);
            let parsed = Command::new("bash")
                .args(["-n", "completions.bash"])
                .current_dir(checkout.root())
                .output()
                .unwrap();
            assert!(parsed.status.success(), "{parsed:?}");
        }
        // The others complete verbs and options only.
        if ["bash", "zsh"].contains(&shell) {
            assert!(
                answer.out.contains("qdrant.replicas"),
                "keys for explain: {shell}"
            );
        }
    }
}

#[test]
fn the_schema_goes_to_stdout_or_to_a_file() {
    let checkout = Checkout::bare();
    let answer = checkout.phoenix(&["schema"]);
    assert_eq!(answer.code, 0);
    assert_eq!(checkout.phoenix(&["schema", "-o", "schema.json"]).code, 0);
    assert_eq!(
        std::fs::read_to_string(checkout.path("schema.json")).unwrap(),
        answer.out
    );
}

#[test]
fn color_is_optional_and_adds_no_text() {
    let checkout = Checkout::with_a_leftover();
    let plain = checkout.phoenix(&["preview"]).out;
    assert!(!plain.contains('\u{1b}'));
    let colored = checkout.phoenix(&["preview", "--color", "always"]).out;
    assert!(colored.contains('\u{1b}'));
    let mut rest = String::new();
    for (position, piece) in colored.split('\u{1b}').enumerate() {
        rest.push_str(if position == 0 {
            piece
        } else {
            piece.split_once('m').unwrap().1
        });
    }
    assert_eq!(rest, plain);
}

#[test]
fn the_variables_of_the_environment_that_control_color_are_honored() {
    let checkout = Checkout::with_a_leftover();
    let colored = |variables: &[(&str, &str)]| {
        let mut command = checkout.command(&["preview"]);
        command.envs(variables.iter().copied());
        checkout.answer(&mut command).out.contains('\u{1b}')
    };
    assert!(colored(&[("CLICOLOR_FORCE", "1")]));
    assert!(!colored(&[("NO_COLOR", "1")]));
    assert!(!colored(&[("TERM", "dumb")]));
}

#[test]
fn the_checkout_is_found_from_a_directory_inside_it() {
    let checkout = Checkout::new();
    let answer = checkout.answer(
        checkout
            .command(&["preview", "dev"])
            .current_dir(checkout.path("stacks")),
    );
    assert_eq!(answer.code, 0, "{answer}");
    assert!(answer.out.starts_with("dev: no changes from HEAD"), "{answer}");
}
