//! Authorization policies.

use phoenix_graph::Object;
use serde_json::Value;

use crate::cidr::Addresses;
use crate::context::{CheckContext, Item, Subject};
use crate::control::Control::{
    AccessArchitecture, AccessAuthorization, AccessControl, Authentication, Boundary, LeastPrivilege,
    TransmissionSecurity,
};
use crate::enforcement::Enforcement;
use crate::field::{Field, Node, text};
use crate::inventory::{Inventory, Workload};
use crate::kind::RUNNING_WORKLOADS;
use crate::mesh::DataPlane;
use crate::rule::{Check, Rule, Severity};
use crate::rules::mesh::effect::{AUTHORIZATION, in_force, targets};
use crate::rules::mesh::identity::{in_mesh, is_bypassed};
use crate::selector::Answer;
use crate::text::rule_text;

/// The action of a policy; the default is `ALLOW`.
pub(crate) fn action(policy: Node<'_>) -> Field<&str> {
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
    if is_bypassed(workload, "all requests are allowed", context) {
        return;
    }
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

/// Whether a policy makes a workload deny requests by default. One that is attached to a waypoint does not: connections can
/// bypass the waypoint.
fn closes(policy: &Object, workload: Workload<'_>, inventory: &Inventory<'_>) -> Answer {
    let body = Node::new(policy.body(), "");
    let allows = match action(body) {
        Field::Known(action) => Answer::from_bool(action == "ALLOW"),
        Field::Absent | Field::Unknown => Answer::Unknown,
    };
    let at_workload = match targets(body) {
        Field::Absent => Answer::Yes,
        Field::Known(_) => Answer::from_bool(inventory.data_plane(workload) == DataPlane::Gateway),
        Field::Unknown => Answer::Unknown,
    };
    in_force(policy, workload, inventory)
        .0
        .and(allows)
        .and(at_workload)
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
            let restricts = ["from", "to", "when"].map(|part| restricts(rule.node(), part));
            match Answer::any(restricts) {
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
        let mut networks = Vec::new();
        for rule in rules {
            let by_condition = Answer::any(conditions_of(rule.node()));
            match rule.node().list("from") {
                Field::Known([]) | Field::Absent => match by_condition {
                    Answer::Yes => {}
                    Answer::No => context.fail(
                        rule.node().at("from"),
                        "the rule has no source and therefore applies to every caller",
                    ),
                    Answer::Unknown => context.unknown(rule.node().at("when")),
                },
                Field::Unknown => context.unknown(rule.node().at("from")),
                Field::Known(_) => {
                    for source in context.items(rule.node(), "from") {
                        check_source(source.node(), by_condition, context);
                        if by_condition == Answer::No {
                            networks.extend(only_networks(source.node()));
                        }
                    }
                }
            }
        }
        if !networks.iter().any(Addresses::cover_the_internet) {
            let mut all = Addresses::default();
            for network in &networks {
                all.union(network);
            }
            if all.cover_the_internet() {
                context.fail(
                    "spec.rules",
                    "the address blocks of all sources together include every caller",
                );
            }
        }
    }),
    ..Rule::DEFAULTS
};

/// Fields of a source that identify callers.
const CALLERS: [&str; 6] = [
    "principals",
    "namespaces",
    "serviceAccounts",
    "requestPrincipals",
    "ipBlocks",
    "remoteIpBlocks",
];

/// Those of them that are lists of addresses.
const NETWORKS: [&str; 2] = ["ipBlocks", "remoteIpBlocks"];

/// The addresses of a source that identifies callers only by address.
fn only_networks(source: Node<'_>) -> Option<Addresses> {
    let is_listed = |field: &&str| !source.list(&format!("source.{field}")).is_absent();
    let (networks, others): (Vec<_>, Vec<_>) = CALLERS
        .into_iter()
        .filter(is_listed)
        .partition(|field| NETWORKS.contains(field));
    // Two lists of addresses restrict each other.
    let [field] = networks.as_slice() else { return None };
    let blocks = source.list(&format!("source.{field}")).known()?;
    let blocks = blocks.iter().filter_map(Value::as_str);
    others.is_empty().then(|| Addresses::of(blocks))
}

/// Reports a source that names no callers.
fn check_source(source: Node<'_>, by_condition: Answer, context: &mut CheckContext<'_>) {
    let fields = CALLERS.map(|field| {
        (
            field,
            names_callers(field, source.list(&format!("source.{field}"))),
        )
    });
    let answers = fields.iter().map(|(_, answer)| *answer).chain([by_condition]);
    match Answer::any(answers) {
        Answer::Yes => {}
        Answer::Unknown => context.unknown(source.at("source")),
        Answer::No if source.field("source").is_unknown() => context.unknown(source.at("source")),
        Answer::No => {
            let listed = CALLERS
                .iter()
                .find(|field| !source.list(&format!("source.{field}")).is_absent());
            match listed {
                Some(field) => context.fail(
                    source.at(&format!("source.{field}")),
                    "a wildcard admits callers that are not listed",
                ),
                None => context.fail(
                    source.at("source"),
                    "the source is empty and therefore matches every caller",
                ),
            }
        }
    }
}

