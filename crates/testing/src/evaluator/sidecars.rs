//! What Sidecars mean: which hosts a workload's own sidecar leads to.
//!
//! A Sidecar that selects the workload wins over the namespace's, and that over the mesh's; without any, every host of
//! the registry is led to. What is not led to is cut off (`REGISTRY_ONLY`) or let out as it is (`ALLOW_ANY`).
//! It is no wall, because a process can go around its sidecar; the NetworkPolicies are.
//! <https://istio.io/latest/docs/reference/config/networking/sidecar>

use super::network::Verdict;
use super::objects::{Manifest, Named, OutboundMode, Resolution, ServiceEntry, Sidecar, VirtualService};
use super::world::{Pod, contains};

/// A name that the mesh knows, and the namespace whose object made it known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    pub name: String,
    pub namespace: String,
    pub ports: Vec<u16>,
    /// The machines behind it, where they are not pods: names and addresses.
    pub outside: Vec<String>,
    /// The namespaces that may know it: `*`, `.` or a name; empty for all.
    pub export_to: Vec<String>,
}

/// Every host that the stack itself makes known.
pub fn declared(manifest: &Manifest) -> Vec<Host> {
    let services = manifest.services.iter().map(|service| Host {
        name: format!("{}.{}.svc.cluster.local", service.name, service.namespace),
        namespace: service.namespace.clone(),
        ports: service.spec.ports.iter().map(|port| port.port).collect(),
        outside: Vec::new(),
        export_to: Vec::new(),
    });
    let entries = manifest.service_entries.iter().flat_map(|entry| {
        entry.spec.hosts.iter().map(|host| Host {
            name: host.clone(),
            namespace: entry.namespace.clone(),
            ports: entry.spec.ports.iter().map(|port| port.number).collect(),
            outside: behind(&entry.spec, host),
            export_to: entry.spec.export_to.clone(),
        })
    });
    services.chain(entries).collect()
}

/// Where an entry leads, if not to pods.
fn behind(entry: &ServiceEntry, host: &str) -> Vec<String> {
    if entry.workload_selector.is_some() {
        return Vec::new();
    }
    if !entry.endpoints.is_empty() {
        return entry
            .endpoints
            .iter()
            .map(|endpoint| endpoint.address.clone())
            .collect();
    }
    match entry.resolution {
        // `NONE` lets the client look the host up; whether it may go to what it finds, packets decide.
        Resolution::Dns | Resolution::None => vec![host.to_owned()],
        // Exported to no namespace.
        Resolution::Static => Vec::new(),
    }
}

/// Errors in Sidecars, or effects that the rendering does not determine.
pub fn check(sidecars: &[Named<Sidecar>]) -> Result<(), String> {
    for (place, sidecar) in sidecars.iter().enumerate() {
        let selectorless = |sidecar: &Named<Sidecar>| sidecar.spec.workload_selector.is_none();
        let rival = sidecars[..place].iter().find(|other| {
            selectorless(other) && selectorless(sidecar) && other.namespace == sidecar.namespace
        });
        if let Some(rival) = rival {
            return Err(format!(
                "{} and {} are both for the whole namespace",
                rival.title, sidecar.title
            ));
        }
        for listener in sidecar.spec.egress.iter().flatten() {
            if listener.hosts.is_empty() {
                return Err(format!("{} has a listener without hosts", sidecar.title));
            }
            for host in &listener.hosts {
                let parts: Vec<_> = host.split('/').collect();
                if parts.len() != 2 || parts.iter().any(|part| part.is_empty()) {
                    return Err(format!("{}: {host} is no `namespace/host`", sidecar.title));
                }
            }
        }
        if sidecar.spec.egress.as_ref().is_some_and(Vec::is_empty) {
            return Err(format!("{} has an empty list of listeners", sidecar.title));
        }
    }
    Ok(())
}

/// Of two Sidecars that select a pod the older one wins, and a rendering has no age.
pub fn check_pod(sidecars: &[Named<Sidecar>], pod: &Pod) -> Result<(), String> {
    let selecting = sidecars.iter().filter(|sidecar| {
        let selector = sidecar.spec.workload_selector.as_ref();
        sidecar.namespace == pod.namespace
            && selector.is_some_and(|selector| contains(&pod.labels, &selector.labels))
    });
    let titles: Vec<_> = selecting.map(|sidecar| sidecar.title.as_str()).collect();
    if titles.len() > 1 {
        return Err(format!("{} both select {}", titles.join(" and "), pod.title));
    }
    Ok(())
}

