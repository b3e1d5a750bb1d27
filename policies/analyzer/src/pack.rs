//! The rules as policies of Pulumi's engine.
//!
//! A rule about one object is evaluated before the engine creates the object and can prevent that; a rule about the stack is
//! evaluated after all other steps succeeded. The engine has no verdict "unknown": in a preview an unknown verdict is
//! reported as an advisory violation, and in a deployment, in which all values are known, as a failure.
//!
//! The settings are the profile of the stack's environment, tightened by those of the stack, then those of
//! `--policy-pack-config`, which comes from the caller and has the last word.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use phoenix_graph::{Graph, Id};
use phoenix_policies::control::Framework as ControlFramework;
use phoenix_policies::remediation::{Edit, Remediation};
use phoenix_policies::rules::evaluation::{ASSUMPTIONS_ARE_REVIEWED, EVALUATION_NOT_WEAKENED};
use phoenix_policies::schema::of_setting;
use phoenix_policies::{
    Authority, Enforcement, Finding, RULES, Report, Rule, Scope, Settings, Severity, Source, Waiver,
    evaluate, rules,
};
use pulumi_wire::Value;
use pulumi_wire::analyzer::{
    self as wire, About, Change, Context, Framework, Level, Pack, Policy, PolicySettings, Remediations,
    Resource, Stack, Verdicts, Violation,
};
use serde_json::{Map, Value as Json, json};

use crate::profiles;
use crate::resource::object;

/// The configuration key of a stack with the settings of the pack.
const SETTINGS_KEY: &str = "phoenix:policies";

/// The configuration key of a stack with its environment.
const ENVIRONMENT_KEY: &str = "phoenix:environment";

/// The policy pack.
pub struct ControlsPack {
    today: Date,
}

/// The settings of the pack; `None` until the engine has configured it.
#[derive(Default)]
pub struct PackSettings(Option<Settings>);

impl ControlsPack {
    /// The pack, evaluated on this day.
    pub fn on(today: Date) -> Self {
        Self { today }
    }

    /// The settings of a call; the defaults if the engine has configured nothing.
    fn settings(&self, configured: &PackSettings) -> Settings {
        configured.0.clone().unwrap_or_else(|| Settings::on(self.today))
    }
}

impl Pack for ControlsPack {
    type Settings = PackSettings;

    fn about(&self) -> About {
        About {
            name: "phoenix-controls".to_owned(),
            display_name: "Phoenix controls".to_owned(),
            description:
                "Policies for Kubernetes and Istio objects, with evidence for SOC 2 and HIPAA controls."
                    .to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            repository: String::new(),
            policies: RULES.iter().map(|rule| policy(rule)).collect(),
        }
    }

    fn configure(
        &self,
        policies: BTreeMap<String, PolicySettings>,
        stack: Option<&Stack>,
    ) -> Result<PackSettings, String> {
        let read = |value: &Json, name: &str, authority: Authority| {
            Settings::read_from(value, &Source::new(name, authority), self.today).map_err(|problems| {
                let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
                format!("the settings of the policies are invalid:\n{}", lines.join("\n"))
            })
        };
        let environment = stack.and_then(|stack| stack.config.get(ENVIRONMENT_KEY));
        let mut settings = profiles::settings_of(environment.map(String::as_str), self.today)?;
        if let Some(stack) = stack {
            let own = read(&stack_settings(stack)?, SETTINGS_KEY, Authority::Stack)?;
            settings.tighten(&own, &stack.name);
            if let Some(environment) = environment {
                settings.check_environment(ENVIRONMENT_KEY, &stack.name, environment);
            }
        }
        let of_engine = read(
            &engine_settings(&policies),
            "--policy-pack-config",
            Authority::Caller,
        )?;
        settings.overlay(&of_engine);
        Ok(PackSettings(Some(settings)))
    }

    fn analyze(&self, resource: &Resource, context: Context<'_, PackSettings>) -> Verdicts {
        let settings = self.settings(context.settings);
        let answer = Answer::of(Scope::Resource, &settings, context.stack);
        match object(resource) {
            Ok(object) => {
                let mut graph = Graph::default();
                let id = graph.add(object).id.clone();
                answer.verdicts(&evaluate(&graph, &settings), &BTreeMap::from([(id, resource)]))
            }
            Err(why) => answer.nothing(why),
        }
    }

