//! `phoenix explain`: explains a key, an object, a rule or a control.

use std::fmt::Write as _;
use std::sync::LazyLock;

use anyhow::Result;
use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use phoenix_graph::yaml;
use phoenix_policies::control::OUTSIDE;
use phoenix_policies::{Control, RULES, Rule};
use serde_json::{Value, json};

use crate::arguments::Format;
use crate::checkout::Checkout;
use crate::docs::policies::{kinds, rules_of};
use crate::explain::key::{Key, Setting};
use crate::explain::object::{self, Explained, Neighbour, all as objects};
use crate::explain::probe::Effect;
use crate::explain::schema::{self, Named};
use crate::explain::{Explanation, Subjects};
use phoenix_report::json::control as control_as_json;
use phoenix_terminal::exit::Exit;
use phoenix_terminal::output::{self, count, table};
use phoenix_terminal::style;

/// Explain configuration keys, objects of the stacks, policy rules and controls. Without arguments, list them.
///
/// For a key: its meaning, type, default and limits, its value in each stack, and which objects another value would change
/// (determined by test rendering). For an object: its system, the stacks that declare it, its references in both
/// directions, its connections, and the keys that change it. For a rule: its meaning, with a passing and a failing example.
/// For a control: the rules that provide evidence for it, or why manifests contain none. Needs only the repository.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cargo phoenix explain qdrant.replicas\n  cargo phoenix explain StatefulSet/sophia-memory/qdrant\n  \
                  cargo phoenix explain svc/qdrant-service --format json\n  cargo phoenix explain mesh-mtls-strict\n  cargo phoenix explain \
                  'HIPAA 164.312(e)(1)'\n  cargo phoenix explain CC6.1 qdrant"
)]
pub struct Arguments {
    /// One or more subjects: a key (`qdrant.replicas`), an object (`StatefulSet/sophia-memory/qdrant`, `StatefulSet/qdrant`, `sophia-memory/qdrant`,
    /// or as in headings: `StatefulSet sophia-memory/qdrant`), a rule (`mesh-mtls-strict`) or a control (`CC6.1`,
    /// `164.312(e)(1)`).
    #[arg(num_args = 0.., value_name = "KEY|OBJECT|RULE|CONTROL", value_parser = Subject, hide_possible_values = true)]
    subject: Vec<String>,
    /// The output format.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// The keys and rules, for shell completion. A parser needs them for the lifetime of the program.
static KEYS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let rules = RULES.iter().map(|rule| rule.id.to_owned());
    schema::all().into_iter().chain(rules).collect()
});

/// Accepts any word, and offers the keys and rules to shell completion.
#[derive(Clone, Debug)]
struct Subject;

impl TypedValueParser for Subject {
    type Value = String;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<String, clap::Error> {
        StringValueParser::new().parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(KEYS.iter().map(|key| PossibleValue::new(key.as_str()))))
    }
}

/// Runs the verb.
pub fn run(arguments: &Arguments, checkout: &Checkout) -> Result<Exit> {
    let subjects = Subjects::of(checkout)?;
    if arguments.subject.is_empty() {
        match arguments.format {
            Format::Text => output::print(&overview_text(&subjects))?,
            Format::Json => output::document("explain-list", overview_json(&subjects))?,
        }
        return Ok(Exit::Clean);
    }
    let explanations = subjects.explain(&arguments.subject)?;
    match arguments.format {
        Format::Text => {
            let texts: Vec<_> = explanations.iter().map(text).collect();
            output::print(&texts.join("\n"))?;
        }
        Format::Json => {
            let subjects: Vec<_> = explanations.iter().map(as_json).collect();
            output::document("explain", json!({"subjects": subjects}))?;
        }
    }
    Ok(Exit::Clean)
}

fn text(explanation: &Explanation) -> String {
    match explanation {
        Explanation::Key(key) => key_text(key),
        Explanation::Object(object) => object_text(object),
        Explanation::Rule(rule) => rule_text(rule),
        Explanation::Control(control) => control_text(*control),
        Explanation::OutOfScope(control) => format!(
            "{}\n  {}\n\n  Out of scope: {}. Manifests contain no evidence for it.\n",
            style::bold(control.ids),
            control.topic,
            control.reason
        ),
    }
}

