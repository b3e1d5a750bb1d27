//! Access logs and their retention, metrics and alerts.

use std::collections::BTreeMap;

use phoenix_graph::Object;
use serde_json::Value;

use crate::context::{CheckContext, Subject};
use crate::control::Control::{
    ActionsRecorded, AnomaliesWatched, AuditControls, Capacity, ContingencyPlan, LogInsWatched, Recovery,
};
use crate::enforcement::Enforcement;
use crate::field::{Field, Node, namespace_of};
use crate::inventory::Inventory;
use crate::kind::{CRON_JOB, DAEMON_SET, DEPLOYMENT, Kind, RUNNING_WORKLOADS, SERVICE, STATEFUL_SET};
use crate::mesh::DataPlane;
use crate::rule::{Check, Rule, Severity};
use crate::rules::data::storage::BACKUP_COVERS_DATA;
use crate::rules::data::{BACKUP_ANNOTATION, VELERO_SCHEDULE};
use crate::rules::mesh::effect::{PolicyScope, TELEMETRY, in_force};
use crate::rules::mesh::identity::{in_mesh, workload};
use crate::selector::{Answer, has_all, selects};
use crate::settings::{DefaultValue, Setting};
use crate::text::rule_text;

const OPERATOR: &[&str] = &["monitoring.coreos.com"];
pub(crate) const SERVICE_MONITOR: Kind = Kind::new(OPERATOR, "ServiceMonitor");
pub(crate) const POD_MONITOR: Kind = Kind::new(OPERATOR, "PodMonitor");
const ALERTS: Kind = Kind::new(OPERATOR, "PrometheusRule");

static LOGS_BY_DEFAULT: Setting = Setting {
    name: "meshLogsByDefault",
    meaning: "the mesh configuration (`accessLogFile`, `defaultProviders`) enables access logs for every proxy, unless a Telemetry disables them",
    default: DefaultValue::Flag(false),
};

/// Access logs.
pub static MESH_ACCESS_LOGGING_ON: Rule = Rule {
    id: "mesh-access-logging-on",
    text: rule_text!("mesh-access-logging-on"),
    kinds: RUNNING_WORKLOADS,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    options: &[&LOGS_BY_DEFAULT],
    evidence: &[AnomaliesWatched, AuditControls],
    check: Check::Stack(logged),
    ..Rule::DEFAULTS
};

fn logged(subject: &Subject<'_>, context: &mut CheckContext<'_>) {
    let Some(own) = in_mesh(subject, context) else {
        return;
    };
    let inventory = context.inventory;
    let data_plane = inventory.data_plane(own);
    if data_plane == DataPlane::Ambient {
        context.not_applicable("the proxy of the node logs every connection by default (ambient mode)");
        return;
    }
    let mut closest: Option<(PolicyScope, &Object, Option<&[Value]>)> = None;
    for telemetry in inventory.all(TELEMETRY) {
        let entries = match Node::new(telemetry.body(), "").list("spec.accessLogging") {
            Field::Absent => continue,
            Field::Known(entries) => Some(entries),
            Field::Unknown => None,
        };
        let (answer, scope) = in_force(telemetry, own, inventory);
        match answer {
            Answer::Yes if closest.is_none_or(|(nearest, ..)| scope > nearest) => {
                closest = Some((scope, telemetry, entries));
            }
            Answer::Unknown => context.unknown(format!("whether {} applies", telemetry.id)),
            Answer::Yes | Answer::No => {}
        }
    }
    match closest {
        None if context.option_flag(&LOGS_BY_DEFAULT) => {}
        None if !inventory.is_complete() => {
            context.unknown("whether a Telemetry outside of the input enables access logs");
        }
        None => context.fail("", "no Telemetry enables access logs for the workload"),
        Some((_, telemetry, None)) => context.unknown(format!("spec.accessLogging of {}", telemetry.id)),
        Some((_, telemetry, Some(entries))) => match logs_requests(entries, data_plane) {
            Answer::Yes => {}
            Answer::No => context.fail(
                "",
                format!("{} disables access logs of received requests", telemetry.id),
            ),
            Answer::Unknown => context.unknown(format!("spec.accessLogging of {}", telemetry.id)),
        },
    }
}

