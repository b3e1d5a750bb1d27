//! `phoenix comment`: writes the comment on a pull request.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use phoenix_policies::{Report, evaluate};
use phoenix_report::changes::{self, ChangeCounts, Detail};
use phoenix_report::comment::{self, Changed, Comment, Destructive, Finding, Label, Stack};
use phoenix_report::text::controls;
use phoenix_report::{PolicyRun, markdown};
use phoenix_terminal::exit::Exit;
use phoenix_terminal::output::{self, count, message};
use phoenix_terminal::{atomic, style, user_error};
use serde_json::{Value, json};

use super::diff::Against;
use super::preview::{Costs, Names, Preview, description};
use crate::base::Base;
use crate::checkout::Checkout;
use crate::comparison::{Comparison, risks};
use crate::live::Live;
use crate::manifests::sha256;
use phoenix_forge::{Post, Posted, Posting};

/// Write the comment on a pull request: what the changes of this checkout do to every stack.
///
/// The document is Markdown with at most 60,000 characters. Its first line identifies it, so that it can be edited in place.
/// The verdict comes first, then a row for each stack, the destructive changes with what is at risk, and the policy findings
/// that the base does not have. The changed fields of each stack are folded; if the document would be too long, the largest folds
/// are left out, and the document says so. Text from stack files cannot add links, mentions or HTML. A stack that cannot be
/// compared is a row with its error. Needs only the repository, unless `--post` is given.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cargo phoenix comment --base origin/main --output comment.md\n  cargo phoenix comment --format json"
)]
pub struct Arguments {
    /// The stacks. Default: all, including those that exist only in the base.
    #[arg(value_name = "STACK")]
    stacks: Vec<String>,
    #[command(flatten)]
    against: Against,
    /// Write to this file instead of stdout.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Exit with 1 if a stack cannot be compared, 3 if a mandatory policy fails, 4 if there are destructive changes, and 2 if
    /// there are other changes. Otherwise, 0 means that the document was written.
    #[arg(long)]
    exit_code: bool,
    /// The output format.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    costs: Costs,
    #[command(flatten)]
    posting: Posting,
}

/// The output format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The document.
    #[default]
    Markdown,
    /// The document, its label and the digests of the changes, as one JSON document.
    Json,
}

/// Runs the verb.
pub fn run(
    arguments: &Arguments,
    checkout: impl FnOnce() -> Result<Checkout>,
    live: &dyn Live,
) -> Result<Exit> {
    let posting = &arguments.posting;
    if let Some(path) = &posting.document {
        report(&live.post_comment(&document(path, posting)?)?);
        return Ok(Exit::Clean);
    }
    // Before the comparison, which may take a while.
    let place = posting.post.then(|| posting.place(variable)).transpose()?;
    let prices = arguments.costs.read()?;
    let checkout = checkout()?;
    let base = Base::choose(&checkout, arguments.against.base.as_deref())?;
    let names = Names::of(&arguments.stacks, &checkout, &base)?;
    let mut preview = Preview::of(&checkout, names, &base, &[]);
    preview.prices = prices;
    let written = Written::of(&preview, arguments.against.base.as_deref());
    let text = match arguments.format {
        Format::Markdown => written.body.clone(),
        Format::Json => output::json_text(&output::with_format("comment", written.json())),
    };
    match (&arguments.output, &place) {
        (Some(path), _) => {
            atomic::replace(path, text.as_bytes())
                .with_context(|| format!("cannot write {}", path.display()))?;
            message(&format!("wrote {}", path.display()));
        }
        (None, None) => output::data(&text)?,
        (None, Some(_)) => {}
    }
    for (_, error) in &preview.errors {
        message(&user_error::render(error));
    }
    if let Some(place) = place {
        let post = Post {
            place,
            body: written.body,
            label: posting.set_label.then_some(written.label),
        };
        report(&live.post_comment(&post)?);
    }
    let exit = preview.exit();
    Ok(match arguments.exit_code {
        false => Exit::Clean,
        true if preview.is_changed() => exit.or(Exit::Changed),
        true => exit,
    })
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn report(posted: &Posted) {
    let done = if posted.is_changed {
        "posted"
    } else {
        "the comment already has this text"
    };
    match &posted.address {
        Some(address) => message(&format!("{done}: {address}")),
        None => message(&format!("{done}: comment {}", posted.id)),
    }
}

/// The part of a document that is not trusted that is shown, in characters.
const MAX_UNTRUSTED: usize = 50_000;

/// The document of another run.
fn document(path: &Path, posting: &Posting) -> Result<Post> {
    // More than any document, so that a file of any size is handled.
    const MAX_BYTES: u64 = 1 << 20;
    let place = posting.place(variable)?;
    let reading = || format!("cannot read {}", path.display());
    let file = std::fs::File::open(path).with_context(reading)?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES)
        .read_to_end(&mut bytes)
        .with_context(reading)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    if posting.untrusted {
        return Ok(Post {
            place,
            body: untrusted(&text),
            label: None,
        });
    }
    let Some(label) = comment::label_of(&text).filter(|_| text.chars().count() <= comment::LIMIT) else {
        return Err(user_error::user_error(
            format!("{} is not a document of `phoenix comment`", path.display()),
            "write it with `phoenix comment --output`, with the same version",
        ));
    };
    Ok(Post {
        place,
        body: text,
        label: posting.set_label.then_some(label),
    })
}