fn as_json(explanation: &Explanation) -> Value {
    match explanation {
        Explanation::Key(key) => json!({"key": key}),
        Explanation::Object(object) => json!({"object": object}),
        Explanation::Rule(rule) => json!({"rule": rule_json(rule)}),
        Explanation::Control(control) => {
            let rules: Vec<_> = rules_of(*control).map(|rule| rule.id).collect();
            json!({"control": control_as_json(*control), "rules": rules})
        }
        Explanation::OutOfScope(control) => {
            json!({"outOfScope": {"ids": control.ids, "title": control.topic, "reason": control.reason}})
        }
    }
}

/// Everything that can be explained.
fn overview_text(subjects: &Subjects) -> String {
    let mut text = format!("{}\n", style::bold("phoenix explain SUBJECT…"));
    let first_sentence = |meaning: &str| {
        meaning
            .split(". ")
            .next()
            .unwrap_or_default()
            .trim_end_matches('.')
            .to_owned()
    };
    let keys: Vec<_> = schema::all()
        .into_iter()
        .filter(|key| !key.contains('.'))
        .map(|key| {
            let meaning = schema::meaning_of(&key).unwrap_or_else(|| "a secret".to_owned());
            vec![key, first_sentence(&meaning)]
        })
        .collect();
    section(
        &mut text,
        "keys of a stack file, each with keys below it",
        &table(&keys),
    );
    let mut kinds = std::collections::BTreeMap::<String, Vec<String>>::new();
    for id in objects(subjects) {
        kinds.entry(id.kind.clone()).or_default().push(id.path());
    }
    let kinds: Vec<_> = kinds
        .into_iter()
        .map(|(kind, paths)| {
            vec![
                kind,
                count(paths.len(), "object"),
                format!("for example {}", paths[0]),
            ]
        })
        .collect();
    section(
        &mut text,
        "objects of the stacks, as Kind/namespace/name",
        &table(&kinds),
    );
    let rules: Vec<_> = RULES
        .iter()
        .map(|rule| vec![rule.id.to_owned(), rule.text.title.to_owned()])
        .collect();
    section(&mut text, "policy rules", &table(&rules));
    let controls: Vec<_> = Control::ALL
        .iter()
        .map(|control| {
            vec![
                format!("{} {}", control.framework().name(), control.id()),
                control.title().to_owned(),
            ]
        })
        .collect();
    section(
        &mut text,
        "controls with evidence in manifests",
        &table(&controls),
    );
    let outside: Vec<_> = OUTSIDE
        .iter()
        .map(|(ids, topic, _)| vec![(*ids).to_owned(), (*topic).to_owned()])
        .collect();
    section(&mut text, "controls out of scope", &table(&outside));
    text
}

fn overview_json(subjects: &Subjects) -> Value {
    let objects: Vec<_> = objects(subjects).iter().map(object::typed).collect();
    json!({
        "keys": schema::all(),
        "objects": objects,
        "rules": RULES.iter().map(|rule| rule.id).collect::<Vec<_>>(),
        "controls": Control::ALL.iter().copied().map(control_as_json).collect::<Vec<_>>(),
        "outOfScope": OUTSIDE
            .iter()
            .map(|(ids, topic, reason)| json!({"ids": ids, "title": topic, "reason": reason}))
            .collect::<Vec<_>>(),
    })
}

fn rule_text(rule: &Rule) -> String {
    let mut text = format!("{}\n  {}.\n", style::bold(rule.id), rule.text.title);
    let _ = writeln!(text, "\n  checks: {}", kinds(rule));
    let _ = writeln!(
        text,
        "  severity: {}; default enforcement: {}",
        rule.severity.word(),
        rule.enforcement.word()
    );
    section(&mut text, "requirement", rule.text.what);
    section(&mut text, "why", rule.text.why);
    section(&mut text, "fix", rule.text.fix);
    let evidence: Vec<_> = rule
        .evidence
        .iter()
        .map(|control| vec![control.citation(), control.title().to_owned()])
        .collect();
    section(&mut text, "controls", &table(&evidence));
    let options: Vec<_> = rule
        .options
        .iter()
        .map(|option| {
            vec![
                option.name.to_owned(),
                option.default.value().to_string(),
                option.meaning.to_owned(),
            ]
        })
        .collect();
    section(&mut text, "options and defaults", &table(&options));
    let limits: Vec<_> = rule.text.limits().collect();
    section(&mut text, "limits", &limits.join("\n"));
    section(&mut text, "passes", rule.text.good);
    section(&mut text, "fails", rule.text.bad);
    text
}

