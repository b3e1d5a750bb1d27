//! Policies of Istio that have no effect.

use std::collections::BTreeSet;

use phoenix_graph::Object;

use crate::context::{CheckContext, Subject};
use crate::control::Control::{AccessArchitecture, AccessControl, ConfigurationStandards};
use crate::enforcement::Enforcement;
use crate::field::{Field, Node, namespace_of};
use crate::inventory::Workload;
use crate::kind::{Kind, NAMESPACE, SERVICE};
use crate::mesh::{DataPlane, GATEWAY_NAME};
use crate::rule::{Check, Rule, Severity};
use crate::rules::mesh::effect::{
    AUTHORIZATION, ENVOY_FILTER, GATEWAY_API, PEER_AUTHENTICATION, REQUESTS, SIDECAR, TELEMETRY,
    TRAFFIC_EXTENSION, Target, WASM_PLUGIN, dry_run, selector_path, takes_targets, targets, waypoint,
};
use crate::rules::mesh::registry::SERVICE_ENTRY;
use crate::rules::mesh::requests::served_ports;
use crate::selector::{Answer, has_all};
use crate::settings::assume;
use crate::text::rule_text;

const ACCOUNT: Kind = Kind::core("ServiceAccount");

/// Policies without effect.
pub static ISTIO_POLICY_TAKES_EFFECT: Rule = Rule {
    id: "istio-policy-takes-effect",
    text: rule_text!("istio-policy-takes-effect"),
    kinds: &[
        PEER_AUTHENTICATION,
        AUTHORIZATION,
        REQUESTS,
        SIDECAR,
        TELEMETRY,
        ENVOY_FILTER,
        WASM_PLUGIN,
        TRAFFIC_EXTENSION,
    ],
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    evidence: &[AccessArchitecture, ConfigurationStandards, AccessControl],
    check: Check::Stack(takes_effect),
    ..Rule::DEFAULTS
};

fn takes_effect(subject: &Subject<'_>, context: &mut CheckContext<'_>) {
    match dry_run(subject.object) {
        Answer::Yes => context.fail(
            "metadata.annotations[istio.io/dry-run]",
            "Istio only logs what the policy would deny",
        ),
        Answer::Unknown => context.unknown("metadata.annotations[istio.io/dry-run]"),
        Answer::No => {}
    }
    if subject.kind() == AUTHORIZATION.name {
        check_principals(subject, context);
    }
    let path = selector_path(subject.kind());
    match targets(subject.body) {
        Field::Known(targets) => {
            if matches!(subject.body.map(path), Field::Known(labels) if !labels.is_empty()) {
                context.fail(path, "a policy cannot have both a selector and targetRefs");
            }
            for (index, target) in targets.iter().enumerate() {
                let place = match subject.body.field("spec.targetRef") {
                    Field::Absent => format!("spec.targetRefs[{index}]"),
                    _ => "spec.targetRef".to_owned(),
                };
                check_target(*target, &place, subject, context);
            }
        }
        Field::Unknown => context.unknown("spec.targetRefs"),
        Field::Absent => check_selector(subject, path, context),
    }
}

/// Reports principals whose service account does not exist, if the input contains the service accounts of its namespace.
fn check_principals(subject: &Subject<'_>, context: &mut CheckContext<'_>) {
    for rule in context.items(subject.body, "spec.rules") {
        for source in context.items(rule.node(), "from") {
            for field in ["source.principals", "source.notPrincipals"] {
                for principal in context.texts(source.node(), field) {
                    let account = principal
                        .split_once("/ns/")
                        .and_then(|(_, rest)| rest.split_once("/sa/"))
                        .filter(|(_, name)| *name != "default" && !name.contains('*'));
                    let Some((namespace, name)) = account else {
                        continue;
                    };
                    let inventory = context.inventory;
                    let is_described = inventory.within(ACCOUNT, namespace).next().is_some();
                    if is_described && !inventory.has(ACCOUNT, namespace, name) {
                        context.missing(
                            source.node().at(field),
                            format!("the service account {namespace}/{name} does not exist"),
                        );
                    }
                }
            }
        }
    }
}

