//! The rules as policies of Pulumi's engine.
//!
//! A rule about one object answers before that object is made, and so can stop it; a rule about the whole stack answers
//! when everything else went well. The engine has no word for "unknown": in a preview it becomes an advice, and where
//! values have to be known, it counts as a failure.

use std::collections::{BTreeMap, BTreeSet};

use phoenix_graph::{Graph, Id};
use phoenix_policies::control::Framework as Whose;
use phoenix_policies::remediation::{self, Edit, REPAIRS, Repair};
use phoenix_policies::rule::Level as Reach;
use phoenix_policies::schema::of_setting;
use phoenix_policies::{Date, Enforcement, Finding, RULES, Report, Rule, Settings, Severity, Waiver, judge};
use pulumi_wire::Value;
use pulumi_wire::analyzer::{
    self as wire, About, Change, Context, Framework, Level, Pack, Policy, PolicySettings, Remediations,
    Resource, Stack, Verdicts, Violation,
};
use serde_json::{Map, Value as Json, json};

use crate::resource::object;

/// The key of a stack's configuration with what the pack is told: rules, assumptions and waivers.
const OWN_KEY: &str = "phoenix:policies";

/// The pack.
pub struct Controls {
    today: Date,
}

/// What the pack was told, read; nothing yet before the engine has configured it.
#[derive(Default)]
pub struct Told(Option<Settings>);

impl Controls {
    /// The pack on this day.
    pub fn on(today: Date) -> Self {
        Self { today }
    }

    /// What holds for these calls; the defaults where the engine has configured nothing.
    fn settings(&self, told: &Told) -> Settings {
        told.0.clone().unwrap_or_else(|| Settings::on(self.today))
    }
}

impl Pack for Controls {
    type Settings = Told;

    fn about(&self) -> About {
        About {
            name: "phoenix-controls".to_owned(),
            display_name: "Phoenix controls".to_owned(),
            description: "Evidence for SOC 2 and HIPAA, judged over Kubernetes and Istio objects.".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            repository: String::new(),
            policies: RULES.iter().map(|rule| policy(rule)).collect(),
        }
    }

    fn configure(
        &self,
        policies: BTreeMap<String, PolicySettings>,
        stack: Option<&Stack>,
    ) -> Result<Told, String> {
        let value = together(own(stack)?, &policies);
        let settings = Settings::read(&value, self.today).map_err(|problems| {
            let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
            format!(
                "the policies cannot be configured like this:\n{}",
                lines.join("\n")
            )
        })?;
        Ok(Told(Some(settings)))
    }

    fn analyze(&self, resource: &Resource, context: Context<'_, Told>) -> Verdicts {
        let settings = self.settings(context.settings);
        let answer = Answer::of(Reach::Resource, &settings, context.stack);
        match object(resource) {
            Ok(object) => {
                let mut graph = Graph::default();
                let id = graph.add(object).id.clone();
                answer.about(&judge(&graph, &settings), &BTreeMap::from([(id, resource)]))
            }
            Err(why) => answer.nothing(why),
        }
    }

    fn analyze_stack(&self, resources: &[Resource], context: Context<'_, Told>) -> Verdicts {
        let settings = self.settings(context.settings);
        let mut graph = Graph::default();
        let mut known = BTreeMap::new();
        for resource in resources {
            // A second resource of the same object is the same object.
            if let Ok(object) = object(resource)
                && !known.contains_key(&object.id)
            {
                known.insert(object.id.clone(), resource);
                graph.add(object);
            }
        }
        Answer::of(Reach::Stack, &settings, context.stack).about(&judge(&graph, &settings), &known)
    }

    fn remediate(&self, resource: &Resource, context: Context<'_, Told>) -> Remediations {
        let settings = self.settings(context.settings);
        let mut resource = resource.clone();
        let mut changes = Vec::new();
        for repair in &REPAIRS {
            if settings.enforcement(repair.rule) != Enforcement::Remediate {
                continue;
            }
            let Some(properties) = repaired(&resource, repair, &settings) else {
                continue;
            };
            resource.properties.clone_from(&properties);
            changes.push(Change {
                policy: repair.rule.id.to_owned(),
                description: repair.rule.text.title.to_owned(),
                properties,
            });
        }
        Remediations {
            changes,
            not_applicable: Vec::new(),
        }
    }
}

/// The properties of a resource as a repair leaves them; `None` where nothing fails that nobody waived, or where nothing
/// can be put right.
fn repaired(resource: &Resource, repair: &Repair, settings: &Settings) -> Option<BTreeMap<String, Value>> {
    let object = object(resource).ok()?;
    let edits = repair.edits(&object);
    if edits.is_empty() {
        return None;
    }
    let mut graph = Graph::default();
    graph.add(object);
    let report = judge(&graph, settings);
    let fails = report.of(repair.rule)?.failed.first()?;
    if fails.waived.is_some() {
        return None;
    }
    let mut properties = Value::Object(resource.properties.clone());
    for edit in &edits {
        set(&mut properties, edit)?;
    }
    match properties {
        Value::Object(properties) => Some(properties),
        _ => None,
    }
}

