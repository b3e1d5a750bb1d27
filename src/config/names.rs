//! Names that a cluster checks too; checked here, so that nobody waits for the cluster to do it.

use std::fmt;

/// A DNS label or subdomain of at most 253 characters, as Kubernetes names most objects.
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

/// The name of a host outside the cluster: a DNS name with at least two labels, or an IPv4 address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostName(String);

impl HostName {
    /// Checks a host name. The error is the rest of a sentence that begins with its key.
    pub fn parse(name: &str) -> Result<Self, &'static str> {
        let legal = name.len() <= 253 && name.contains('.') && name.split('.').all(is_label);
        legal
            .then(|| Self(name.to_owned()))
            .ok_or("is not the name of a host, such as db.example.com")
    }

    /// Checks a host name that must not be an address.
    pub fn parse_name(name: &str) -> Result<Self, &'static str> {
        match Self::parse(name) {
            Ok(host) if !host.is_address() => Ok(host),
            _ => Err("is not the name of a host, such as memory.example.com"),
        }
    }

    /// Whether it is an IPv4 address and no name.
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
}