/// Reports a target that does not exist, or that no proxy enforces the policy for.
fn check_target(target: Target<'_>, place: &str, subject: &Subject<'_>, context: &mut CheckContext<'_>) {
    let inventory = context.inventory;
    let own = subject.namespace();
    let name = target.name;
    let missing = |context: &mut CheckContext<'_>| {
        let message = format!("the {} {own}/{name} does not exist", target.kind);
        context.missing(place, message);
    };
    match (target.group, target.kind) {
        ("gateway.networking.k8s.io", "Gateway") => {
            if !inventory.has(GATEWAY_API, own, name) {
                missing(context);
            }
        }
        ("gateway.networking.k8s.io", "GatewayClass") => {
            if own != inventory.settings.assumed_text(&assume::MESH_ROOT) {
                context.fail(
                    place,
                    "a policy for a GatewayClass has an effect only in the root namespace of the mesh",
                );
            }
        }
        ("" | "core", "Service") | ("networking.istio.io", "ServiceEntry") => {
            let kind = if target.kind == "Service" {
                SERVICE
            } else {
                SERVICE_ENTRY
            };
            match inventory.get(kind, own, name) {
                None => missing(context),
                Some(object) => match waypoint(object, inventory) {
                    Field::Known(_) => {}
                    Field::Absent if inventory.cluster_scoped(NAMESPACE, own).is_some() => context.fail(
                        place,
                        format!("{} has no waypoint, so nothing enforces the policy", object.id),
                    ),
                    Field::Absent | Field::Unknown => {
                        context.unknown(format!("whether {} has a waypoint", object.id));
                    }
                },
            }
        }
        (_, kind) => context.fail(place, format!("Istio does not attach policies to a {kind}")),
    }
}

fn check_selector(subject: &Subject<'_>, path: &str, context: &mut CheckContext<'_>) {
    let inventory = context.inventory;
    let kind = subject.kind();
    let is_root = subject.namespace() == inventory.settings.assumed_text(&assume::MESH_ROOT);
    let labels = match subject.body.map(path) {
        Field::Unknown => return context.unknown(path),
        Field::Known(labels) if !labels.is_empty() => Some(labels),
        _ => None,
    };
    if is_root && labels.is_some() && kind == PEER_AUTHENTICATION.name {
        context.fail(
            path,
            "Istio ignores a PeerAuthentication with a selector in the root namespace of the mesh",
        );
        return;
    }
    let own_only = labels.is_some() && [SIDECAR.name, TELEMETRY.name].contains(&kind);
    let everywhere = is_root && !own_only;
    let may_have_others = if everywhere {
        inventory.has_unread_pods()
    } else {
        inventory.has_unread_pods_in(subject.namespace())
    };
    let candidates: Vec<Workload<'_>> = if everywhere {
        inventory.workloads.clone()
    } else {
        inventory.workloads_in(subject.namespace()).collect()
    };
    let selected: Vec<_> = candidates
        .into_iter()
        .map(|workload| {
            (
                workload,
                labels.map_or(Answer::Yes, |labels| {
                    inventory.any_pod(workload, |pod| has_all(labels, pod.labels()))
                }),
            )
        })
        .filter(|(_, answer)| *answer != Answer::No)
        .collect();
    if labels.is_some() {
        match Answer::any(selected.iter().map(|(_, answer)| *answer)) {
            Answer::Yes => {}
            Answer::No if inventory.is_complete() && !may_have_others => {
                context.fail(
                    path,
                    "its selector matches no workload, so the policy has no effect",
                );
                return;
            }
            Answer::No | Answer::Unknown => context.unknown(path),
        }
    } else if !subject.body.field("spec.portLevelMtls").is_absent() {
        context.fail(
            "spec.portLevelMtls",
            "portLevelMtls has no effect in a policy without a selector",
        );
    }
    let is_sure = !selected.is_empty() && selected.iter().all(|(_, answer)| *answer == Answer::Yes);
    let selected: Vec<_> = selected.into_iter().map(|(workload, _)| workload).collect();
    if is_sure {
        check_proxies(subject, &selected, labels.is_some(), path, context);
    }
    if is_sure && labels.is_some() {
        check_ports(subject, &selected, context);
    }
    check_duplicates(subject, &selected, path, context);
}

