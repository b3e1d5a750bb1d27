//! Tokens: which requests require one, and how it is validated.

use phoenix_graph::Object;
use serde_json::Value;

use crate::context::{CheckContext, Subject};
use crate::control::Control::{
    AccessArchitecture, AccessControl, Authentication, Boundary, DataInMotion, TransmissionIntegrity,
};
use crate::enforcement::Enforcement;
use crate::field::{Field, Node, namespace_of, text};
use crate::inventory::{Inventory, Workload};
use crate::kind::SERVICE;
use crate::mesh::WAYPOINT_CLASS;
use crate::rule::{Check, Rule, Severity};
use crate::rules::mesh::authorization::{action, excludes, lists, restricts};
use crate::rules::mesh::effect::{
    AUTHORIZATION, GATEWAY_API, REQUESTS, dry_run, in_force, selector_path, targets,
};
use crate::rules::mesh::registry::{full_name, service_of_name};
use crate::rules::mesh::routes::{GATEWAY, VIRTUAL_SERVICE};
use crate::selector::{Answer, has_all};
use crate::settings::assume;
use crate::text::rule_text;

/// Token authentication of external requests.
pub static EXTERNAL_API_AUTHENTICATED: Rule = Rule {
    id: "external-api-authenticated",
    text: rule_text!("external-api-authenticated"),
    kinds: &[VIRTUAL_SERVICE],
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    evidence: &[AccessArchitecture, Boundary, Authentication, AccessControl],
    check: Check::Stack(external),
    ..Rule::DEFAULTS
};

fn external(subject: &Subject<'_>, context: &mut CheckContext<'_>) {
    let gateways: Vec<_> = context
        .texts(subject.body, "spec.gateways")
        .into_iter()
        .filter(|gateway| *gateway != "mesh")
        .map(|gateway| Entry::of(gateway, subject.namespace(), context.inventory))
        .filter(|entry| !entry.is_waypoint)
        .collect();
    if gateways.is_empty() {
        context.not_applicable(
            "the VirtualService is not bound to a gateway that accepts traffic from outside the mesh",
        );
        return;
    }
    let mut seen = Vec::new();
    let mut has_requests = subject.body.list("spec.http").is_unknown();
    for route in context.items(subject.body, "spec.http") {
        has_requests = true;
        if is_for_mesh_only(route.node()) {
            continue;
        }
        exposed(route.node(), subject.namespace(), &gateways, &mut seen, context);
        if let Some(name) = context.text(route.node(), "delegate.name") {
            let namespace = context
                .text(route.node(), "delegate.namespace")
                .unwrap_or(subject.namespace());
            let delegate = context.inventory.get(VIRTUAL_SERVICE, namespace, name);
            let routes = delegate.map_or(Field::Absent, |delegate| {
                Node::new(delegate.body(), "").list("spec.http")
            });
            if routes.is_unknown() {
                context.unknown(format!("the routes of {namespace}/{name}"));
            }
            for delegated in routes.known().unwrap_or_default() {
                let node = Node::new(delegated, &route.path);
                exposed(node, namespace, &gateways, &mut seen, context);
            }
        }
    }
    if !has_requests {
        context.not_applicable("the VirtualService routes connections, which carry no token");
    }
}

/// Checks the destinations of a route, each once, at its first route.
fn exposed(
    route: Node<'_>,
    own: &str,
    gateways: &[Entry<'_>],
    seen: &mut Vec<String>,
    context: &mut CheckContext<'_>,
) {
    for destination in context.items(route, "route") {
        let Some(host) = context.text(destination.node(), "destination.host") else {
            continue;
        };
        let full = full_name(host, own);
        if seen.contains(&full) {
            continue;
        }
        if let Some((name, namespace)) = service_of_name(&full) {
            let place = destination.node().at("destination.host");
            behind(name, namespace, gateways, &place, context);
        }
        seen.push(full);
    }
}

/// Whether a route is used by sidecars only.
fn is_for_mesh_only(route: Node<'_>) -> bool {
    let matches = route.list("match").known().unwrap_or_default();
    let only_mesh = |item: &Value| {
        let gateways = Node::new(item, "").list("gateways").known();
        gateways.is_some_and(|gateways| !gateways.is_empty() && gateways.iter().all(|name| name == "mesh"))
    };
    !matches.is_empty() && matches.iter().all(only_mesh)
}

/// A gateway as an entry to the mesh.
struct Entry<'a> {
    namespace: &'a str,
    name: &'a str,
    is_waypoint: bool,
    selector: Option<&'a serde_json::Map<String, serde_json::Value>>,
    /// The gateway's pods.
    workloads: Vec<Workload<'a>>,
}

