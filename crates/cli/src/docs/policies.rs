//! `policies/README.md`: the catalog of the policies, generated from the rules.

use std::fmt::Write as _;

use phoenix_policies::control::{Framework, OUTSIDE};
use phoenix_policies::kind::Kind;
use phoenix_policies::settings::{Setting, assume};
use phoenix_policies::{Check, Control, RULES, Rule, SETTINGS_EXAMPLE, Scope};

/// The catalog as it is committed in `policies/README.md`.
pub fn markdown() -> String {
    let mut text = include_str!("policies/introduction.md.in")
        .replace("{rules}", &RULES.len().to_string())
        .replace("{controls}", &Control::ALL.len().to_string());
    settings(&mut text);
    engine(&mut text);
    text.push_str("## The rules\n\n| rule | requirement | severity | default | SOC 2 | HIPAA (164.) |\n|---|---|---|---|---|---|\n");
    for rule in RULES {
        let _ = writeln!(
            text,
            "| [`{0}`](#{0}) | {1} | {2} | {3} | {4} | {5} |",
            rule.id,
            rule.text.title,
            rule.severity.word(),
            rule.enforcement.word(),
            ids(rule, Framework::Soc2),
            ids(rule, Framework::Hipaa)
        );
    }
    controls(&mut text);
    text.push_str("\n## Each rule\n");
    for rule in RULES {
        section(&mut text, rule);
    }
    text
}

fn settings(text: &mut String) {
    text.push_str(&include_str!("policies/settings.md.in").replace("{example}", SETTINGS_EXAMPLE));
    text.push_str("| assumption | default | meaning |\n|---|---|---|\n");
    for setting in assume::ALL {
        let _ = writeln!(text, "{}", row(setting));
    }
    text.push('\n');
}

/// How Pulumi's engine applies the rules.
fn engine(text: &mut String) {
    text.push_str(include_str!("policies/engine.md.in"));
    text.push_str("| rule | change |\n|---|---|\n");
    for rule in RULES {
        if let Some(remediation) = &rule.remediation {
            let _ = writeln!(text, "| [`{0}`](#{0}) | {1} |", rule.id, remediation.when);
        }
    }
    text.push('\n');
}

fn row(setting: &Setting) -> String {
    format!(
        "| `{}` | `{}` | {} |",
        setting.name,
        setting.default.value(),
        setting.meaning
    )
}

fn controls(text: &mut String) {
    text.push_str("\n## The controls\n\n| control | subject | requirement | rules |\n|---|---|---|---|\n");
    for control in Control::ALL {
        let rules: Vec<_> = rules_of(*control)
            .map(|rule| format!("[`{0}`](#{0})", rule.id))
            .collect();
        let _ = writeln!(
            text,
            "| {} {} | {} | {} | {} |",
            control.framework().name(),
            control.id(),
            control.title(),
            control.need().word(),
            rules.join(", ")
        );
    }
    text.push_str("\nControls for which manifests contain no evidence:\n\n| control | subject | reason |\n|---|---|---|\n");
    for (ids, topic, why) in OUTSIDE {
        let _ = writeln!(text, "| {ids} | {topic} | {why} |");
    }
}

/// The rules that give evidence for a control.
pub fn rules_of(control: Control) -> impl Iterator<Item = &'static Rule> {
    RULES
        .iter()
        .copied()
        .filter(move |rule| rule.evidence.contains(&control))
}

/// The kinds that a rule evaluates, by name.
pub fn kinds(rule: &Rule) -> String {
    let mut names: Vec<_> = rule.kinds.iter().map(|kind: &Kind| kind.name).collect();
    names.dedup();
    match rule.check {
        Check::Waivers(_) => "waivers".to_owned(),
        Check::Settings => "settings".to_owned(),
        Check::Resource(_) | Check::Stack(_) => names.join(", "),
    }
}

fn ids(rule: &Rule, framework: Framework) -> String {
    let ids = rule
        .evidence
        .iter()
        .filter(|control| control.framework() == framework)
        .map(|control| control.id().trim_start_matches("164."));
    ids.collect::<Vec<_>>().join(", ")
}

fn section(text: &mut String, rule: &Rule) {
    let scope = match rule.scope() {
        Scope::Resource => "Evaluated for each object alone.",
        Scope::Stack => "Evaluated together with the other objects.",
    };
    let _ = write!(
        text,
        "\n### {}\n\n**{}.** {}\n\n*Why:* {}\n\n*Fix:* {}\n\n*Kinds:* {}. {scope} *Severity:* {}; *default:* {}.\n\n*Evidence for:* {}.\n",
        rule.id,
        rule.text.title,
        rule.text.what,
        rule.text.why,
        rule.text.fix,
        kinds(rule),
        rule.severity.word(),
        rule.enforcement.word(),
        rule.evidence
            .iter()
            .map(|control| format!("{}: {}", control.citation(), control.title()))
            .collect::<Vec<_>>()
            .join("; ")
    );
    if !rule.options.is_empty() {
        text.push_str("\n| option | default | meaning |\n|---|---|---|\n");
        for option in rule.options {
            let _ = writeln!(text, "{}", row(option));
        }
    }
    for limit in rule.text.limits() {
        let _ = write!(text, "\n*Limitation:* {limit}\n");
    }
    let _ = write!(
        text,
        "\nPasses:\n\n```yaml\n{}```\n\nFails:\n\n```yaml\n{}```\n",
        rule.text.good, rule.text.bad
    );
}
