//! The comment on a pull request: one document for all stacks.
//!
//! The first visible line is the verdict. A row for each stack, destructive changes and new policy findings follow. The changed
//! fields of each stack are folded. The document has at most [`LIMIT`] characters: the largest folds are left out first, and a
//! line says so.

use std::fmt::Write as _;

use crate::capacity::{COLUMNS, CapacityChange};
use crate::changes::ChangeCounts;
use crate::markdown::{cell, clipped, code, code_block, first_lines, fold};
use crate::prices::Prices;

/// The maximum number of characters of a document. GitHub accepts 65,536.
pub const LIMIT: usize = 60_000;

/// How the first line of every comment begins. The comment of a pull request is found by it.
pub const MARKER: &str = "<!-- phoenix:comment";

/// Limits of the parts that are never left out as a whole, in characters.
const ROWS: usize = 12_000;
const DESTRUCTIVE: usize = 15_000;
const FINDINGS: usize = 12_000;
const ERRORS: usize = 6_000;
const NOTES: usize = 3_000;
const CAPACITY: usize = 2_500;

/// The maximum number of characters of one error.
const ERROR: usize = 2_000;

/// What a comment shows.
#[derive(Debug)]
pub struct Comment<'a> {
    /// What changes, as Markdown.
    pub verdict: &'a str,
    /// The digest of the changes of all stacks.
    pub digest: &'a str,
    /// The base, as it follows the word "with".
    pub base: &'a str,
    /// The arguments that show the same on a terminal.
    pub command: &'a str,
    /// The stacks, each with its changes or its error.
    pub stacks: Vec<Stack<'a>>,
    /// Sentences about the comparison.
    pub notes: Vec<String>,
    /// What resources cost.
    pub prices: Option<&'a Prices>,
}

/// One stack of a comment.
#[derive(Debug)]
pub struct Stack<'a> {
    /// Its name.
    pub name: &'a str,
    /// What happens to it, or why that is unknown: an error, whose first line is a summary.
    pub outcome: Result<Changed, String>,
}

/// The changes of a stack.
#[derive(Debug, Default)]
pub struct Changed {
    /// The numbers of changed objects.
    pub counts: ChangeCounts,
    /// The destructive changes, the most severe first.
    pub destructive: Vec<Destructive>,
    /// The findings that the base does not have.
    pub new_findings: Vec<Finding>,
    /// The number of findings that the base has, too.
    pub known_findings: usize,
    /// The number of findings that only the base has.
    pub fixed_findings: usize,
    /// The changed objects with their fields, as text without styles.
    pub changes: String,
    /// What the pods and claims request.
    pub capacity: CapacityChange,
    /// The digest of everything that changes.
    pub digest: String,
}

/// A destructive change, or several of one system.
#[derive(Debug)]
pub struct Destructive {
    /// The object or the system.
    pub subject: String,
    /// What happens to it and why.
    pub why: String,
    /// What is at risk.
    pub risks: Vec<String>,
    /// What to do instead, in our own words.
    pub instead: Option<&'static str>,
    /// The value of `--allow-destructive` that allows it.
    pub allowed_by: String,
}

/// A policy finding.
#[derive(Debug)]
pub struct Finding {
    /// The id of the rule.
    pub rule: &'static str,
    /// How severe it is.
    pub severity: &'static str,
    /// Whether it prevents a deployment.
    pub is_mandatory: bool,
    /// The ids of the controls.
    pub controls: String,
    /// The object.
    pub object: String,
    /// What is wrong, with the path.
    pub message: String,
    /// How to fix it, in our own words.
    pub fix: String,
}

/// The label of a pull request that a comment stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// A stack could not be compared.
    Error,
    /// There are destructive changes.
    Destroy,
    /// There are changes.
    Change,
    /// Nothing changes.
    NoChange,
}

impl Label {
    /// All labels.
    pub const ALL: [Self; 4] = [Self::Error, Self::Destroy, Self::Change, Self::NoChange];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "infra/error",
            Self::Destroy => "infra/destroy",
            Self::Change => "infra/change",
            Self::NoChange => "infra/no-change",
        }
    }
}