impl<'a> Entry<'a> {
    fn of(reference: &'a str, own: &'a str, inventory: &Inventory<'a>) -> Self {
        let (namespace, name) = reference.split_once('/').unwrap_or((own, reference));
        let istio = inventory.get(GATEWAY, namespace, name);
        let standard = inventory.get(GATEWAY_API, namespace, name);
        let selector = istio
            .and_then(|gateway| Node::new(gateway.body(), "").map("spec.selector").known())
            .filter(|selector| !selector.is_empty());
        let workloads = inventory.workloads.iter().filter(|workload| {
            selector.is_some_and(|selector| has_all(selector, workload.labels()) == Answer::Yes)
        });
        Self {
            namespace,
            name,
            is_waypoint: standard.is_some_and(is_waypoint),
            selector,
            workloads: workloads.copied().collect(),
        }
    }

    /// Whether a policy is in force at the gateway itself.
    fn has(&self, policy: &Object, inventory: &Inventory<'_>) -> Answer {
        if !self.workloads.is_empty() {
            return Answer::any(
                self.workloads
                    .iter()
                    .map(|workload| in_force(policy, *workload, inventory).0),
            );
        }
        if dry_run(policy) != Answer::No {
            return Answer::No;
        }
        let body = Node::new(policy.body(), "");
        match targets(body) {
            Field::Known(targets) => {
                let own = namespace_of(policy) == self.namespace;
                return Answer::from_bool(
                    own && targets
                        .iter()
                        .any(|target| target.kind == "Gateway" && target.name == self.name),
                );
            }
            Field::Unknown => return Answer::Unknown,
            Field::Absent => {}
        }
        // Without the pods, a policy with the selector of the Gateway is assumed to select them.
        match (body.map(selector_path(&policy.id.kind)), self.selector) {
            (Field::Known(labels), Some(selector)) if !labels.is_empty() => {
                has_all(labels, Field::Known(selector))
            }
            (Field::Unknown, Some(_)) => Answer::Unknown,
            _ => Answer::No,
        }
    }

    /// Whether a source without a token may be this gateway. `own` is the namespace of the policy.
    fn may_be(&self, source: Node<'_>, own: &str, inventory: &Inventory<'_>) -> Answer {
        let field = |name: &str| match source.list(&format!("source.{name}")) {
            Field::Known(values) if !values.is_empty() => {
                Answer::any(values.iter().map(|value| match text(value) {
                    Field::Known(value) => self.may_be_in(namespace_of_caller(name, value, own), inventory),
                    _ => Answer::Unknown,
                }))
            }
            Field::Known(_) | Field::Absent => Answer::Yes,
            Field::Unknown => Answer::Unknown,
        };
        ["namespaces", "principals", "serviceAccounts"]
            .map(field)
            .into_iter()
            .fold(Answer::Yes, Answer::and)
    }

    /// Whether the gateway's pods may be in a namespace. The name of a namespace says nothing about it.
    fn may_be_in(&self, namespace: &str, inventory: &Inventory<'_>) -> Answer {
        let root = inventory.settings.assumed_text(&assume::MESH_ROOT);
        if namespace.contains('*') {
            return Answer::Yes;
        }
        if self.workloads.is_empty() {
            let is_own = namespace == self.namespace || namespace == root;
            return if is_own { Answer::Yes } else { Answer::Unknown };
        }
        let mut namespaces = self.workloads.iter().map(Workload::namespace);
        Answer::from_bool(namespaces.any(|own| own == namespace))
    }
}

