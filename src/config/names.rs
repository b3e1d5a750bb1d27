//! Names with the syntax that a cluster requires, checked before a deployment.

use std::fmt;

/// A DNS label or subdomain of at most 253 characters, as most Kubernetes object names are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DnsName(String);

impl DnsName {
    /// Checks a name. The error is the rest of a sentence that begins with its key.
    pub fn parse(name: &str) -> Result<Self, &'static str> {
        let legal = !name.is_empty() && name.len() <= 253 && name.split('.').all(is_label);
        legal
            .then(|| Self(name.to_owned()))
            .ok_or("is not a DNS name of lower-case letters, digits, `-` and `.`")
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DnsName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// An external host: a DNS name with at least two labels, or an IPv4 address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostName(String);

impl HostName {
    /// Checks a host name. The error is the rest of a sentence that begins with its key.
    pub fn parse(name: &str) -> Result<Self, &'static str> {
        let legal = name.len() <= 253 && name.contains('.') && name.split('.').all(is_label);
        legal
            .then(|| Self(name.to_owned()))
            .ok_or("is not a host name such as db.example.com")
    }

    /// Checks a host name that must not be an address.
    pub fn parse_name(name: &str) -> Result<Self, &'static str> {
        match Self::parse(name) {
            Ok(host) if !host.is_address() => Ok(host),
            _ => Err("is not a host name such as memory.example.com"),
        }
    }

    /// Whether it is an IPv4 address instead of a name.
    pub fn is_address(&self) -> bool {
        self.0.parse::<std::net::Ipv4Addr>().is_ok()
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A reference to an object in a cluster: `Kind/namespace/name`, or `Kind/name` if it is cluster-scoped.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectName {
    /// The kind, such as `StatefulSet`.
    pub kind: String,
    /// The namespace; `None` for cluster-scoped objects.
    pub namespace: Option<String>,
    /// The name of the object.
    pub name: String,
}

impl ObjectName {
    /// Checks a name. The error is the rest of a sentence that begins with its key.
    pub fn parse(typed: &str) -> Result<Self, &'static str> {
        let parts: Vec<&str> = typed.split('/').collect();
        let (kind, namespace, name) = match parts.as_slice() {
            [kind, name] => (kind, None, name),
            [kind, namespace, name] => (kind, Some(namespace), name),
            _ => return Err(NO_OBJECT_NAME),
        };
        let legal_kind = kind.starts_with(|first: char| first.is_ascii_uppercase())
            && kind.len() <= 63
            && kind.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let legal = legal_kind
            && DnsName::parse(name).is_ok()
            && namespace.is_none_or(|namespace| is_label(namespace));
        legal
            .then(|| Self {
                kind: (*kind).to_owned(),
                namespace: namespace.map(|namespace| (*namespace).to_owned()),
                name: (*name).to_owned(),
            })
            .ok_or(NO_OBJECT_NAME)
    }

    /// Whether this is the name of the object with the given identity, in any API group.
    pub fn matches(&self, id: &phoenix_graph::Id) -> bool {
        self.kind == id.kind && self.namespace == id.namespace && self.name == id.name
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(formatter, "{}/{namespace}/{}", self.kind, self.name),
            None => write!(formatter, "{}/{}", self.kind, self.name),
        }
    }
}

const NO_OBJECT_NAME: &str = "is not an object reference such as Deployment/sophia-memory/openmemory-mcp-server or Namespace/sophia-memory";

fn is_label(label: &str) -> bool {
    !label.is_empty()
        && label.len() <= 63
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_cluster_accepts_is_a_name() {
        assert!(DnsName::parse("shared-rwx.v2").is_ok());
        for name in ["", "-a", "a-", "A", "a_b", "a..b", "ä", &"a".repeat(64)] {
            assert!(DnsName::parse(name).is_err(), "{name}");
        }
        assert!(HostName::parse("db.example.com").is_ok());
        assert!(HostName::parse("localhost").is_err());
    }

    #[test]
    fn an_object_is_named_with_its_kind_first() {
        for name in [
            "Namespace/sophia-memory",
            "Deployment/sophia-memory/openmemory-mcp-server",
        ] {
            assert_eq!(ObjectName::parse(name).unwrap().to_string(), name);
        }
        for name in [
            "",
            "qdrant",
            "sophia-memory/qdrant",
            "Deployment/",
            "Deployment/a/b/c",
            "Deployment/a_b/c",
        ] {
            assert!(ObjectName::parse(name).is_err(), "{name}");
        }
    }
}
