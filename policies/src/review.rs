//! Names and texts of approvals: whether a text is only a placeholder, and whether two texts name the same party.
//!
//! Waivers and assumptions use this, so that neither can do without a named owner, and no owner can approve a waiver.

use std::collections::BTreeSet;

use jiff::civil::Date;

use crate::finding::Finding;

/// The longest time for which a waiver or a review is valid.
pub(crate) const MAX_DAYS: i32 = 366;

/// Who is responsible for an assumption, what supports it, and until when it has to be reviewed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    /// Who is responsible for the assumption.
    pub owner: String,
    /// What shows that the assumption is true, such as a document, a ticket or a command.
    pub evidence: String,
    /// The last day on which the assumption has an effect without another review.
    pub review_by: Date,
}

impl Review {
    /// What is wrong with the review on this day, with the field. An assumption with a fault has no effect.
    pub(crate) fn faults(&self, today: Date) -> Vec<Finding> {
        let mut faults: Vec<_> = [("owner", &self.owner), ("evidence", &self.evidence)]
            .into_iter()
            .filter_map(|(field, text)| placeholder_fault(field, text))
            .collect();
        if today > self.review_by {
            faults.push(Finding {
                path: "reviewBy".to_owned(),
                message: format!("the review was due on {}", self.review_by),
            });
        }
        if days_between(today, self.review_by) > MAX_DAYS {
            faults.push(Finding {
                path: "reviewBy".to_owned(),
                message: "the next review is more than one year from now".to_owned(),
            });
        }
        faults
    }
}

/// The number of days from one day to another; negative if the other is earlier.
pub(crate) fn days_between(from: Date, to: Date) -> i32 {
    to.since(from).map_or(0, |span| span.get_days())
}

/// Texts that only fill a field, in the form of [`folded`].
const PLACEHOLDERS: [&str; 36] = [
    "anybody",
    "anyone",
    "approver",
    "changeme",
    "dummy",
    "empty",
    "everybody",
    "everyone",
    "example",
    "fixme",
    "foo",
    "forthcoming",
    "later",
    "me",
    "missing",
    "myself",
    "na",
    "nil",
    "no",
    "noapprover",
    "nobody",
    "none",
    "noone",
    "notapplicable",
    "null",
    "open",
    "owner",
    "pending",
    "placeholder",
    "self",
    "somebody",
    "someone",
    "tobedecided",
    "tobedetermined",
    "undefined",
    "unknown",
];

/// Words that make a longer text a placeholder too, such as `TBD (security)`.
const UNDECIDED: [&str; 6] = ["fixme", "tba", "tbc", "tbd", "todo", "unassigned"];

/// The finding about a required text that is empty or only a placeholder.
pub(crate) fn placeholder_fault(field: &str, text: &str) -> Option<Finding> {
    let message = if text.trim().is_empty() {
        format!("the {field} is empty")
    } else if is_placeholder(text) {
        format!("the {field} is only a placeholder: {}", text.trim())
    } else {
        return None;
    };
    Some(Finding {
        path: field.to_owned(),
        message,
    })
}

/// Whether a text is empty or names nothing: `-`, `?`, `n/a`, `TBD`.
pub(crate) fn is_placeholder(text: &str) -> bool {
    let whole = folded(text);
    let is_filler = whole.chars().all(|character| character == 'x');
    is_filler
        || PLACEHOLDERS.contains(&whole.as_str())
        || UNDECIDED.contains(&whole.as_str())
        || words(text).iter().any(|word| UNDECIDED.contains(&word.as_str()))
}

/// Whether two texts name the same person or team: case, spaces, punctuation and the order of words do not matter, and
/// `Ana <ana@example.com>` is the same as `ana@example.com`, `@ana` and `Ana`.
pub(crate) fn is_same_party(one: &str, other: &str) -> bool {
    let (one, other) = (names(one), names(other));
    one.intersection(&other).next().is_some()
}

/// The names that a text contains: an address, the part of it before the `@`, and the text without its addresses.
fn names(text: &str) -> BTreeSet<String> {
    let is_separator =
        |character: char| character.is_whitespace() || matches!(character, '<' | '>' | '(' | ')' | ',' | ';');
    let (addresses, others): (Vec<&str>, Vec<&str>) = text
        .split(is_separator)
        .partition(|part| part.trim_start_matches('@').contains('@'));
    let mut names = BTreeSet::new();
    for address in addresses {
        names.insert(folded(address));
        names.extend(address.split('@').next().map(folded));
    }
    let text = others.join(" ");
    names.insert(folded(&text));
    let mut sorted = words(&text);
    sorted.sort_unstable();
    names.insert(sorted.concat());
    names.remove("");
    names
}

/// The words of a text in one case.
fn words(text: &str) -> Vec<String> {
    text.split(|character: char| !character.is_alphanumeric())
        .map(folded)
        .filter(|word| !word.is_empty())
        .collect()
}

/// The letters and digits of a text in one case. Upper case first, so that `ß` and `SS` are equal.
fn folded(text: &str) -> String {
    text.chars()
        .map(half_width)
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .filter(|character| character.is_alphanumeric())
        .collect()
}

/// The ASCII form of a full-width character.
fn half_width(character: char) -> char {
    match u32::from(character) {
        code @ 0xff01..=0xff5e => char::from_u32(code - 0xfee0).unwrap_or(character),
        _ => character,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placeholder_is_recognized_in_any_spelling() {
        for text in [
            "",
            " ",
            "-",
            "--",
            "?",
            "…",
            "n/a",
            "N.A.",
            "na",
            "NA",
            "none",
            " None ",
            "TBD",
            "tbd.",
            "T.B.D.",
            "to be decided",
            "TODO",
            "todo: security",
            "(pending)",
            "xxx",
            "Nobody",
            "null",
            "unknown",
            "\u{200b}",
            "_",
            "TBD (security)",
        ] {
            assert!(is_placeholder(text), "{text:?}");
        }
        for text in [
            "security",
            "a",
            "Ana Todorova",
            "Nana",
            "team-x",
            "Noé",
            "SEC-1",
            "1234",
            "安全",
        ] {
            assert!(!is_placeholder(text), "{text:?}");
        }
    }

    #[test]
    fn another_spelling_of_a_name_is_the_same_name() {
        for (one, other) in [
            ("security", "SECURITY"),
            ("security", "  security\t"),
            ("security-team", "Security Team"),
            ("security team", "team security"),
            ("@ana", "Ana"),
            ("ana@example.com", "Ana <ANA@example.com>"),
            ("ana", "ana@example.com"),
            ("Straße", "STRASSE"),
            ("ΣΊΣΥΦΟΣ", "σίσυφος"),
            ("se\u{200b}curity", "security"),
            ("Müller", "MÜLLER"),
            ("ｓｅｃｕｒｉｔｙ", "security"),
            ("İstanbul", "istanbul"),
        ] {
            assert!(is_same_party(one, other), "{one:?} and {other:?}");
        }
        for (one, other) in [
            ("storage", "security"),
            ("ana@example.com", "bob@example.com"),
            ("Ana Ruiz", "Ana Bell"),
            ("", ""),
            ("-", "-"),
        ] {
            assert!(!is_same_party(one, other), "{one:?} and {other:?}");
        }
    }
}
