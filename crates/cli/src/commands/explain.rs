//! `phoenix explain`: what is this key, this object, this rule or this control?

use std::fmt::Write as _;
use std::sync::LazyLock;

use anyhow::Result;
use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use phoenix_graph::yaml;
use phoenix_policies::{Control, RULES, Rule};
use serde_json::{Value, json};

use crate::arguments::Format;
use crate::checkout::Checkout;
use crate::docs::policies::{kinds, rules_of};
use crate::explain::key::{self, Key, Named, Setting};
use crate::explain::object::{Explained, Neighbour};
use crate::explain::probe::Effect;
use crate::explain::{Explanation, Subjects};
use phoenix_report::json::control as control_as_json;
use phoenix_terminal::exit::Exit;
use phoenix_terminal::output::{self, count, table};
use phoenix_terminal::style;

/// Explain a key of the configuration, an object that a stack declares, a rule of the policies or a control.
///
/// A key is told with its meaning, type, default and bounds, with the stacks that set it, and with what another value
/// would change in the objects; that is found by trying one. An object is told with its system, the stacks that declare
/// it, what it refers to and who refers to it, the connections it takes part in, and the keys that change it. A
/// rule is told with what it means, what passes and what fails; a control with the rules that give evidence for it. It needs
/// the repository only.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cargo phoenix explain qdrant.replicas\n  cargo phoenix explain StatefulSet/sophia-memory/qdrant\n  \
                  cargo phoenix explain svc/qdrant-service --format json\n  cargo phoenix explain mesh-mtls-strict\n  cargo phoenix explain \
                  'HIPAA 164.312(e)(1)'"
)]
pub struct Arguments {
    /// A key such as `qdrant.replicas`, or an object such as `StatefulSet/sophia-memory/qdrant`, `StatefulSet/qdrant` or
    /// `sophia-memory/qdrant`; the words of a heading, `StatefulSet sophia-memory/qdrant`, are understood too. Or a rule such as `mesh-mtls-strict`, or a control such as
    /// `CC6.1` or `164.312(e)(1)`.
    #[arg(required = true, num_args = 1..=2, value_name = "KEY|OBJECT|RULE|CONTROL", value_parser = Subject, hide_possible_values = true)]
    subject: Vec<String>,
    /// For people or for machines.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// The keys and the rules, which a parser has to hold for as long as the program runs.
static KEYS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let rules = RULES.iter().map(|rule| rule.id.to_owned());
    key::all().into_iter().chain(rules).collect()
});

/// Takes any word, and offers the keys to the completion of a shell.
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
    let explanation = Subjects::of(checkout)?.explain(&arguments.subject)?;
    match (arguments.format, &explanation) {
        (Format::Text, Explanation::Key(key)) => output::print(&key_text(key))?,
        (Format::Text, Explanation::Object(object)) => output::print(&object_text(object))?,
        (Format::Text, Explanation::Rule(rule)) => output::print(&rule_text(rule))?,
        (Format::Text, Explanation::Control(control)) => output::print(&control_text(*control))?,
        (Format::Json, Explanation::Rule(rule)) => output::json(&json!({"rule": rule_json(rule)}))?,
        (Format::Json, Explanation::Control(control)) => {
            let rules: Vec<_> = rules_of(*control).map(|rule| rule.id).collect();
            output::json(&json!({"control": control_as_json(*control), "rules": rules}))?;
        }
        (Format::Json, Explanation::Key(key)) => output::json(&json!({"key": key}))?,
        (Format::Json, Explanation::Object(object)) => output::json(&json!({"object": object}))?,
    }
    Ok(Exit::Clean)
}

fn rule_text(rule: &Rule) -> String {
    let mut text = format!("{}\n  {}.\n", style::bold(rule.id), rule.text.title);
    let _ = writeln!(text, "\n  judges: {}", kinds(rule));
    let _ = writeln!(
        text,
        "  severity: {}; by default: {}",
        rule.severity.word(),
        rule.enforcement.word()
    );
    section(&mut text, "what passes and what fails", rule.text.what);
    section(&mut text, "why", rule.text.why);
    section(&mut text, "how to repair it", rule.text.fix);
    let evidence: Vec<_> = rule
        .evidence
        .iter()
        .map(|control| vec![control.citation(), control.title().to_owned()])
        .collect();
    section(&mut text, "evidence for", &table(&evidence));
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
    section(&mut text, "options, with their defaults", &table(&options));
    let limits: Vec<_> = rule.text.limits().collect();
    section(&mut text, "what it does not see", &limits.join("\n"));
    section(&mut text, "this passes", rule.text.good);
    section(&mut text, "this fails", rule.text.bad);
    text
}

