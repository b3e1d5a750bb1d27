//! What PeerAuthentications mean: whether a port takes plain text, mutual TLS, or both.
//!
//! The narrowest policy that says something wins: port, workload, namespace, mesh; without any, both are taken.
//! <https://istio.io/latest/docs/reference/config/security/peer_authentication>

use super::objects::{Mode, Named, PeerAuthentication};
use super::world::{Pod, contains};

/// Errors in policies, or effects that the rendering does not determine.
pub fn check(policies: &[Named<PeerAuthentication>], root: &str) -> Result<(), String> {
    for (place, policy) in policies.iter().enumerate() {
        let scope = scope(policy, root);
        if scope != Scope::Workload && !policy.spec.port_level_mtls.is_empty() {
            return Err(format!("{} names ports without a selector", policy.title));
        }
        for port in policy.spec.port_level_mtls.keys() {
            port.parse::<u16>()
                .map_err(|_| format!("{}: {port} is no port", policy.title))?;
        }
        // The older one wins, and a rendering has no age.
        let same = policies[..place].iter().find(|other| {
            scope != Scope::Workload
                && other.namespace == policy.namespace
                && self::scope(other, root) == scope
        });
        if let Some(same) = same {
            return Err(format!(
                "{} and {} say the same scope's mode",
                same.title, policy.title
            ));
        }
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Mesh,
    Namespace,
    Workload,
}

fn scope(policy: &Named<PeerAuthentication>, root: &str) -> Scope {
    let selects = policy
        .spec
        .selector
        .as_ref()
        .is_some_and(|selector| !selector.match_labels.is_empty());
    match (selects, policy.namespace == root) {
        (true, _) => Scope::Workload,
        (false, true) => Scope::Mesh,
        (false, false) => Scope::Namespace,
    }
}

/// The mode of a pod's port, and who says so.
pub fn mode<'a>(
    policies: &'a [Named<PeerAuthentication>],
    root: &str,
    pod: &Pod,
    port: u16,
) -> (Mode, &'a str) {
    let said = |wanted: Scope, namespace: &str| {
        policies.iter().find(|policy| {
            scope(policy, root) == wanted
                && policy.namespace == namespace
                && policy
                    .spec
                    .selector
                    .as_ref()
                    .is_none_or(|selector| contains(&pod.labels, &selector.match_labels))
        })
    };
    let mut result = (Mode::Permissive, "the default of the mesh");
    let workload = said(Scope::Workload, &pod.namespace);
    let whole = [
        said(Scope::Mesh, root),
        said(Scope::Namespace, &pod.namespace),
        workload,
    ];
    for policy in whole.into_iter().flatten() {
        let mode = policy.spec.mtls.unwrap_or_default().mode;
        if mode != Mode::Unset {
            result = (mode, policy.title.as_str());
        }
    }
    let own = workload.and_then(|policy| Some((policy, policy.spec.port_level_mtls.get(&port.to_string())?)));
    match own {
        Some((policy, own)) if own.mode != Mode::Unset => (own.mode, &policy.title),
        _ => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluator::objects::{Labels, Manifest, documents};

    fn policies(specs: &[(&str, &str)]) -> Vec<Named<PeerAuthentication>> {
        let yaml: Vec<_> = specs
            .iter()
            .enumerate()
            .map(|(place, (namespace, spec))| {
                format!("apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {{name: p{place}, namespace: {namespace}}}\nspec: {spec}\n")
            })
            .collect();
        Manifest::read(&documents(&yaml.join("---\n")).unwrap())
            .unwrap()
            .peer_authentications
    }

    fn mode_of(specs: &[(&str, &str)], app: &str, port: u16) -> Mode {
        let labels = Labels::from([("app".to_owned(), app.to_owned())]);
        let pod = Pod::stranger("home", &Labels::new(), &labels, "default", true);
        mode(&policies(specs), "root", &pod, port).0
    }

    #[test]
    fn the_most_specific_policy_wins() {
        let strict = "{mtls: {mode: STRICT}}";
        let open = "{mtls: {mode: PERMISSIVE}}";
        assert_eq!(mode_of(&[], "a", 1), Mode::Permissive);
        assert_eq!(mode_of(&[("root", strict)], "a", 1), Mode::Strict);
        assert_eq!(
            mode_of(&[("root", strict), ("home", open)], "a", 1),
            Mode::Permissive
        );
        assert_eq!(mode_of(&[("root", strict), ("home", "{}")], "a", 1), Mode::Strict);
        assert_eq!(
            mode_of(&[("root", strict), ("home", "{mtls: {mode: UNSET}}")], "a", 1),
            Mode::Strict
        );
        assert_eq!(mode_of(&[("elsewhere", strict)], "a", 1), Mode::Permissive);
        let own = "{selector: {matchLabels: {app: a}}, mtls: {mode: DISABLE}}";
        assert_eq!(mode_of(&[("home", strict), ("home", own)], "a", 1), Mode::Disable);
        assert_eq!(mode_of(&[("home", strict), ("home", own)], "b", 1), Mode::Strict);
    }

    #[test]
    fn a_port_has_a_mode_of_its_own() {
        let specs = [
            ("home", "{mtls: {mode: STRICT}}"),
            (
                "home",
                "{selector: {matchLabels: {app: a}}, portLevelMtls: {\"80\": {mode: DISABLE}, \"81\": {mode: UNSET}}}",
            ),
        ];
        assert_eq!(mode_of(&specs, "a", 80), Mode::Disable);
        assert_eq!(mode_of(&specs, "a", 81), Mode::Strict);
        assert_eq!(mode_of(&specs, "a", 82), Mode::Strict);
    }

    #[test]
    fn ambiguous_policies_are_rejected() {
        assert!(
            check(
                &policies(&[("home", "{portLevelMtls: {\"80\": {mode: DISABLE}}}")]),
                "root"
            )
            .is_err()
        );
        assert!(check(&policies(&[("home", "{}"), ("home", "{}")]), "root").is_err());
        assert!(check(&policies(&[("home", "{}"), ("root", "{}")]), "root").is_ok());
    }
}