/// The label in the first line of a document; `None` if the text is none.
pub fn label_of(document: &str) -> Option<Label> {
    let rest = document
        .lines()
        .next()?
        .strip_prefix(MARKER)?
        .strip_prefix(" v1 ")?;
    let (label, digest) = rest.strip_suffix(" -->")?.split_once(' ')?;
    let is_digest = |digest: &str| {
        let hex = digest.strip_prefix("sha256:");
        hex.is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    Label::ALL
        .into_iter()
        .find(|known| known.as_str() == label && is_digest(digest))
}

impl Comment<'_> {
    /// The label.
    pub fn label(&self) -> Label {
        let changed = || self.stacks.iter().filter_map(|stack| stack.outcome.as_ref().ok());
        if self.stacks.iter().any(|stack| stack.outcome.is_err()) {
            Label::Error
        } else if changed().any(|changed| !changed.destructive.is_empty()) {
            Label::Destroy
        } else if changed().any(|changed| changed.counts.total() > 0) {
            Label::Change
        } else {
            Label::NoChange
        }
    }

    /// The document, with at most [`LIMIT`] characters.
    pub fn document(&self) -> String {
        self.document_within(LIMIT)
    }

    fn document_within(&self, limit: usize) -> String {
        let mut text = self.head();
        self.rows(&mut text);
        self.errors(&mut text);
        self.notes(&mut text);
        self.destructive(&mut text);
        self.findings(&mut text);
        self.capacity(&mut text);
        self.folds(&mut text, limit);
        text
    }

    /// The marker and the verdict.
    fn head(&self) -> String {
        let mut text = format!("{MARKER} v1 {} {} -->\n", self.label().as_str(), self.digest);
        let _ = writeln!(text, "### {}\n", cell(self.verdict));
        let _ = writeln!(text, "Compared with {}.\n", code(self.base));
        text
    }

    /// A row for each stack.
    fn rows(&self, text: &mut String) {
        text.push_str("| stack | create | update | replace | delete | destructive | policy findings |\n");
        text.push_str("|---|--:|--:|--:|--:|---|---|\n");
        let rows: Vec<_> = self.stacks.iter().map(row).collect();
        let (rows, others) = first_lines(&rows, ROWS);
        text.push_str(&rows);
        if others > 0 {
            let _ = writeln!(text, "\n{others} more stacks are not listed.");
        }
    }

    /// The errors with their details.
    fn errors(&self, text: &mut String) {
        let errors = self
            .stacks
            .iter()
            .filter_map(|stack| stack.outcome.as_ref().err());
        let errors: Vec<_> = errors
            .map(|error| code_block("text", &clipped(error, ERROR)))
            .collect();
        let (shown, others) = first_lines(&errors, ERRORS);
        if !shown.is_empty() {
            let _ = write!(text, "\n#### Errors\n\n{shown}");
        }
        if others > 0 {
            let _ = writeln!(text, "\n{others} more errors: {}", code(self.command));
        }
    }

    fn notes(&self, text: &mut String) {
        let lines: Vec<_> = self
            .notes
            .iter()
            .map(|note| format!("- note: {}", code(note)))
            .collect();
        let (lines, others) = first_lines(&lines, NOTES);
        if !lines.is_empty() || others > 0 {
            let _ = write!(text, "\n{lines}");
        }
        if others > 0 {
            let _ = writeln!(text, "- {others} more notes: {}", code(self.command));
        }
    }

    /// All destructive changes, with what is at risk.
    fn destructive(&self, text: &mut String) {
        let blocks: Vec<_> = self
            .changed()
            .flat_map(|(name, changed)| changed.destructive.iter().map(move |change| block(name, change)))
            .collect();
        if blocks.is_empty() {
            return;
        }
        text.push_str("\n#### Destructive changes\n\n");
        let (shown, others) = first_lines(&blocks, DESTRUCTIVE);
        text.push_str(&shown);
        if others > 0 {
            let _ = writeln!(
                text,
                "- **{others} more destructive changes** are not listed: {}",
                code(self.command)
            );
        }
    }

    /// The findings that the base does not have.
    fn findings(&self, text: &mut String) {
        let rows: Vec<_> = self
            .changed()
            .flat_map(|(name, changed)| {
                changed
                    .new_findings
                    .iter()
                    .map(move |finding| finding_row(name, finding))
            })
            .collect();
        if rows.is_empty() {
            return;
        }
        text.push_str("\n#### New policy findings\n\n");
        text.push_str("| stack | rule | severity | controls | object | finding | fix |\n|---|---|---|---|---|---|---|\n");
        let (shown, others) = first_lines(&rows, FINDINGS);
        text.push_str(&shown);
        if others > 0 {
            let _ = writeln!(
                text,
                "\n{others} more findings are not listed: {}",
                code(self.command)
            );
        }
    }

    /// The changed capacities.
    fn capacity(&self, text: &mut String) {
        let changed: Vec<_> = self
            .changed()
            .filter(|(_, changed)| changed.capacity.is_changed())
            .collect();
        let row = |(name, changed): &(&str, &Changed)| {
            let mut cells = changed.capacity.cells().to_vec();
            cells.extend(self.prices.map(|prices| changed.capacity.cost(prices).0));
            let cells: Vec<_> = cells.iter().map(|cell| code(cell)).collect();
            format!("| {} | {} |", code(name), cells.join(" | "))
        };
        let rows: Vec<_> = changed.iter().map(row).collect();
        if rows.is_empty() {
            return;
        }
        let price = self
            .prices
            .map(|prices| code(&format!("{}/month", prices.currency)));
        let columns: Vec<_> = COLUMNS.iter().map(ToString::to_string).chain(price).collect();
        let _ = writeln!(text, "\n#### Capacity\n\n| stack | {} |", columns.join(" | "));
        let _ = writeln!(text, "|---{}|", "|---".repeat(columns.len()));
        let (shown, others) = first_lines(&rows, CAPACITY);
        text.push_str(&shown);
        if others > 0 {
            let _ = writeln!(
                text,
                "\n{others} more stacks change their capacity: {}",
                code(self.command)
            );
        }
        let sentences = changed.iter().flat_map(|(name, changed)| {
            let unpriced = self.prices.map(|prices| changed.capacity.cost(prices).1);
            let unpriced = unpriced
                .into_iter()
                .flatten()
                .map(|name| format!("{name} has no price"));
            let sentences = changed.capacity.sentences().into_iter().chain(unpriced);
            sentences.map(|sentence| format!("- {}: {}", code(name), code(&sentence)))
        });
        let (shown, _) = first_lines(&sentences.collect::<Vec<_>>(), CAPACITY);
        if !shown.is_empty() {
            let _ = write!(text, "\n{shown}");
        }
    }

    /// The changed fields of each stack. Those that do not fit are left out, the largest first.
    fn folds(&self, text: &mut String, limit: usize) {
        let mut folds: Vec<(&str, usize, Option<String>)> = self
            .changed()
            .filter(|(_, changed)| changed.counts.total() > 0)
            .map(|(name, changed)| {
                let summary = format!("{}: {}", code(name), changed.counts.words());
                let fold = fold(&summary, &code_block("diff", &as_diff(&changed.changes)));
                (name, fold.chars().count(), Some(fold))
            })
            .collect();
        let left_out = |name: &str| {
            format!(
                "The changed fields of {} are too long to show here: {}\n",
                code(name),
                code(self.command)
            )
        };
        let used = text.chars().count() + 1;
        let size = |folds: &[(&str, usize, Option<String>)]| -> usize {
            let sizes = folds.iter().map(|(name, size, fold)| match fold {
                Some(_) => *size,
                None => left_out(name).chars().count(),
            });
            sizes.sum()
        };
        while used + size(&folds) > limit {
            let shown = folds.iter_mut().filter(|(_, _, fold)| fold.is_some());
            let Some((_, _, largest)) = shown.max_by_key(|(_, size, _)| *size) else {
                break;
            };
            *largest = None;
        }
        if !folds.is_empty() {
            text.push('\n');
        }
        let lines: Vec<_> = folds
            .iter()
            .map(|(name, _, fold)| fold.clone().unwrap_or_else(|| left_out(name)))
            .collect();
        let remaining = limit.saturating_sub(text.chars().count());
        let (shown, others) = first_lines(&lines, remaining.saturating_sub(80));
        text.push_str(&shown);
        if others > 0 {
            let _ = writeln!(text, "{others} more stacks have changes: {}", code(self.command));
        }
    }

    fn changed(&self) -> impl Iterator<Item = (&str, &Changed)> {
        self.stacks
            .iter()
            .filter_map(|stack| Some((stack.name, stack.outcome.as_ref().ok()?)))
    }
}

