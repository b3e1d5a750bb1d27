//! Authorization rules that match on HTTP attributes, on ports without HTTP.

use std::collections::BTreeSet;

use phoenix_graph::Object;
use serde_json::Value;

use crate::context::{CheckContext, Item, Subject};
use crate::control::Control::{AccessArchitecture, AccessControl, Boundary, LeastPrivilege};
use crate::enforcement::Enforcement;
use crate::field::{Field, Node};
use crate::inventory::{Inventory, Workload};
use crate::mesh::DataPlane;
use crate::rule::{Check, Rule, Severity};
use crate::rules::mesh::authorization::action;
use crate::rules::mesh::effect::{AUTHORIZATION, in_force, services_of, targets};
use crate::rules::mesh::protocol::{Protocol, protocol};
use crate::selector::Answer;
use crate::text::rule_text;

/// Fields of an operation that only HTTP requests have.
const OF_OPERATIONS: [&str; 6] = ["hosts", "notHosts", "methods", "notMethods", "paths", "notPaths"];
/// Fields of a source that only HTTP requests have.
const OF_SOURCES: [&str; 2] = ["requestPrincipals", "notRequestPrincipals"];

/// HTTP rules on TCP ports.
pub static AUTHZ_REQUESTS_WHERE_REQUESTS_ARE: Rule = Rule {
    id: "authz-requests-where-requests-are",
    text: rule_text!("authz-requests-where-requests-are"),
    kinds: &[AUTHORIZATION],
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    evidence: &[AccessArchitecture, LeastPrivilege, Boundary, AccessControl],
    check: Check::Stack(requests_where_requests_are),
    ..Rule::DEFAULTS
};

fn requests_where_requests_are(subject: &Subject<'_>, context: &mut CheckContext<'_>) {
    let denies = match action(subject.body) {
        Field::Known("ALLOW") => false,
        Field::Known("DENY") => true,
        Field::Unknown => return context.unknown("spec.action"),
        Field::Known(_) | Field::Absent => {
            return context.not_applicable("the action of the policy is neither ALLOW nor DENY");
        }
    };
    let rules = context.items(subject.body, "spec.rules");
    let readable = !subject.body.list("spec.rules").is_unknown();
    let rules: Vec<Asked<'_>> = rules
        .into_iter()
        .filter_map(|rule| Asked::of(rule, context))
        .collect();
    if rules.is_empty() && readable {
        context.not_applicable("no rule of the policy matches on HTTP attributes");
        return;
    }
    let is_bound = !targets(subject.body).is_absent();
    for workload in &context.inventory.workloads {
        match in_force(subject.object, *workload, context.inventory).0 {
            Answer::Yes => {}
            Answer::No => continue,
            Answer::Unknown => {
                context.unknown(format!("whether the policy applies to {}", workload.object.id));
                continue;
            }
        }
        if !is_bound && context.inventory.data_plane(*workload) == DataPlane::Ambient {
            for rule in &rules {
                context.fail(
                    &rule.rule.path,
                    format!(
                        "it matches on HTTP attributes, but the proxy of {} handles only connections (ambient mode without a waypoint)",
                        workload.object.id
                    ),
                );
            }
            continue;
        }
        let ports = Ports::of(*workload, context);
        for rule in &rules {
            rule.report_tcp_ports(&ports, *workload, denies, context);
        }
    }
}

/// A rule that matches on HTTP attributes.
struct Asked<'n> {
    rule: Item<'n>,
    /// The ports that it lists; `None` for all ports.
    ports: Option<BTreeSet<i64>>,
}

impl<'n> Asked<'n> {
    /// The rule, if it matches on HTTP attributes.
    fn of(rule: Item<'n>, context: &mut CheckContext<'_>) -> Option<Self> {
        let mut about_requests = false;
        let mut ports = Some(BTreeSet::new());
        let node = rule.node();
        for (part, fields) in [
            ("from.source", &OF_SOURCES[..]),
            ("to.operation", &OF_OPERATIONS[..]),
        ] {
            let (list, inner) = part.split_once('.')?;
            let items = context.items(node, list);
            if list == "to" && items.is_empty() {
                ports = None;
            }
            for item in items {
                if item.node().field(inner).is_unknown() {
                    context.unknown(item.node().at(inner));
                }
                for field in fields {
                    about_requests |= !context.texts(item.node(), &format!("{inner}.{field}")).is_empty();
                }
                if list == "to" {
                    let named = context.texts(item.node(), "operation.ports");
                    let named = named.iter().filter_map(|port| port.parse().ok());
                    let named: BTreeSet<i64> = named.collect();
                    ports = ports.filter(|_| !named.is_empty()).map(|ports| &ports | &named);
                }
            }
        }
        for condition in context.items(node, "when") {
            let key = context.text(condition.node(), "key");
            about_requests |= key.is_some_and(|key| key.starts_with("request."));
        }
        about_requests.then_some(Self { rule, ports })
    }

