//! What AuthorizationPolicies mean to a sidecar, as Istio translates them for Envoy.
//!
//! `DENY` is asked before `ALLOW`. A workload without any `ALLOW` policy allows everything; with one, only what some rule
//! matches. Rules are alternatives; `from`, `to` and `when` of one rule must all hold; so must all fields of a source or
//! an operation, of whose values one suffices.
//! Where the sidecar sees only bytes, it cannot ask about requests: an `ALLOW` rule that does is left out, a `DENY` rule
//! is taken without the question.
//! <https://istio.io/latest/docs/reference/config/security/authorization-policy>

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::addresses::Block;
use super::network::Verdict;
use super::objects::{Action, AuthorizationPolicy, Condition, Named, Operation, Rule, Source};
use super::paths::{matches, path_matches};
use super::world::{Pod, contains};

/// Who a sidecar takes the caller for: the name in its certificate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    pub namespace: String,
    pub service_account: String,
    /// `cluster.local/ns/NAMESPACE/sa/ACCOUNT`.
    pub principal: String,
}

impl Identity {
    pub fn new(trust_domain: &str, namespace: &str, service_account: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            service_account: service_account.to_owned(),
            principal: format!("{trust_domain}/ns/{namespace}/sa/{service_account}"),
        }
    }
}

/// What a valid token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub issuer: String,
    pub subject: String,
    pub audiences: Vec<String>,
    /// The keys that it is signed with: themselves, or where they are found.
    pub keys: String,
    pub claims: BTreeMap<String, Vec<String>>,
    pub place: Place,
}

/// Where in a request a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// `Authorization: Bearer …`.
    Header,
    /// `?access_token=…`.
    Query,
}

/// What is asked of a workload.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// `None` for a caller without a certificate.
    pub identity: Option<&'a Identity>,
    /// `None` without a token that some RequestAuthentication found valid.
    pub token: Option<&'a Token>,
    pub address: IpAddr,
    pub port: u16,
    /// `None` where the sidecar sees only bytes.
    pub request: Option<Request<'a>>,
}

/// A request.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub host: &'a str,
    pub method: &'a str,
    /// As [`super::paths::normalised`] leaves it.
    pub path: &'a str,
    /// A header that it carries besides the usual ones: its name in small letters, and its value.
    pub header: Option<(&'a str, &'a str)>,
}

/// What is wrong with policies, such as what Istio would refuse.
pub fn check(policies: &[Named<AuthorizationPolicy>]) -> Result<(), String> {
    for policy in policies {
        check_policy(&policy.spec).map_err(|problem| format!("{}: {problem}", policy.title))?;
    }
    Ok(())
}

fn check_policy(policy: &AuthorizationPolicy) -> Result<(), String> {
    if policy.selector.is_some() && (policy.target_ref.is_some() || !policy.target_refs.is_empty()) {
        return Err("it has both a selector and a target".to_owned());
    }
    if policy.action == Action::Deny && policy.rules.is_empty() {
        return Err("a denial without rules is never triggered".to_owned());
    }
    if policy.action == Action::Custom {
        return Err("the decision of an external authorizer is unknown here".to_owned());
    }
    if policy.provider.is_some() {
        return Err("it names a provider without the action CUSTOM".to_owned());
    }
    for rule in &policy.rules {
        if rule.from.as_ref().is_some_and(Vec::is_empty) || rule.to.as_ref().is_some_and(Vec::is_empty) {
            return Err("`from` and `to` must not be empty".to_owned());
        }
        for from in rule.from.iter().flatten() {
            check_source(&from.source)?;
        }
        for to in rule.to.iter().flatten() {
            check_operation(&to.operation)?;
        }
        for condition in &rule.when {
            check_condition(condition)?;
        }
    }
    Ok(())
}

