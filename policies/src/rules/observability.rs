//! Whether anybody would see: access logs, metrics, alerts, and how long what was written down is kept.

use phoenix_graph::Object;
use serde_json::Value;

use crate::control::Control::{
    ActionsRecorded, AnomaliesWatched, AuditControls, Capacity, ContingencyPlan, LogInsWatched, Recovery,
};
use crate::judging::{Judging, Subject};
use crate::pod::{CRON_JOB, DAEMON_SET, DEPLOYMENT, STATEFUL_SET};
use crate::read::{Node, Read};
use crate::rule::{Enforcement, Kind, Level, Rule, Severity};
use crate::rules::backups::SCHEDULE as VELERO_SCHEDULE;
use crate::rules::mesh_identity::{Scope, applies, in_mesh, workload};
use crate::rules::network::RUNNING;
use crate::rules::services::SERVICE;
use crate::rules::storage::{BACKUP_ANNOTATION, BACKUP_COVERS_DATA};
use crate::selector::{Answer, has_all, selects};
use crate::settings::{Default, Setting, assume};
use crate::world::World;

const TELEMETRY: Kind = Kind::new(&["telemetry.istio.io"], "Telemetry");
const OPERATOR: &[&str] = &["monitoring.coreos.com"];
pub(super) const SERVICE_MONITOR: Kind = Kind::new(OPERATOR, "ServiceMonitor");
pub(super) const POD_MONITOR: Kind = Kind::new(OPERATOR, "PodMonitor");
const ALERTS: Kind = Kind::new(OPERATOR, "PrometheusRule");

static LOGS_BY_DEFAULT: Setting = Setting {
    name: "meshLogsByDefault",
    meaning: "the mesh's own configuration (`accessLogFile`, `defaultProviders`) has every proxy write an access log, unless a Telemetry switches it off",
    default: Default::Flag(false),
};

/// Access logs.
pub static MESH_ACCESS_LOGGING_ON: Rule = Rule {
    id: "mesh-access-logging-on",
    title: "Of every workload in the mesh it is written down who asked it for what",
    meaning: "Judges workloads in the mesh. Passes where the Telemetry with `accessLogging` that is closest to the workload (the one that selects it, or else the namespace's, or else the mesh's) has an entry that is not `disabled`. Where none has `accessLogging` it fails, unless the settings say that the mesh logs by default.",
    why: "HIPAA asks for a record of who looked at what; what was not written down cannot be looked up after an incident.",
    remedy: "Add a Telemetry with `accessLogging` and a provider to the namespace.",
    kinds: RUNNING,
    level: Level::Stack,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    options: &[&LOGS_BY_DEFAULT],
    evidence: &[AnomaliesWatched, AuditControls],
    limits: &[
        "what a filter of the log leaves out is not looked at",
        "where the provider writes to, and whether it is there, is not seen",
    ],
    good: "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: a, labels: {sidecar.istio.io/inject: \"true\"}}\nspec: {containers: [{name: app}]}\n---\napiVersion: telemetry.istio.io/v1\nkind: Telemetry\nmetadata: {name: log, namespace: a}\nspec: {accessLogging: [{disabled: false, providers: [{name: log}]}]}\n",
    bad: "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: a, labels: {sidecar.istio.io/inject: \"true\"}}\nspec: {containers: [{name: app}]}\n---\napiVersion: telemetry.istio.io/v1\nkind: Telemetry\nmetadata: {name: log, namespace: a}\nspec: {accessLogging: [{disabled: true, providers: [{name: log}]}]}\n",
    check: logged,
};