/// Whether the server side logs requests. Entries apply in order: one that disables logging applies to its providers, or
/// to all of them.
fn logs_requests(entries: &[Value], data_plane: DataPlane) -> Answer {
    // A gateway counts as the client of its destinations.
    let other_side = if data_plane == DataPlane::Gateway {
        "SERVER"
    } else {
        "CLIENT"
    };
    let mut providers: BTreeMap<&str, bool> = BTreeMap::new();
    // Whether entries that cannot be read may enable or disable logs.
    let (mut may_enable, mut may_disable) = (false, false);
    for entry in entries {
        let node = Node::new(entry, "");
        let concerned = match node.text("match.mode") {
            Field::Known(mode) => Answer::from_bool(mode != other_side),
            Field::Absent => Answer::from_bool(entry.is_object()),
            Field::Unknown => Answer::Unknown,
        };
        let disabled = node.flag("disabled");
        let name = |provider| Node::new(provider, "").text("name").known();
        let names: Option<Vec<&str>> = match node.list("providers") {
            Field::Known(list) => list.iter().map(name).collect(),
            Field::Absent => Some(Vec::new()),
            Field::Unknown => None,
        };
        match (concerned, disabled, names.as_deref()) {
            (Answer::No, ..) => {}
            (Answer::Unknown, ..) | (_, Field::Unknown, _) | (_, _, None) => {
                may_enable |= disabled != Field::Known(true);
                may_disable |= !matches!(disabled, Field::Known(false) | Field::Absent);
            }
            (Answer::Yes, Field::Known(true), Some([])) => {
                providers.clear();
                may_enable = false;
            }
            (Answer::Yes, Field::Known(false) | Field::Absent, Some([])) => {
                providers.insert("", true);
                may_disable = false;
            }
            (Answer::Yes, disabled, Some(names)) => {
                providers.extend(names.iter().map(|name| (*name, disabled != Field::Known(true))));
            }
        }
    }
    match providers.into_values().any(|is_on| is_on) {
        true if may_disable => Answer::Unknown,
        false if may_enable => Answer::Unknown,
        is_on => Answer::from_bool(is_on),
    }
}

static RETENTION: Setting = Setting {
    name: "annotation",
    meaning: "the annotation of a Telemetry with the retention of its log in days; only the first entry is used",
    default: DefaultValue::Texts(&["phoenix.ai/audit-retention-days"]),
};

static DAYS: Setting = Setting {
    name: "minimumDays",
    meaning: "the minimum retention of a log in days; the default is six years, which HIPAA requires for documentation (164.316(b)(2)(i))",
    default: DefaultValue::Number(2190),
};

/// Retention of logs.
pub static AUDIT_TRAIL_RETAINED: Rule = Rule {
    id: "audit-trail-retained",
    text: rule_text!("audit-trail-retained"),
    kinds: &[TELEMETRY],
    severity: Severity::Medium,
    enforcement: Enforcement::Mandatory,
    options: &[&RETENTION, &DAYS],
    evidence: &[AnomaliesWatched, AuditControls, ActionsRecorded],
    check: Check::Resource(|subject, context| {
        let entries = context.items(subject.body, "spec.accessLogging");
        let is_off = |entry: &crate::context::Item<'_>| entry.node().flag("disabled") == Field::Known(true);
        if entries.iter().all(is_off) && !subject.body.list("spec.accessLogging").is_unknown() {
            context.not_applicable("it does not enable access logs");
        }
        if entries.iter().all(is_off) {
            return;
        }
        let Some(annotation) = context.option_text(&RETENTION) else {
            context.not_applicable("the settings set no annotation");
            return;
        };
        let least = context.option_number(&DAYS);
        let place = format!("metadata.annotations[{annotation}]");
        match subject.body.entry("metadata.annotations", annotation) {
            Field::Known(days) => match days.trim().parse::<i64>() {
                Ok(days) if days >= least => {}
                Ok(days) => context.fail(
                    place,
                    format!("the retention is {days} days; {least} are required"),
                ),
                Err(_) => context.fail(place, format!("{days} is not a number of days")),
            },
            Field::Absent => context.fail(place, "it does not declare the retention of the log"),
            Field::Unknown => context.unknown(place),
        }
    }),
    ..Rule::DEFAULTS
};

/// Collection of metrics.
pub static WORKLOADS_MONITORED: Rule = Rule {
    id: "workloads-monitored",
    text: rule_text!("workloads-monitored"),
    kinds: &[DEPLOYMENT, STATEFUL_SET, DAEMON_SET],
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    evidence: &[AnomaliesWatched, Capacity, AuditControls],
    check: Check::Stack(monitored),
    ..Rule::DEFAULTS
};