/// Reports a policy that none of the selected proxies enforces.
fn check_proxies(
    subject: &Subject<'_>,
    selected: &[Workload<'_>],
    has_selector: bool,
    path: &str,
    context: &mut CheckContext<'_>,
) {
    let inventory = context.inventory;
    let kind = subject.kind();
    let of_gateway_api = selected
        .iter()
        .find(|workload| !workload.pod.metadata().entry("labels", GATEWAY_NAME).is_absent());
    if let Some(workload) = of_gateway_api
        && has_selector
        && takes_targets(kind)
    {
        context.fail(
            path,
            format!(
                "{} belongs to a Gateway of the Gateway API, to which policies can be attached only with targetRefs",
                workload.object.id
            ),
        );
    }
    let planes: Vec<_> = selected
        .iter()
        .map(|workload| inventory.data_plane(*workload))
        .collect();
    let place = if has_selector { path } else { "" };
    let opted_out = planes.iter().all(|plane| *plane == DataPlane::Outside)
        && selected
            .iter()
            .all(|workload| inventory.is_enrolled(workload.namespace()) == Answer::Yes);
    if opted_out {
        context.fail(
            place,
            "no workload that it applies to is in the mesh, so the policy has no effect",
        );
    }
    let of_connections = [PEER_AUTHENTICATION.name, AUTHORIZATION.name].contains(&kind);
    if planes.iter().all(|plane| *plane == DataPlane::Ambient) && !of_connections {
        context.fail(
            place,
            format!(
                "the workloads are in ambient mode, in which only a waypoint enforces a {kind}: attach it with targetRefs"
            ),
        );
    }
}

/// Reports ports that no selected workload serves.
fn check_ports(subject: &Subject<'_>, selected: &[Workload<'_>], context: &mut CheckContext<'_>) {
    let mut served = BTreeSet::new();
    for workload in selected {
        match served_ports(*workload, context.inventory) {
            Some(ports) if !ports.is_empty() => served.extend(ports),
            // A container does not have to declare its ports.
            _ => return,
        }
    }
    let is_served = |port: &str| port.parse().is_ok_and(|port: i64| served.contains(&port));
    let message = |port: &str| format!("no workload that it applies to serves port {port}");
    if let Field::Known(ports) = subject.body.map("spec.portLevelMtls") {
        for port in ports.keys().filter(|port| !is_served(port)) {
            context.fail(format!("spec.portLevelMtls[{port}]"), message(port));
        }
    }
    for rule in context.items(subject.body, "spec.rules") {
        for operation in context.items(rule.node(), "to") {
            for port in context.texts(operation.node(), "operation.ports") {
                if !is_served(port) {
                    context.fail(operation.node().at("operation.ports"), message(port));
                }
            }
        }
        for condition in context.items(rule.node(), "when") {
            if condition.node().text("key") == Field::Known("destination.port") {
                for port in context.texts(condition.node(), "values") {
                    if !is_served(port) {
                        context.fail(condition.node().at("values"), message(port));
                    }
                }
            }
        }
    }
}

/// Reports another object of the same kind and scope, of which Istio uses only one.
fn check_duplicates(
    subject: &Subject<'_>,
    selected: &[Workload<'_>],
    path: &str,
    context: &mut CheckContext<'_>,
) {
    let kinds = [SIDECAR, TELEMETRY, PEER_AUTHENTICATION];
    let Some(kind) = kinds.into_iter().find(|kind| kind.name == subject.kind()) else {
        return;
    };
    let has_selector = |body: Node<'_>| match body.map(path) {
        Field::Known(labels) => Answer::from_bool(!labels.is_empty()),
        Field::Absent => Answer::No,
        Field::Unknown => Answer::Unknown,
    };
    let own = has_selector(subject.body);
    let is_same = |other: &Object| {
        let body = Node::new(other.body(), "");
        if other.id == subject.object.id || !targets(body).is_absent() || own != has_selector(body) {
            return false;
        }
        match body.map(path) {
            Field::Known(labels) if !labels.is_empty() => selected
                .iter()
                .any(|workload| has_all(labels, workload.labels()) == Answer::Yes),
            Field::Known(_) | Field::Absent => true,
            Field::Unknown => false,
        }
    };
    let namespace = namespace_of(subject.object);
    if let Some(other) = context
        .inventory
        .within(kind, namespace)
        .find(|other| is_same(other))
    {
        let message = match own {
            Answer::Yes => format!(
                "{} selects some of the same pods, and Istio uses one of the two",
                other.id
            ),
            _ => format!(
                "{} has no selector either, and Istio uses one of the two",
                other.id
            ),
        };
        context.fail(if own == Answer::Yes { path } else { "" }, message);
    }
}
