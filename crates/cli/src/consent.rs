//! Consent to destructive changes: `--allow-destructive` with an object, a kind or a system.

use anyhow::Result;
use phoenix_graph::Id;
use phoenix_terminal::user_error::user_error;

/// The accepted forms, for help texts and errors.
pub const FORMS: &str = "name an object (StatefulSet/sophia-memory/qdrant, sophia-memory/qdrant or StatefulSet/qdrant), a kind \
                         (Secret) or a system (backup)";

/// Consent to the destructive changes of an object, of all objects of a kind or of a system, or of a deleted stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent(Vec<String>);

impl Consent {
    /// Parses a command-line argument. The form of headings, `StatefulSet sophia-memory/qdrant`, is accepted too.
    pub fn parse(typed: &str) -> Result<Self, String> {
        let typed = typed.trim().to_lowercase();
        let parts: Vec<_> = typed
            .split(|character: char| character == '/' || character.is_whitespace())
            .map(str::to_owned)
            .collect();
        if (1..=3).contains(&parts.len()) && parts.iter().all(|part| !part.is_empty()) {
            Ok(Self(parts))
        } else {
            Err(FORMS.to_owned())
        }
    }

    /// The argument that consents to this object.
    pub fn to(id: &Id) -> String {
        format!("{}/{}", id.kind, id.path())
    }

    /// Whether it covers this object of a system.
    pub fn covers(&self, id: &Id, system: &str) -> bool {
        let parts: Vec<_> = self.0.iter().map(String::as_str).collect();
        match parts.as_slice() {
            [word] => is_kind(id, word) || system.eq_ignore_ascii_case(word),
            parts => names(id, parts),
        }
    }

    /// Whether it is this single word.
    pub fn is_word(&self, word: &str) -> bool {
        matches!(self.0.as_slice(), [only] if only.eq_ignore_ascii_case(word))
    }

    /// The error for a consent that names nothing.
    pub fn refused(&self, hint: &str) -> anyhow::Error {
        user_error(
            format!("--allow-destructive {self} names no object, kind or system of the stack"),
            hint,
        )
    }
}

impl std::fmt::Display for Consent {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0.join("/"))
    }
}

/// Whether these words in lower case name an object: `namespace/name`, `kind/name` or `kind/namespace/name`.
pub fn names(id: &Id, parts: &[&str]) -> bool {
    let name = id.name.to_lowercase();
    let is_in = |namespace: &str| {
        let own = id.namespace.as_ref();
        own.is_some_and(|own| own.to_lowercase() == namespace)
    };
    match parts {
        [first, second] => *second == name && (is_kind(id, first) || is_in(first)),
        [kind, namespace, second] => *second == name && is_kind(id, kind) && is_in(namespace),
        _ => false,
    }
}

/// Whether a word in lower case names the kind of an object: `statefulset`, `statefulsets`, `sts`.
pub fn is_kind(id: &Id, word: &str) -> bool {
    let kind = id.kind.to_lowercase();
    let plural = match kind.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None if kind.ends_with('s') => format!("{kind}es"),
        None => format!("{kind}s"),
    };
    kind == word || plural == word || format!("{kind}s") == word || short(&id.kind) == Some(word)
}

/// The short names that `kubectl` knows for kinds.
fn short(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "ConfigMap" => "cm",
        "CronJob" => "cj",
        "CustomResourceDefinition" => "crd",
        "DaemonSet" => "ds",
        "Deployment" => "deploy",
        "HorizontalPodAutoscaler" => "hpa",
        "Ingress" => "ing",
        "Namespace" => "ns",
        "NetworkPolicy" => "netpol",
        "PersistentVolume" => "pv",
        "PersistentVolumeClaim" => "pvc",
        "PodDisruptionBudget" => "pdb",
        "Service" => "svc",
        "ServiceAccount" => "sa",
        "StatefulSet" => "sts",
        "StorageClass" => "sc",
        "VirtualService" => "vs",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_without_case() {
        let role = Id::cluster("rbac.authorization.k8s.io", "ClusterRole", "Admin");
        assert!(names(&role, &["clusterrole", "admin"]));
        assert!(!names(&role, &["clusterrole", "other"]));
    }

    fn covers(typed: &str, id: &Id) -> bool {
        Consent::parse(typed).unwrap().covers(id, "qdrant_store")
    }

    #[test]
    fn consent_covers_an_object_a_kind_or_a_system() {
        let qdrant = Id::namespaced("apps", "StatefulSet", "sophia-memory", "qdrant");
        for typed in [
            "StatefulSet/sophia-memory/qdrant",
            "statefulset sophia-memory/qdrant",
            "StatefulSet/qdrant",
            "sophia-memory/qdrant",
            "StatefulSet",
            "statefulsets",
            "sts",
            "sts/qdrant",
            "qdrant_store",
        ] {
            assert!(covers(typed, &qdrant), "{typed}");
        }
        for typed in [
            "StatefulSet/sophia-memory/qdrant-2",
            "Deployment/sophia-memory/qdrant",
            "sophia-ai/qdrant",
            "StatefulSet/other/qdrant",
            "Deployment",
            "qdrant",
            "store",
        ] {
            assert!(!covers(typed, &qdrant), "{typed}");
        }
        let namespace = Id::cluster("", "Namespace", "sophia-memory");
        assert!(covers("Namespace/sophia-memory", &namespace) && covers("ns/sophia-memory", &namespace));
        let policy = Id::namespaced("networking.k8s.io", "NetworkPolicy", "a", "b");
        assert!(covers("NetworkPolicies", &policy));
    }

    #[test]
    fn other_forms_are_rejected_with_the_accepted_ones() {
        for typed in ["", " ", "/", "a//b", "a/b/c/d", "/qdrant", "qdrant/"] {
            let error = Consent::parse(typed).unwrap_err();
            assert!(
                error.contains("StatefulSet/sophia-memory/qdrant"),
                "{typed}: {error}"
            );
        }
    }
}