fn monitored(subject: &Subject<'_>, context: &mut CheckContext<'_>) {
    let Some(own) = workload(subject) else { return };
    let inventory = context.inventory;
    if inventory
        .all(POD_MONITOR)
        .chain(inventory.all(SERVICE_MONITOR))
        .next()
        .is_none()
    {
        context.not_applicable("the input has no ServiceMonitor or PodMonitor");
        return;
    }
    let labels = own.labels();
    let by_annotation = own
        .pod
        .metadata()
        .entry("annotations", "prometheus.io/scrape")
        .is(|text| text == "true");
    let by_pods = inventory.all(POD_MONITOR).map(|monitor| {
        let body = Node::new(monitor.body(), "");
        looks_into(body, namespace_of(monitor), own.namespace()).and(found(body, labels))
    });
    let by_services = inventory.all(SERVICE_MONITOR).map(|monitor| {
        let body = Node::new(monitor.body(), "");
        let here = looks_into(body, namespace_of(monitor), own.namespace());
        let services = inventory.within(SERVICE, own.namespace()).map(|service| {
            let service = Node::new(service.body(), "");
            let leads_here = match service.map("spec.selector") {
                Field::Known(selector) if !selector.is_empty() => has_all(selector, labels),
                Field::Unknown => Answer::Unknown,
                _ => Answer::No,
            };
            leads_here.and(found(body, service.map("metadata.labels")))
        });
        here.and(Answer::any(services))
    });
    match Answer::any(std::iter::once(by_annotation).chain(by_pods).chain(by_services)) {
        Answer::Yes => {}
        Answer::No if inventory.is_complete() => {
            context.fail("", "no ServiceMonitor or PodMonitor selects it");
        }
        Answer::No | Answer::Unknown => context.unknown("whether a ServiceMonitor or PodMonitor selects it"),
    }
}

/// Whether the selector of a monitor matches these labels.
fn found<'l>(monitor: Node<'_>, labels: impl Into<crate::selector::PodLabels<'l>>) -> Answer {
    match monitor.field("spec.selector") {
        Field::Known(selector) => selects(Node::new(selector, ""), labels),
        Field::Absent => Answer::No,
        Field::Unknown => Answer::Unknown,
    }
}

/// Whether a monitor selects a namespace: one that it lists, any, or by default its own.
fn looks_into(monitor: Node<'_>, own: &str, namespace: &str) -> Answer {
    match monitor.flag("spec.namespaceSelector.any") {
        Field::Known(true) => return Answer::Yes,
        Field::Unknown => return Answer::Unknown,
        _ => {}
    }
    match monitor.list("spec.namespaceSelector.matchNames") {
        Field::Known(names) if !names.is_empty() => {
            Answer::any(names.iter().map(|name| match crate::field::text(name) {
                Field::Known(name) => Answer::from_bool(name == namespace),
                _ => Answer::Unknown,
            }))
        }
        Field::Unknown => Answer::Unknown,
        _ => Answer::from_bool(own == namespace),
    }
}

static ANNOTATIONS: Setting = Setting {
    name: "annotations",
    meaning: "required annotations of every alert",
    default: DefaultValue::Texts(&["summary", "runbook_url"]),
};

/// Alerts.
pub static ALERTS_LEAD_TO_ACTION: Rule = Rule {
    id: "alerts-lead-to-action",
    text: rule_text!("alerts-lead-to-action"),
    kinds: &[ALERTS],
    severity: Severity::Medium,
    enforcement: Enforcement::Advisory,
    options: &[&ANNOTATIONS],
    evidence: &[AnomaliesWatched, Recovery, ContingencyPlan],
    check: Check::Resource(|subject, context| {
        let wanted = context.option_texts(&ANNOTATIONS);
        let mut alerts = 0;
        for group in context.items(subject.body, "spec.groups") {
            for rule in context.items(group.node(), "rules") {
                if rule.node().field("alert").is_absent() {
                    continue;
                }
                alerts += 1;
                let name = context.text(rule.node(), "alert").unwrap_or("?").to_owned();
                let annotations = wanted.iter().map(|key| ("annotations", *key));
                for (map, key) in std::iter::once(("labels", "severity")).chain(annotations) {
                    let place = rule.node().at(&format!("{map}[{key}]"));
                    match rule.node().entry(map, key) {
                        Field::Known(text) if !text.is_empty() => {}
                        Field::Unknown => context.unknown(place),
                        Field::Known(_) | Field::Absent => {
                            context.fail(place, format!("the alert {name} has no {key}"));
                        }
                    }
                }
            }
        }
        if alerts == 0 {
            context.not_applicable("it has no alerts");
        }
    }),
    ..Rule::DEFAULTS
};

static SIGNALS: Setting = Setting {
    name: "signals",
    meaning: "signals that require an alert: `refusals`, `plaintext`, `certificates`, `backups`",
    default: DefaultValue::Texts(&["refusals", "plaintext", "certificates", "backups"]),
};

