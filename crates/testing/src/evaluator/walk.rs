//! Evaluates every pair of peers, port, method and path, and compares the results with the table, layer by layer.
//!
//! Each layer is compared separately, because the next layer hides a hole in the previous one: an end-to-end comparison
//! alone would not notice that one of two protections is missing.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use phoenix::connections::{Peer, Traffic};
use phoenix::names::{MEMORY, OPENMEMORY, USER_HEADER};

use super::difference::{Difference, Findings, Layer};
use super::network::{self, Isolation, Verdict};
use super::objects::{Direction, Labels, Manifest, Mode, Protocol};
use super::peers;
use super::probes::Probes;
use super::requests::{self, Call, Guard, Identity, Place, Request, Token};
use super::sidecars::{self, Host};
use super::table::{Expected, Proof, Table, expected};
use super::tokens::{self, Taken};
use super::world::{self, BESIDE_THE_MESH, End, Pod, Spoken};

/// What servers that write `_` for `-`, as CGI and WSGI do, take for [`USER_HEADER`].
const LOOKALIKES: [&str; 3] = ["x_phoenix_user", "x_phoenix-user", "x-phoenix_user"];

/// A stack and the table that it should implement.
pub struct Walk<'a> {
    manifest: &'a Manifest,
    table: Table<'a>,
    declared: Vec<Pod>,
    probes: Probes,
    selected: Labels,
}

impl<'a> Walk<'a> {
    /// Prepares a walk; the error names an object that a cluster would reject or that the evaluator does not support.
    pub fn new(manifest: &'a Manifest, table: Table<'a>) -> Result<Self, String> {
        network::check(&manifest.network_policies)?;
        requests::check(&manifest.authorization_policies)?;
        peers::check(&manifest.peer_authentications, &table.setting.root)?;
        sidecars::check(&manifest.sidecars)?;
        let declared = world::declared(manifest)?;
        for pod in &declared {
            sidecars::check_pod(&manifest.sidecars, pod)?;
        }
        let probes = Probes::new(manifest, table, &declared);
        Ok(Self {
            manifest,
            table,
            declared,
            probes,
            selected: Labels::new(),
        })
    }

    /// Narrows the walk to the pods that have these labels: to an object that selects them, all others are far ends.
    #[must_use]
    pub fn of(mut self, selected: Labels) -> Self {
        self.selected = selected;
        self
    }

    /// What differs in these layers, up to a limit.
    pub fn differences(&self, layers: &[Layer], limit: usize) -> Vec<Difference> {
        let mut findings = Findings::up_to(limit);
        for layer in layers {
            let flow = match layer {
                Layer::Egress => self.check_packets(Direction::Egress, &mut findings),
                Layer::Ingress => self.check_packets(Direction::Ingress, &mut findings),
                Layer::SidecarHosts => self.check_sidecar_hosts(&mut findings),
                Layer::MutualTls => self.check_mutual_tls(&mut findings),
                Layer::Authorization => self.check_authorization(&mut findings),
                Layer::UserIdentity => self.check_user_identity(&mut findings),
                Layer::EndToEnd => self.check_end_to_end(&mut findings),
            };
            if flow.is_break() {
                break;
            }
        }
        findings.found
    }

    /// The number of probes, so that a test can require a minimum.
    pub fn size(&self) -> usize {
        let ends = self.evaluated_pods().len()
            * (self.declared.len() + self.probes.strangers.len() + self.probes.addresses.len());
        let requests = self.probes.methods.len() * self.probes.paths.len();
        ends * self.probes.ports.len()
            + self.probes.identities.len() * self.probes.request_ports.len() * requests
    }

    /// The pods that the stack's policies protect: declared ones, and undeclared ones in its namespace.
    fn evaluated_pods(&self) -> Vec<Pod> {
        let labels = world::namespace_labels(self.manifest, MEMORY);
        let sidecar = self
            .declared
            .iter()
            .any(|pod| pod.namespace == MEMORY && pod.sidecar);
        let other = Labels::from([("app".to_owned(), "unplanned".to_owned())]);
        let mut evaluated = self.declared.clone();
        evaluated.push(Pod::stranger(MEMORY, &labels, &Labels::new(), "default", sidecar));
        evaluated.push(Pod::stranger(MEMORY, &labels, &other, "default", sidecar));
        evaluated.retain(|pod| self.is_selected(pod));
        evaluated
    }

    fn is_selected(&self, pod: &Pod) -> bool {
        world::contains(&pod.labels, &self.selected)
    }