/// A document that the code of a fork has written, in a code block that it cannot leave.
fn untrusted(document: &str) -> String {
    let shown = style::sanitize(&style::escape_control(document));
    let shown = markdown::clipped(&shown, MAX_UNTRUSTED);
    format!(
        "{} v1 untrusted -->\n### Preview of a pull request from a fork\n\nThe code of the pull request has written this text. \
         It is not verified: run `phoenix preview` on the branch before you rely on it.\n\n{}",
        comment::MARKER,
        markdown::code_block("text", &shown)
    )
}

/// A document and what identifies it.
struct Written {
    body: String,
    label: Label,
    digest: String,
    stacks: Vec<(String, String)>,
}

impl Written {
    fn of(preview: &Preview<'_>, base: Option<&str>) -> Self {
        let failed = preview.errors.iter().map(|(name, error)| Stack {
            name,
            outcome: Err(style::sanitize(&style::escape_control(
                user_error::render(error).trim_start_matches("error: "),
            ))),
        });
        let compared = preview.comparisons.iter().map(|comparison| Stack {
            name: &comparison.stack,
            outcome: Ok(changed(comparison, preview)),
        });
        let stacks: Vec<_> = failed.chain(compared).collect();
        let digests: Vec<_> = stacks
            .iter()
            .filter_map(|stack| {
                let changed = stack.outcome.as_ref().ok()?;
                Some((stack.name.to_owned(), changed.digest.clone()))
            })
            .collect();
        let digest = digest(&json!(digests));
        let verdict = verdict(&stacks);
        let shown_by = match base {
            Some(base) => format!("phoenix preview --base {base}"),
            None => "phoenix preview".to_owned(),
        };
        let words = preview.base.words();
        let notes = preview
            .comparisons
            .iter()
            .flat_map(|comparison| &comparison.notes);
        let comment = Comment {
            verdict: &verdict,
            digest: &digest,
            base: &words,
            command: &shown_by,
            prices: preview.prices.as_ref(),
            stacks,
            notes: notes.chain(&preview.warnings).cloned().collect(),
        };
        Self {
            body: style::sanitize(&comment.document()),
            label: comment.label(),
            digest,
            stacks: digests,
        }
    }

    fn json(&self) -> Value {
        let stacks = self.stacks.iter();
        let stacks = stacks.map(|(stack, digest)| json!({"stack": stack, "digest": digest}));
        json!({
            "label": self.label.as_str(),
            "digest": self.digest,
            "stacks": stacks.collect::<Value>(),
            "body": self.body,
        })
    }
}