fn check_source(source: &Source) -> Result<(), String> {
    let texts = [
        &source.principals,
        &source.not_principals,
        &source.request_principals,
        &source.not_request_principals,
        &source.namespaces,
        &source.not_namespaces,
        &source.service_accounts,
        &source.not_service_accounts,
    ];
    let blocks = [
        &source.ip_blocks,
        &source.not_ip_blocks,
        &source.remote_ip_blocks,
        &source.not_remote_ip_blocks,
    ];
    if texts.iter().chain(&blocks).all(|values| values.is_empty()) {
        return Err("`from.source` must not be empty".to_owned());
    }
    let accounts = [&source.service_accounts, &source.not_service_accounts];
    if accounts.iter().any(|values| !values.is_empty())
        && texts[..2]
            .iter()
            .chain(&texts[4..6])
            .any(|values| !values.is_empty())
    {
        return Err("service accounts exclude principals and namespaces".to_owned());
    }
    for account in accounts.into_iter().flatten() {
        if account.contains('*') || account.split('/').count() > 2 || account.split('/').any(str::is_empty) {
            return Err(format!("{account} is no service account"));
        }
    }
    check_patterns(texts.into_iter().flatten())?;
    for block in blocks.into_iter().flatten() {
        Block::read(block)?;
    }
    Ok(())
}

fn check_operation(operation: &Operation) -> Result<(), String> {
    let texts = [
        &operation.hosts,
        &operation.not_hosts,
        &operation.methods,
        &operation.not_methods,
        &operation.paths,
        &operation.not_paths,
    ];
    let ports = [&operation.ports, &operation.not_ports];
    if texts.iter().chain(&ports).all(|values| values.is_empty()) {
        return Err("`to.operation` must not be empty".to_owned());
    }
    check_patterns(texts.into_iter().flatten())?;
    for port in ports.into_iter().flatten() {
        port.parse::<u16>().map_err(|_| format!("{port} is no port"))?;
    }
    Ok(())
}

fn check_patterns<'a>(mut patterns: impl Iterator<Item = &'a String>) -> Result<(), String> {
    let wrong = |pattern: &String| {
        let template = pattern.contains("{*}") || pattern.contains("{**}");
        let inside = pattern.len() > 1 && pattern[1..pattern.len() - 1].contains('*');
        pattern.is_empty() || (!template && (inside || pattern.matches('*').count() > 1))
    };
    match patterns.find(|pattern| wrong(pattern)) {
        Some(pattern) => Err(format!("{pattern:?} is no pattern")),
        None => Ok(()),
    }
}

fn check_condition(condition: &Condition) -> Result<(), String> {
    if condition.values.is_empty() && condition.not_values.is_empty() {
        return Err(format!("the condition {} has no values", condition.key));
    }
    match Attribute::read(&condition.key) {
        Some(_) => Ok(()),
        None => Err(format!("the condition {} is not understood", condition.key)),
    }
}

/// What a condition asks about.
enum Attribute<'a> {
    Principal,
    Namespace,
    SourceAddress,
    Port,
    RequestPrincipal,
    Audiences,
    Claim(&'a str),
    Header(&'a str),
}

impl<'a> Attribute<'a> {
    fn read(key: &'a str) -> Option<Self> {
        Some(match key {
            "source.principal" => Self::Principal,
            "source.namespace" => Self::Namespace,
            "source.ip" => Self::SourceAddress,
            "destination.port" => Self::Port,
            "request.auth.principal" => Self::RequestPrincipal,
            "request.auth.audiences" => Self::Audiences,
            key => {
                let within = |before: &str| key.strip_prefix(before)?.strip_suffix(']');
                match within("request.headers[") {
                    Some(name) => Self::Header(name),
                    None => Self::Claim(within("request.auth.claims[")?),
                }
            }
        })
    }

    fn asks_about_requests(&self) -> bool {
        matches!(
            self,
            Self::RequestPrincipal | Self::Audiences | Self::Claim(_) | Self::Header(_)
        )
    }
}

/// The rules that decide about the calls to a workload.
#[derive(Clone, Debug)]
pub struct Guard<'a> {
    denials: Vec<Clause<'a>>,
    allowances: Vec<Clause<'a>>,
    /// Whether any policy allows something, so that the rest is refused.
    limited: bool,
}