/// The row of a stack.
fn row(stack: &Stack<'_>) -> String {
    let name = code(stack.name);
    let changed = match &stack.outcome {
        Ok(changed) => changed,
        Err(error) => {
            return format!(
                "| {name} | | | | | **error:** {} | |",
                code(error.lines().next().unwrap_or_default())
            );
        }
    };
    let ChangeCounts {
        create,
        update,
        replace,
        delete,
    } = changed.counts;
    let named: Vec<_> = changed
        .destructive
        .iter()
        .take(NAMED)
        .map(|change| code(&change.subject))
        .collect();
    let mut destructive = named.join(", ");
    if let Some(others) = changed.destructive.len().checked_sub(NAMED + 1) {
        let _ = write!(destructive, ", +{}", others + 1);
    }
    let findings = [
        (changed.new_findings.len(), "new"),
        (changed.known_findings, "known"),
        (changed.fixed_findings, "fixed"),
    ];
    let findings: Vec<_> = findings
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, word)| format!("{number} {word}"))
        .collect();
    let findings = if findings.is_empty() {
        "none".to_owned()
    } else {
        findings.join(", ")
    };
    format!("| {name} | {create} | {update} | {replace} | {delete} | {destructive} | {findings} |")
}

/// The number of destructive changes that the row of a stack names.
const NAMED: usize = 5;