fn rule_json(rule: &Rule) -> Value {
    let option = |option: &&phoenix_policies::settings::Setting| json!({"name": option.name, "default": option.default.value(), "meaning": option.meaning});
    json!({
        "id": rule.id,
        "title": rule.text.title,
        "meaning": rule.text.what,
        "why": rule.text.why,
        "fix": rule.text.fix,
        "kinds": rule.kinds.iter().map(|kind| kind.name).collect::<Vec<_>>(),
        "severity": rule.severity.word(),
        "enforcement": rule.enforcement.word(),
        "evidence": rule.evidence.iter().copied().map(control_as_json).collect::<Vec<_>>(),
        "options": rule.options.iter().map(option).collect::<Vec<_>>(),
        "limits": rule.text.limits().collect::<Vec<_>>(),
        "passes": rule.text.good,
        "fails": rule.text.bad,
    })
}

fn control_text(control: Control) -> String {
    let mut text = format!("{}\n  {}\n", style::bold(&control.citation()), control.title());
    let rules: Vec<_> = rules_of(control)
        .map(|rule| vec![rule.id.to_owned(), rule.text.title.to_owned()])
        .collect();
    section(&mut text, "rules", &table(&rules));
    text
}

fn key_text(key: &Key) -> String {
    let mut text = format!("{}\n", style::bold(&key.key));
    if !key.meaning.is_empty() {
        let _ = writeln!(text, "  {}", key.meaning);
    }
    let _ = writeln!(text, "\n  type: {}", key.type_);
    match (&key.default, key.required) {
        (Some(default), _) => {
            // Default mappings are short.
            let words = match default {
                Value::Object(_) => default.to_string(),
                default => one_line(default),
            };
            let _ = writeln!(text, "  default: {words}");
        }
        (None, true) if key.key.contains('.') => {
            text.push_str("  default: none; required if its parent key is set\n");
        }
        (None, true) => text.push_str("  default: none; required\n"),
        (None, false) => text.push_str("  default: none; optional\n"),
    }
    section(&mut text, "allowed values", &named(&key.choices));
    section(&mut text, "keys", &named(&key.keys));
    let stacks: Vec<_> = key.stacks.iter().map(|setting| row(setting, key)).collect();
    section(&mut text, "stacks", &table(&stacks));
    if let Some(effect) = &key.effect {
        text.push_str(&effect_text(effect));
    }
    let refused: Vec<_> = key
        .refused
        .iter()
        .map(|refusal| match &refusal.hint {
            Some(hint) => format!("{}\n  hint: {hint}", refusal.message),
            None => refusal.message.clone(),
        })
        .collect();
    section(&mut text, "examples of rejected values", &refused.join("\n"));
    text
}

fn row(setting: &Setting, key: &Key) -> Vec<String> {
    let is_secret = key.type_.starts_with("a secret");
    let status = match (&setting.value, &setting.place) {
        (Some(value), _) => one_line(value),
        (None, Some(_)) => "set".to_owned(),
        (None, None) if is_secret => "not set in the file".to_owned(),
        (None, None) => "not set".to_owned(),
    };
    vec![
        setting.stack.clone(),
        status,
        setting.place.clone().unwrap_or_default(),
    ]
}

