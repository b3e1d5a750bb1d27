//! What the mesh makes of rules about requests where there are none.

use std::collections::BTreeSet;

use phoenix_graph::Object;
use serde_json::Value;

use crate::control::Control::{AccessArchitecture, AccessControl, Boundary, LeastPrivilege};
use crate::judging::{Item, Judging, Subject};
use crate::read::{Node, Read};
use crate::rule::{Enforcement, Kind, Level, Rule, Severity};
use crate::rules::mesh_identity::applies;
use crate::rules::services::SERVICE;
use crate::selector::{Answer, has_all};
use crate::settings::assume;
use crate::world::Workload;

const AUTHORIZATION: Kind = Kind::new(&["security.istio.io"], "AuthorizationPolicy");

/// What a rule asks of an operation that only a request has.
const OF_OPERATIONS: [&str; 6] = ["hosts", "notHosts", "methods", "notMethods", "paths", "notPaths"];
/// The same of a source.
const OF_SOURCES: [&str; 2] = ["requestPrincipals", "notRequestPrincipals"];
/// Protocols in which the mesh sees bytes, and no requests.
const BYTES: [&str; 6] = ["tcp", "tls", "https", "mongo", "mysql", "redis"];

/// Rules about requests at ports of bytes.
pub static AUTHZ_REQUESTS_WHERE_REQUESTS_ARE: Rule = Rule {
    id: "authz-requests-where-requests-are",
    title: "Rules of the mesh about requests are for ports that speak HTTP",
    meaning: "Judges AuthorizationPolicies with the action ALLOW or DENY that have a rule about requests: methods, paths, hosts, tokens, headers. At each workload that the policy applies to, the Services say which ports speak bytes (`appProtocol` or the name: TCP, TLS, HTTPS, MongoDB, MySQL, Redis). There Istio leaves out an ALLOW rule about requests, and takes a DENY rule without its part about requests. Fails where an ALLOW rule names such a port, or names no port and the workload has no others; and where a DENY rule names such a port, or names no port and the workload has one.",
    why: "Nothing tells of it: the ALLOW rule is as if it were not written, and the DENY rule refuses far more than it says.",
    remedy: "Name the ports that speak HTTP in `to.operation.ports`, and for the others write a rule about callers and ports only.",
    kinds: &[AUTHORIZATION],
    level: Level::Stack,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[AccessArchitecture, LeastPrivilege, Boundary, AccessControl],
    limits: &[
        "a port of which no Service says what it speaks is not judged here, but by service-port-protocol-declared",
        "ServiceEntries before pods are not looked at",
    ],
    good: "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: a, labels: {app: a}}\nspec: {containers: [{name: app}]}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: a}\nspec: {selector: {app: a}, ports: [{port: 6379, appProtocol: http}]}\n---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: a, namespace: a}\nspec:\n  rules: [{from: [{source: {namespaces: [b]}}], to: [{operation: {methods: [GET]}}]}]\n",
    bad: "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: a, labels: {app: a}}\nspec: {containers: [{name: app}]}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: a}\nspec: {selector: {app: a}, ports: [{port: 6379, appProtocol: redis}]}\n---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: a, namespace: a}\nspec:\n  rules: [{from: [{source: {namespaces: [b]}}], to: [{operation: {methods: [GET]}}]}]\n",
    check: requests_where_requests_are,
};

fn requests_where_requests_are(subject: &Subject<'_>, judging: &mut Judging<'_>) {
    let denies = match subject.body.text("spec.action") {
        Read::Absent | Read::Known("ALLOW") => false,
        Read::Known("DENY") => true,
        Read::Unknown => return judging.unknown("spec.action"),
        Read::Known(_) => return judging.not_applicable("the policy neither allows nor denies"),
    };
    let rules = judging.items(subject.body, "spec.rules");
    let readable = !subject.body.list("spec.rules").is_unknown();
    let rules: Vec<Asked<'_>> = rules
        .into_iter()
        .filter_map(|rule| Asked::of(rule, judging))
        .collect();
    if rules.is_empty() && readable {
        judging.not_applicable("no rule of the policy is about requests");
        return;
    }
    let root = judging.world.settings.assumed_text(&assume::MESH_ROOT);
    for workload in &judging.world.workloads {
        match applies(subject.object, *workload, root, "spec.selector.matchLabels").0 {
            Answer::Yes => {}
            Answer::No => continue,
            Answer::Unknown => {
                judging.unknown(format!("whether the policy applies to {}", workload.object.id));
                continue;
            }
        }
        let ports = Ports::of(*workload, judging);
        for rule in &rules {
            rule.meet(&ports, *workload, denies, judging);
        }
    }
}

/// A rule about requests.
struct Asked<'n> {
    rule: Item<'n>,
    /// The ports that it names; `None` where it is about all.
    ports: Option<BTreeSet<i64>>,
}

