//! Help, completions, colours: the manners of the command.

use std::process::Command;

use clap::CommandFactory as _;
use phoenix_cli::Cli;

use crate::support::Checkout;

#[test]
fn help_is_data_and_a_usage_error_is_talk_that_ends_with_1() {
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
fn the_schema_goes_to_stdout_or_into_a_file() {
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
fn colour_comes_only_where_it_was_asked_for_and_says_nothing_new() {
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
fn the_checkout_is_found_from_a_folder_inside_it() {
    let checkout = Checkout::new();
    let answer = checkout.answer(
        checkout
            .command(&["preview", "dev"])
            .current_dir(checkout.path("stacks")),
    );
    assert_eq!(answer.code, 0, "{answer}");
    assert!(
        answer.out.starts_with("dev: nothing differs from HEAD"),
        "{answer}"
    );
}