/// Whether the sidecar of a pod leads to a port of a host. `known` is what the registry holds.
pub fn evaluate<'a>(
    manifest: &'a Manifest,
    root: &str,
    pod: &Pod,
    known: &[Host],
    name: &str,
    port: u16,
) -> Verdict<'a> {
    let sidecar = chosen(&manifest.sidecars, root, pod);
    let by = sidecar.map_or("the absence of any Sidecar for it", |sidecar| {
        sidecar.title.as_str()
    });
    let visible = |host: &&Host| is_exported(&host.export_to, &host.namespace, &pod.namespace);
    let named: Vec<_> = known
        .iter()
        .filter(|host| host.name == name)
        .filter(visible)
        .collect();
    let led = named
        .iter()
        .any(|host| host.ports.contains(&port) && leads(manifest, sidecar, pod, host, port));
    let mode = sidecar
        .and_then(|sidecar| sidecar.spec.outbound_traffic_policy.as_ref())
        // What the mesh says where no Sidecar does.
        .map_or(OutboundMode::AllowAny, |policy| policy.mode);
    if led || mode == OutboundMode::AllowAny {
        Verdict::allowed(by)
    } else {
        Verdict::refused(by)
    }
}

fn chosen<'a>(sidecars: &'a [Named<Sidecar>], root: &str, pod: &Pod) -> Option<&'a Named<Sidecar>> {
    let own = sidecars
        .iter()
        .filter(|sidecar| sidecar.namespace == pod.namespace);
    let selecting = own.clone().find(|sidecar| {
        let selector = sidecar.spec.workload_selector.as_ref();
        selector.is_some_and(|selector| contains(&pod.labels, &selector.labels))
    });
    let whole = |sidecar: &&Named<Sidecar>| sidecar.spec.workload_selector.is_none();
    selecting.or_else(|| own.clone().find(whole)).or_else(|| {
        sidecars
            .iter()
            .filter(|sidecar| sidecar.namespace == root)
            .find(whole)
    })
}

fn leads(manifest: &Manifest, sidecar: Option<&Named<Sidecar>>, pod: &Pod, host: &Host, port: u16) -> bool {
    let Some(listeners) = sidecar.and_then(|sidecar| sidecar.spec.egress.as_ref()) else {
        return true;
    };
    listeners.iter().any(|listener| {
        listener.port.as_ref().is_none_or(|only| only.number == port)
            && (imports(&listener.hosts, &pod.namespace, &host.namespace, &host.name)
                // A route that the listener knows brings its destinations with it.
                || manifest.virtual_services.iter().any(|route| {
                    is_exported(&route.spec.export_to, &route.namespace, &pod.namespace)
                        && route.spec.hosts.iter().any(|name| {
                            let name = full(name, &route.namespace);
                            imports(&listener.hosts, &pod.namespace, &route.namespace, &name)
                        })
                        && destinations(route).any(|name| name == host.name)
                }))
    })
}

fn destinations(route: &Named<VirtualService>) -> impl Iterator<Item = String> {
    let http = route.spec.http.iter().flat_map(|http| &http.route);
    let plain = route.spec.tcp.iter().chain(&route.spec.tls);
    http.chain(plain.flat_map(|plain| &plain.route))
        .map(|route_to| full(&route_to.destination.host, &route.namespace))
}

/// A short name of a Service means the one in the object's own namespace.
fn full(name: &str, namespace: &str) -> String {
    if name.contains('.') || name.contains('*') {
        name.to_owned()
    } else {
        format!("{name}.{namespace}.svc.cluster.local")
    }
}

fn is_exported(export_to: &[String], from: &str, to: &str) -> bool {
    export_to.is_empty()
        || export_to
            .iter()
            .any(|scope| scope == "*" || scope == to || (scope == "." && from == to))
}

/// Whether a listener's hosts hold a name: `namespace/host`, with `.` for the own namespace, `*` for all, `~` before a
/// namespace to take something out again.
fn imports(hosts: &[String], own: &str, namespace: &str, name: &str) -> bool {
    let holds = |entry: &str| {
        let (scope, pattern) = entry.split_once('/').unwrap_or(("", entry));
        let scope = match scope {
            "." => own,
            "" => "*",
            scope => scope,
        };
        (scope == "*" || scope == namespace) && host_matches(pattern, name)
    };
    let (taken, wanted): (Vec<_>, Vec<_>) = hosts.iter().partition(|host| host.starts_with('~'));
    wanted.iter().any(|host| holds(host)) && !taken.iter().any(|host| holds(&host[1..]))
}

