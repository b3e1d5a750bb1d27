//! Hostile manifests: nothing panics, memory stays bounded, and unreadable input is reported.
//!
//! The corpus consists of the examples of every rule and of the files of `policies/fuzz/corpus/check`, each of which once failed.
//! They are cut, doubled and mixed pseudo-randomly, with a fixed seed. `PHOENIX_FUZZ_ROUNDS=1000000` runs longer.

use std::fs;

use phoenix_manifests::Manifests;
use phoenix_policies::{Settings, evaluate};
use phoenix_report::{NotEvaluated, PolicyRun, json as report_json, sarif, text};
use serde_json::json;

use super::chance::Chance;
use super::stacks::today;
use crate::support::root;

/// Pieces to insert, which have a meaning in YAML, Kubernetes or the engine.
const PIECES: [&str; 34] = [
    "\n---\n",
    "\n",
    ": ",
    "- ",
    "[",
    "]",
    "{",
    "}",
    "&a ",
    "*a",
    "<<: *a\n",
    "null",
    "~",
    "true",
    "\"true\"",
    "-1",
    "1e999",
    ".nan",
    ".inf",
    "0.0.0.0/0",
    "*",
    "!!str ",
    "!!binary ",
    "%",
    "\"",
    "'",
    "|\n",
    "\t",
    "\u{0}",
    "\u{feff}",
    "é\u{301}",
    "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
    "system:",
    "kind: List\nitems:\n",
];

fn corpus() -> Vec<Vec<u8>> {
    let examples = phoenix_policies::RULES
        .iter()
        .flat_map(|rule| [rule.text.good, rule.text.bad].map(|text| text.as_bytes().to_vec()));
    let mut files: Vec<_> = fs::read_dir(root().join("policies/fuzz/corpus/check"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(files.len() > 4, "{files:?}");
    examples
        .chain(files.iter().map(|file| fs::read(file).unwrap()))
        .collect()
}

/// Evaluates a file like `phoenix check`, and returns how many objects were evaluated and what could not be read.
fn check(bytes: Vec<u8>) -> (usize, Vec<String>) {
    let mut manifests = Manifests::new();
    manifests.read_bytes("a.yaml", bytes);
    let settings = Settings::read(&json!({}), today()).unwrap();
    let run = PolicyRun {
        name: "hostile".to_owned(),
        objects: manifests.graph.len(),
        report: evaluate(&manifests.graph, &settings),
        settings,
        not_evaluated: NotEvaluated::default(),
        places: Box::new(manifests.places()),
    };
    assert!(!text::report(&run).is_empty());
    assert!(report_json::report(&run).is_object());
    assert!(sarif::log(std::slice::from_ref(&run)).is_object());
    let faults = manifests.errors.iter().map(|(_, fault)| fault.to_string());
    (manifests.graph.len(), faults.collect())
}

/// A text of the corpus with some changes.
fn changed(corpus: &[Vec<u8>], chance: &mut Chance) -> Vec<u8> {
    let mut bytes = corpus[chance.below(corpus.len())].clone();
    for _ in 0..=chance.below(4) {
        let (one, other) = (chance.below(bytes.len() + 1), chance.below(bytes.len() + 1));
        let (first, last) = (one.min(other), one.max(other).min(one.min(other) + 200));
        match chance.below(6) {
            0 => drop(bytes.drain(first..last)),
            1 => {
                let part = bytes[first..last].to_vec();
                bytes.splice(first..first, part.repeat(1 + chance.below(3)));
            }
            2 => {
                let piece = PIECES[chance.below(PIECES.len())];
                bytes.splice(first..first, piece.bytes());
            }
            3 => {
                let piece = PIECES[chance.below(PIECES.len())];
                bytes.splice(first..last.min(first + 8), piece.bytes());
            }
            4 => {
                let more = &corpus[chance.below(corpus.len())];
                bytes.extend_from_slice(b"\n---\n");
                bytes.extend_from_slice(more);
            }
            _ => {
                if let Some(byte) = bytes.get_mut(first) {
                    *byte = u8::try_from(chance.below(256)).unwrap();
                }
            }
        }
    }
    bytes
}

#[test]
fn no_text_makes_a_check_panic() {
    let corpus = corpus();
    let rounds = std::env::var("PHOENIX_FUZZ_ROUNDS").map_or(400, |rounds| rounds.parse().unwrap());
    // Unchanged: each file of the corpus has caused a failure once.
    for bytes in &corpus {
        check(bytes.clone());
    }
    let mut chance = Chance(11);
    let (mut run, mut refused) = (0, 0);
    for _ in 0..rounds {
        let (objects, faults) = check(changed(&corpus, &mut chance));
        run += objects;
        refused += usize::from(!faults.is_empty());
    }
    // Changes that leave no objects, or never break a file, would prove nothing.
    assert!(
        run > rounds / 2 && refused > rounds / 20,
        "{run} run, {refused} refused"
    );
}

#[test]
fn unbounded_input_is_an_error() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: ";
    let bomb: String = (1..40).fold("a0: &a0 [x, x]\n".to_owned(), |text, level| {
        let below = level - 1;
        format!("{text}a{level}: &a{level} [*a{below}, *a{below}, *a{below}]\n")
    });
    for (text, sentence) in [
        (format!("{pod}{}", "[".repeat(200_000)), "nested more than"),
        (format!("{pod}{}", "{a: ".repeat(200_000)), "nested more than"),
        (format!("{pod}\n{}", "- ".repeat(200_000)), "nested more than"),
        (bomb, "expand to more than"),
        (format!("{pod}&a {{b: *a}}\n"), "contains itself"),
        (format!("{pod}{{}}\nspec: {{}}\n"), "duplicate key"),
        ("x".repeat((48 << 20) + 1), "longer than 48 MiB"),
        (format!("{pod}\u{0}\n"), "zero byte"),
    ] {
        let (_, faults) = check(text.into_bytes());
        assert!(
            faults.iter().any(|fault| fault.contains(sentence)),
            "{sentence}: {faults:?}"
        );
    }
    // Long input that can be read is evaluated.
    let (objects, faults) =
        check(format!("{pod}{{containers: [{{name: {}}}]}}\n", "x".repeat(4 << 20)).into_bytes());
    assert_eq!((objects, faults), (1, Vec::new()));
}