    fn analyze_stack(&self, resources: &[Resource], context: Context<'_, PackSettings>) -> Verdicts {
        let settings = self.settings(context.settings);
        let mut graph = Graph::default();
        let mut known = BTreeMap::new();
        for resource in resources {
            // Two resources can be the same object.
            if let Ok(object) = object(resource)
                && !known.contains_key(&object.id)
            {
                known.insert(object.id.clone(), resource);
                graph.add(object);
            }
        }
        Answer::of(Scope::Stack, &settings, context.stack).verdicts(&evaluate(&graph, &settings), &known)
    }

    fn remediate(&self, resource: &Resource, context: Context<'_, PackSettings>) -> Remediations {
        let settings = self.settings(context.settings);
        let mut resource = resource.clone();
        let mut changes = Vec::new();
        for rule in RULES {
            let Some(remediation) = &rule.remediation else {
                continue;
            };
            if settings.enforcement(rule) != Enforcement::Remediate {
                continue;
            }
            let Some(properties) = remediated(&resource, rule, remediation, &settings) else {
                continue;
            };
            resource.properties.clone_from(&properties);
            changes.push(Change {
                policy: rule.id.to_owned(),
                description: rule.text.title.to_owned(),
                properties,
            });
        }
        Remediations {
            changes,
            not_applicable: Vec::new(),
        }
    }
}

/// The properties of a resource after its remediation; `None` if it does not fail the rule, if the failure is waived, or if
/// nothing can be set.
fn remediated(
    resource: &Resource,
    rule: &Rule,
    remediation: &Remediation,
    settings: &Settings,
) -> Option<BTreeMap<String, Value>> {
    let object = object(resource).ok()?;
    let edits = remediation.edits(&object);
    if edits.is_empty() {
        return None;
    }
    let mut graph = Graph::default();
    graph.add(object);
    let report = evaluate(&graph, settings);
    let failure = report.of(rule)?.failed.first()?;
    if failure.waived.is_some() {
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

/// Sets a field; `None` if a parent of the field is secret or unknown.
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

/// The settings in the configuration of the stack.
fn stack_settings(stack: &Stack) -> Result<Json, String> {
    let Some(text) = stack.config.get(SETTINGS_KEY) else {
        return Ok(Json::Null);
    };
    match serde_json::from_str(text) {
        Ok(Json::Object(fields)) => Ok(Json::Object(fields)),
        _ => Err(format!("{SETTINGS_KEY} must be a mapping")),
    }
}

/// The settings of `--policy-pack-config`. The engine also sends a level for each policy that is not configured, which is
/// the default; such a level sets nothing, unless a level for `all` is configured.
fn engine_settings(policies: &BTreeMap<String, PolicySettings>) -> Json {
    let mut settings = Map::new();
    let mut rules = Map::new();
    if let Some(all) = policies.get("all") {
        settings.insert("all".to_owned(), json!(enforcement(all.level).word()));
    }
    for (name, policy) in policies.iter().filter(|(name, _)| *name != "all") {
        let word = match enforcement(policy.level) {
            // The engine applies a level for `all` to each policy, also to those without a remediation.
            Enforcement::Remediate if rules::find(name).is_some_and(|rule| rule.remediation.is_none()) => {
                Enforcement::Mandatory
            }
            enforcement => enforcement,
        }
        .word();
        let is_default = rules::find(name).is_some_and(|rule| level(rule.enforcement) == policy.level);
        let mut rule: Map<String, Json> = policy
            .properties
            .iter()
            .map(|(key, value)| (key.clone(), plain(value)))
            .collect();
        if !is_default || policies.contains_key("all") {
            rule.insert("enforcement".to_owned(), json!(word));
        }
        if !rule.is_empty() {
            rules.insert(name.clone(), Json::Object(rule));
        }
    }
    settings.insert("rules".to_owned(), Json::Object(rules));
    Json::Object(settings)
}

/// The value of a setting as JSON. No setting is a secret; a value that is one has the wrong type.
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
            ControlFramework::Soc2 => "2017 (2022)".to_owned(),
            ControlFramework::Hipaa => "45 CFR 164".to_owned(),
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
        of_stack: rule.scope() == Scope::Stack,
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
                ControlFramework::Soc2 => format!("soc2:{}", control.id()),
                ControlFramework::Hipaa => format!("hipaa:{}", control.id()),
            })
            .collect(),
        remediation: rule.text.fix.to_owned(),
    }
}