/// A rule with its policy.
type Clause<'a> = (&'a Named<AuthorizationPolicy>, &'a Rule);

impl<'a> Guard<'a> {
    /// What guards a pod. `root` is the namespace whose policies hold everywhere.
    pub fn of(policies: &'a [Named<AuthorizationPolicy>], root: &str, pod: &Pod) -> Self {
        let clauses = |action: Action| -> Vec<Clause<'a>> {
            applying(policies, root, pod, action)
                .flat_map(|policy| policy.spec.rules.iter().map(move |rule| (policy, rule)))
                .collect()
        };
        Self {
            denials: clauses(Action::Deny),
            allowances: clauses(Action::Allow),
            limited: applying(policies, root, pod, Action::Allow).next().is_some(),
        }
    }

    /// The same for requests on one connection: rules for other callers and other ports are left out.
    pub fn on_connection(mut self, bytes: Call<'_>) -> Self {
        debug_assert!(
            bytes.request.is_none(),
            "a rule that holds without the request is kept"
        );
        let is_about = |(policy, rule): &Clause<'a>| holds(rule, &policy.namespace, bytes);
        self.denials.retain(is_about);
        self.allowances.retain(is_about);
        self
    }

    /// Whether the workload takes a call, and which policy says so.
    pub fn evaluate(&self, call: Call<'_>) -> Verdict<'a> {
        let mut denials = self.denials.iter();
        if let Some((policy, _)) = denials.find(|(policy, rule)| denies(rule, &policy.namespace, call)) {
            return Verdict::refused(&policy.title);
        }
        let mut allowances = self.allowances.iter();
        match allowances.find(|(policy, rule)| allows(rule, &policy.namespace, call)) {
            Some((policy, _)) => Verdict::allowed(&policy.title),
            None if self.limited => Verdict::refused("the want of an AuthorizationPolicy that allows it"),
            None => Verdict::allowed("the absence of any AuthorizationPolicy for it"),
        }
    }

    /// Whether some request could be allowed: whether anything allows at all, or nothing has to.
    pub fn could_allow(&self) -> bool {
        !self.limited || !self.allowances.is_empty()
    }
}

fn applying<'a>(
    policies: &'a [Named<AuthorizationPolicy>],
    root: &str,
    pod: &Pod,
    action: Action,
) -> impl Iterator<Item = &'a Named<AuthorizationPolicy>> {
    policies.iter().filter(move |policy| {
        policy.spec.action == action
            && (policy.namespace == pod.namespace || policy.namespace == root)
            && policy.spec.target_ref.is_none()
            && policy.spec.target_refs.is_empty()
            && policy
                .spec
                .selector
                .as_ref()
                .is_none_or(|selector| contains(&pod.labels, &selector.match_labels))
            // A rehearsal is written to the log and has no effect.
            && policy.annotations.get("istio.io/dry-run").map(String::as_str) != Some("true")
    })
}

fn allows(rule: &Rule, namespace: &str, call: Call<'_>) -> bool {
    (call.request.is_some() || !asks_about_requests(rule)) && holds(rule, namespace, call)
}

/// In a denial, what cannot be asked is left out of the question.
fn denies(rule: &Rule, namespace: &str, call: Call<'_>) -> bool {
    holds(rule, namespace, call)
}

fn asks_about_requests(rule: &Rule) -> bool {
    let sources = rule.from.iter().flatten().any(|from| {
        !from.source.request_principals.is_empty() || !from.source.not_request_principals.is_empty()
    });
    let operations = rule.to.iter().flatten().any(|to| {
        let asked = &to.operation;
        [
            &asked.hosts,
            &asked.not_hosts,
            &asked.methods,
            &asked.not_methods,
            &asked.paths,
            &asked.not_paths,
        ]
        .iter()
        .any(|values| !values.is_empty())
    });
    let conditions = rule.when.iter().any(|condition| {
        Attribute::read(&condition.key).is_some_and(|attribute| attribute.asks_about_requests())
    });
    sources || operations || conditions
}