/// The first line: stacks, changes, destructive changes and policies.
fn verdict(stacks: &[Stack<'_>]) -> String {
    let changed: Vec<_> = stacks
        .iter()
        .filter_map(|stack| stack.outcome.as_ref().ok())
        .collect();
    let counts: ChangeCounts = changed.iter().map(|changed| changed.counts).sum();
    let subject = match stacks {
        [one] => markdown::code(one.name),
        several => count(several.len(), "stack"),
    };
    let mut parts = vec![match counts.total() {
        0 => format!("{subject}: no changes"),
        _ => format!("{subject}: {}", counts.words()),
    }];
    let sum =
        |number: &dyn Fn(&Changed) -> usize| changed.iter().map(|changed| number(changed)).sum::<usize>();
    let mandatory = |changed: &Changed| {
        let findings = changed.new_findings.iter();
        findings.filter(|finding| finding.is_mandatory).count()
    };
    for (number, what) in [
        (stacks.len() - changed.len(), "stack that cannot be compared"),
        (sum(&|changed| changed.destructive.len()), "destructive change"),
        (sum(&mandatory), "new finding of mandatory policies"),
        (
            sum(&|changed| changed.new_findings.len() - mandatory(changed)),
            "new finding of advisory policies",
        ),
    ] {
        if number > 0 {
            parts.push(format!("**{}**", counted(number, what)));
        }
    }
    parts.join("; ")
}

/// `2 destructive changes`: a number and a noun, which may be followed by other words.
fn counted(number: usize, what: &str) -> String {
    let (noun, rest) = match what.find(" that ").or_else(|| what.find(" of ")) {
        Some(end) => what.split_at(end),
        None => (what, ""),
    };
    format!("{}{rest}", count(number, noun))
}

/// What happens to a stack.
fn changed(comparison: &Comparison, preview: &Preview<'_>) -> Changed {
    let groups = comparison.loss_groups(&[]).into_iter();
    let destructive = groups.map(|group| {
        let (subject, why, allowed_by) = description(&group);
        Destructive {
            subject,
            why,
            risks: risks(&group),
            instead: group.losses.iter().find_map(|loss| loss.instead),
            allowed_by,
        }
    });
    let run = preview.runs.iter().find(|run| run.name == comparison.stack);
    let (new_findings, known_findings, fixed_findings) =
        run.map_or((Vec::new(), 0, 0), |run| compare_findings(run, comparison));
    Changed {
        counts: comparison.counts(),
        destructive: destructive.collect(),
        new_findings,
        known_findings,
        fixed_findings,
        changes: style::sanitize(&style::strip(&changes::text(
            &comparison.changes,
            Detail::Headings,
        ))),
        capacity: comparison.capacity.clone(),
        digest: digest(&changes::json(&comparison.changes)),
    }
}

/// The rule, the object and the path of a finding.
type Place = (&'static str, String, String);

/// The findings that the base does not have, the number of those that it has, too, and the number of those that only the base
/// has. The settings of the checkout apply to both, so that a finding is new because an object has changed.
fn compare_findings(run: &PolicyRun, comparison: &Comparison) -> (Vec<Finding>, usize, usize) {
    let after = findings(&run.report);
    if comparison.changes.is_empty() {
        return (Vec::new(), after.len(), 0);
    }
    let before = findings(&evaluate(&comparison.before, &run.settings));
    let known = after.keys().filter(|place| before.contains_key(*place)).count();
    let fixed = before.len() - known;
    let new = after
        .into_iter()
        .filter(|(place, _)| !before.contains_key(place))
        .map(|(_, finding)| finding);
    let mut new: Vec<_> = new.collect();
    new.sort_by_key(|finding| !finding.is_mandatory);
    (new, known, fixed)
}

/// The findings of a report that have no waiver.
fn findings(report: &Report) -> BTreeMap<Place, Finding> {
    let mut found = BTreeMap::new();
    for (rule, failure) in report.failures() {
        let object = report.subjects[failure.subject].to_string();
        for finding in &failure.findings {
            let place = (rule.rule.id, object.clone(), finding.path.clone());
            found.insert(
                place,
                Finding {
                    rule: rule.rule.id,
                    severity: rule.rule.severity.word(),
                    is_mandatory: rule.enforcement.stops(),
                    controls: controls(rule.rule),
                    object: object.clone(),
                    message: match finding.path.as_str() {
                        "" => finding.message.clone(),
                        path => format!("{path}: {}", finding.message),
                    },
                    fix: rule.rule.text.fix.to_owned(),
                },
            );
        }
    }
    found
}

/// The SHA-256 digest of a JSON value, whose keys are sorted.
fn digest(value: &Value) -> String {
    format!("sha256:{}", sha256(value.to_string().as_bytes()))
}