fn effect_text(effect: &Effect) -> String {
    let stack = &effect.stack;
    let mut text = String::new();
    let title = match (&effect.tried, &effect.before) {
        (Some(tried), Some(before)) => format!(
            "changes in {stack} with {} instead of {}",
            one_line(tried),
            one_line(before)
        ),
        (Some(tried), None) => {
            format!("changes in {stack} with {}, where it is not set", one_line(tried))
        }
        (None, _) => format!("changes in {stack} without it"),
    };
    let mut lines = String::new();
    for changed in &effect.objects {
        let _ = writeln!(lines, "{} {}", changed.operation, changed.object);
        // A renamed object changes many fields; the first few are enough.
        for field in changed.fields.iter().take(4) {
            let _ = writeln!(lines, "  {field}");
        }
        if changed.fields.len() > 4 {
            let _ = writeln!(lines, "  and {} more", count(changed.fields.len() - 4, "field"));
        }
    }
    if effect.objects.is_empty() {
        lines.push_str("no objects\n");
    }
    section(&mut text, &title, &lines);
    text
}

fn object_text(object: &Explained) -> String {
    let mut text = format!("{} ({})\n", style::bold(&object.object), object.api_version);
    if let Some(kind) = object.kind {
        let name = object.object.split('/').next().unwrap_or_default();
        let article = if name.starts_with(['A', 'E', 'I', 'O', 'U']) {
            "An"
        } else {
            "A"
        };
        let _ = writeln!(text, "  {article} {name} {kind}.");
    }
    let meaning = object.system_meaning.as_deref().unwrap_or_default();
    let _ = writeln!(text, "\n  system: {} {}", object.system, style::dim(meaning));
    let stacks: Vec<_> = object
        .stacks
        .iter()
        .map(|stack| {
            let status = match (stack.declared, stack.deletion) {
                (None, _) => "the stack file has errors; run `phoenix doctor`".to_owned(),
                (Some(true), Some(deletion)) => format!("declared; on delete: {deletion}"),
                (Some(true), None) => "declared".to_owned(),
                (Some(false), _) => "not declared".to_owned(),
            };
            vec![stack.stack.clone(), status]
        })
        .collect();
    section(&mut text, "stacks", &table(&stacks));
    let names: Vec<_> = object
        .stacks
        .iter()
        .filter_map(|stack| stack.urn.clone())
        .collect();
    section(&mut text, "URNs", &names.join("\n"));
    section(&mut text, "references", &neighbours(&object.refers_to));
    section(&mut text, "referenced by", &neighbours(&object.referred_by));
    section(
        &mut text,
        "restarts when one of these secrets changes",
        &object.restarts_with.join("\n"),
    );
    let rows: Vec<_> = object
        .connections
        .iter()
        .map(|row| {
            format!(
                "{} -> {}, port {} ({})\n  why: {}",
                row.from, row.to, row.port, row.traffic, row.why
            )
        })
        .collect();
    section(&mut text, "connections", &rows.join("\n"));
    let keys: Vec<_> = object
        .keys
        .iter()
        .map(|key| format!("{}:{key}", phoenix::config::NAMESPACE))
        .collect();
    section(&mut text, "keys that change it", &keys.join("\n"));
    text
}

fn named(words: &[Named]) -> String {
    let rows: Vec<_> = words
        .iter()
        .map(|word| vec![word.name.clone(), word.meaning.clone()])
        .collect();
    table(&rows)
}

fn neighbours(neighbours: &[Neighbour]) -> String {
    let lines: Vec<_> = neighbours
        .iter()
        .map(|neighbour| {
            let note = if neighbour.declared {
                ""
            } else {
                " (external; must exist)"
            };
            format!("{}{note}", neighbour.object)
        })
        .collect();
    lines.join("\n")
}

/// A heading with indented lines below it; nothing without lines.
fn section(text: &mut String, title: &str, lines: &str) {
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n  {}", style::bold(&format!("{title}:")));
    for line in lines.lines() {
        let _ = writeln!(text, "    {line}");
    }
}

/// A value on one line; lists as JSON.
fn one_line(value: &Value) -> String {
    match value {
        Value::Object(fields) => match fields.get("placeholder").and_then(Value::as_str) {
            Some(missing) => format!("a placeholder for {missing}"),
            None => format!("a mapping of {}", count(fields.len(), "key")),
        },
        Value::Array(_) => value.to_string(),
        value => yaml::to_string(value).trim_end().to_owned(),
    }
}