/// Builds the answer to a call.
struct Answer<'a> {
    scope: Scope,
    settings: &'a Settings,
    /// Whether values can be unknown, because nothing is created yet.
    is_preview: bool,
}

impl<'a> Answer<'a> {
    fn of(scope: Scope, settings: &'a Settings, stack: Option<&Stack>) -> Self {
        Self {
            scope,
            settings,
            is_preview: stack.is_some_and(|stack| stack.dry_run),
        }
    }

    /// The answer if no rule applies.
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
        let scope = self.scope;
        RULES.iter().copied().filter(move |rule| {
            rule.scope() == scope && self.settings.enforcement(rule) != Enforcement::Disabled
        })
    }

    fn verdicts(&self, report: &Report, resources: &BTreeMap<Id, &Resource>) -> Verdicts {
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
                let message = message(&report.subjects[failure.subject], rule, &failure.findings, waiver);
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
                    "{}: the result is unknown, because these values are not known yet: {}.",
                    report.subjects[*subject],
                    unique(what).join(", ")
                );
                verdicts
                    .violations
                    .push(violation(rule, message, urn(*subject), level));
            }
            if found.population() == 0 {
                let why = found
                    .not_applicable
                    .first()
                    .map_or("the rule checks other kinds of objects", |(_, why)| *why);
                verdicts.not_applicable.push((rule.id.to_owned(), why.to_owned()));
            }
        }
        if self.scope == Scope::Stack {
            verdicts.violations.extend(self.weakened());
            verdicts
                .violations
                .extend(report.expiring_waivers.iter().map(|expiring| Violation {
                    policy: "waivers-are-valid".to_owned(),
                    description: "A waiver expires soon".to_owned(),
                    message: expiring.message.clone(),
                    urn: String::new(),
                    level: Level::Advisory,
                    severity: wire::Severity::Low,
                }));
        }
        verdicts
    }
}

impl Answer<'_> {
    /// Advisory violations that list what weakens the evaluation, with its source, and the assumptions.
    fn weakened(&self) -> impl Iterator<Item = Violation> {
        let relaxations = self.settings.relaxations();
        let relaxations: Vec<_> = relaxations.iter().map(ToString::to_string).collect();
        let assumptions: Vec<_> = self
            .settings
            .made_assumptions()
            .map(|made| {
                let review = made.review.as_ref().map_or(String::new(), |review| {
                    format!(
                        " (owner {}, evidence: {}, review by {})",
                        review.owner, review.evidence, review.review_by
                    )
                });
                format!("{} = {}{review}", made.setting.name, made.value)
            })
            .collect();
        [
            (
                &EVALUATION_NOT_WEAKENED,
                "The evaluation is weakened",
                relaxations,
            ),
            (
                &ASSUMPTIONS_ARE_REVIEWED,
                "Verdicts can depend on these assumptions",
                assumptions,
            ),
        ]
        .into_iter()
        .filter(|(.., lines)| !lines.is_empty())
        .map(|(rule, title, lines)| Violation {
            description: title.to_owned(),
            severity: wire::Severity::Low,
            ..violation(
                rule,
                format!("{title}:\n{}", lines.join("\n")),
                String::new(),
                Level::Advisory,
            )
        })
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

/// The message of a failure. The engine itself shows neither controls nor the fix.
fn message(subject: &Id, rule: &Rule, findings: &[Finding], waiver: Option<&Waiver>) -> String {
    let mut lines = vec![format!("{subject} violates \"{}\":", rule.text.title)];
    lines.extend(findings.iter().map(|finding| match finding.path.as_str() {
        "" => finding.message.clone(),
        path => format!("{path}: {}", finding.message),
    }));
    let evidence: Vec<_> = rule.evidence.iter().map(|control| control.citation()).collect();
    lines.push(format!("How to fix: {}", rule.text.fix));
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

fn unique(what: &[String]) -> Vec<&str> {
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