fn logged(subject: &Subject<'_>, judging: &mut Judging<'_>) {
    let Some(own) = in_mesh(subject, judging) else {
        return;
    };
    let world = judging.world;
    let root = world.settings.assumed_text(&assume::MESH_ROOT);
    let mut closest: Option<(Scope, &Object, Option<&[Value]>)> = None;
    for telemetry in world.all(TELEMETRY) {
        let entries = match Node::new(telemetry.body(), "").list("spec.accessLogging") {
            Read::Absent => continue,
            Read::Known(entries) => Some(entries),
            Read::Unknown => None,
        };
        let (answer, scope) = applies(telemetry, own, root, "spec.selector.matchLabels");
        match answer {
            Answer::Yes if closest.is_none_or(|(nearest, ..)| scope > nearest) => {
                closest = Some((scope, telemetry, entries));
            }
            Answer::Unknown => judging.unknown(format!("whether {} applies", telemetry.id)),
            Answer::Yes | Answer::No => {}
        }
    }
    match closest {
        None if judging.option_flag(&LOGS_BY_DEFAULT) => {}
        None if !world.is_complete() => {
            judging.unknown("whether a Telemetry that was not given logs who asks it");
        }
        None => judging.fail("", "no Telemetry has its proxy write down who asks it for what"),
        Some((_, telemetry, None)) => judging.unknown(format!("spec.accessLogging of {}", telemetry.id)),
        Some((_, telemetry, Some(entries))) => {
            let on = entries.iter().map(|entry| {
                if crate::read::is_unknown(entry) {
                    return Answer::Unknown;
                }
                match Node::new(entry, "").flag("disabled") {
                    Read::Known(disabled) => Answer::from_bool(!disabled),
                    Read::Absent => Answer::from_bool(entry.is_object()),
                    Read::Unknown => Answer::Unknown,
                }
            });
            match Answer::any(on) {
                Answer::Yes => {}
                Answer::No => judging.fail(
                    "",
                    format!("{} switches off the log of who asks it for what", telemetry.id),
                ),
                Answer::Unknown => judging.unknown(format!("spec.accessLogging of {}", telemetry.id)),
            }
        }
    }
}

static RETENTION: Setting = Setting {
    name: "annotation",
    meaning: "the annotation of a Telemetry by which it says for how many days its log is kept; the first is looked at",
    default: Default::Texts(&["phoenix.ai/audit-retention-days"]),
};

static DAYS: Setting = Setting {
    name: "days",
    meaning: "the fewest days that a log is kept; six years by default, as HIPAA asks of documentation (164.316(b)(2)(i))",
    default: Default::Number(2190),
};

/// Retention of logs.
pub static AUDIT_TRAIL_RETAINED: Rule = Rule {
    id: "audit-trail-retained",
    title: "What is written down is kept for six years, and says so",
    meaning: "Judges Telemetries that switch access logs on. Fails where the annotation that the settings name is missing, is no number of days, or is fewer than the settings ask for.",
    why: "Whoever asks who read a record asks months or years later; a log that its collector forgets after two weeks has no answer.",
    remedy: "Have the log's store keep it, and say for how long in the annotation `phoenix.ai/audit-retention-days`.",
    kinds: &[TELEMETRY],
    level: Level::Resource,
    severity: Severity::Medium,
    enforcement: Enforcement::Mandatory,
    options: &[&RETENTION, &DAYS],
    evidence: &[AnomaliesWatched, AuditControls, ActionsRecorded],
    limits: &["what the store really keeps is seen in the store only"],
    good: "apiVersion: telemetry.istio.io/v1\nkind: Telemetry\nmetadata: {name: log, annotations: {phoenix.ai/audit-retention-days: \"2190\"}}\nspec: {accessLogging: [{providers: [{name: log}]}]}\n",
    bad: "apiVersion: telemetry.istio.io/v1\nkind: Telemetry\nmetadata: {name: log, annotations: {phoenix.ai/audit-retention-days: \"14\"}}\nspec: {accessLogging: [{providers: [{name: log}]}]}\n",
    check: |subject, judging| {
        let entries = judging.items(subject.body, "spec.accessLogging");
        let is_off = |entry: &crate::judging::Item<'_>| entry.node().flag("disabled") == Read::Known(true);
        if entries.iter().all(is_off) && !subject.body.list("spec.accessLogging").is_unknown() {
            judging.not_applicable("it switches no access log on");
        }
        if entries.iter().all(is_off) {
            return;
        }
        let Some(annotation) = judging.option_texts(&RETENTION).first().copied() else {
            judging.not_applicable("the settings name no annotation");
            return;
        };
        let least = judging.option_number(&DAYS);
        let place = format!("metadata.annotations[{annotation}]");
        match subject.body.entry("metadata.annotations", annotation) {
            Read::Known(days) => match days.trim().parse::<i64>() {
                Ok(days) if days >= least => {}
                Ok(days) => judging.fail(
                    place,
                    format!("the log is kept for {days} days where {least} are asked for"),
                ),
                Err(_) => judging.fail(place, format!("{days} is no number of days")),
            },
            Read::Absent => judging.fail(place, "it does not say for how long the log is kept"),
            Read::Unknown => judging.unknown(place),
        }
    },
};

