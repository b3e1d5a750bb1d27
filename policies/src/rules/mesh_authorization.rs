//! What the mesh lets who do: authorization policies and the tokens that they ask for.

use phoenix_graph::Object;

use crate::control::Control::{
    AccessArchitecture, AccessAuthorisation, AccessControl, Authentication, Boundary, LeastPrivilege,
    TransmissionSecurity,
};
use crate::judging::{Item, Judging, Subject, namespace};
use crate::read::{Node, Read};
use crate::rule::{Enforcement, Kind, Level, Rule, Severity};
use crate::rules::mesh_identity::{applies, in_mesh};
use crate::rules::network::RUNNING;
use crate::rules::services::SERVICE;
use crate::selector::{Answer, has_all};
use crate::settings::assume;
use crate::world::{Workload, World};

const AUTHORIZATION: Kind = Kind::new(&["security.istio.io"], "AuthorizationPolicy");
const REQUESTS: Kind = Kind::new(&["security.istio.io"], "RequestAuthentication");
const ROUTES: Kind = Kind::new(&["networking.istio.io"], "VirtualService");

/// The action of a policy; the default is to allow.
fn action(policy: Node<'_>) -> Read<&str> {
    policy.text("spec.action").or(|| Read::Known("ALLOW"))
}

/// Default deny.
pub static MESH_AUTHZ_DEFAULT_DENY: Rule = Rule {
    id: "mesh-authz-default-deny",
    title: "In the mesh, what no policy allows is refused",
    meaning: "Judges workloads in the mesh. Passes where at least one AuthorizationPolicy with the action ALLOW applies to the workload, by its selector, for its whole namespace or for the mesh: from then on Istio refuses what no such policy allows. A policy without rules allows nothing and counts. Policies bound to waypoints by reference do not count.",
    why: "Without one, whoever has any identity in the mesh may do anything: mutual TLS says who it is, not what they may do.",
    remedy: "Add an AuthorizationPolicy with `spec: {}` to the namespace, and allow what is needed beside it.",
    kinds: RUNNING,
    level: Level::Stack,
    severity: Severity::Critical,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[
        AccessArchitecture,
        LeastPrivilege,
        Boundary,
        AccessControl,
        AccessAuthorisation,
        TransmissionSecurity,
    ],
    limits: &["waypoints of ambient mode are not looked at"],
    good: "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, labels: {istio-injection: enabled}}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: a}\nspec: {containers: [{name: app}]}\n---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: deny, namespace: a}\nspec: {}\n",
    bad: "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, labels: {istio-injection: enabled}}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: a}\nspec: {containers: [{name: app}]}\n---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: deny, namespace: a}\nspec: {action: AUDIT}\n",
    check: default_deny,
};

fn default_deny(subject: &Subject<'_>, judging: &mut Judging<'_>) {
    let Some(workload) = in_mesh(subject, judging) else {
        return;
    };
    let allowing = judging
        .world
        .all(AUTHORIZATION)
        .map(|policy| closes(policy, workload, judging.world));
    match Answer::any(allowing) {
        Answer::Yes => {}
        Answer::No if !judging.world.is_complete() => {
            judging.unknown("whether an AuthorizationPolicy that was not given applies");
        }
        Answer::No => judging.fail(
            "",
            "no AuthorizationPolicy applies to it, so everybody in the mesh may do anything",
        ),
        Answer::Unknown => judging.unknown("whether an AuthorizationPolicy applies"),
    }
}

/// Whether a policy makes a workload refuse what nobody allows.
fn closes(policy: &Object, workload: Workload<'_>, world: &World<'_>) -> Answer {
    let root = world.settings.assumed_text(&assume::MESH_ROOT);
    let allows = match action(Node::new(policy.body(), "")) {
        Read::Known(action) => Answer::from_bool(action == "ALLOW"),
        Read::Absent | Read::Unknown => Answer::Unknown,
    };
    applies(policy, workload, root, "spec.selector.matchLabels")
        .0
        .and(allows)
}

