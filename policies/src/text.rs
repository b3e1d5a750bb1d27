//! The texts of a rule: `policies/rules/<id>/rule.md`, `good.yaml` and `bad.yaml`.
//!
//! `rule.md` has a title and up to four sections, in this order. Every section is one paragraph on one line, except
//! `## Limits`, which is optional and is a list with one line for each item:
//!
//! ```md
//! # The requirement, as a statement that is true of a compliant stack
//!
//! ## What is checked
//!
//! ## Why it matters
//!
//! ## How to fix
//!
//! ## Limits
//! ```
//!
//! A file in any other form is a compile error.

/// The documentation and the examples of a rule.
#[derive(Clone, Copy, Debug)]
pub struct RuleText {
    /// The requirement: a statement that is true of a compliant stack, without a full stop.
    pub title: &'static str,
    /// What passes, what fails and what is not checked.
    pub what: &'static str,
    /// Why the requirement matters.
    pub why: &'static str,
    /// How to fix a failure.
    pub fix: &'static str,
    /// The section `## Limits`; empty if the file has none.
    limits: &'static str,
    /// A manifest that passes. The example of `waivers-are-valid` is a settings file instead.
    pub good: &'static str,
    /// The same manifest with one thing broken.
    pub bad: &'static str,
}

/// Includes and parses the files of the rule with this id.
macro_rules! rule_text {
    ($id:literal) => {
        $crate::text::RuleText::parse(
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/rules/", $id, "/rule.md")),
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/rules/", $id, "/good.yaml")),
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/rules/", $id, "/bad.yaml")),
        )
    };
}

pub(crate) use rule_text;

impl RuleText {
    /// The texts of a row that does not set them.
    pub(crate) const EMPTY: Self = Self {
        title: "",
        what: "",
        why: "",
        fix: "",
        limits: "",
        good: "",
        bad: "",
    };

    /// Splits `rule.md` into its sections.
    ///
    /// Panics, at compile time, on a section that is missing, empty, out of order or of more than one line.
    pub(crate) const fn parse(document: &'static str, good: &'static str, bad: &'static str) -> Self {
        assert!(!good.is_empty() && !bad.is_empty(), "an example is empty");
        let (title, rest) = section(document, "# ");
        let (what, rest) = section(rest, "## What is checked\n\n");
        let (why, rest) = section(rest, "## Why it matters\n\n");
        let (fix, rest) = section(rest, "## How to fix\n\n");
        let limits = if rest.is_empty() {
            ""
        } else {
            list(rest, "## Limits\n\n")
        };
        Self {
            title,
            what,
            why,
            fix,
            limits,
            good,
            bad,
        }
    }

    /// What the rule cannot see, one sentence each.
    pub fn limits(&self) -> impl Iterator<Item = &'static str> {
        self.limits.lines().filter_map(|line| line.strip_prefix("- "))
    }
}

/// The line after a heading, and the text after the empty line that follows it.
const fn section(text: &'static str, heading: &str) -> (&'static str, &'static str) {
    let text = after(text, heading);
    let bytes = text.as_bytes();
    let mut end = 0;
    while end < bytes.len() && bytes[end] != b'\n' {
        end += 1;
    }
    assert!(end > 0, "a section of rule.md is empty");
    assert!(end < bytes.len(), "rule.md does not end with a line break");
    let (line, rest) = text.split_at(end);
    if rest.len() == 1 {
        return (line, "");
    }
    assert!(
        rest.as_bytes()[1] == b'\n',
        "a section of rule.md has more than one line"
    );
    (line, rest.split_at(2).1)
}

/// The list after a heading, which is the rest of the text.
const fn list(text: &'static str, heading: &str) -> &'static str {
    let items = after(text, heading);
    let bytes = items.as_bytes();
    assert!(
        !bytes.is_empty() && bytes[bytes.len() - 1] == b'\n',
        "the list of rule.md does not end with a line break"
    );
    let mut at = 0;
    while at < bytes.len() {
        assert!(
            at + 2 < bytes.len() && bytes[at] == b'-' && bytes[at + 1] == b' ',
            "a line of the list in rule.md does not begin with a dash"
        );
        while bytes[at] != b'\n' {
            at += 1;
        }
        at += 1;
    }
    items
}

const fn after(text: &'static str, heading: &str) -> &'static str {
    let (bytes, wanted) = (text.as_bytes(), heading.as_bytes());
    assert!(
        bytes.len() > wanted.len(),
        "rule.md lacks a section, or ends with an empty one"
    );
    let mut at = 0;
    while at < wanted.len() {
        assert!(
            bytes[at] == wanted[at],
            "rule.md lacks a section, or has one that is unknown or out of order"
        );
        at += 1;
    }
    text.split_at(wanted.len()).1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_has_a_title_three_sections_and_limits() {
        let text = RuleText::parse(
            "# A\n\n## What is checked\n\nB.\n\n## Why it matters\n\nC.\n\n## How to fix\n\nD.\n\n## Limits\n\n- E.\n- F.\n",
            "good",
            "bad",
        );
        assert_eq!(
            (text.title, text.what, text.why, text.fix),
            ("A", "B.", "C.", "D.")
        );
        assert_eq!(text.limits().collect::<Vec<_>>(), ["E.", "F."]);
    }

    #[test]
    fn a_malformed_document_is_refused() {
        let good = "# A\n\n## What is checked\n\nB.\n\n## Why it matters\n\nC.\n\n## How to fix\n\nD.\n";
        assert_eq!(RuleText::parse(good, "good", "bad").limits().count(), 0);
        for bad in [
            String::new(),
            good.replace("# A\n\n", ""),
            good.replace("B.\n", "B.\nMore.\n"),
            good.replace("Why it matters", "Why"),
            good.replace("\n\nD.\n", "\n\n"),
            good.replace("D.\n", "D."),
            format!("{good}\n## Limits\n\n"),
            format!("{good}\n## Limits\n\n- E.\n  More.\n"),
            format!("{good}\n## Other\n\n- E.\n"),
        ] {
            let document: &'static str = bad.clone().leak();
            let parsed = std::panic::catch_unwind(|| RuleText::parse(document, "good", "bad"));
            assert!(parsed.is_err(), "{bad:?}");
        }
    }
}