fn holds(rule: &Rule, namespace: &str, call: Call<'_>) -> bool {
    rule.from
        .as_ref()
        .is_none_or(|from| from.iter().any(|from| comes_from(&from.source, namespace, call)))
        && rule
            .to
            .as_ref()
            .is_none_or(|to| to.iter().any(|to| asks_for(&to.operation, call)))
        && rule.when.iter().all(|condition| meets(condition, call))
}

/// One of the values, where there are any, and none of the others.
fn fits(values: &[String], others: &[String], is: impl Fn(&str) -> bool) -> bool {
    (values.is_empty() || values.iter().any(|value| is(value))) && !others.iter().any(|value| is(value))
}

fn comes_from(source: &Source, policy_namespace: &str, call: Call<'_>) -> bool {
    let principal = |pattern: &str| {
        call.identity
            .is_some_and(|caller| matches(pattern, &caller.principal))
    };
    let namespace = |pattern: &str| {
        call.identity
            .is_some_and(|caller| matches(pattern, &caller.namespace))
    };
    let account = |wanted: &str| {
        let (namespace, account) = wanted.split_once('/').unwrap_or((policy_namespace, wanted));
        call.identity
            .is_some_and(|caller| caller.namespace == namespace && caller.service_account == account)
    };
    let address = |block: &str| Block::read(block).is_ok_and(|block| block.contains(call.address));
    let token = |pattern: &str| has_request_principal(pattern, call.token);
    fits(&source.principals, &source.not_principals, principal)
        && fits(&source.namespaces, &source.not_namespaces, namespace)
        && fits(&source.service_accounts, &source.not_service_accounts, account)
        && fits(&source.ip_blocks, &source.not_ip_blocks, address)
        && fits(&source.remote_ip_blocks, &source.not_remote_ip_blocks, address)
        && (call.request.is_none() || fits(&source.request_principals, &source.not_request_principals, token))
}

/// A pattern of issuer and subject; the last slash parts them, because issuers are addresses.
fn has_request_principal(pattern: &str, token: Option<&Token>) -> bool {
    let Some(token) = token else { return false };
    if pattern == "*" {
        return true;
    }
    let (issuer, subject) = match pattern.rsplit_once('/') {
        Some(parts) => parts,
        None if pattern.starts_with('*') => ("*", pattern),
        None if pattern.ends_with('*') => (pattern, "*"),
        None => (pattern, ""),
    };
    // Istio treats a star at the other end of a part like any other character.
    matches(issuer, &token.issuer) && matches(subject, &token.subject)
}

fn asks_for(operation: &Operation, call: Call<'_>) -> bool {
    let port = |wanted: &str| wanted.parse() == Ok(call.port);
    if !fits(&operation.ports, &operation.not_ports, port) {
        return false;
    }
    let Some(request) = call.request else {
        return true;
    };
    let host = |pattern: &str| matches(&pattern.to_ascii_lowercase(), &request.host.to_ascii_lowercase());
    fits(&operation.methods, &operation.not_methods, |pattern| {
        matches(pattern, request.method)
    }) && fits(&operation.paths, &operation.not_paths, |pattern| {
        path_matches(pattern, request.path)
    }) && fits(&operation.hosts, &operation.not_hosts, host)
}