/// The rules of a policy that allows; of any other the judging says why it is not judged.
fn allowing<'n>(subject: &Subject<'n>, judging: &mut Judging<'_>) -> Option<Vec<Item<'n>>> {
    match action(subject.body) {
        Read::Known("ALLOW") => {}
        Read::Unknown => judging.unknown("spec.action"),
        _ => {
            judging.not_applicable("the policy allows nothing");
            return None;
        }
    }
    Some(judging.items(subject.body, "spec.rules"))
}

/// Rules that match everything.
pub static AUTHZ_NO_ALLOW_ALL: Rule = Rule {
    id: "authz-no-allow-all",
    title: "No rule of the mesh allows everybody everything",
    meaning: "Judges AuthorizationPolicies with the action ALLOW. Fails where a rule has none of `from`, `to` and `when`, or only empty ones: it matches every request.",
    why: "Rules are alternatives: one that matches everything makes all others idle.",
    remedy: "Say who may do what, or remove the rule. To refuse everything, leave `rules` out.",
    kinds: &[AUTHORIZATION],
    level: Level::Resource,
    severity: Severity::Critical,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[AccessArchitecture, LeastPrivilege, AccessControl],
    limits: &[],
    good: "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: a}\nspec:\n  rules: [{from: [{source: {namespaces: [b]}}]}]\n",
    bad: "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: a}\nspec:\n  rules: [{}]\n",
    check: |subject, judging| {
        let Some(rules) = allowing(subject, judging) else {
            return;
        };
        for rule in rules {
            let parts = ["from", "to", "when"].map(|part| match rule.node().list(part) {
                Read::Known(items) => Answer::from_bool(!items.is_empty()),
                Read::Absent => Answer::No,
                Read::Unknown => Answer::Unknown,
            });
            match Answer::any(parts) {
                Answer::Yes => {}
                Answer::No => judging.fail(rule.path, "the rule matches every request, whoever makes it"),
                Answer::Unknown => judging.unknown(rule.path),
            }
        }
    },
};

/// Rules without a caller.
pub static AUTHZ_NO_WILDCARD_SOURCE: Rule = Rule {
    id: "authz-no-wildcard-source",
    title: "Every rule of the mesh says who may",
    meaning: "Judges AuthorizationPolicies with the action ALLOW. Fails where a rule names no caller: no `from` and no condition about the source, a source with nothing but exclusions, or `*` among its principals, namespaces or service accounts. A source that asks for any valid token (`requestPrincipals: [\"*\"]`) names callers; addresses do too.",
    why: "A rule without a caller lets in whoever reaches the port, and the access log cannot say that it was not meant.",
    remedy: "Name principals or namespaces in `from.source`.",
    kinds: &[AUTHORIZATION],
    level: Level::Resource,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[AccessArchitecture, LeastPrivilege, AccessControl, Authentication],
    limits: &["whether a principal exists is not seen"],
    good: "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: a}\nspec:\n  rules: [{from: [{source: {principals: [cluster.local/ns/b/sa/b]}}]}]\n",
    bad: "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: a}\nspec:\n  rules: [{from: [{source: {principals: [\"*\"]}}]}]\n",
    check: |subject, judging| {
        let Some(rules) = allowing(subject, judging) else {
            return;
        };
        for rule in rules {
            let conditions = judging.items(rule.node(), "when");
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
                judging.unknown(rule.node().at("from"));
                continue;
            }
            let sources = judging.items(rule.node(), "from");
            let none = rule.node().list("from").known().is_none_or(<[_]>::is_empty);
            if none && !by_condition {
                let what = rule.node().at("from");
                judging.fail(what, "the rule does not say who may, so everybody may");
            }
            for source in sources {
                source_names_somebody(source.node(), by_condition, judging);
            }
        }
    },
};