fn rule_json(rule: &Rule) -> Value {
    let option = |option: &&phoenix_policies::settings::Setting| json!({"name": option.name, "default": option.default.value(), "meaning": option.meaning});
    json!({
        "id": rule.id,
        "title": rule.text.title,
        "meaning": rule.text.what,
        "why": rule.text.why,
        "remedy": rule.text.fix,
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
    section(&mut text, "rules that give evidence for it", &table(&rules));
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
            // A mapping is short here, and its keys are what holds.
            let words = match default {
                Value::Object(_) => default.to_string(),
                default => one_line(default),
            };
            let _ = writeln!(text, "  default: {words}");
        }
        (None, true) if key.key.contains('.') => {
            text.push_str("  default: none; it must be there where the key around it is\n");
        }
        (None, true) => text.push_str("  default: none; it must be there\n"),
        (None, false) => text.push_str("  default: none; it may be left out\n"),
    }
    section(&mut text, "what may stand there", &named(&key.choices));
    section(&mut text, "the keys below it", &named(&key.keys));
    let stacks: Vec<_> = key.stacks.iter().map(|setting| row(setting, key)).collect();
    section(&mut text, "in the stacks", &table(&stacks));
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
    section(&mut text, "what is refused, for example", &refused.join("\n"));
    text
}

fn row(setting: &Setting, key: &Key) -> Vec<String> {
    let is_secret = key.type_.starts_with("a secret");
    let said = match (&setting.value, &setting.place) {
        (Some(value), _) => one_line(value),
        (None, Some(_)) => "has a value".to_owned(),
        (None, None) if is_secret => "has no value in the file".to_owned(),
        (None, None) => "is left out".to_owned(),
    };
    vec![
        setting.stack.clone(),
        said,
        setting.place.clone().unwrap_or_default(),
    ]
}

fn effect_text(effect: &Effect) -> String {
    let stack = &effect.stack;
    let mut text = String::new();
    let title = match (&effect.tried, &effect.before) {
        (Some(tried), Some(before)) => format!(
            "what {} in place of {} would change in {stack}",
            one_line(tried),
            one_line(before)
        ),
        (Some(tried), None) => {
            format!(
                "what {} would change in {stack}, which leaves it out",
                one_line(tried)
            )
        }
        (None, _) => format!("what leaving it out would change in {stack}"),
    };
    let mut lines = String::new();
    for changed in &effect.objects {
        let _ = writeln!(lines, "{} {}", changed.operation, changed.object);
        // A change of names can touch every field; the first few tell what it is about.
        for field in changed.fields.iter().take(4) {
            let _ = writeln!(lines, "  {field}");
        }
        if changed.fields.len() > 4 {
            let _ = writeln!(lines, "  and {} more", count(changed.fields.len() - 4, "field"));
        }
    }
    if effect.objects.is_empty() {
        lines.push_str("no object\n");
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
            let said = match (stack.declared, stack.deletion) {
                (None, _) => "its file has problems; see `phoenix doctor`".to_owned(),
                (Some(true), Some(deletion)) => format!("declared; when it shall be deleted: {deletion}"),
                (Some(true), None) => "declared".to_owned(),
                (Some(false), _) => "not declared".to_owned(),
            };
            vec![stack.stack.clone(), said]
        })
        .collect();
    section(&mut text, "in the stacks", &table(&stacks));
    let names: Vec<_> = object
        .stacks
        .iter()
        .filter_map(|stack| stack.urn.clone())
        .collect();
    section(&mut text, "the engine's names for it", &names.join("\n"));
    section(&mut text, "refers to", &neighbours(&object.refers_to));
    section(&mut text, "referred to by", &neighbours(&object.referred_by));
    section(
        &mut text,
        "new pods when one of these changes",
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
            let whose = if neighbour.declared {
                ""
            } else {
                " (somebody else's, and expected to be there)"
            };
            format!("{}{whose}", neighbour.object)
        })
        .collect();
    lines.join("\n")
}

/// A heading with indented lines below it; nothing where there are none.
fn section(text: &mut String, title: &str, lines: &str) {
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n  {}", style::bold(&format!("{title}:")));
    for line in lines.lines() {
        let _ = writeln!(text, "    {line}");
    }
}

/// A value on one line: texts as they are, mappings and lists as JSON.
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