/// The namespace of the callers that a value of a source names.
fn namespace_of_caller<'a>(field: &str, value: &'a str, own: &'a str) -> &'a str {
    match field {
        "principals" => value
            .split_once("ns/")
            .and_then(|(_, rest)| rest.split('/').next())
            .unwrap_or("*"),
        // Without a namespace, it is that of the policy.
        "serviceAccounts" => value.split_once('/').map_or(own, |(namespace, _)| namespace),
        _ => value,
    }
}

/// Whether a Gateway of the Gateway API is a waypoint, which only traffic of the mesh passes through.
pub(crate) fn is_waypoint(gateway: &Object) -> bool {
    Node::new(gateway.body(), "").text("spec.gatewayClassName") == Field::Known(WAYPOINT_CLASS)
}

fn behind(name: &str, within: &str, gateways: &[Entry<'_>], place: &str, context: &mut CheckContext<'_>) {
    let inventory = context.inventory;
    let Some(service) = inventory.get(SERVICE, within, name) else {
        context.unknown(format!(
            "{place}: the Service {within}/{name} is not in the input"
        ));
        return;
    };
    let selector = match Node::new(service.body(), "").map("spec.selector") {
        Field::Known(selector) => selector,
        Field::Absent | Field::Unknown => {
            context.unknown(format!("the backends of {}", service.id));
            return;
        }
    };
    let at_gateways = gateways.iter().fold(Answer::Yes, |so_far, gateway| {
        let has = |policy: &Object| gateway.has(policy, inventory);
        so_far
            .and(validates(inventory, &has))
            .and(requires(inventory, &has, gateways))
    });
    if at_gateways == Answer::Yes {
        return;
    }
    let mut has_backend = false;
    for workload in inventory.workloads_in(namespace_of(service)) {
        match has_all(selector, workload.labels()) {
            Answer::No => continue,
            Answer::Unknown => {
                context.unknown(format!(
                    "whether {} is a backend of {}",
                    workload.object.id, service.id
                ));
                has_backend = true;
                continue;
            }
            Answer::Yes => has_backend = true,
        }
        let has = |policy: &Object| in_force(policy, workload, inventory).0;
        for (answer, missing) in [
            (
                validates(inventory, &has),
                "no RequestAuthentication validates tokens",
            ),
            (
                requires(inventory, &has, gateways),
                "no AuthorizationPolicy requires a token",
            ),
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
    if !has_backend {
        context.unknown(format!("the backends of {}", service.id));
    }
}

/// Whether tokens are validated: a `RequestAuthentication` with at least one issuer is in force.
fn validates(inventory: &Inventory<'_>, has: &impl Fn(&Object) -> Answer) -> Answer {
    Answer::any(inventory.all(REQUESTS).map(|policy| {
        let issuers = match Node::new(policy.body(), "").list("spec.jwtRules") {
            Field::Known(rules) => Answer::from_bool(!rules.is_empty()),
            Field::Absent => Answer::No,
            Field::Unknown => Answer::Unknown,
        };
        has(policy).and(issuers)
    }))
}

/// Whether requests without a token are denied: a policy denies them, or a rule requires a token and no other admits the
/// same requests of the gateways without one.
fn requires(inventory: &Inventory<'_>, has: &impl Fn(&Object) -> Answer, gateways: &[Entry<'_>]) -> Answer {
    let mut denied = Vec::new();
    let mut demanded = Vec::new();
    let mut open = Vec::new();
    for policy in inventory.all(AUTHORIZATION) {
        let in_force = has(policy);
        if in_force == Answer::No {
            continue;
        }
        let body = Node::new(policy.body(), "");
        let rules = match body.list("spec.rules") {
            Field::Known(rules) => rules,
            Field::Absent => continue,
            Field::Unknown => {
                demanded.push(Answer::Unknown);
                continue;
            }
        };
        let rules = rules.iter().map(|rule| Node::new(rule, ""));
        match action(body) {
            Field::Known("DENY") => {
                denied.extend(rules.map(|rule| in_force.and(denies_without_token(rule))));
            }
            Field::Known("ALLOW") => {
                for rule in rules {
                    let (demands, admits) = alternatives(rule, namespace_of(policy), gateways, inventory);
                    demanded.push(in_force.and(demands));
                    open.push(in_force.and(admits));
                }
            }
            Field::Unknown => demanded.push(Answer::Unknown),
            _ => {}
        }
    }
    let allowed_with_token_only = Answer::any(demanded).and(Answer::any(open).negate());
    Answer::any([Answer::any(denied), allowed_with_token_only])
}

/// Whether a DENY rule matches every request without a token.
fn denies_without_token(rule: Node<'_>) -> Answer {
    let sources = match (restricts(rule, "from"), rule.list("from")) {
        (Answer::No, _) => Answer::Yes,
        (_, Field::Known(sources)) => Answer::any(sources.iter().map(is_every_caller_without_token)),
        _ => Answer::Unknown,
    };
    let conditions = match rule.list("when") {
        Field::Known(conditions) => conditions
            .iter()
            .map(is_met_without_token)
            .fold(Answer::Yes, Answer::and),
        Field::Absent => Answer::Yes,
        Field::Unknown => Answer::Unknown,
    };
    sources.and(conditions).and(restricts(rule, "to").negate())
}

/// Whether a source matches every caller without a token.
fn is_every_caller_without_token(source: &Value) -> Answer {
    match Node::new(source, "").map("source") {
        Field::Known(fields) => fields
            .iter()
            .map(|(field, values)| match field.as_str() {
                "notRequestPrincipals" => Answer::Yes,
                _ => excludes(values, "from").negate(),
            })
            .fold(Answer::Yes, Answer::and),
        Field::Absent => Answer::Yes,
        Field::Unknown => Answer::Unknown,
    }
}

/// Whether every request without a token meets a condition.
fn is_met_without_token(condition: &Value) -> Answer {
    let condition = Node::new(condition, "");
    match condition.text("key") {
        Field::Known(key) if key.starts_with("request.auth.") => {
            has_values(condition, "notValues").and(has_values(condition, "values").negate())
        }
        Field::Unknown => Answer::Unknown,
        _ => Answer::No,
    }
}

fn has_values(node: Node<'_>, path: &str) -> Answer {
    match node.list(path) {
        Field::Known(values) => Answer::from_bool(!values.is_empty()),
        Field::Absent => Answer::No,
        Field::Unknown => Answer::Unknown,
    }
}

/// Whether an ALLOW rule requires a token of some caller, and whether it admits the same requests of a gateway without one.
/// `own` is the namespace of the policy.
fn alternatives(
    rule: Node<'_>,
    own: &str,
    gateways: &[Entry<'_>],
    inventory: &Inventory<'_>,
) -> (Answer, Answer) {
    let conditions = rule.list("when").known().unwrap_or_default();
    let by_condition = conditions.iter().map(|condition| {
        let condition = Node::new(condition, "");
        match condition.text("key") {
            Field::Known(key) if key.starts_with("request.auth.") => has_values(condition, "values"),
            Field::Unknown => Answer::Unknown,
            _ => Answer::No,
        }
    });
    if Answer::any(by_condition) == Answer::Yes {
        return (Answer::Yes, Answer::No);
    }
    // A rule that lists other operations, such as health checks, may do without a token.
    let is_for_all = lists(rule, "to").negate();
    let sources = match rule.list("from") {
        Field::Known(sources) if !sources.is_empty() => sources,
        Field::Unknown => return (Answer::Unknown, Answer::Unknown),
        // A rule without a source admits every caller.
        _ => return (Answer::No, is_for_all),
    };
    let with_token: Vec<_> = sources
        .iter()
        .map(|source| {
            let source = Node::new(source, "");
            match source.field("source") {
                Field::Unknown => Answer::Unknown,
                _ => has_values(source, "source.requestPrincipals"),
            }
        })
        .collect();
    let demands = Answer::any(with_token.iter().copied());
    let without = sources
        .iter()
        .zip(&with_token)
        .filter(|(_, with)| **with == Answer::No);
    let is_gateway = Answer::any(without.map(|(source, _)| {
        let source = Node::new(source, "");
        Answer::any(
            gateways
                .iter()
                .map(|gateway| gateway.may_be(source, own, inventory)),
        )
    }));
    let same_requests = Answer::any([demands, is_for_all]);
    (demands, same_requests.and(is_gateway))
}

/// The validation of tokens.
pub static JWT_VALIDATION_STRICT: Rule = Rule {
    id: "jwt-validation-strict",
    text: rule_text!("jwt-validation-strict"),
    kinds: &[REQUESTS],
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    evidence: &[
        AccessArchitecture,
        Authentication,
        DataInMotion,
        TransmissionIntegrity,
    ],
    check: Check::Stack(validation),
    ..Rule::DEFAULTS
};

fn validation(subject: &Subject<'_>, context: &mut CheckContext<'_>) {
    let rules = context.items(subject.body, "spec.jwtRules");
    if rules.is_empty() && !subject.body.list("spec.jwtRules").is_unknown() {
        context.fail("spec.jwtRules", "it lists no issuer, so no token is validated");
    }
    for rule in &rules {
        let node = rule.node();
        if matches!(node.text("issuer"), Field::Absent | Field::Known("")) {
            context.fail(node.at("issuer"), "tokens of every issuer are accepted");
        }
        context.text(node, "issuer");
        if context.texts(node, "audiences").is_empty() && !node.list("audiences").is_unknown() {
            context.fail(
                node.at("audiences"),
                "tokens that were issued for other services are accepted",
            );
        }
        for field in ["jwksUri", "jwks_uri"] {
            if let Some(uri) = context.text(node, field)
                && !uri.to_ascii_lowercase().starts_with("https://")
            {
                context.fail(
                    node.at(field),
                    "the keys are fetched without TLS, so they can be replaced in transit",
                );
            }
        }
        let discovers = ["jwksUri", "jwks_uri", "jwks"]
            .iter()
            .all(|field| node.field(field).is_absent());
        if let Field::Known(issuer) = node.text("issuer")
            && discovers
            && issuer.to_ascii_lowercase().starts_with("http://")
        {
            context.fail(
                node.at("issuer"),
                "the address of the keys is fetched from the issuer without TLS",
            );
        }
        let parameters = context.texts(node, "fromParams");
        if !parameters.is_empty() {
            context.fail(
                node.at("fromParams"),
                "tokens are accepted from the query string, which is written to logs",
            );
        }
        match node.field("jwks") {
            Field::Unknown => context.unknown(node.at("jwks")),
            Field::Known(_) if has_other_issuer(subject.object, node, context) => context.fail(
                node.at("jwks"),
                "the policy contains the key of an additional issuer, so the owner of that key can issue tokens for every user",
            ),
            Field::Known(_) | Field::Absent => {}
        }
    }
}

/// Whether tokens of another issuer are accepted as well, by this policy or by another one for some of the same workloads.
fn has_other_issuer(policy: &Object, rule: Node<'_>, context: &CheckContext<'_>) -> bool {
    let inventory = context.inventory;
    let own = rule.text("issuer").known();
    let has_another = |other: &Object| {
        let rules = Node::new(other.body(), "")
            .list("spec.jwtRules")
            .known()
            .unwrap_or_default();
        rules.iter().any(|rule| {
            Node::new(rule, "")
                .text("issuer")
                .known()
                .is_some_and(|issuer| Some(issuer) != own)
        })
    };
    let shares_workload = |other: &Object| {
        inventory.workloads.iter().any(|workload| {
            in_force(policy, *workload, inventory).0 == Answer::Yes
                && in_force(other, *workload, inventory).0 == Answer::Yes
        })
    };
    inventory
        .all(REQUESTS)
        .any(|other| has_another(other) && (other.id == policy.id || shares_workload(other)))
}