fn source_names_somebody(source: Node<'_>, by_condition: bool, judging: &mut Judging<'_>) {
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
        let values = judging.texts(source, &path);
        in_doubt |= values.len() < before;
        named |= !values.is_empty();
        let wide = |value: &&str| match field {
            "principals" | "namespaces" | "serviceAccounts" => **value == *"*",
            "ipBlocks" | "remoteIpBlocks" => value.ends_with("/0"),
            _ => false,
        };
        if let Some(value) = values.iter().find(|value| wide(value)) {
            judging.fail(source.at(&path), format!("{value} is everybody"));
        }
    }
    if !named && in_doubt {
        judging.unknown(source.at("source"));
    } else if !named {
        judging.fail(
            source.at("source"),
            "the source does not say who may, so everybody may",
        );
    }
}

/// `from` and `to` apart.
pub static AUTHZ_SOURCE_AND_OPERATION_TOGETHER: Rule = Rule {
    id: "authz-source-and-operation-together",
    title: "Every rule of the mesh says who may do what, both in one rule",
    meaning: "Judges AuthorizationPolicies with the action ALLOW. Fails where one rule has `from` and no `to`, and another has `to` and no `from`: rules are alternatives, so these callers may do everything and everybody may do these operations.",
    why: "It is the most common mistake in such policies, and reads as if it were right.",
    remedy: "Put `from` and `to` into the same item of `rules`.",
    kinds: &[AUTHORIZATION],
    level: Level::Resource,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[AccessArchitecture, LeastPrivilege, AccessControl],
    limits: &[],
    good: "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: a}\nspec:\n  rules:\n  - from: [{source: {namespaces: [b]}}]\n    to: [{operation: {methods: [GET]}}]\n",
    bad: "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: a}\nspec:\n  rules:\n  - from: [{source: {namespaces: [b]}}]\n  - to: [{operation: {methods: [GET]}}]\n",
    check: |subject, judging| {
        let Some(rules) = allowing(subject, judging) else {
            return;
        };
        let has = |rule: &Item<'_>, part: &str| match rule.node().list(part) {
            Read::Known(items) => Answer::from_bool(!items.is_empty()),
            Read::Absent => Answer::No,
            Read::Unknown => Answer::Unknown,
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
            Answer::Yes => judging.fail(
                "spec.rules",
                "one rule says who and another says what: these callers may do everything, and everybody may do these operations",
            ),
            Answer::Unknown => judging.unknown("spec.rules"),
        }
    },
};

/// Patterns.
pub static AUTHZ_SAFE_MATCH_PATTERN: Rule = Rule {
    id: "authz-safe-match-pattern",
    title: "No rule of the mesh can be slipped past by writing a request differently",
    meaning: "Judges AuthorizationPolicies with the action ALLOW. Fails where an operation is told by what it is not (`notPaths`, `notMethods`, `notHosts`, `notPorts`), where a method is not in capitals, or where a path does not begin with `/` or `*`, or holds a `%`, a backslash or a double slash.",
    why: "What is allowed by exclusion grows with every new way to write it; a path that no server normalises to is never matched.",
    remedy: "Name what is allowed: paths as the server sees them, methods in capitals.",
    kinds: &[AUTHORIZATION],
    level: Level::Resource,
    severity: Severity::Medium,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[AccessArchitecture, AccessControl],
    limits: &["how the mesh normalises paths (`pathNormalization` of MeshConfig) is not seen"],
    good: "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: a}\nspec:\n  rules: [{from: [{source: {namespaces: [b]}}], to: [{operation: {paths: [/health]}}]}]\n",
    bad: "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: a}\nspec:\n  rules: [{from: [{source: {namespaces: [b]}}], to: [{operation: {notPaths: [/admin]}}]}]\n",
    check: |subject, judging| {
        let Some(rules) = allowing(subject, judging) else {
            return;
        };
        for rule in rules {
            for operation in judging.items(rule.node(), "to") {
                let node = operation.node();
                if node.field("operation").is_unknown() {
                    judging.unknown(node.at("operation"));
                    continue;
                }
                for field in ["notPaths", "notMethods", "notHosts", "notPorts"] {
                    let path = format!("operation.{field}");
                    if !judging.texts(node, &path).is_empty() {
                        judging.fail(node.at(&path), "what is allowed is told by what it is not");
                    }
                }
                for method in judging.texts(node, "operation.methods") {
                    if method != method.to_uppercase() {
                        judging.fail(
                            node.at("operation.methods"),
                            format!("no request has the method {method}: methods are written in capitals"),
                        );
                    }
                }
                for path in judging.texts(node, "operation.paths") {
                    let odd = !path.starts_with(['/', '*', '{'])
                        || path.contains(['%', '\\'])
                        || path.contains("//");
                    if odd {
                        judging.fail(
                            node.at("operation.paths"),
                            format!("{path} is not how a server sees a path"),
                        );
                    }
                }
            }
        }
    },
};