    /// Reports the TCP ports that the rule applies to.
    fn report_tcp_ports(
        &self,
        ports: &Ports,
        workload: Workload<'_>,
        denies: bool,
        context: &mut CheckContext<'_>,
    ) {
        let met: Vec<String> = match &self.ports {
            Some(named) => named & &ports.bytes,
            None if denies || ports.requests.is_empty() => ports.bytes.clone(),
            None => return,
        }
        .iter()
        .map(ToString::to_string)
        .collect();
        if met.is_empty() {
            return;
        }
        let what = if denies {
            "the DENY rule applies to all traffic that its other fields match"
        } else {
            "the rule is ignored"
        };
        let plural = if met.len() == 1 { "port" } else { "ports" };
        context.fail(
            &self.rule.path,
            format!(
                "it matches on HTTP attributes, but {} serves no HTTP on its {plural} {}, where {what}",
                workload.object.id,
                met.join(" and ")
            ),
        );
    }
}

/// The ports of a workload by protocol, according to its Services.
#[derive(Default)]
struct Ports {
    bytes: BTreeSet<i64>,
    requests: BTreeSet<i64>,
}

impl Ports {
    fn of(workload: Workload<'_>, context: &mut CheckContext<'_>) -> Self {
        let mut ports = Self::default();
        for (service, serves) in services_of(workload, context.inventory) {
            if serves == Answer::Unknown {
                context.unknown(format!(
                    "whether {} is a backend of {}",
                    service.id, workload.object.id
                ));
            } else {
                ports.add(service, workload, context);
            }
        }
        ports
    }

    fn add(&mut self, service: &Object, workload: Workload<'_>, context: &mut CheckContext<'_>) {
        let body = Node::new(service.body(), "");
        for port in context.items(body, "spec.ports") {
            let port = port.node();
            let numbers = match protocol(port) {
                Field::Known(Protocol::Bytes) => &mut self.bytes,
                Field::Known(Protocol::Requests) => &mut self.requests,
                // A port that the proxy has to examine may carry requests, if it has a name.
                Field::Known(Protocol::Detected) if !port.field("name").is_absent() => &mut self.requests,
                Field::Known(Protocol::Detected) | Field::Absent => continue,
                Field::Unknown => {
                    context.unknown(format!("the protocol of a port of {}", service.id));
                    continue;
                }
            };
            match at_pod(port, workload) {
                Field::Known(number) => drop(numbers.insert(number)),
                Field::Absent => {}
                Field::Unknown => context.unknown(format!("the target port of {}", service.id)),
            }
        }
    }
}

/// The ports that a workload serves, according to its containers and its Services; `None` if they are not known.
pub(crate) fn served_ports(workload: Workload<'_>, inventory: &Inventory<'_>) -> Option<BTreeSet<i64>> {
    let mut served = BTreeSet::new();
    for container in &workload.pod.containers {
        match container.node().list("ports") {
            Field::Known(ports) => {
                for port in ports {
                    served.insert(Node::new(port, "").number("containerPort").known()?);
                }
            }
            Field::Absent => {}
            Field::Unknown => return None,
        }
    }
    for (service, _) in services_of(workload, inventory) {
        match Node::new(service.body(), "").list("spec.ports") {
            Field::Known(ports) => {
                for port in ports {
                    match at_pod(Node::new(port, ""), workload) {
                        Field::Known(number) => drop(served.insert(number)),
                        Field::Absent => {}
                        Field::Unknown => return None,
                    }
                }
            }
            Field::Absent => {}
            Field::Unknown => return None,
        }
    }
    Some(served)
}

/// The target port of a Service port; absent if no container declares a port with its name.
fn at_pod(port: Node<'_>, workload: Workload<'_>) -> Field<i64> {
    let name = match port.field("targetPort") {
        Field::Absent => return port.number("port"),
        Field::Known(Value::String(name)) => name,
        Field::Known(Value::Number(number)) => return number.as_i64().map_or(Field::Unknown, Field::Known),
        Field::Known(_) | Field::Unknown => return Field::Unknown,
    };
    let mut found = Field::Absent;
    for container in &workload.pod.containers {
        match container.node().list("ports") {
            Field::Known(ports) => {
                for port in ports {
                    let port = Node::new(port, "");
                    match port.text("name") {
                        Field::Known(own) if own == name => return port.number("containerPort"),
                        Field::Unknown => found = Field::Unknown,
                        _ => {}
                    }
                }
            }
            Field::Absent => {}
            Field::Unknown => found = Field::Unknown,
        }
    }
    found
}
