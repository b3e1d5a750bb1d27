//! The page that a person follows after an interruption, as commands.

use super::run;
use crate::live::{Live, root, said};

/// Types what the page says, step by step, up to the verb that is wanted in the end. Every command must succeed.
pub fn follow(live: &Live, stack: &str, verb: &str) {
    for arguments in commands() {
        let words: Vec<String> = arguments
            .iter()
            .flat_map(|word| match word.as_str() {
                "STACK" => vec![stack],
                "VERB" => verb.split(' ').collect(),
                word => vec![word],
            })
            .map(str::to_owned)
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let output = run::engine(live, &words).output();
        assert!(
            output.status.success(),
            "pulumi {}: {}",
            words.join(" "),
            said(&output)
        );
    }
}

/// The commands of `docs/how-to/after-an-interruption.md`.
fn commands() -> Vec<Vec<String>> {
    let page = std::fs::read_to_string(root().join("docs/how-to/after-an-interruption.md")).unwrap();
    let found: Vec<Vec<String>> = page
        .lines()
        .filter_map(|line| line.trim().strip_prefix("$ pulumi "))
        .map(|command| command.split_whitespace().map(str::to_owned).collect())
        .collect();
    let verbs: Vec<&str> = found.iter().map(|words| words[0].as_str()).collect();
    assert_eq!(verbs, ["cancel", "refresh", "VERB"], "what the page says to type");
    found
}