/// Sets a field. What is secret or not known on the way is left alone, and nothing is changed then.
fn set(properties: &mut Value, edit: &Edit) -> Option<()> {
    let mut value = properties;
    for step in edit.path.split('.') {
        let (field, index) = match step.strip_suffix(']').and_then(|step| step.split_once('[')) {
            Some((field, index)) => (field, Some(index.parse::<usize>().ok()?)),
            None => (step, None),
        };
        if let Value::Null = value {
            *value = Value::Object(BTreeMap::new());
        }
        let Value::Object(fields) = value else { return None };
        value = fields.entry(field.to_owned()).or_default();
        if let Some(index) = index {
            let Value::Array(items) = value else { return None };
            value = items.get_mut(index)?;
        }
    }
    *value = Value::from_json(&edit.value).ok()?;
    Some(())
}

/// What the stack's own configuration tells the pack.
fn own(stack: Option<&Stack>) -> Result<Map<String, Json>, String> {
    let Some(text) = stack.and_then(|stack| stack.config.get(OWN_KEY)) else {
        return Ok(Map::new());
    };
    match serde_json::from_str(text) {
        Ok(Json::Object(fields)) => Ok(fields),
        _ => Err(format!("{OWN_KEY} must be a mapping")),
    }
}

/// The stack's own words, with those of `--policy-pack-config` over them. The engine tells the default level of each policy
/// that nobody spoke of; those words are nobody's.
fn together(mut own: Map<String, Json>, policies: &BTreeMap<String, PolicySettings>) -> Json {
    for (name, settings) in policies {
        if name == "all" {
            let word = enforcement(settings.level).word();
            own.insert("all".to_owned(), json!(word));
            continue;
        }
        let word = match enforcement(settings.level) {
            // The engine spreads a word about all policies over each of them, so that what cannot be put right is
            // stopped instead of being refused here.
            Enforcement::Remediate
                if rules::find(name).is_some_and(|rule| remediation::of(rule).is_none()) =>
            {
                Enforcement::Mandatory
            }
            enforcement => enforcement,
        }
        .word();
        let spoken = rules::find(name).is_none_or(|rule| level(rule.enforcement) != settings.level);
        if !spoken && settings.properties.is_empty() {
            continue;
        }
        let rules = own.entry("rules").or_insert_with(|| json!({}));
        // Whatever else stands there is told as wrong when all of it is read.
        let Some(rules) = rules.as_object_mut() else {
            continue;
        };
        let rule = rules.entry(name.clone()).or_insert_with(|| json!({}));
        if rule.is_string() {
            *rule = json!({"enforcement": rule});
        }
        if let Some(rule) = rule.as_object_mut() {
            if spoken {
                rule.insert("enforcement".to_owned(), json!(word));
            }
            for (key, value) in &settings.properties {
                rule.insert(key.clone(), plain(value));
            }
        }
    }
    Json::Object(own)
}

/// A setting. None of ours is a secret, and one that is marked as such is of no type that a setting has.
fn plain(value: &Value) -> Json {
    match value {
        Value::Bool(truth) => json!(truth),
        Value::Number(number) if number.fract() == 0.0 => {
            serde_json::from_str(&format!("{number:.0}")).unwrap_or(Json::Null)
        }
        Value::String(text) => json!(text),
        Value::Array(items) => Json::Array(items.iter().map(plain).collect()),
        _ => Json::Null,
    }
}

fn policy(rule: &'static Rule) -> Policy {
    let framework = rule.evidence.first().map(|control| Framework {
        name: control.framework().name().to_owned(),
        version: match control.framework() {
            Whose::Soc2 => "2017 (2022)".to_owned(),
            Whose::Hipaa => "45 CFR 164".to_owned(),
        },
        reference: control.id().to_owned(),
        specification: control.title().to_owned(),
    });
    Policy {
        name: rule.id.to_owned(),
        display_name: rule.text.title.to_owned(),
        description: rule.text.title.to_owned(),
        level: level(rule.enforcement),
        severity: severity(rule.severity),
        of_stack: rule.level == Reach::Stack,
        schema: rule
            .options
            .iter()
            .map(|option| (option.name.to_owned(), of_setting(option)))
            .collect(),
        framework,
        tags: rule
            .evidence
            .iter()
            .map(|control| match control.framework() {
                Whose::Soc2 => format!("soc2:{}", control.id()),
                Whose::Hipaa => format!("hipaa:{}", control.id()),
            })
            .collect(),
        remediation: rule.text.fix.to_owned(),
    }
}

/// What a call is answered with.
struct Answer<'a> {
    reach: Reach,
    settings: &'a Settings,
    /// Whether values can still be unknown, because nothing is made yet.
    is_preview: bool,
}