fn meets(condition: &Condition, call: Call<'_>) -> bool {
    let Some(attribute) = Attribute::read(&condition.key) else {
        return false;
    };
    if attribute.asks_about_requests() && call.request.is_none() {
        return true;
    }
    let is = |pattern: &str| match &attribute {
        Attribute::Principal => call
            .identity
            .is_some_and(|caller| matches(pattern, &caller.principal)),
        Attribute::Namespace => call
            .identity
            .is_some_and(|caller| matches(pattern, &caller.namespace)),
        Attribute::SourceAddress => Block::read(pattern).is_ok_and(|block| block.contains(call.address)),
        Attribute::Port => pattern.parse() == Ok(call.port),
        Attribute::RequestPrincipal => has_request_principal(pattern, call.token),
        Attribute::Audiences => call
            .token
            .is_some_and(|token| token.audiences.iter().any(|audience| matches(pattern, audience))),
        Attribute::Header(name) => call
            .request
            .and_then(|request| request.header)
            .is_some_and(|(own, value)| own.eq_ignore_ascii_case(name) && matches(pattern, value)),
        Attribute::Claim(name) => call.token.is_some_and(|token| {
            let values = token.claims.get(*name).into_iter().flatten();
            values.into_iter().any(|value| matches(pattern, value))
        }),
    };
    fits(&condition.values, &condition.not_values, is)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluator::objects::{Labels, Manifest, documents};

    fn policies(specs: &[(&str, &str)]) -> Vec<Named<AuthorizationPolicy>> {
        let yaml: Vec<_> = specs
            .iter()
            .enumerate()
            .map(|(place, (namespace, spec))| {
                format!("apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: p{place}, namespace: {namespace}}}\nspec: {spec}\n")
            })
            .collect();
        Manifest::read(&documents(&yaml.join("---\n")).unwrap())
            .unwrap()
            .authorization_policies
    }

    /// A `GET` of `/memory/x` on port 80 by the account `chat` of the namespace `ai`, as the cases below change it.
    struct Case {
        identity: Option<Identity>,
        token: Option<Token>,
        port: u16,
        request: Option<(&'static str, &'static str)>,
    }

    fn usual() -> Case {
        Case {
            identity: Some(Identity::new("cluster.local", "ai", "chat")),
            token: None,
            port: 80,
            request: Some(("GET", "/memory/x")),
        }
    }

    fn takes(specs: &[(&str, &str)], case: &Case) -> bool {
        let labels = Labels::from([("app".to_owned(), "a".to_owned())]);
        let pod = Pod::stranger("home", &Labels::new(), &labels, "default", true);
        let call = Call {
            identity: case.identity.as_ref(),
            token: case.token.as_ref(),
            address: "10.244.0.1".parse().unwrap(),
            port: case.port,
            request: case.request.map(|(method, path)| Request {
                host: "a.home",
                method,
                path,
                header: Some(("x-user", "somebody")),
            }),
        };
        Guard::of(&policies(specs), "root", &pod).evaluate(call).allowed
    }

    fn home(spec: &str) -> bool {
        takes(&[("home", spec)], &usual())
    }

    #[test]
    fn without_a_policy_everything_is_allowed_and_an_empty_one_denies_everything() {
        assert!(takes(&[], &usual()));
        assert!(!home("{}"));
        assert!(!home("{action: ALLOW, rules: []}"));
        assert!(home("{rules: [{}]}"));
        assert!(takes(&[("elsewhere", "{}")], &usual()));
        assert!(takes(
            &[("home", "{selector: {matchLabels: {app: b}}}")],
            &usual()
        ));
        assert!(!takes(
            &[("home", "{selector: {matchLabels: {app: a}}}")],
            &usual()
        ));
        assert!(!takes(&[("root", "{}")], &usual()));
        let for_a_gateway = "{targetRefs: [{kind: Gateway, group: g, name: n}]}";
        assert!(takes(&[("home", for_a_gateway)], &usual()));
    }

    #[test]
    fn denials_come_first_and_allowances_add_up() {
        let all = "{rules: [{}]}";
        let deny = "{action: DENY, rules: [{to: [{operation: {methods: [GET]}}]}]}";
        assert!(!takes(&[("home", all), ("home", deny)], &usual()));
        assert!(takes(&[("home", "{}"), ("home", all)], &usual()));
        assert!(takes(
            &[("home", deny)],
            &Case {
                request: Some(("POST", "/")),
                ..usual()
            }
        ));
        assert!(home("{action: AUDIT, rules: [{}]}"));
    }

    #[test]
    fn parts_of_a_rule_are_and_rules_are_or() {
        let rule = "rules: [{from: [{source: {namespaces: [ai]}}], to: [{operation: {methods: [POST]}}]}]";
        assert!(!home(&format!("{{{rule}}}")));
        let split =
            "{rules: [{from: [{source: {namespaces: [ai]}}]}, {to: [{operation: {methods: [POST]}}]}]}";
        assert!(home(split));
        assert!(home(
            "{rules: [{from: [{source: {namespaces: [x]}}, {source: {namespaces: [ai]}}]}]}"
        ));
        assert!(!home(
            "{rules: [{from: [{source: {namespaces: [ai], principals: [x]}}]}]}"
        ));
    }

    #[test]
    fn callers_match_by_principal_namespace_account_and_address() {
        let from = |source: &str| home(&format!("{{rules: [{{from: [{{source: {source}}}]}}]}}"));
        assert!(from("{principals: [cluster.local/ns/ai/sa/chat]}"));
        assert!(from("{principals: [cluster.local/ns/ai/*]}") && from("{principals: ['*/sa/chat']}"));
        assert!(!from("{principals: [ns/ai/sa/chat]}"));
        assert!(from("{principals: ['*']}") && from("{namespaces: ['a*']}"));
        assert!(!from("{notPrincipals: ['*']}") && !from("{notNamespaces: [ai]}"));
        assert!(from("{serviceAccounts: [ai/chat]}") && !from("{serviceAccounts: [chat]}"));
        assert!(from("{ipBlocks: [10.244.0.0/16]}") && !from("{notIpBlocks: [10.244.0.1]}"));
    }

    #[test]
    fn a_caller_without_a_certificate_has_no_name() {
        let nobody = Case {
            identity: None,
            ..usual()
        };
        let from = |source: &str| {
            takes(
                &[("home", &format!("{{rules: [{{from: [{{source: {source}}}]}}]}}"))],
                &nobody,
            )
        };
        assert!(!from("{principals: ['*']}") && !from("{namespaces: ['*']}"));
        assert!(from("{notPrincipals: [x]}"));
        assert!(takes(
            &[("home", "{rules: [{to: [{operation: {ports: ['80']}}]}]}")],
            &nobody
        ));
    }

    #[test]
    fn operations_match_by_port_method_path_and_host() {
        let to = |operation: &str| home(&format!("{{rules: [{{to: [{{operation: {operation}}}]}}]}}"));
        assert!(to("{ports: ['80'], methods: [GET], paths: [/memory/*]}"));
        assert!(!to("{ports: ['81']}") && !to("{methods: [get]}") && !to("{paths: [/memory]}"));
        assert!(to("{hosts: [A.Home]}") && !to("{notHosts: [a.home]}"));
        assert!(!to("{notPaths: [/memory/*]}") && to("{notMethods: [POST]}"));
    }

    #[test]
    fn on_tcp_ports_http_allowances_vanish_and_denials_widen() {
        let bytes = Case {
            request: None,
            ..usual()
        };
        let caller = "from: [{source: {namespaces: [ai]}}]";
        assert!(takes(&[("home", &format!("{{rules: [{{{caller}}}]}}"))], &bytes));
        let with_path = format!("rules: [{{{caller}, to: [{{operation: {{ports: ['80'], paths: [/x]}}}}]}}]");
        assert!(!takes(&[("home", &format!("{{{with_path}}}"))], &bytes));
        assert!(!takes(
            &[
                ("home", "{rules: [{}]}"),
                ("home", &format!("{{action: DENY, {with_path}}}"))
            ],
            &bytes
        ));
        let other_port = Case { port: 81, ..bytes };
        assert!(takes(
            &[
                ("home", "{rules: [{}]}"),
                ("home", &format!("{{action: DENY, {with_path}}}"))
            ],
            &other_port
        ));
    }

    #[test]
    fn tokens_match_by_issuer_and_subject_and_conditions_by_claim() {
        let token = Token {
            issuer: "https://issuer.example".to_owned(),
            subject: "somebody".to_owned(),
            audiences: vec!["phoenix".to_owned()],
            keys: "keys".to_owned(),
            claims: BTreeMap::from([("groups".to_owned(), vec!["a".to_owned(), "b".to_owned()])]),
            place: Place::Header,
        };
        let with = |token: Option<&Token>, rule: &str| {
            let case = Case {
                token: token.cloned(),
                ..usual()
            };
            takes(&[("home", &format!("{{rules: [{{{rule}}}]}}"))], &case)
        };
        let any = "from: [{source: {requestPrincipals: ['*']}}]";
        assert!(with(Some(&token), any) && !with(None, any));
        let issuer = "from: [{source: {requestPrincipals: ['https://issuer.example/*']}}]";
        assert!(with(Some(&token), issuer) && !with(None, issuer));
        let other = "from: [{source: {requestPrincipals: ['https://other.example/*']}}]";
        assert!(!with(Some(&token), other));
        let condition = "when: [{key: 'request.auth.claims[groups]', values: [b]}]";
        assert!(with(Some(&token), condition) && !with(None, condition));
        assert!(!with(
            Some(&token),
            "when: [{key: request.auth.audiences, values: [x]}]"
        ));
    }

    #[test]
    fn headers_match_by_name_and_value_and_their_denial_widens_to_bytes() {
        let deny = |header: &str| {
            let rule = format!(
                "{{action: DENY, rules: [{{to: [{{operation: {{ports: ['80']}}}}], when: [{{key: 'request.headers[{header}]', values: ['*']}}]}}]}}"
            );
            move |case: &Case| takes(&[("home", &rule)], case)
        };
        assert!(!deny("X-User")(&usual()) && deny("x-other")(&usual()));
        let bytes = Case {
            request: None,
            ..usual()
        };
        assert!(!deny("x-other")(&bytes));
        assert!(deny("x-other")(&Case { port: 81, ..bytes }));
    }

    #[test]
    fn a_dry_run_policy_has_no_effect() {
        let mut rehearsed = policies(&[("home", "{}")]);
        let call = Call {
            identity: None,
            token: None,
            address: "10.244.0.1".parse().unwrap(),
            port: 1,
            request: None,
        };
        let pod = Pod::stranger("home", &Labels::new(), &Labels::new(), "default", true);
        assert!(!Guard::of(&rehearsed, "root", &pod).evaluate(call).allowed);
        rehearsed[0]
            .annotations
            .insert("istio.io/dry-run".to_owned(), "true".to_owned());
        assert!(Guard::of(&rehearsed, "root", &pod).evaluate(call).allowed);
    }

    #[test]
    fn what_istio_rejects_is_rejected() {
        for spec in [
            "{rules: [{from: []}]}",
            "{rules: [{from: [{source: {}}]}]}",
            "{rules: [{to: [{operation: {}}]}]}",
            "{rules: [{to: [{operation: {ports: ['x']}}]}]}",
            "{rules: [{to: [{operation: {paths: ['/a*b']}}]}]}",
            "{rules: [{to: [{operation: {methods: ['']}}]}]}",
            "{rules: [{from: [{source: {serviceAccounts: ['a/*']}}]}]}",
            "{rules: [{when: [{key: unknown, values: [a]}]}]}",
            "{action: DENY}",
            "{action: CUSTOM, provider: {name: p}, rules: [{}]}",
        ] {
            assert!(check(&policies(&[("home", spec)])).is_err(), "{spec}");
        }
    }
}