fn host_matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_prefix('*') {
        Some(end) => name.ends_with(end),
        None => pattern == name,
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::evaluator::objects::{Labels, documents};

    fn manifest(specs: &[(&str, &str)], more: &str) -> Manifest {
        let mut yaml = String::from(more);
        for (place, (namespace, spec)) in specs.iter().enumerate() {
            let _ = write!(
                yaml,
                "---\napiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {{name: s{place}, namespace: {namespace}}}\nspec: {spec}\n"
            );
        }
        Manifest::read(&documents(&yaml).unwrap()).unwrap()
    }

    fn leads_to(manifest: &Manifest, name: &str, port: u16) -> bool {
        let labels = Labels::from([("app".to_owned(), "a".to_owned())]);
        let pod = Pod::stranger("home", &Labels::new(), &labels, "default", true);
        let host = |name: &str, namespace: &str| Host {
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            ports: vec![80, 81],
            outside: Vec::new(),
            export_to: Vec::new(),
        };
        let known = [
            host("a.home.svc.cluster.local", "home"),
            host("b.other.svc.cluster.local", "other"),
            host("api.example.com", "home"),
        ];
        evaluate(manifest, "root", &pod, &known, name, port).allowed
    }

    const OWN: &str = "a.home.svc.cluster.local";
    const OTHER: &str = "b.other.svc.cluster.local";
    const ONLY: &str = "outboundTrafficPolicy: {mode: REGISTRY_ONLY}";

    #[test]
    fn without_a_sidecar_resource_every_host_is_reachable() {
        assert!(
            leads_to(&manifest(&[], ""), OTHER, 80) && leads_to(&manifest(&[], ""), "unknown.example", 1)
        );
    }

    #[test]
    fn hosts_are_a_namespace_and_a_name() {
        let with = |hosts: &str| {
            manifest(
                &[("home", &format!("{{egress: [{{hosts: [{hosts}]}}], {ONLY}}}"))],
                "",
            )
        };
        assert!(leads_to(&with("'./*'"), OWN, 80) && !leads_to(&with("'./*'"), OTHER, 80));
        assert!(leads_to(&with("'other/*'"), OTHER, 80) && !leads_to(&with("'other/*'"), OWN, 80));
        assert!(leads_to(&with("'*/*'"), OTHER, 80));
        assert!(!leads_to(&with("'*/*'"), "unknown.example", 80));
        assert!(leads_to(
            &with("'./*.example.com', './api.example.com'"),
            "api.example.com",
            80
        ));
        assert!(!leads_to(&with(&format!("'other/{OWN}'")), OWN, 80));
        assert!(!leads_to(&with("'~/*'"), OWN, 80));
        assert!(
            leads_to(&with("'*/*', '~other/*'"), OWN, 80) && !leads_to(&with("'*/*', '~other/*'"), OTHER, 80)
        );
    }

    #[test]
    fn an_egress_listener_with_a_port_serves_that_port() {
        let only = format!(
            "{{egress: [{{port: {{number: 80, protocol: HTTP, name: h}}, hosts: ['*/*']}}], {ONLY}}}"
        );
        let manifest = manifest(&[("home", &only)], "");
        assert!(leads_to(&manifest, OWN, 80) && !leads_to(&manifest, OWN, 81));
    }

    #[test]
    fn the_selecting_sidecar_wins_then_the_namespaces_then_the_meshs() {
        let none = format!("{{egress: [{{hosts: ['~/*']}}], {ONLY}}}");
        let all = format!("{{egress: [{{hosts: ['*/*']}}], {ONLY}}}");
        let selecting =
            format!("{{workloadSelector: {{labels: {{app: a}}}}, egress: [{{hosts: ['*/*']}}], {ONLY}}}");
        let others =
            format!("{{workloadSelector: {{labels: {{app: b}}}}, egress: [{{hosts: ['*/*']}}], {ONLY}}}");
        assert!(leads_to(
            &manifest(&[("home", &none), ("home", &selecting)], ""),
            OWN,
            80
        ));
        assert!(!leads_to(
            &manifest(&[("home", &none), ("home", &others)], ""),
            OWN,
            80
        ));
        assert!(!leads_to(
            &manifest(&[("home", &none), ("root", &all)], ""),
            OWN,
            80
        ));
        assert!(!leads_to(&manifest(&[("root", &none)], ""), OWN, 80));
    }

    #[test]
    fn unknown_hosts_are_blocked_only_when_configured() {
        let narrow = "egress: [{hosts: ['./*']}]";
        assert!(leads_to(
            &manifest(&[("home", &format!("{{{narrow}}}"))], ""),
            OTHER,
            80
        ));
        let any = format!("{{{narrow}, outboundTrafficPolicy: {{mode: ALLOW_ANY}}}}");
        assert!(leads_to(&manifest(&[("home", &any)], ""), OTHER, 80));
        // Without its only field, the policy has the API's first value.
        let empty = format!("{{{narrow}, outboundTrafficPolicy: {{}}}}");
        assert!(!leads_to(&manifest(&[("home", &empty)], ""), OTHER, 80));
    }

    #[test]
    fn a_route_brings_its_destinations() {
        let route = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: v, namespace: home}\nspec: {hosts: [memory.local], http: [{route: [{destination: {host: b.other.svc.cluster.local}}]}]}\n";
        let sidecar = format!("{{egress: [{{hosts: ['./memory.local']}}], {ONLY}}}");
        assert!(leads_to(&manifest(&[("home", &sidecar)], route), OTHER, 80));
        assert!(!leads_to(&manifest(&[("home", &sidecar)], ""), OTHER, 80));
    }

    #[test]
    fn what_istio_rejects_is_rejected() {
        for spec in [
            "{egress: []}",
            "{egress: [{hosts: []}]}",
            "{egress: [{hosts: [a]}]}",
            "{egress: [{hosts: [./]}]}",
        ] {
            assert!(
                check(&manifest(&[("home", spec)], "").sidecars).is_err(),
                "{spec}"
            );
        }
        assert!(check(&manifest(&[("home", "{}"), ("home", "{}")], "").sidecars).is_err());
    }
}