/// Monitors.
pub static WORKLOADS_MONITORED: Rule = Rule {
    id: "workloads-monitored",
    title: "Something collects the metrics of every server",
    meaning: "Judges Deployments, StatefulSets and DaemonSets, where any monitor of Prometheus' operator was given. Passes where a PodMonitor selects the pods, where a ServiceMonitor selects a Service that selects them (each in the namespaces that it names), or where the pods say `prometheus.io/scrape: \"true\"`.",
    why: "Of what nobody measures nobody learns that it is slow, full or gone before those who use it do.",
    remedy: "Add a ServiceMonitor or a PodMonitor whose selector finds it.",
    kinds: &[DEPLOYMENT, STATEFUL_SET, DAEMON_SET],
    level: Level::Stack,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[AnomaliesWatched, Capacity, AuditControls],
    limits: &[
        "whether the port that is asked is one of the pod's, and whether Prometheus selects the monitor, is not looked at",
        "a stack without any monitor is not judged: it may be watched by other means",
    ],
    good: "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a, namespace: a}\nspec: {template: {metadata: {labels: {app: a}}, spec: {containers: [{name: app}]}}}\n---\napiVersion: monitoring.coreos.com/v1\nkind: PodMonitor\nmetadata: {name: a, namespace: a}\nspec: {selector: {matchLabels: {app: a}}, podMetricsEndpoints: [{port: metrics}]}\n",
    bad: "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a, namespace: a}\nspec: {template: {metadata: {labels: {app: a}}, spec: {containers: [{name: app}]}}}\n---\napiVersion: monitoring.coreos.com/v1\nkind: PodMonitor\nmetadata: {name: a, namespace: a}\nspec: {selector: {matchLabels: {app: b}}, podMetricsEndpoints: [{port: metrics}]}\n",
    check: monitored,
};

fn monitored(subject: &Subject<'_>, judging: &mut Judging<'_>) {
    let Some(own) = workload(subject) else { return };
    let world = judging.world;
    if world
        .all(POD_MONITOR)
        .chain(world.all(SERVICE_MONITOR))
        .next()
        .is_none()
    {
        judging.not_applicable("no monitor was given");
        return;
    }
    let labels = own.labels();
    let by_annotation = match own.pod.metadata().entry("annotations", "prometheus.io/scrape") {
        Read::Known(text) => Answer::from_bool(text == "true"),
        Read::Absent => Answer::No,
        Read::Unknown => Answer::Unknown,
    };
    let by_pods = world.all(POD_MONITOR).map(|monitor| {
        let body = Node::new(monitor.body(), "");
        looks_into(body, crate::judging::namespace(monitor), own.namespace()).and(found(body, labels))
    });
    let by_services = world.all(SERVICE_MONITOR).map(|monitor| {
        let body = Node::new(monitor.body(), "");
        let here = looks_into(body, crate::judging::namespace(monitor), own.namespace());
        let services = world.within(SERVICE, own.namespace()).map(|service| {
            let service = Node::new(service.body(), "");
            let leads_here = match service.map("spec.selector") {
                Read::Known(selector) if !selector.is_empty() => has_all(selector, labels),
                Read::Unknown => Answer::Unknown,
                _ => Answer::No,
            };
            leads_here.and(found(body, service.map("metadata.labels")))
        });
        here.and(Answer::any(services))
    });
    match Answer::any(std::iter::once(by_annotation).chain(by_pods).chain(by_services)) {
        Answer::Yes => {}
        Answer::No if world.is_complete() => judging.fail("", "no monitor collects its metrics"),
        Answer::No | Answer::Unknown => judging.unknown("whether a monitor collects its metrics"),
    }
}