impl<'n> Asked<'n> {
    /// The rule, if it is about requests at all.
    fn of(rule: Item<'n>, judging: &mut Judging<'_>) -> Option<Self> {
        let mut about_requests = false;
        let mut ports = Some(BTreeSet::new());
        let node = rule.node();
        for (part, fields) in [
            ("from.source", &OF_SOURCES[..]),
            ("to.operation", &OF_OPERATIONS[..]),
        ] {
            let (list, inner) = part.split_once('.')?;
            let items = judging.items(node, list);
            if list == "to" && items.is_empty() {
                ports = None;
            }
            for item in items {
                if item.node().field(inner).is_unknown() {
                    judging.unknown(item.node().at(inner));
                }
                for field in fields {
                    about_requests |= !judging.texts(item.node(), &format!("{inner}.{field}")).is_empty();
                }
                if list == "to" {
                    let named = judging.texts(item.node(), "operation.ports");
                    let named = named.iter().filter_map(|port| port.parse().ok());
                    let named: BTreeSet<i64> = named.collect();
                    ports = ports.filter(|_| !named.is_empty()).map(|ports| &ports | &named);
                }
            }
        }
        for condition in judging.items(node, "when") {
            let key = judging.text(condition.node(), "key");
            about_requests |= key.is_some_and(|key| key.starts_with("request."));
        }
        about_requests.then_some(Self { rule, ports })
    }

    /// Tells where it meets bytes.
    fn meet(&self, ports: &Ports, workload: Workload<'_>, denies: bool, judging: &mut Judging<'_>) {
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
            "the denial refuses everybody and everything that the rest of it matches"
        } else {
            "the rule does not count"
        };
        let plural = if met.len() == 1 { "port" } else { "ports" };
        judging.fail(
            &self.rule.path,
            format!(
                "it is about requests, and {} speaks no HTTP at its {plural} {}: there {what}",
                workload.object.id,
                met.join(" and ")
            ),
        );
    }
}

/// What the Services before a workload say of its ports.
#[derive(Default)]
struct Ports {
    bytes: BTreeSet<i64>,
    requests: BTreeSet<i64>,
}

impl Ports {
    fn of(workload: Workload<'_>, judging: &mut Judging<'_>) -> Self {
        let mut ports = Self::default();
        for service in judging.world.within(SERVICE, workload.namespace()) {
            let body = Node::new(service.body(), "");
            let serves = match body.map("spec.selector") {
                Read::Known(selector) if !selector.is_empty() => has_all(selector, workload.labels()),
                Read::Known(_) | Read::Absent => Answer::No,
                Read::Unknown => Answer::Unknown,
            };
            match serves {
                Answer::Yes => ports.add(service, workload, judging),
                Answer::No => {}
                Answer::Unknown => {
                    judging.unknown(format!("whether {} serves {}", service.id, workload.object.id));
                }
            }
        }
        ports
    }

    fn add(&mut self, service: &Object, workload: Workload<'_>, judging: &mut Judging<'_>) {
        let body = Node::new(service.body(), "");
        for port in judging.items(body, "spec.ports") {
            let port = port.node();
            let speaks_bytes = match (port.text("appProtocol"), port.text("name")) {
                (Read::Unknown, _) | (Read::Absent, Read::Unknown) => {
                    judging.unknown(format!("what {} speaks at a port", service.id));
                    continue;
                }
                (Read::Known(protocol), _) => is_of_bytes(protocol.rsplit('/').next().unwrap_or(protocol)),
                (Read::Absent, Read::Known(name)) => is_of_bytes(name.split('-').next().unwrap_or(name)),
                (Read::Absent, Read::Absent) => continue,
            };
            let numbers = if speaks_bytes {
                &mut self.bytes
            } else {
                &mut self.requests
            };
            match at_pod(port, workload) {
                Read::Known(number) => drop(numbers.insert(number)),
                Read::Absent => {}
                Read::Unknown => judging.unknown(format!("to which port {} leads", service.id)),
            }
        }
    }
}

fn is_of_bytes(protocol: &str) -> bool {
    BYTES.iter().any(|known| known.eq_ignore_ascii_case(protocol))
}

/// The port of the pod behind a port of a Service; absent where no container has the name that it goes by.
fn at_pod(port: Node<'_>, workload: Workload<'_>) -> Read<i64> {
    let name = match port.field("targetPort") {
        Read::Absent => return port.number("port"),
        Read::Known(Value::String(name)) => name,
        Read::Known(Value::Number(number)) => return number.as_i64().map_or(Read::Unknown, Read::Known),
        Read::Known(_) | Read::Unknown => return Read::Unknown,
    };
    let mut found = Read::Absent;
    for container in &workload.pod.containers {
        match container.node().list("ports") {
            Read::Known(ports) => {
                for port in ports {
                    let port = Node::new(port, "");
                    match port.text("name") {
                        Read::Known(own) if own == name => return port.number("containerPort"),
                        Read::Unknown => found = Read::Unknown,
                        _ => {}
                    }
                }
            }
            Read::Absent => {}
            Read::Unknown => found = Read::Unknown,
        }
    }
    found
}