/// Tokens of those who come from outside.
pub static EXTERNAL_API_AUTHENTICATED: Rule = Rule {
    id: "external-api-authenticated",
    title: "Whoever comes from outside shows a token",
    meaning: "Judges VirtualServices that are bound to a gateway. Passes where for each destination that is a Service of the graph, every workload behind it has a RequestAuthentication that applies and an AuthorizationPolicy that asks for a token: ALLOW with `requestPrincipals`, or DENY with `notRequestPrincipals: [\"*\"]`. A RequestAuthentication alone refuses only bad tokens, not missing ones.",
    why: "Mutual TLS ends at the gateway: behind it every caller has the gateway's identity.",
    remedy: "Add a RequestAuthentication with the issuer, and demand `requestPrincipals` in the policy that lets the gateway in.",
    kinds: &[ROUTES],
    level: Level::Stack,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[AccessArchitecture, Boundary, Authentication, AccessControl],
    limits: &[
        "that every path asks for a token is not said, only that some do",
        "a token that the gateway itself checks is not seen",
    ],
    good: "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a, namespace: a}\nspec:\n  gateways: [a]\n  http: [{route: [{destination: {host: a}}]}]\n---\napiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: a}\nspec: {selector: {app: a}}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: a, labels: {app: a}}\nspec: {containers: [{name: app}]}\n---\napiVersion: security.istio.io/v1\nkind: RequestAuthentication\nmetadata: {name: a, namespace: a}\nspec: {jwtRules: [{issuer: i}]}\n---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: a, namespace: a}\nspec: {rules: [{from: [{source: {requestPrincipals: [\"*\"]}}]}]}\n",
    bad: "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a, namespace: a}\nspec:\n  gateways: [a]\n  http: [{route: [{destination: {host: a}}]}]\n---\napiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: a}\nspec: {selector: {app: a}}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: a, labels: {app: a}}\nspec: {containers: [{name: app}]}\n---\napiVersion: security.istio.io/v1\nkind: RequestAuthentication\nmetadata: {name: a, namespace: a}\nspec: {jwtRules: [{issuer: i}]}\n---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: a, namespace: a}\nspec: {rules: [{from: [{source: {namespaces: [b]}}]}]}\n",
    check: external,
};

fn external(subject: &Subject<'_>, judging: &mut Judging<'_>) {
    let gateways = judging.texts(subject.body, "spec.gateways");
    if !gateways.iter().any(|gateway| *gateway != "mesh") {
        judging.not_applicable("the VirtualService is bound to no gateway");
        return;
    }
    let mut seen: Vec<(String, String)> = Vec::new();
    for protocol in ["http", "tls", "tcp"] {
        for route in judging.items(subject.body, &format!("spec.{protocol}")) {
            for destination in judging.items(route.node(), "route") {
                let Some(host) = judging.text(destination.node(), "destination.host") else {
                    continue;
                };
                let Some((name, namespace)) = service_of(host, subject.namespace()) else {
                    continue;
                };
                // Each destination is told once, at its first route.
                let service = (name.to_owned(), namespace.to_owned());
                if !seen.contains(&service) {
                    behind(
                        name,
                        namespace,
                        &destination.node().at("destination.host"),
                        judging,
                    );
                    seen.push(service);
                }
            }
        }
    }
}

