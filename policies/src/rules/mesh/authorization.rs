//! Authorization policies and token authentication.

use phoenix_graph::Object;

use crate::context::{CheckContext, Item, Subject};
use crate::control::Control::{
    AccessArchitecture, AccessAuthorization, AccessControl, Authentication, Boundary, LeastPrivilege,
    TransmissionSecurity,
};
use crate::enforcement::Enforcement;
use crate::field::{Field, Node, namespace_of};
use crate::inventory::{Inventory, Workload};
use crate::kind::{Kind, RUNNING_WORKLOADS, SERVICE};
use crate::rule::{Check, Rule, Severity};
use crate::rules::mesh::identity::{applies, in_mesh};
use crate::rules::network::services::service_of;
use crate::selector::{Answer, has_all};
use crate::settings::assume;
use crate::text::rule_text;

const AUTHORIZATION: Kind = Kind::new(&["security.istio.io"], "AuthorizationPolicy");
const REQUESTS: Kind = Kind::new(&["security.istio.io"], "RequestAuthentication");
const ROUTES: Kind = Kind::new(&["networking.istio.io"], "VirtualService");

/// The action of a policy; the default is `ALLOW`.
fn action(policy: Node<'_>) -> Field<&str> {
    policy.text("spec.action").or(|| Field::Known("ALLOW"))
}

/// Deny by default.
pub static MESH_AUTHZ_DEFAULT_DENY: Rule = Rule {
    id: "mesh-authz-default-deny",
    text: rule_text!("mesh-authz-default-deny"),
    kinds: RUNNING_WORKLOADS,
    severity: Severity::Critical,
    enforcement: Enforcement::Mandatory,
    evidence: &[
        AccessArchitecture,
        LeastPrivilege,
        Boundary,
        AccessControl,
        AccessAuthorization,
        TransmissionSecurity,
    ],
    check: Check::Stack(default_deny),
    ..Rule::DEFAULTS
};

fn default_deny(subject: &Subject<'_>, context: &mut CheckContext<'_>) {
    let Some(workload) = in_mesh(subject, context) else {
        return;
    };
    let allowing = context
        .inventory
        .all(AUTHORIZATION)
        .map(|policy| closes(policy, workload, context.inventory));
    match Answer::any(allowing) {
        Answer::Yes => {}
        Answer::No if !context.inventory.is_complete() => {
            context.unknown("whether an AuthorizationPolicy outside of the input applies");
        }
        Answer::No => context.fail(
            "",
            "no AuthorizationPolicy applies to the workload, so all requests are allowed",
        ),
        Answer::Unknown => context.unknown("whether an AuthorizationPolicy applies"),
    }
}

/// Whether a policy makes a workload deny requests by default.
fn closes(policy: &Object, workload: Workload<'_>, inventory: &Inventory<'_>) -> Answer {
    let root = inventory.settings.assumed_text(&assume::MESH_ROOT);
    let allows = match action(Node::new(policy.body(), "")) {
        Field::Known(action) => Answer::from_bool(action == "ALLOW"),
        Field::Absent | Field::Unknown => Answer::Unknown,
    };
    applies(policy, workload, root, "spec.selector.matchLabels")
        .0
        .and(allows)
}

/// The rules of an `ALLOW` policy; for any other policy the reason is recorded.
fn allowing<'n>(subject: &Subject<'n>, context: &mut CheckContext<'_>) -> Option<Vec<Item<'n>>> {
    match action(subject.body) {
        Field::Known("ALLOW") => {}
        Field::Unknown => context.unknown("spec.action"),
        _ => {
            context.not_applicable("the policy does not allow any request");
            return None;
        }
    }
    Some(context.items(subject.body, "spec.rules"))
}

/// Rules that match every request.
pub static AUTHZ_NO_ALLOW_ALL: Rule = Rule {
    id: "authz-no-allow-all",
    text: rule_text!("authz-no-allow-all"),
    kinds: &[AUTHORIZATION],
    severity: Severity::Critical,
    enforcement: Enforcement::Mandatory,
    evidence: &[AccessArchitecture, LeastPrivilege, AccessControl],
    check: Check::Resource(|subject, context| {
        let Some(rules) = allowing(subject, context) else {
            return;
        };
        for rule in rules {
            let parts = ["from", "to", "when"].map(|part| match rule.node().list(part) {
                Field::Known(items) => Answer::from_bool(!items.is_empty()),
                Field::Absent => Answer::No,
                Field::Unknown => Answer::Unknown,
            });
            match Answer::any(parts) {
                Answer::Yes => {}
                Answer::No => context.fail(rule.path, "the rule matches every request from every source"),
                Answer::Unknown => context.unknown(rule.path),
            }
        }
    }),
    ..Rule::DEFAULTS
};

