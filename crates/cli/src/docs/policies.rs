//! `policies/README.md`: the catalogue of the policies, made from the rules themselves.

use std::fmt::Write as _;

use phoenix_policies::control::{Framework, OUTSIDE};
use phoenix_policies::kind::Kind;
use phoenix_policies::settings::{Setting, assume};
use phoenix_policies::{Control, RULES, Rule, Scope};

/// The catalogue as it is committed in `policies/README.md`.
pub fn markdown() -> String {
    let mut text = format!(
        "# The policies\n\n<!-- Generated from the rules by a test; change the rules, not this file. -->\n\n{} rules judge any graph of Kubernetes and \
         Istio objects, whoever wrote it, and give evidence for {} controls of SOC 2 and HIPAA. Evidence is no compliance: a rule says what a manifest shows, at one \
         moment.\n\n- `cargo phoenix check` judges the stacks, `cargo phoenix check --file deploy/` any manifests. It ends with 3 if a mandatory rule fails.\n- `cargo \
         phoenix explain RULE` tells one rule, `cargo phoenix explain CONTROL` one control.\n- [How to add a rule](../docs/how-to/add-a-rule.md). [How often the rules \
         agree with others](../docs/policy-accuracy.md).\n\nA verdict is one of four. **pass** and **fail** say what they say. **not applicable**: the rule has \
         nothing to say of the object, which then counts in no population. **unknown**: what the rule has to know is not known yet, or was not given; it is never \
         a pass.\n\n",
        RULES.len(),
        Control::ALL.len()
    );
    settings(&mut text);
    engine(&mut text);
    text.push_str("## The rules\n\n| rule | true of a good stack | severity | by default | SOC 2 | HIPAA (164.) |\n|---|---|---|---|---|---|\n");
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
    text.push_str(
        "## Settings\n\nA stack says in its file how it is to be judged; `--settings FILE` takes the same keys for manifests. An unknown name is refused, with \
         the nearest known one.\n\n```yaml\nphoenix:policies:\n  all: advisory                       # every rule that is not off by itself\n  rules:\n    no-host-ports: \
         mandatory\n    image-registry-allowed:           # a rule's own options\n      registries: [registry.example/team]\n  assume:\n    defaultStorageClassEncrypted: \
         true\n  waivers:\n    - rule: no-host-ports\n      objects: [DaemonSet edge/proxy]   # each exactly\n      reason: it answers for the node itself\n      \
         compensatingMeasure: the nodes are in a network of their own\n      owner: edge-team\n      approver: security\n      approved: 2026-06-01\n      lastDay: \
         2026-12-31\n      ticket: SEC-1\n```\n\nDays are written as texts where YAML would make dates of them: `\"2026-12-31\"`. What is waived stays in every report. A waiver is \
         judged by the rule [`waivers-are-valid`](#waivers-are-valid), and is told from thirty days before its end on, or from `expiryNoticeDays` of that rule (in SARIF as a note).\n\nWhat is assumed of the world that nobody gave, and \
         printed with `--assumptions`:\n\n| assumption | default | meaning |\n|---|---|---|\n",
    );
    for setting in assume::ALL {
        let _ = writeln!(text, "{}", row(setting));
    }
    text.push('\n');
}

/// What the engine does with the rules.
fn engine(text: &mut String) {
    text.push_str(
        "## In Pulumi's engine\n\n`pulumi preview --policy-pack policies` and `pulumi up --policy-pack policies` start the pack as a native program, which the language host of this repository builds. \
         `--policy-pack target/debug/phoenix-policies` starts one that is built already. It takes `phoenix:policies` of the stack, and over it what `--policy-pack-config FILE` says: a JSON mapping of \
         rules. Rules about one object stop that object; rules about the stack are told when everything else went well. `pulumi policy analyze --policy-pack policies --stack STACK` judges what was \
         deployed, from its state; it knows no settings of the stack, so give it those of its file as `--policy-pack-config`, where it asks for other than the defaults.\n\n`phoenix check --cluster` judges what a cluster really has.\n\n\
         ### What it puts right\n\nWith the level `remediate` the pack changes an object on its way to the cluster, where that cannot change what the object means; what is left stops it, as `mandatory` does. No \
         rule has this level by itself, because what is deployed then differs from what `phoenix render` shows: it is meant for programs that somebody else wrote. `phoenix check` repairs nothing and \
         counts such a failure as any other. What a waiver excuses is left as it is. `remediate` is refused for any other rule; for `all` it means `mandatory` there.\n\n| rule | what it does |\n|---|---|\n",
    );
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
    text.push_str("\n## The controls\n\n| control | about | need | rules |\n|---|---|---|---|\n");
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
    text.push_str("\nOutside of what this pack can give evidence for:\n\n| control | about | why not |\n|---|---|---|\n");
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

/// The kinds that a rule judges, by name.
pub fn kinds(rule: &Rule) -> String {
    let mut names: Vec<_> = rule.kinds.iter().map(|kind: &Kind| kind.name).collect();
    names.dedup();
    if names.is_empty() {
        "waivers".to_owned()
    } else {
        names.join(", ")
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
        Scope::Resource => "One object shows it.",
        Scope::Stack => "It is seen from the object and the others together.",
    };
    let _ = write!(
        text,
        "\n### {}\n\n**{}.** {}\n\n*Why:* {}\n\n*Repair:* {}\n\n*Judges:* {}. {scope} *Severity:* {}; *by default* {}.\n\n*Evidence for:* {}.\n",
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