/// Whether a monitor's selector finds these labels.
fn found(monitor: Node<'_>, labels: crate::selector::Labels<'_>) -> Answer {
    match monitor.field("spec.selector") {
        Read::Known(selector) => selects(Node::new(selector, ""), labels),
        Read::Absent => Answer::No,
        Read::Unknown => Answer::Unknown,
    }
}

/// Whether a monitor looks into a namespace: one that it names, any, or else its own.
fn looks_into(monitor: Node<'_>, own: &str, namespace: &str) -> Answer {
    match monitor.flag("spec.namespaceSelector.any") {
        Read::Known(true) => return Answer::Yes,
        Read::Unknown => return Answer::Unknown,
        _ => {}
    }
    match monitor.list("spec.namespaceSelector.matchNames") {
        Read::Known(names) if !names.is_empty() => {
            Answer::any(names.iter().map(|name| match crate::read::text(name) {
                Read::Known(name) => Answer::from_bool(name == namespace),
                _ => Answer::Unknown,
            }))
        }
        Read::Unknown => Answer::Unknown,
        _ => Answer::from_bool(own == namespace),
    }
}

static ANNOTATIONS: Setting = Setting {
    name: "annotations",
    meaning: "annotations that every alert needs",
    default: Default::Texts(&["summary", "runbook_url"]),
};

/// Alerts.
pub static ALERTS_LEAD_TO_ACTION: Rule = Rule {
    id: "alerts-lead-to-action",
    title: "Every alert says how bad it is, what is wrong and what to do",
    meaning: "Judges PrometheusRules. Fails where an alert has no label `severity`, or lacks one of the annotations that the settings name (`summary` and `runbook_url`). Rules that only record are not looked at.",
    why: "Who is woken at night needs to know within a minute whether to get up, and where to begin.",
    remedy: "Give the alert the label `severity`, and a `summary` and a `runbook_url` as annotations.",
    kinds: &[ALERTS],
    level: Level::Resource,
    severity: Severity::Medium,
    enforcement: Enforcement::Advisory,
    options: &[&ANNOTATIONS],
    evidence: &[AnomaliesWatched, Recovery, ContingencyPlan],
    limits: &["whether the expression asks for what there is, and the runbook exists, is not seen"],
    good: "apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata: {name: a}\nspec:\n  groups:\n  - name: a\n    rules:\n    - {alert: Down, expr: up == 0, labels: {severity: critical}, annotations: {summary: it is down, runbook_url: down.md}}\n",
    bad: "apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata: {name: a}\nspec:\n  groups:\n  - name: a\n    rules:\n    - {alert: Down, expr: up == 0, labels: {severity: critical}, annotations: {summary: it is down}}\n",
    check: |subject, judging| {
        let wanted: Vec<String> = judging
            .option_texts(&ANNOTATIONS)
            .into_iter()
            .map(str::to_owned)
            .collect();
        let mut alerts = 0;
        for group in judging.items(subject.body, "spec.groups") {
            for rule in judging.items(group.node(), "rules") {
                if rule.node().field("alert").is_absent() {
                    continue;
                }
                alerts += 1;
                let name = judging.text(rule.node(), "alert").unwrap_or("?").to_owned();
                let annotations = wanted.iter().map(|key| ("annotations", key.as_str()));
                for (map, key) in std::iter::once(("labels", "severity")).chain(annotations) {
                    let place = rule.node().at(&format!("{map}[{key}]"));
                    match rule.node().entry(map, key) {
                        Read::Known(text) if !text.is_empty() => {}
                        Read::Unknown => judging.unknown(place),
                        Read::Known(_) | Read::Absent => {
                            judging.fail(place, format!("the alert {name} has no {key}"));
                        }
                    }
                }
            }
        }
        if alerts == 0 {
            judging.not_applicable("it has no alerts");
        }
    },
};