/// A security signal that requires an alert.
struct Signal {
    name: &'static str,
    what: &'static str,
    /// Whether the signal applies to the stack.
    concerns: fn(&Inventory<'_>) -> Answer,
    /// An alert covers the signal if its expression contains all words of one of these groups.
    words: &'static [&'static [&'static str]],
}

const SECURITY_SIGNALS: [Signal; 4] = [
    Signal {
        name: "refusals",
        what: "denied requests (401, 403)",
        concerns: |inventory| Answer::from_bool(inventory.has_mesh()),
        words: &[
            &["istio_requests_total", "401"],
            &["istio_requests_total", "403"],
            &["rbac", "denied"],
        ],
    },
    Signal {
        name: "plaintext",
        what: "traffic without mutual TLS",
        concerns: |inventory| Answer::from_bool(inventory.has_mesh()),
        words: &[&["connection_security_policy"]],
    },
    Signal {
        name: "certificates",
        what: "expiring mesh certificates",
        concerns: |inventory| Answer::from_bool(inventory.has_mesh()),
        words: &[&["cert", "expir"]],
    },
    Signal {
        name: "backups",
        what: "backups that fail or do not run",
        concerns: makes_backups,
        words: &[
            &["kube_cronjob_status_last_successful_time", "backup"],
            &["kube_job_status_failed", "backup"],
            &["kube_job_failed", "backup"],
            &["velero_backup"],
        ],
    },
];

/// Whether the stack has backups.
fn makes_backups(inventory: &Inventory<'_>) -> Answer {
    let rule = BACKUP_COVERS_DATA.id;
    let annotations = inventory.settings.texts(rule, &BACKUP_ANNOTATION);
    let by_job = inventory.all(CRON_JOB).map(|job| {
        let Some(annotation) = annotations.first() else {
            return Answer::No;
        };
        Node::new(job.body(), "")
            .entry("metadata.annotations", annotation)
            .is(|claims| !claims.trim().is_empty())
    });
    let by_velero = inventory.all(VELERO_SCHEDULE).map(|_| Answer::Yes);
    Answer::any(by_job.chain(by_velero))
}

/// Security alerts.
pub static SECURITY_ALERTS_DEFINED: Rule = Rule {
    id: "security-alerts-defined",
    text: rule_text!("security-alerts-defined"),
    kinds: &[Kind::core("Namespace")],
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    options: &[&SIGNALS],
    evidence: &[AnomaliesWatched, LogInsWatched, AuditControls],
    check: Check::Stack(security_alerts),
    ..Rule::DEFAULTS
};

fn security_alerts(subject: &Subject<'_>, context: &mut CheckContext<'_>) {
    let inventory = context.inventory;
    let watched = [ALERTS, SERVICE_MONITOR, POD_MONITOR];
    if watched.iter().all(|kind| inventory.all(*kind).next().is_none()) {
        context.not_applicable("the input has no objects of the Prometheus operator");
        return;
    }
    if inventory.workloads_in(&subject.object.id.name).next().is_none() {
        context.not_applicable("the namespace has no workloads");
        return;
    }
    let mut expressions = Vec::new();
    let mut is_all_known = true;
    for rules in inventory.all(ALERTS) {
        is_all_known &= asked_for(Node::new(rules.body(), ""), &mut expressions);
    }
    let wanted = context.option_texts(&SIGNALS);
    let mut applicable = 0;
    for signal in SECURITY_SIGNALS {
        let concerns = (signal.concerns)(inventory);
        if concerns == Answer::No || !wanted.contains(&signal.name) {
            continue;
        }
        applicable += 1;
        let is_asked = expressions.iter().any(|expression| {
            let has = |words: &&[&str]| words.iter().all(|word| expression.contains(word));
            signal.words.iter().any(has)
        });
        if is_asked {
            continue;
        }
        if concerns == Answer::Yes && is_all_known && inventory.is_complete() {
            context.fail("", format!("no alert covers {}", signal.what));
        } else {
            context.unknown(format!("whether an alert covers {}", signal.what));
        }
    }
    if applicable == 0 {
        context.not_applicable("no signal applies to the namespace");
    }
}

/// Collects the expressions of the alerts of a `PrometheusRule` in lower case, and returns whether all of them are known.
fn asked_for(rules: Node<'_>, expressions: &mut Vec<String>) -> bool {
    let groups = match rules.list("spec.groups") {
        Field::Known(groups) => groups,
        Field::Absent => return true,
        Field::Unknown => return false,
    };
    let mut is_all_known = true;
    for group in groups {
        let rules = match Node::new(group, "").list("rules") {
            Field::Known(rules) => rules,
            Field::Absent => continue,
            Field::Unknown => {
                is_all_known = false;
                continue;
            }
        };
        for rule in rules {
            let rule = Node::new(rule, "");
            match (rule.field("alert"), rule.text("expr")) {
                (Field::Absent, _) | (_, Field::Absent) => {}
                (_, Field::Known(expression)) => expressions.push(expression.to_ascii_lowercase()),
                (_, Field::Unknown) => is_all_known = false,
            }
        }
    }
    is_all_known
}
