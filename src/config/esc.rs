//! The location of secrets in Pulumi ESC: the environment and the address of the service.

use std::fmt;

use super::DnsName;

/// A Pulumi ESC environment: `organization/project/name`, optionally with `@version`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EscEnvironment {
    /// The organization that owns the project.
    pub organization: String,
    /// The project within the organization.
    pub project: String,
    /// The environment's own name.
    pub name: String,
    /// A revision number or a tag; absent for the latest revision.
    pub version: Option<String>,
}

impl EscEnvironment {
    /// Checks a name. The error is the rest of a sentence that begins with its key.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (path, version) = match text.split_once('@') {
            Some((path, version)) => (path, Some(version)),
            None => (text, None),
        };
        let parts: Vec<_> = path.split('/').collect();
        match parts[..] {
            [organization, project, name]
                if parts.iter().copied().all(is_name) && version.is_none_or(is_name) =>
            {
                Ok(Self {
                    organization: organization.to_owned(),
                    project: project.to_owned(),
                    name: name.to_owned(),
                    version: version.map(str::to_owned),
                })
            }
            _ => Err("is not an environment name such as acme/phoenix/prod or acme/phoenix/prod@stable"),
        }
    }
}

impl fmt::Display for EscEnvironment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}/{}", self.organization, self.project, self.name)?;
        match &self.version {
            Some(version) => write!(formatter, "@{version}"),
            None => Ok(()),
        }
    }
}

/// Letters, digits, `-`, `_` and `.`, as ESC allows; `.` and `..` would change the path of the request.
fn is_name(name: &str) -> bool {
    (1..=100).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        && !name.bytes().all(|byte| byte == b'.')
}

/// Checks the address of ESC: `https://host[:port]`, or `http://` on this machine, for tests. The error is the rest
/// of a sentence that begins with its key. It never repeats the address, which may contain credentials.
pub fn address(text: &str) -> Result<String, &'static str> {
    const WRONG: &str = "is not https://HOST or https://HOST:PORT without credentials, path and query (http:// only on this machine)";
    let (secure, authority) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(authority), _) => (true, authority),
        (None, Some(authority)) => (false, authority),
        (None, None) => return Err(WRONG),
    };
    let authority = authority.strip_suffix('/').unwrap_or(authority);
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().unwrap_or(0)),
        None => (authority, 443_u16),
    };
    let is_here = ["127.0.0.1", "localhost"].contains(&host);
    if DnsName::parse(host).is_ok() && port > 0 && (secure || is_here) {
        Ok(text.to_owned())
    } else {
        Err(WRONG)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn environment_names_are_distinguished_from_others() {
        for good in ["acme/phoenix/prod", "acme/phoenix/prod@12", "a.b/c_d/e-f@stable"] {
            assert_eq!(EscEnvironment::parse(good).unwrap().to_string(), good);
        }
        for bad in [
            "",
            "prod",
            "phoenix/prod",
            "acme/phoenix/prod@",
            "acme//prod",
            "acme/../prod",
            "acme/phoenix/prod/x",
            "acme/phoenix/pr od",
            "acme/phoenix/prod@1@2",
            "acme/phoenix/prod?x=y",
        ] {
            assert!(EscEnvironment::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses_are_https_or_on_this_machine_and_hold_no_login() {
        for good in [
            "https://api.pulumi.com",
            "https://esc.example.com:8443/",
            "http://127.0.0.1:8080",
            "http://localhost:1",
        ] {
            assert!(address(good).is_ok(), "{good}");
        }
        for bad in [
            "api.pulumi.com",
            "http://api.pulumi.com",
            "https://user:hunter2@api.pulumi.com",
            "https://hunter2@api.pulumi.com",
            "https://api.pulumi.com/api/esc",
            "https://api.pulumi.com?token=hunter2",
            "https://api.pulumi.com:0",
            "https://",
            "http://127.0.0.1@evil.example.com",
        ] {
            assert!(!address(bad).unwrap_err().contains("hunter2"), "{bad}");
        }
    }
}
