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

#[test]
fn names_and_values_from_manifests_cannot_forge_output() {
    let checkout = Checkout::bare();
    let nasty = "a\\n::set-output name=x::y\\e[31m\\u202e##[error]x";
    let pod = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: \"{nasty}\", namespace: \"{nasty}\"}}\nspec:\n  hostNetwork: true\n  \
         containers:\n  - {{name: \"{nasty}\", image: \"{nasty}\", securityContext: {{privileged: true}}}}\n"
    );
    let file = "m\u{1b}[31m\u{202e}\n::error::x.yaml";
    checkout.write(file, &pod);
    checkout.write("broken\u{1b}[2J.yaml", "a: [\n");
    for format in ["text", "json", "sarif"] {
        for color in ["never", "always"] {
            let answer = checkout.phoenix(&[
                "check",
                "--file",
                file,
                "--file",
                "broken\u{1b}[2J.yaml",
                "--format",
                format,
                "--color",
                color,
            ]);
            assert_eq!(answer.code, 1, "{answer}");
            for text in [&answer.out, &answer.err] {
                let own = [
                    "\u{1b}[0m",
                    "\u{1b}[1m",
                    "\u{1b}[2m",
                    "\u{1b}[31m",
                    "\u{1b}[32m",
                    "\u{1b}[33m",
                ];
                let text = own
                    .iter()
                    .fold(text.clone(), |text, style| text.replace(style, ""));
                assert!(
                    !text.contains(['\u{1b}', '\u{202e}', '\r']) && !text.contains("##["),
                    "{text}"
                );
                assert!(
                    text.lines().all(|line| !line.trim_start().starts_with("::")),
                    "{text}"
                );
                if color == "never" {
                    assert!(
                        !answer.out.contains('\u{1b}') && !answer.err.contains('\u{1b}'),
                        "{answer}"
                    );
                }
            }
        }
    }
}

#[test]
fn the_schemas_of_the_output_formats_are_printed() {
    let checkout = Checkout::bare();
    for (format, schema) in phoenix_cli::formats::FORMATS {
        let answer = checkout.phoenix(&["schema", "--of", format]);
        assert_eq!((answer.code, answer.out.as_str()), (0, schema), "{format}");
    }
    assert_eq!(checkout.phoenix(&["schema", "--of", "nothing"]).code, 1);
}

#[test]
fn the_list_of_secrets_fits_into_80_columns() {
    let checkout = Checkout::bare();
    for stack in crate::support::STACKS {
        let answer = checkout.phoenix(&["secrets", "list", stack]);
        assert_eq!(answer.code, 0, "{answer}");
        let longest = answer.out.lines().map(|line| line.chars().count()).max();
        assert!(longest <= Some(80), "{answer}");
    }
}