fn behind(name: &str, within: &str, place: &str, judging: &mut Judging<'_>) {
    let world = judging.world;
    let Some(service) = world.get(SERVICE, within, name) else {
        judging.unknown(format!("{place}: the Service {within}/{name} was not given"));
        return;
    };
    let selector = match Node::new(service.body(), "").map("spec.selector") {
        Read::Known(selector) => selector,
        Read::Absent => return,
        Read::Unknown => {
            judging.unknown(format!("spec.selector of {}", service.id));
            return;
        }
    };
    let root = world.settings.assumed_text(&assume::MESH_ROOT);
    for workload in world.workloads_in(namespace(service)) {
        match has_all(selector, workload.labels()) {
            Answer::No => continue,
            Answer::Unknown => {
                judging.unknown(format!("whether {} serves {}", workload.object.id, service.id));
                continue;
            }
            Answer::Yes => {}
        }
        let checked = world
            .all(REQUESTS)
            .map(|policy| applies(policy, workload, root, "spec.selector.matchLabels").0);
        let demanded = world.all(AUTHORIZATION).map(|policy| {
            applies(policy, workload, root, "spec.selector.matchLabels")
                .0
                .and(demands_token(Node::new(policy.body(), "")))
        });
        for (answer, missing) in [
            (Answer::any(checked), "no RequestAuthentication checks tokens"),
            (Answer::any(demanded), "no AuthorizationPolicy demands a token"),
        ] {
            match answer {
                Answer::Yes => {}
                Answer::No if world.is_complete() => judging.fail(
                    place,
                    format!(
                        "the route leads from a gateway to {}, where {missing}",
                        workload.object.id
                    ),
                ),
                Answer::No | Answer::Unknown => {
                    judging.unknown(format!("whether {} asks for a token", workload.object.id));
                }
            }
        }
    }
}

/// Whether a policy refuses those without a token: where it allows only with one, or denies without.
fn demands_token(policy: Node<'_>) -> Answer {
    let field = match action(policy) {
        Read::Known("ALLOW") => "source.requestPrincipals",
        Read::Known("DENY") => "source.notRequestPrincipals",
        Read::Unknown => return Answer::Unknown,
        _ => return Answer::No,
    };
    let Read::Known(rules) = policy.list("spec.rules") else {
        return if policy.list("spec.rules").is_unknown() {
            Answer::Unknown
        } else {
            Answer::No
        };
    };
    Answer::any(rules.iter().map(|rule| match Node::new(rule, "").list("from") {
        Read::Known(sources) => Answer::any(sources.iter().map(|source| {
            match Node::new(source, "").list(field) {
                Read::Known(values) => Answer::from_bool(!values.is_empty()),
                Read::Absent => Answer::No,
                Read::Unknown => Answer::Unknown,
            }
        })),
        Read::Absent => Answer::No,
        Read::Unknown => Answer::Unknown,
    }))
}

/// The Service that a host names, seen from a namespace: name and namespace; `None` for hosts outside the cluster.
pub(super) fn service_of<'h>(host: &'h str, own: &'h str) -> Option<(&'h str, &'h str)> {
    let mut labels = host.split('.');
    match (labels.next(), labels.next(), labels.next()) {
        (Some(name), None, None) if !name.is_empty() && name != "*" => Some((name, own)),
        (Some(name), Some(namespace), Some("svc")) if name != "*" => Some((name, namespace)),
        _ => None,
    }
}