    fn check_packets(&self, direction: Direction, findings: &mut Findings) -> ControlFlow<()> {
        let evaluated = self.evaluated_pods();
        let pods = self.declared.iter().chain(&self.probes.strangers).map(End::Pod);
        let ends: Vec<End<'_>> = pods
            .chain(self.probes.addresses.iter().map(|address| End::Address(*address)))
            .collect();
        let policies = &self.manifest.network_policies;
        for pod in &evaluated {
            let isolation = Isolation::of(policies, pod, direction);
            for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Sctp] {
                for port in &self.probes.ports {
                    // Where neither a rule nor a row is about the port, no far end makes a difference.
                    if !self.table.names(protocol, *port) && !isolation.could_allow(protocol, *port) {
                        continue;
                    }
                    for far in &ends {
                        let verdict = isolation.evaluate(*far, protocol, *port);
                        let (layer, from, to) = match direction {
                            Direction::Egress => (Layer::Egress, End::Pod(pod), *far),
                            Direction::Ingress => (Layer::Ingress, *far, End::Pod(pod)),
                        };
                        let expected = match self.table.packets(from, to, protocol, *port) {
                            Expected::Refused
                                if layer == Layer::Egress
                                    && protocol == Protocol::Tcp
                                    && self.table.leads_out_to(pod, *far, *port) =>
                            {
                                Expected::Either
                            }
                            expected => expected,
                        };
                        if let Some(because) = differ(verdict, &expected) {
                            findings.add(Difference {
                                layer,
                                from: from.to_string(),
                                to: to.to_string(),
                                port: format!("{port}/{}", format!("{protocol:?}").to_uppercase()),
                                said: "packets".to_owned(),
                                allowed: verdict.allowed,
                                because,
                            })?;
                        }
                    }
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn check_sidecar_hosts(&self, findings: &mut Findings) -> ControlFlow<()> {
        let known = self.known_hosts();
        let callers = self
            .declared
            .iter()
            .filter(|pod| pod.sidecar && self.is_selected(pod));
        for pod in callers {
            for host in &known {
                let reached = self.declared.iter().filter(|target| self.serves(host, target));
                let reached: Vec<&Pod> = reached.collect();
                let is_named = |port: Option<u16>| {
                    host.outside
                        .iter()
                        .any(|machine| self.table.leads_outside(pod, machine, port))
                        || reached.iter().any(|target| self.has_row(pod, target, port))
                };
                for port in &host.ports {
                    let verdict = self.led(pod, &known, &host.name, *port);
                    // A host without a port of its own in the Sidecar brings all its ports; packets decide about those.
                    let too_wide = verdict.allowed
                        && !is_named(None)
                        && !self.table.leads_to_neighbours_in(pod, &host.namespace);
                    // One of several names of a workload suffices.
                    let others = known.iter().any(|other| {
                        reached.iter().any(|target| self.serves(other, target))
                            && other.ports.contains(port)
                            && self.led(pod, &known, &other.name, *port).allowed
                    });
                    let too_narrow = !verdict.allowed && !others && is_named(Some(*port));
                    if too_wide || too_narrow {
                        findings.add(Difference {
                            layer: Layer::SidecarHosts,
                            from: pod.title.clone(),
                            to: format!("the host {}", host.name),
                            port: port.to_string(),
                            said: "connections".to_owned(),
                            allowed: verdict.allowed,
                            because: if too_narrow {
                                format!("{}, but a row of the table allows it", verdict.by)
                            } else {
                                verdict.by.to_owned()
                            },
                        })?;
                    }
                }
            }
            self.check_external_hosts(pod, &known, findings)?;
        }
        ControlFlow::Continue(())
    }

    /// Every host that a row names must be known and led to, or its row is dead.
    fn check_external_hosts(&self, pod: &Pod, known: &[Host], findings: &mut Findings) -> ControlFlow<()> {
        for row in self.table.rows {
            let Peer::External(outside) = &row.to else {
                continue;
            };
            if !self.table.is_end(&row.from, End::Pod(pod)) {
                continue;
            }
            let led = known
                .iter()
                .filter(|host| host.outside.contains(&outside.host))
                .any(|host| self.led(pod, known, &host.name, row.port).allowed);
            if !led {
                findings.add(Difference {
                    layer: Layer::SidecarHosts,
                    from: pod.title.clone(),
                    to: format!("the host {}", outside.host),
                    port: row.port.to_string(),
                    said: "connections".to_owned(),
                    allowed: false,
                    because: format!(
                        "its sidecar, which leads to no entry with that host behind it, but a row of the table allows it: {}",
                        row.why
                    ),
                })?;
            }
        }
        ControlFlow::Continue(())
    }

    fn led<'d>(&'d self, pod: &Pod, known: &[Host], name: &str, port: u16) -> Verdict<'d> {
        sidecars::evaluate(self.manifest, &self.table.setting.root, pod, known, name, port)
    }

    /// The hosts of the stack, hosts of other namespaces, and an unknown host.
    fn known_hosts(&self) -> Vec<Host> {
        let mut known = sidecars::declared(self.manifest);
        let others = self.probes.strangers.iter().map(|pod| pod.namespace.as_str());
        let others: std::collections::BTreeSet<&str> =
            others.filter(|namespace| *namespace != MEMORY).collect();
        known.extend(others.into_iter().map(|namespace| Host {
            name: format!("something.{namespace}.svc.cluster.local"),
            namespace: namespace.to_owned(),
            ports: vec![80, 9010],
            outside: Vec::new(),
            export_to: Vec::new(),
        }));
        known.push(Host {
            name: "unknown.example.com".to_owned(),
            // No namespace has a star in its name, so no object exports this host.
            namespace: "*".to_owned(),
            ports: vec![443],
            outside: vec!["unknown.example.com".to_owned()],
            export_to: vec!["no-namespace".to_owned()],
        });
        known
    }

    /// Whether a host is the name of a Service or an entry before a pod.
    fn serves(&self, host: &Host, pod: &Pod) -> bool {
        let entry = self.manifest.service_entries.iter().any(|entry| {
            let selector = entry.spec.workload_selector.as_ref();
            entry.namespace == pod.namespace
                && entry.spec.hosts.contains(&host.name)
                && selector.is_some_and(|selector| world::contains(&pod.labels, &selector.labels))
        });
        entry
            || self.manifest.services.iter().any(|service| {
                host.name == format!("{}.{}.svc.cluster.local", service.name, service.namespace)
                    && service.namespace == pod.namespace
                    && !service.spec.selector.is_empty()
                    && world::contains(&pod.labels, &service.spec.selector)
            })
    }

    fn has_row(&self, from: &Pod, to: &Pod, port: Option<u16>) -> bool {
        self.table.rows.iter().any(|row| {
            port.is_none_or(|port| row.port == port)
                && self.table.is_end(&row.from, End::Pod(from))
                && self.table.is_end(&row.to, End::Pod(to))
        })
    }

    fn check_mutual_tls(&self, findings: &mut Findings) -> ControlFlow<()> {
        for pod in &self.evaluated_pods() {
            for port in &self.probes.request_ports {
                let (mode, by) = if pod.guarded(*port) {
                    peers::mode(
                        &self.manifest.peer_authentications,
                        &self.table.setting.root,
                        pod,
                        *port,
                    )
                } else {
                    (Mode::Disable, "the absence of a sidecar before it")
                };
                if mode != Mode::Strict {
                    findings.add(Difference {
                        layer: Layer::MutualTls,
                        from: "a pod without a sidecar".to_owned(),
                        to: pod.title.clone(),
                        port: port.to_string(),
                        said: "plain text".to_owned(),
                        allowed: true,
                        because: by.to_owned(),
                    })?;
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn check_authorization(&self, findings: &mut Findings) -> ControlFlow<()> {
        let tokens = self.tokens();
        for pod in &self.evaluated_pods() {
            for port in &self.probes.request_ports {
                let listener = self.listener(pod, *port);
                let nobody = std::iter::once(None);
                for identity in nobody.chain(self.probes.identities.iter().map(Some)) {
                    let rows = self.table.rows_of(identity, pod, *port);
                    let bytes = call(identity, *port, None);
                    let listener = listener.clone().on_connection(bytes);
                    // Where neither a rule nor a row is about the caller and the port, no request makes a difference.
                    if rows.is_empty() && !listener.could_allow() {
                        continue;
                    }
                    let title =
                        identity.map_or("a caller without a certificate", |identity| &identity.principal);
                    let mut hold =
                        |said: &dyn Fn() -> String, verdict: Verdict<'_>, expected: &Expected| match differ(
                            verdict, expected,
                        ) {
                            Some(because) => findings.add(Difference {
                                layer: Layer::Authorization,
                                from: title.to_owned(),
                                to: pod.title.clone(),
                                port: port.to_string(),
                                said: said(),
                                allowed: verdict.allowed,
                                because,
                            }),
                            None => ControlFlow::Continue(()),
                        };
                    hold(
                        &|| "bytes".to_owned(),
                        self.answer(&listener, bytes, None),
                        &expected(&rows, None, Proof::Nothing),
                    )?;
                    for method in &self.probes.methods {
                        for path in &self.probes.paths {
                            let request = Request {
                                host: &pod.title,
                                method,
                                path: &path.seen,
                                header: None,
                            };
                            for (name, proof, token) in &tokens {
                                hold(
                                    &|| format!("{method} {}{name}", path.sent),
                                    self.answer(
                                        &listener,
                                        call(identity, *port, Some(request)),
                                        token.as_ref(),
                                    ),
                                    &expected(&rows, Some(request), *proof),
                                )?;
                            }
                        }
                    }
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// Whose request it is, the memory server reads in one header. Where tokens are known, the sidecar takes away what a
    /// client sends there and writes the subject of a valid token; otherwise a request with that header is denied.
    fn check_user_identity(&self, findings: &mut Findings) -> ControlFlow<()> {
        let own = Peer::Workload(OPENMEMORY);
        let root = &self.table.setting.root;
        for pod in self
            .declared
            .iter()
            .filter(|pod| self.is_selected(pod) && self.table.is_end(&own, End::Pod(pod)))
        {
            let rules: Vec<_> = tokens::rules(&self.manifest.request_authentications, root, pod).collect();
            for rule in &rules {
                let reported = rule.output_claim_to_headers.iter();
                let reported: Vec<_> = reported
                    .filter(|reported| reported.header.eq_ignore_ascii_case(USER_HEADER))
                    .map(|reported| reported.claim.as_str())
                    .collect();
                if reported != ["sub"] {
                    findings.add(Difference {
                        layer: Layer::UserIdentity,
                        from: "any caller".to_owned(),
                        to: pod.title.clone(),
                        port: "any".to_owned(),
                        said: format!(
                            "a token of {} whose subject is not put into {USER_HEADER}",
                            rule.issuer
                        ),
                        allowed: true,
                        because: "a RequestAuthentication".to_owned(),
                    })?;
                }
            }
            for header in LOOKALIKES {
                self.check_forged_header(pod, header, findings)?;
            }
            if rules.is_empty() {
                self.check_forged_header(pod, USER_HEADER, findings)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// What is allowed must be refused as soon as it carries the header, with a good token as without one.
    fn check_forged_header(&self, pod: &Pod, header: &str, findings: &mut Findings) -> ControlFlow<()> {
        let tokens = self.tokens();
        let good: Vec<_> = tokens
            .iter()
            .filter(|(_, proof, token)| token.is_none() || *proof == Proof::Valid)
            .collect();
        for port in &self.probes.request_ports {
            let listener = self.listener(pod, *port);
            for identity in &self.probes.identities {
                let listener = listener.clone().on_connection(call(Some(identity), *port, None));
                if !listener.could_allow() {
                    continue;
                }
                for path in &self.probes.paths {
                    let request = Request {
                        host: &pod.title,
                        method: "GET",
                        path: &path.seen,
                        header: Some((header, "another-user")),
                    };
                    for (name, _, token) in &good {
                        let call = call(Some(identity), *port, Some(request));
                        let verdict = self.answer(&listener, call, token.as_ref());
                        if verdict.allowed {
                            findings.add(Difference {
                                layer: Layer::UserIdentity,
                                from: identity.principal.clone(),
                                to: pod.title.clone(),
                                port: port.to_string(),
                                said: format!("GET {}{name} with a {header} of its own", path.sent),
                                allowed: true,
                                because: verdict.by.to_owned(),
                            })?;
                        }
                    }
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn listener<'d>(&'d self, pod: &'d Pod, port: u16) -> Listener<'d> {
        let root = &self.table.setting.root;
        let (mode, by) = peers::mode(&self.manifest.peer_authentications, root, pod, port);
        Listener {
            pod,
            guarded: pod.guarded(port),
            mode,
            by,
            guard: Guard::of(&self.manifest.authorization_policies, root, pod),
        }
    }

    /// What becomes of a call at the target: mutual TLS, then the protocol, then tokens, then policies.
    fn answer<'d>(
        &'d self,
        listener: &Listener<'d>,
        mut call: Call<'_>,
        token: Option<&Token>,
    ) -> Verdict<'d> {
        if !listener.guarded {
            return Verdict::allowed("the absence of a sidecar before it");
        }
        let (pod, root) = (listener.pod, &self.table.setting.root);
        call.identity = listener.shown(call.identity);
        if listener.mode == Mode::Strict && call.identity.is_none() {
            return Verdict::refused(listener.by);
        }
        match pod.spoken(call.port) {
            Spoken::Http if call.request.is_none() => {
                return Verdict::refused("the protocol of the port, which is HTTP");
            }
            Spoken::Bytes => call.request = None,
            _ => {}
        }
        if let Some(token) = token.filter(|_| call.request.is_some()) {
            match tokens::evaluate(&self.manifest.request_authentications, root, pod, token) {
                Taken::Refused => return Verdict::refused("a RequestAuthentication"),
                Taken::Unseen => {}
                Taken::True => {
                    let call = Call {
                        token: Some(token),
                        ..call
                    };
                    return listener.guard.evaluate(call);
                }
            }
        }
        listener.guard.evaluate(call)
    }

    /// No token, a user token, invalid ones, and every other token that the rendered rules would accept.
    fn tokens(&self) -> Vec<(&'static str, Proof, Option<Token>)> {
        let mut tokens = vec![("", Proof::Nothing, None)];
        let Some(wanted) = &self.table.setting.tokens else {
            return tokens;
        };
        let token = |issuer: &str, audience: &str, keys: &str| Token {
            issuer: issuer.to_owned(),
            subject: "a-user".to_owned(),
            audiences: vec![audience.to_owned()],
            keys: keys.to_owned(),
            claims: BTreeMap::new(),
            place: Place::Header,
        };
        for audience in &wanted.audiences {
            let valid = token(&wanted.issuer, audience, &wanted.keys);
            // URLs are written to logs, whose readers could use the token.
            let shown = Token {
                place: Place::Query,
                ..valid.clone()
            };
            tokens.push((" with a token", Proof::Valid, Some(valid)));
            tokens.push((" with a token in the query", Proof::Nothing, Some(shown)));
        }
        let others = token(&wanted.issuer, "another-audience", &wanted.keys);
        tokens.push((
            " with a token for another audience",
            Proof::Worthless,
            Some(others),
        ));
        let forged = token(&wanted.issuer, &wanted.audiences[0], "other keys");
        tokens.push((" with a forged token", Proof::Worthless, Some(forged)));
        let policies = &self.manifest.request_authentications;
        for rule in policies.iter().flat_map(|policy| &policy.spec.jwt_rules) {
            for audience in rule.audiences.iter().map(String::as_str).chain(["any-audience"]) {
                let (issuer, keys) = (rule.issuer.as_str(), tokens::keys(rule));
                let is_wanted = issuer == wanted.issuer
                    && keys == wanted.keys
                    && (audience == "any-audience"
                        || wanted.audiences.iter().any(|wanted| wanted == audience));
                if !is_wanted {
                    let unwanted = token(issuer, audience, keys);
                    tokens.push((
                        " with a token that the table does not list",
                        Proof::Worthless,
                        Some(unwanted),
                    ));
                }
            }
        }
        tokens
    }

    /// All layers one after the other, for the callers and targets that the table is about and those beside them.
    fn check_end_to_end(&self, findings: &mut Findings) -> ControlFlow<()> {
        let callers = self.callers();
        for target in &self.evaluated_pods() {
            for port in self.probes.request_ports.iter().chain(&BESIDE_THE_MESH) {
                let listener = self.listener(target, *port);
                for caller in &callers {
                    let table = self.table;
                    let beside = BESIDE_THE_MESH.contains(port);
                    let identity = Identity::new(
                        &table.setting.trust_domain,
                        &caller.namespace,
                        &caller.service_account,
                    );
                    let shown = caller.sidecar.then_some(&identity);
                    let rows: Vec<_> = table
                        .rows
                        .iter()
                        .filter(|row| {
                            let infrastructure = matches!(row.traffic, Traffic::Infrastructure { .. });
                            row.port == *port
                                && beside == infrastructure
                                && table.is_end(&row.from, End::Pod(caller))
                                && table.is_end(&row.to, End::Pod(target))
                        })
                        .collect();
                    // A declared pod has the service account of its labels' workload.
                    let ours = self.declared.iter().any(|pod| pod.title == caller.title);
                    let rows: Vec<_> = if beside || ours {
                        rows
                    } else {
                        let own = table.rows_of(shown, target, *port);
                        rows.into_iter().filter(|row| own.contains(row)).collect()
                    };
                    let way = self.way(caller, target, *port);
                    for (method, path) in [
                        ("GET", "/metrics"),
                        ("GET", "/memory/x"),
                        ("GET", "/memory/openmemory"),
                        ("POST", "/memory/x"),
                        ("DELETE", "/memory/x"),
                        ("GET", "/memoryX"),
                        ("GET", "/healthz"),
                        ("GET", "/health"),
                        ("PUT", "/collections/memories/points"),
                    ] {
                        let request = Request {
                            host: &target.title,
                            method,
                            path,
                            header: None,
                        };
                        let verdict = if way.allowed && !beside {
                            self.answer(&listener, call(shown, *port, Some(request)), None)
                        } else {
                            way
                        };
                        let expected = match rows.first() {
                            Some(row) if beside => Expected::Allowed(row.why),
                            _ => expected(&rows, Some(request), Proof::Nothing),
                        };
                        if let Some(because) = differ(verdict, &expected) {
                            findings.add(Difference {
                                layer: Layer::EndToEnd,
                                from: caller.title.clone(),
                                to: target.title.clone(),
                                port: port.to_string(),
                                said: format!("{method} {path}"),
                                allowed: verdict.allowed,
                                because,
                            })?;
                        }
                    }
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// What packets meet on their way, at both ends.
    fn way<'d>(&'d self, caller: &'d Pod, target: &'d Pod, port: u16) -> Verdict<'d> {
        let policies = &self.manifest.network_policies;
        let tcp = Protocol::Tcp;
        let leaving =
            Isolation::of(policies, caller, Direction::Egress).evaluate(End::Pod(target), tcp, port);
        if leaving.allowed {
            Isolation::of(policies, target, Direction::Ingress).evaluate(End::Pod(caller), tcp, port)
        } else {
            leaving
        }
    }

    /// The stack's pods, and others with matching and other labels and accounts, with and without a sidecar.
    fn callers(&self) -> Vec<Pod> {
        let mut callers = self.declared.clone();
        for row in self.table.rows {
            let Peer::InCluster(neighbour) = &row.from else {
                continue;
            };
            let right = neighbour.service_account.as_deref().unwrap_or("default");
            let namespaces = [neighbour.namespace.as_str(), "elsewhere"];
            for namespace in namespaces {
                let namespace_labels = world::namespace_labels(self.manifest, namespace);
                for labels in [&neighbour.labels, &Labels::new()] {
                    for account in [right, "another-account"] {
                        for sidecar in [true, false] {
                            callers.push(Pod::stranger(
                                namespace,
                                &namespace_labels,
                                labels,
                                account,
                                sidecar,
                            ));
                        }
                    }
                }
            }
        }
        callers.sort_by(|one, other| one.title.cmp(&other.title));
        callers.dedup_by(|one, other| one.title == other.title);
        callers
    }
}

/// What all calls to one port of a pod meet alike.
#[derive(Clone)]
struct Listener<'a> {
    pod: &'a Pod,
    guarded: bool,
    mode: Mode,
    /// Who says the mode.
    by: &'a str,
    guard: Guard<'a>,
}

impl Listener<'_> {
    /// The same for what one caller sends there.
    fn on_connection(mut self, bytes: Call<'_>) -> Self {
        let identity = self.shown(bytes.identity);
        self.guard = self.guard.on_connection(Call { identity, ..bytes });
        self
    }

    /// A client presents no certificate if none is requested.
    fn shown<'i>(&self, identity: Option<&'i Identity>) -> Option<&'i Identity> {
        identity.filter(|_| self.mode != Mode::Disable)
    }

    /// Whether some request could come through.
    fn could_allow(&self) -> bool {
        !self.guarded || self.guard.could_allow()
    }
}

/// Whether a verdict is not the expected one, and why it should be.
fn differ(verdict: Verdict<'_>, expected: &Expected) -> Option<String> {
    match (verdict.allowed, expected) {
        (true, Expected::Refused) => Some(verdict.by.to_owned()),
        (false, Expected::Allowed(why)) => {
            Some(format!("{}, but a row of the table allows it: {why}", verdict.by))
        }
        _ => None,
    }
}

fn call<'a>(identity: Option<&'a Identity>, port: u16, request: Option<Request<'a>>) -> Call<'a> {
    Call {
        identity,
        // A token counts only where it is found true.
        token: None,
        // Policies by address would depend on who has which; ours have none, and a new one would be seen here.
        address: std::net::IpAddr::from([10, 244, 7, 7]),
        port,
        request,
    }
}