/// Whether the values of a field name callers, without a wildcard that admits others.
fn names_callers(field: &str, values: Field<&[Value]>) -> Answer {
    let values = match values {
        Field::Known(values) => values,
        Field::Absent => return Answer::No,
        Field::Unknown => return Answer::Unknown,
    };
    let mut texts = Vec::with_capacity(values.len());
    for value in values {
        match text(value) {
            Field::Known(value) => texts.push(value),
            _ => return Answer::Unknown,
        }
    }
    let named = match field {
        // `*` means any valid token.
        "requestPrincipals" => true,
        "ipBlocks" | "remoteIpBlocks" => !Addresses::of(texts.iter().copied()).cover_the_internet(),
        // The trust domain of a mesh is a matter of its configuration.
        "principals" => texts
            .iter()
            .all(|principal| !principal.strip_prefix("*/ns/").unwrap_or(principal).contains('*')),
        _ => texts.iter().all(|name| !name.contains('*')),
    };
    Answer::from_bool(named && !texts.is_empty())
}

/// For each condition of a rule whether it names callers.
fn conditions_of(rule: Node<'_>) -> Vec<Answer> {
    let conditions = match rule.list("when") {
        Field::Known(conditions) => conditions,
        Field::Absent => return Vec::new(),
        Field::Unknown => return vec![Answer::Unknown],
    };
    let names = |condition: &Value| {
        let condition = Node::new(condition, "");
        let field = match condition.text("key") {
            Field::Known("source.principal") => "principals",
            Field::Known("source.namespace") => "namespaces",
            Field::Known("source.serviceAccount") => "serviceAccounts",
            Field::Known("source.ip") => "ipBlocks",
            Field::Known("remote.ip") => "remoteIpBlocks",
            Field::Known(key) if key.starts_with("request.auth.") => "requestPrincipals",
            Field::Known(_) => return Answer::No,
            Field::Absent | Field::Unknown => return Answer::Unknown,
        };
        names_callers(field, condition.list("values"))
    };
    conditions.iter().map(names).collect()
}

/// Whether a part of a rule (`from`, `to`, `when`) excludes any request.
pub(super) fn restricts(rule: Node<'_>, part: &str) -> Answer {
    restricts_by(rule, part, |_| true)
}

/// Whether a part of a rule (`from`, `to`) lists what it matches, instead of only what it does not match.
pub(super) fn lists(rule: Node<'_>, part: &str) -> Answer {
    restricts_by(rule, part, |field| !field.starts_with("not"))
}

fn restricts_by(rule: Node<'_>, part: &str, counts: impl Fn(&str) -> bool) -> Answer {
    let items = match rule.list(part) {
        Field::Known(items) if !items.is_empty() => items,
        Field::Known(_) | Field::Absent => return Answer::No,
        Field::Unknown => return Answer::Unknown,
    };
    let inner = match part {
        "from" => "source",
        "to" => "operation",
        _ => return Answer::Yes,
    };
    // The items are alternatives: one that matches everything makes the others irrelevant.
    let each = items.iter().map(|item| match Node::new(item, "").map(inner) {
        Field::Known(fields) => {
            let counted = fields.iter().filter(|(field, _)| counts(field));
            Answer::any(counted.map(|(_, values)| excludes(values, part)))
        }
        Field::Absent => Answer::No,
        Field::Unknown => Answer::Unknown,
    });
    each.fold(Answer::Yes, Answer::and)
}

/// Whether a field of a source or an operation excludes any request.
pub(super) fn excludes(values: &Value, part: &str) -> Answer {
    match values {
        Value::Null => Answer::No,
        Value::Array(values) if values.is_empty() => Answer::No,
        Value::Array(values) => values
            .iter()
            .map(|value| match text(value) {
                Field::Known("*" | "/*" | "/{**}") if part == "to" => Answer::No,
                Field::Known(_) => Answer::Yes,
                Field::Absent | Field::Unknown => Answer::Unknown,
            })
            .fold(Answer::Yes, Answer::and),
        _ => Answer::Unknown,
    }
}

/// Operations of namespace-wide rules.
pub static AUTHZ_OPERATIONS_LISTED: Rule = Rule {
    id: "authz-operations-listed",
    text: rule_text!("authz-operations-listed"),
    kinds: &[AUTHORIZATION],
    severity: Severity::Medium,
    enforcement: Enforcement::Mandatory,
    evidence: &[AccessArchitecture, LeastPrivilege, AccessControl],
    check: Check::Resource(|subject, context| {
        let selects_all = match (
            subject.body.map("spec.selector.matchLabels"),
            targets(subject.body),
        ) {
            (Field::Unknown, _) | (_, Field::Unknown) => Answer::Unknown,
            (Field::Known(labels), _) if !labels.is_empty() => Answer::No,
            (_, Field::Known(_)) => Answer::No,
            _ => Answer::Yes,
        };
        match selects_all {
            Answer::Yes => {}
            Answer::No => {
                context.not_applicable("the policy is for selected workloads");
                return;
            }
            Answer::Unknown => context.unknown("spec.selector"),
        }
        let Some(rules) = allowing(subject, context) else {
            return;
        };
        for rule in rules {
            match restricts(rule.node(), "to") {
                Answer::Yes => {}
                Answer::No => context.fail(
                    rule.node().at("to"),
                    "the rule allows every operation of every workload that the policy applies to",
                ),
                Answer::Unknown => context.unknown(rule.node().at("to")),
            }
        }
    }),
    ..Rule::DEFAULTS
};

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