impl<'a> Answer<'a> {
    fn of(reach: Reach, settings: &'a Settings, stack: Option<&Stack>) -> Self {
        Self {
            reach,
            settings,
            is_preview: stack.is_some_and(|stack| stack.dry_run),
        }
    }

    /// No rule has anything to judge.
    fn nothing(&self, why: &str) -> Verdicts {
        Verdicts {
            violations: Vec::new(),
            not_applicable: self
                .rules()
                .map(|rule| (rule.id.to_owned(), why.to_owned()))
                .collect(),
        }
    }

    fn rules(&self) -> impl Iterator<Item = &'static Rule> {
        let reach = self.reach;
        RULES.iter().copied().filter(move |rule| {
            rule.level == reach && self.settings.enforcement(rule) != Enforcement::Disabled
        })
    }

    fn about(&self, report: &Report, resources: &BTreeMap<Id, &Resource>) -> Verdicts {
        let mut verdicts = Verdicts::default();
        for rule in self.rules() {
            let Some(found) = report.of(rule) else { continue };
            let urn = |subject: usize| {
                resources
                    .get(&report.subjects[subject])
                    .map_or_else(String::new, |resource| resource.urn.clone())
            };
            for failure in &found.failed {
                let waiver = failure.waived.map(|number| &self.settings.waivers[number]);
                let level = if waiver.is_some() {
                    Level::Advisory
                } else {
                    level(found.enforcement)
                };
                let message = told(&report.subjects[failure.subject], rule, &failure.findings, waiver);
                verdicts
                    .violations
                    .push(violation(rule, message, urn(failure.subject), level));
            }
            for (subject, what) in &found.unknown {
                let level = if self.is_preview {
                    Level::Advisory
                } else {
                    level(found.enforcement)
                };
                let message = format!(
                    "{}: it cannot be said yet whether this holds, because this is not known: {}.",
                    report.subjects[*subject],
                    each(what).join(", ")
                );
                verdicts
                    .violations
                    .push(violation(rule, message, urn(*subject), level));
            }
            if found.population() == 0 {
                let why = found
                    .not_applicable
                    .first()
                    .map_or("the rule judges other kinds of objects", |(_, why)| *why);
                verdicts.not_applicable.push((rule.id.to_owned(), why.to_owned()));
            }
        }
        if self.reach == Reach::Stack {
            verdicts
                .violations
                .extend(report.ending.iter().map(|ending| Violation {
                    policy: "waivers-are-valid".to_owned(),
                    description: "A waiver ends soon".to_owned(),
                    message: ending.message.clone(),
                    urn: String::new(),
                    level: Level::Advisory,
                    severity: wire::Severity::Low,
                }));
        }
        verdicts
    }
}

fn violation(rule: &Rule, message: String, urn: String, level: Level) -> Violation {
    Violation {
        policy: rule.id.to_owned(),
        description: rule.text.title.to_owned(),
        message,
        urn,
        level,
        severity: severity(rule.severity),
    }
}

/// What the engine shows of a failure. It shows neither frameworks nor remedies by itself.
fn told(subject: &Id, rule: &Rule, findings: &[Finding], waiver: Option<&Waiver>) -> String {
    let mut lines = vec![format!("{}. Not so in {subject}:", rule.text.title)];
    lines.extend(findings.iter().map(|finding| match finding.path.as_str() {
        "" => finding.message.clone(),
        path => format!("{path}: {}", finding.message),
    }));
    let evidence: Vec<_> = rule.evidence.iter().map(|control| control.citation()).collect();
    lines.push(format!("Repair: {}", rule.text.fix));
    lines.push(format!(
        "Evidence for: {}. More: phoenix explain {}",
        evidence.join(", "),
        rule.id
    ));
    lines.extend(waiver.map(|waiver| {
        format!(
            "Waived until {} by {} ({}).",
            waiver.last_day, waiver.approver, waiver.ticket
        )
    }));
    lines.join("\n")
}

fn each(what: &[String]) -> Vec<&str> {
    let once: BTreeSet<_> = what.iter().map(String::as_str).collect();
    once.into_iter().collect()
}

fn level(enforcement: Enforcement) -> Level {
    match enforcement {
        Enforcement::Disabled => Level::Disabled,
        Enforcement::Advisory => Level::Advisory,
        Enforcement::Mandatory => Level::Mandatory,
        Enforcement::Remediate => Level::Remediate,
    }
}

fn enforcement(level: Level) -> Enforcement {
    match level {
        Level::Disabled => Enforcement::Disabled,
        Level::Advisory => Enforcement::Advisory,
        Level::Mandatory => Enforcement::Mandatory,
        Level::Remediate => Enforcement::Remediate,
    }
}

fn severity(severity: Severity) -> wire::Severity {
    match severity {
        Severity::Low => wire::Severity::Low,
        Severity::Medium => wire::Severity::Medium,
        Severity::High => wire::Severity::High,
        Severity::Critical => wire::Severity::Critical,
    }
}