/// Rules without a source.
pub static AUTHZ_NO_WILDCARD_SOURCE: Rule = Rule {
    id: "authz-no-wildcard-source",
    text: rule_text!("authz-no-wildcard-source"),
    kinds: &[AUTHORIZATION],
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    evidence: &[AccessArchitecture, LeastPrivilege, AccessControl, Authentication],
    check: Check::Resource(|subject, context| {
        let Some(rules) = allowing(subject, context) else {
            return;
        };
        for rule in rules {
            let conditions = context.items(rule.node(), "when");
            let by_condition = conditions.iter().any(|condition| {
                let values = condition
                    .node()
                    .list("values")
                    .known()
                    .is_some_and(|values| !values.is_empty());
                condition.node().text("key").known().is_some_and(|key| {
                    values && (key.starts_with("source.") || key.starts_with("request.auth."))
                })
            });
            if rule.node().list("from").is_unknown() {
                context.unknown(rule.node().at("from"));
                continue;
            }
            let sources = context.items(rule.node(), "from");
            let none = rule.node().list("from").known().is_none_or(<[_]>::is_empty);
            if none && !by_condition {
                let what = rule.node().at("from");
                context.fail(
                    what,
                    "the rule has no source and therefore applies to every caller",
                );
            }
            for source in sources {
                source_names_somebody(source.node(), by_condition, context);
            }
        }
    }),
    ..Rule::DEFAULTS
};

fn source_names_somebody(source: Node<'_>, by_condition: bool, context: &mut CheckContext<'_>) {
    let mut named = by_condition;
    let mut in_doubt = source.field("source").is_unknown();
    for field in [
        "principals",
        "namespaces",
        "serviceAccounts",
        "requestPrincipals",
        "ipBlocks",
        "remoteIpBlocks",
    ] {
        let path = format!("source.{field}");
        in_doubt |= source.list(&path).is_unknown();
        let before = source.list(&path).known().map_or(0, <[_]>::len);
        let values = context.texts(source, &path);
        in_doubt |= values.len() < before;
        named |= !values.is_empty();
        let wide = |value: &&str| match field {
            "principals" | "namespaces" | "serviceAccounts" => **value == *"*",
            "ipBlocks" | "remoteIpBlocks" => value.ends_with("/0"),
            _ => false,
        };
        if let Some(value) = values.iter().find(|value| wide(value)) {
            context.fail(source.at(&path), format!("{value} matches every caller"));
        }
    }
    if !named && in_doubt {
        context.unknown(source.at("source"));
    } else if !named {
        context.fail(
            source.at("source"),
            "the source is empty and therefore matches every caller",
        );
    }
}

/// `from` and `to` in separate rules.
pub static AUTHZ_SOURCE_AND_OPERATION_TOGETHER: Rule = Rule {
    id: "authz-source-and-operation-together",
    text: rule_text!("authz-source-and-operation-together"),
    kinds: &[AUTHORIZATION],
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    evidence: &[AccessArchitecture, LeastPrivilege, AccessControl],
    check: Check::Resource(|subject, context| {
        let Some(rules) = allowing(subject, context) else {
            return;
        };
        let has = |rule: &Item<'_>, part: &str| match rule.node().list(part) {
            Field::Known(items) => Answer::from_bool(!items.is_empty()),
            Field::Absent => Answer::No,
            Field::Unknown => Answer::Unknown,
        };
        let not = |answer| match answer {
            Answer::Yes => Answer::No,
            Answer::No => Answer::Yes,
            Answer::Unknown => Answer::Unknown,
        };
        let only = |part, other| {
            Answer::any(
                rules
                    .iter()
                    .map(|rule| has(rule, part).and(not(has(rule, other)))),
            )
        };
        match only("from", "to").and(only("to", "from")) {
            Answer::No => {}
            Answer::Yes => context.fail(
                "spec.rules",
                "one rule has only sources and another only operations: these sources may perform every operation, and every source may perform these operations",
            ),
            Answer::Unknown => context.unknown("spec.rules"),
        }
    }),
    ..Rule::DEFAULTS
};

/// Match patterns.
pub static AUTHZ_SAFE_MATCH_PATTERN: Rule = Rule {
    id: "authz-safe-match-pattern",
    text: rule_text!("authz-safe-match-pattern"),
    kinds: &[AUTHORIZATION],
    severity: Severity::Medium,
    enforcement: Enforcement::Mandatory,
    evidence: &[AccessArchitecture, AccessControl],
    check: Check::Resource(|subject, context| {
        let Some(rules) = allowing(subject, context) else {
            return;
        };
        for rule in rules {
            for operation in context.items(rule.node(), "to") {
                let node = operation.node();
                if node.field("operation").is_unknown() {
                    context.unknown(node.at("operation"));
                    continue;
                }
                for field in ["notPaths", "notMethods", "notHosts", "notPorts"] {
                    let path = format!("operation.{field}");
                    if !context.texts(node, &path).is_empty() {
                        context.fail(
                            node.at(&path),
                            "a negative match allows everything that is not listed",
                        );
                    }
                }
                for method in context.texts(node, "operation.methods") {
                    if method != method.to_uppercase() {
                        context.fail(
                            node.at("operation.methods"),
                            format!(
                                "the method {method} matches no request: methods are written in upper case"
                            ),
                        );
                    }
                }
                for path in context.texts(node, "operation.paths") {
                    let odd = !path.starts_with(['/', '*', '{'])
                        || path.contains(['%', '\\'])
                        || path.contains("//");
                    if odd {
                        context.fail(
                            node.at("operation.paths"),
                            format!("{path} is not a normalized path and matches no request"),
                        );
                    }
                }
            }
        }
    }),
    ..Rule::DEFAULTS
};