/// A destructive change as an item of a list.
fn block(stack: &str, change: &Destructive) -> String {
    let mut text = format!(
        "- {}: **{}**, {}",
        code(stack),
        code(&change.subject),
        code(&change.why)
    );
    for risk in &change.risks {
        let _ = write!(text, "\n  - {}", code(risk));
    }
    if let Some(instead) = change.instead {
        let _ = write!(text, "\n  - instead: {instead}");
    }
    let _ = write!(
        text,
        "\n  - to allow: {}",
        code(&format!("--allow-destructive {}", change.allowed_by))
    );
    text
}

fn finding_row(stack: &str, finding: &Finding) -> String {
    let enforcement = if finding.is_mandatory {
        "mandatory"
    } else {
        "advisory"
    };
    format!(
        "| {} | {} | {}, {enforcement} | {} | {} | {} | {} |",
        code(stack),
        code(finding.rule),
        finding.severity,
        cell(&finding.controls),
        code(&finding.object),
        code(&finding.message),
        cell(&finding.fix)
    )
}

/// Changes as text, with the signs of removed and added lines at their beginning, where services color them.
fn as_diff(text: &str) -> String {
    let mut diff = String::with_capacity(text.len());
    for line in text.lines() {
        let content = line.trim_start_matches(' ');
        let indent = line.len() - content.len();
        match content.chars().next() {
            Some(sign @ ('+' | '-')) if indent > 0 => {
                diff.push(sign);
                diff.push_str(&line[..indent]);
                diff.push_str(&content[1..]);
            }
            _ => diff.push_str(line),
        }
        diff.push('\n');
    }
    diff
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack(name: &str, changes: usize) -> Stack<'_> {
        Stack {
            name,
            outcome: Ok(Changed {
                counts: ChangeCounts {
                    update: 1,
                    ..ChangeCounts::default()
                },
                changes: "~ update a\n    x: 1 -> 2\n".repeat(changes),
                ..Changed::default()
            }),
        }
    }

    fn comment(stacks: Vec<Stack<'_>>) -> Comment<'_> {
        Comment {
            verdict: "verdict",
            digest: "sha256:0",
            base: "main",
            command: "phoenix preview",
            stacks,
            notes: Vec::new(),
            prices: None,
        }
    }

    #[test]
    fn the_largest_fold_is_left_out_first() {
        let document = comment(vec![stack("large", 100), stack("small", 1)]).document_within(1_500);
        assert!(
            document.contains("The changed fields of <code>large</code> are too long"),
            "{document}"
        );
        assert!(
            document.contains("<summary><code>small</code>: 1 update"),
            "{document}"
        );
        assert!(document.chars().count() <= 1_500, "{document}");
    }

    #[test]
    fn any_input_fits() {
        let names: Vec<String> = (0..500).map(|number| format!("stack-{number}")).collect();
        let long = "@".repeat(1_000);
        let stacks = names.iter().map(|name| {
            let mut stack = stack(name, 100);
            if let Ok(changed) = &mut stack.outcome {
                changed.destructive = (0..20)
                    .map(|_| Destructive {
                        subject: long.clone(),
                        why: long.clone(),
                        risks: vec![long.clone()],
                        instead: None,
                        allowed_by: long.clone(),
                    })
                    .collect();
                changed.new_findings = (0..20)
                    .map(|_| Finding {
                        rule: "rule",
                        severity: "high",
                        is_mandatory: true,
                        controls: "CC6.1".to_owned(),
                        object: long.clone(),
                        message: long.clone(),
                        fix: "fix".to_owned(),
                    })
                    .collect();
            }
            stack
        });
        let mut comment = comment(stacks.collect());
        comment.notes = vec![long.clone(); 100];
        let document = comment.document();
        assert!(document.chars().count() <= LIMIT, "{}", document.chars().count());
        for part in [
            "more stacks",
            "more notes",
            "more destructive changes",
            "more findings",
        ] {
            assert!(document.contains(part), "{part}");
        }
    }

    #[test]
    fn the_label_is_that_of_the_most_severe_stack() {
        let failed = || Stack {
            name: "broken",
            outcome: Err("error".to_owned()),
        };
        let same = || Stack {
            name: "same",
            outcome: Ok(Changed::default()),
        };
        assert_eq!(comment(vec![same()]).label(), Label::NoChange);
        assert_eq!(comment(vec![same(), stack("a", 1)]).label(), Label::Change);
        assert_eq!(comment(vec![stack("a", 1), failed()]).label(), Label::Error);
        let mut lost = stack("a", 1);
        if let Ok(changed) = &mut lost.outcome {
            changed.destructive.push(Destructive {
                subject: "a".to_owned(),
                why: "deleted".to_owned(),
                risks: Vec::new(),
                instead: None,
                allowed_by: "a".to_owned(),
            });
        }
        assert_eq!(comment(vec![lost, same()]).label(), Label::Destroy);
    }
}