static SIGNALS: Setting = Setting {
    name: "signals",
    meaning: "what there has to be an alert for: `refusals`, `plaintext`, `certificates`, `backups`",
    default: Default::Texts(&["refusals", "plaintext", "certificates", "backups"]),
};

/// Something that whoever guards a platform has to learn of.
struct Signal {
    name: &'static str,
    what: &'static str,
    /// Whether the stack has what the signal is about.
    concerns: fn(&World<'_>) -> Answer,
    /// An alert is about it if its expression has all words of one of these groups.
    words: &'static [&'static [&'static str]],
}

const SECURITY_SIGNALS: [Signal; 4] = [
    Signal {
        name: "refusals",
        what: "that requests are refused (401, 403)",
        concerns: |world| Answer::from_bool(world.has_mesh()),
        words: &[
            &["istio_requests_total", "401"],
            &["istio_requests_total", "403"],
            &["rbac", "denied"],
        ],
    },
    Signal {
        name: "plaintext",
        what: "that something is sent without mutual TLS",
        concerns: |world| Answer::from_bool(world.has_mesh()),
        words: &[&["connection_security_policy"]],
    },
    Signal {
        name: "certificates",
        what: "that a certificate of the mesh expires",
        concerns: |world| Answer::from_bool(world.has_mesh()),
        words: &[&["cert", "expir"]],
    },
    Signal {
        name: "backups",
        what: "that a backup fails or does not run",
        concerns: makes_backups,
        words: &[
            &["kube_cronjob_status_last_successful_time", "backup"],
            &["kube_job_status_failed", "backup"],
            &["kube_job_failed", "backup"],
            &["velero_backup"],
        ],
    },
];

/// Whether the stack makes backups.
fn makes_backups(world: &World<'_>) -> Answer {
    let rule = BACKUP_COVERS_DATA.id;
    let annotations = world.settings.texts(rule, &BACKUP_ANNOTATION);
    let by_job = world.all(CRON_JOB).map(|job| {
        let Some(annotation) = annotations.first() else {
            return Answer::No;
        };
        match Node::new(job.body(), "").entry("metadata.annotations", annotation) {
            Read::Known(claims) => Answer::from_bool(!claims.trim().is_empty()),
            Read::Absent => Answer::No,
            Read::Unknown => Answer::Unknown,
        }
    });
    let by_velero = world.all(VELERO_SCHEDULE).map(|_| Answer::Yes);
    Answer::any(by_job.chain(by_velero))
}

/// Alerts on what concerns security.
pub static SECURITY_ALERTS_DEFINED: Rule = Rule {
    id: "security-alerts-defined",
    title: "Somebody is told when requests are refused, encryption or certificates fail, or a backup does not run",
    meaning: "Judges Namespaces in which something runs, where any object of Prometheus' operator was given. For each signal of the settings that concerns the stack, an alert of any PrometheusRule has to ask for it: in a mesh for refused requests (`istio_requests_total` with 401 or 403, or a metric of refusals by RBAC), for plain text (`connection_security_policy`) and for certificates that expire (a metric of certificates and their expiry); where there are backups, for those that fail or do not run (kube-state-metrics' times of CronJobs or failed Jobs, with `backup` in the expression, or Velero's metrics).",
    why: "An attack and a lost backup have in common that nothing seems wrong to those who use the platform.",
    remedy: "Add an alert on the signal to a PrometheusRule.",
    kinds: &[Kind::core("Namespace")],
    level: Level::Stack,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    options: &[&SIGNALS],
    evidence: &[AnomaliesWatched, LogInsWatched, AuditControls],
    limits: &[
        "whether the expression is right, its selectors fit and its threshold is sensible is not judged",
        "alerts that are kept elsewhere than in PrometheusRules are not seen; a stack without any object of Prometheus' operator is not judged",
        "gaps in an audit trail have no metric that all collectors share, so there is no signal for them",
    ],
    good: "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n---\napiVersion: batch/v1\nkind: CronJob\nmetadata: {name: backup, namespace: a, annotations: {phoenix.ai/backs-up: data}}\n---\napiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata: {name: a, namespace: a}\nspec:\n  groups:\n  - name: a\n    rules:\n    - {alert: Overdue, expr: 'time() - kube_cronjob_status_last_successful_time{cronjob=\"backup\"} > 90000'}\n",
    bad: "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n---\napiVersion: batch/v1\nkind: CronJob\nmetadata: {name: backup, namespace: a, annotations: {phoenix.ai/backs-up: data}}\n---\napiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata: {name: a, namespace: a}\nspec:\n  groups:\n  - name: a\n    rules:\n    - {alert: Down, expr: up == 0}\n",
    check: security_alerts,
};

fn security_alerts(subject: &Subject<'_>, judging: &mut Judging<'_>) {
    let world = judging.world;
    let watched = [ALERTS, SERVICE_MONITOR, POD_MONITOR];
    if watched.iter().all(|kind| world.all(*kind).next().is_none()) {
        judging.not_applicable("nothing of Prometheus' operator was given");
        return;
    }
    if world.workloads_in(&subject.object.id.name).next().is_none() {
        judging.not_applicable("nothing runs in it");
        return;
    }
    let mut expressions = Vec::new();
    let mut is_all_known = true;
    for rules in world.all(ALERTS) {
        is_all_known &= asked_for(Node::new(rules.body(), ""), &mut expressions);
    }
    let wanted: Vec<String> = judging
        .option_texts(&SIGNALS)
        .into_iter()
        .map(str::to_owned)
        .collect();
    let mut judged = 0;
    for signal in SECURITY_SIGNALS {
        let concerns = (signal.concerns)(world);
        if concerns == Answer::No || !wanted.iter().any(|name| name == signal.name) {
            continue;
        }
        judged += 1;
        let is_asked = expressions.iter().any(|expression| {
            let has = |words: &&[&str]| words.iter().all(|word| expression.contains(word));
            signal.words.iter().any(has)
        });
        if is_asked {
            continue;
        }
        if concerns == Answer::Yes && is_all_known && world.is_complete() {
            judging.fail("", format!("no alert tells {}", signal.what));
        } else {
            judging.unknown(format!("whether any alert tells {}", signal.what));
        }
    }
    if judged == 0 {
        judging.not_applicable("no signal concerns it");
    }
}

/// Gathers what the alerts of a `PrometheusRule` ask for, in small letters; whether all of it could be read.
fn asked_for(rules: Node<'_>, expressions: &mut Vec<String>) -> bool {
    let groups = match rules.list("spec.groups") {
        Read::Known(groups) => groups,
        Read::Absent => return true,
        Read::Unknown => return false,
    };
    let mut is_all_known = true;
    for group in groups {
        let rules = match Node::new(group, "").list("rules") {
            Read::Known(rules) => rules,
            Read::Absent => continue,
            Read::Unknown => {
                is_all_known = false;
                continue;
            }
        };
        for rule in rules {
            let rule = Node::new(rule, "");
            match (rule.field("alert"), rule.text("expr")) {
                (Read::Absent, _) | (_, Read::Absent) => {}
                (_, Read::Known(expression)) => expressions.push(expression.to_ascii_lowercase()),
                (_, Read::Unknown) => is_all_known = false,
            }
        }
    }
    is_all_known
}