/// Token authentication of external requests.
pub static EXTERNAL_API_AUTHENTICATED: Rule = Rule {
    id: "external-api-authenticated",
    text: rule_text!("external-api-authenticated"),
    kinds: &[ROUTES],
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    evidence: &[AccessArchitecture, Boundary, Authentication, AccessControl],
    check: Check::Stack(external),
    ..Rule::DEFAULTS
};

fn external(subject: &Subject<'_>, context: &mut CheckContext<'_>) {
    let gateways = context.texts(subject.body, "spec.gateways");
    if !gateways.iter().any(|gateway| *gateway != "mesh") {
        context.not_applicable("the VirtualService is not bound to a gateway");
        return;
    }
    let mut seen: Vec<(String, String)> = Vec::new();
    for protocol in ["http", "tls", "tcp"] {
        for route in context.items(subject.body, &format!("spec.{protocol}")) {
            for destination in context.items(route.node(), "route") {
                let Some(host) = context.text(destination.node(), "destination.host") else {
                    continue;
                };
                let Some((name, namespace)) = service_of(host, subject.namespace()) else {
                    continue;
                };
                // Each destination is reported once, at its first route.
                let service = (name.to_owned(), namespace.to_owned());
                if !seen.contains(&service) {
                    behind(
                        name,
                        namespace,
                        &destination.node().at("destination.host"),
                        context,
                    );
                    seen.push(service);
                }
            }
        }
    }
}

fn behind(name: &str, within: &str, place: &str, context: &mut CheckContext<'_>) {
    let inventory = context.inventory;
    let Some(service) = inventory.get(SERVICE, within, name) else {
        context.unknown(format!(
            "{place}: the Service {within}/{name} is not in the input"
        ));
        return;
    };
    let selector = match Node::new(service.body(), "").map("spec.selector") {
        Field::Known(selector) => selector,
        Field::Absent => return,
        Field::Unknown => {
            context.unknown(format!("spec.selector of {}", service.id));
            return;
        }
    };
    let root = inventory.settings.assumed_text(&assume::MESH_ROOT);
    for workload in inventory.workloads_in(namespace_of(service)) {
        match has_all(selector, workload.labels()) {
            Answer::No => continue,
            Answer::Unknown => {
                context.unknown(format!(
                    "whether {} is a backend of {}",
                    workload.object.id, service.id
                ));
                continue;
            }
            Answer::Yes => {}
        }
        let checked = inventory
            .all(REQUESTS)
            .map(|policy| applies(policy, workload, root, "spec.selector.matchLabels").0);
        let demanded = inventory.all(AUTHORIZATION).map(|policy| {
            applies(policy, workload, root, "spec.selector.matchLabels")
                .0
                .and(demands_token(Node::new(policy.body(), "")))
        });
        for (answer, missing) in [
            (Answer::any(checked), "no RequestAuthentication validates tokens"),
            (Answer::any(demanded), "no AuthorizationPolicy requires a token"),
        ] {
            match answer {
                Answer::Yes => {}
                Answer::No if inventory.is_complete() => context.fail(
                    place,
                    format!(
                        "the route exposes {} through a gateway, but {missing}",
                        workload.object.id
                    ),
                ),
                Answer::No | Answer::Unknown => {
                    context.unknown(format!("whether {} requires a token", workload.object.id));
                }
            }
        }
    }
}

/// Whether a policy denies requests without a token: it allows only requests with one, or denies requests without.
fn demands_token(policy: Node<'_>) -> Answer {
    let field = match action(policy) {
        Field::Known("ALLOW") => "source.requestPrincipals",
        Field::Known("DENY") => "source.notRequestPrincipals",
        Field::Unknown => return Answer::Unknown,
        _ => return Answer::No,
    };
    let Field::Known(rules) = policy.list("spec.rules") else {
        return if policy.list("spec.rules").is_unknown() {
            Answer::Unknown
        } else {
            Answer::No
        };
    };
    Answer::any(rules.iter().map(|rule| match Node::new(rule, "").list("from") {
        Field::Known(sources) => Answer::any(sources.iter().map(|source| {
            match Node::new(source, "").list(field) {
                Field::Known(values) => Answer::from_bool(!values.is_empty()),
                Field::Absent => Answer::No,
                Field::Unknown => Answer::Unknown,
            }
        })),
        Field::Absent => Answer::No,
        Field::Unknown => Answer::Unknown,
    }))
}
