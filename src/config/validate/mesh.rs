//! Checks of the gateway and of user tokens.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::super::placeholder::OrPlaceholder;
use super::super::raw::{RawConfig, RawGateway, RawJwt, RawRouting, RawTrust};
use super::super::stack::{Gateway, Jwt, JwtKeys, Routing, Trust};
use super::super::{DnsName, HostName};
use super::{Check, key};

/// The placeholder for an issuer that is not configured yet.
const UNKNOWN_ISSUER: &str = "https://issuer.placeholder.invalid";

impl Check {
    pub(super) fn routing(&mut self, raw: &RawRouting) -> Option<Routing> {
        let gateway = raw.gateway.as_ref().map(|gateway| self.gateway(gateway));
        Some(Routing {
            gateway: match gateway {
                Some(gateway) => Some(gateway?),
                None => None,
            },
        })
    }

    fn gateway(&mut self, raw: &RawGateway) -> Option<Gateway> {
        let host = raw
            .host
            .as_ref()
            .and_then(|host| self.known("mesh.gateway.host", host))
            .map(|host| self.parse("mesh.gateway.host", host, HostName::parse_name));
        let namespace = self.dns_name("mesh.gateway.namespace", &raw.namespace);
        let service_account = self.dns_name("mesh.gateway.serviceAccount", &raw.service_account);
        let credential = self.dns_name("mesh.gateway.credential", &raw.credential);
        let selector = self.selector("mesh.gateway.selector", &raw.selector);
        Some(Gateway {
            host: match host {
                Some(host) => Some(host?),
                None => None,
            },
            namespace: namespace?,
            service_account: service_account?,
            selector: selector?,
            credential: credential?,
        })
    }

    /// An empty selector would open the port on every gateway of the cluster.
    fn selector(
        &mut self,
        path: &str,
        labels: &BTreeMap<String, String>,
    ) -> Option<BTreeMap<String, String>> {
        if labels.is_empty() {
            self.problems.add_with_hint(
                key(path),
                "is empty, which would open the port on the pods of every gateway",
                "look up the labels of the gateway's pods with: kubectl get pods --show-labels",
            );
            return None;
        }
        let mut legal = true;
        for (name, value) in labels {
            if !is_label_key(name) || !is_label_value(value) {
                self.problems.add_with_hint(
                    key(path),
                    format!(
                        "has {}, which is not a valid pod label",
                        super::shown_text(&format!("{name}: {value}"))
                    ),
                    "look up the labels of the gateway's pods with: kubectl get pods --show-labels",
                );
                legal = false;
            }
        }
        legal.then(|| labels.clone())
    }

    pub(super) fn trust(&mut self, raw: &RawTrust) -> Option<Trust> {
        let jwt = raw.jwt.as_ref().map(|jwt| self.jwt(jwt));
        Some(Trust {
            jwt: match jwt {
                Some(jwt) => Some(jwt?),
                None => None,
            },
        })
    }

    fn jwt(&mut self, raw: &RawJwt) -> Option<Jwt> {
        let issuer = match self.known("trust.jwt.issuer", &raw.issuer) {
            Some(issuer) => self.parse("trust.jwt.issuer", issuer, issuer_name),
            None => Some(UNKNOWN_ISSUER.to_owned()),
        };
        if raw.audiences.is_empty() {
            self.problems.add_with_hint(
                key("trust.jwt.audiences"),
                "is empty, so tokens for any other application of the issuer would be accepted",
                "name the audience of this platform's tokens",
            );
        }
        let audiences = raw.audiences.iter().enumerate().map(|(position, audience)| {
            let path = format!("trust.jwt.audiences[{position}]");
            match self.known(&path, audience) {
                Some(audience) => self.parse(&path, audience, audience_name),
                None => Some("audience.placeholder.invalid".to_owned()),
            }
        });
        let audiences: Vec<_> = audiences.collect();
        let keys = self.jwt_keys(raw);
        Some(Jwt {
            issuer: issuer?,
            audiences: audiences.into_iter().collect::<Option<_>>()?,
            keys: keys?,
        })
    }

    fn jwt_keys(&mut self, raw: &RawJwt) -> Option<JwtKeys> {
        match (&raw.jwks_uri, &raw.jwks) {
            (Some(uri), None) => match self.known("trust.jwt.jwksUri", uri) {
                Some(uri) => self
                    .parse("trust.jwt.jwksUri", uri, https_address)
                    .map(JwtKeys::Uri),
                None => Some(JwtKeys::Uri(format!("{UNKNOWN_ISSUER}/jwks.json"))),
            },
            (None, Some(keys)) => match public_keys(keys) {
                Ok(()) => Some(JwtKeys::Inline(keys.clone())),
                // The text is not shown, because it may be a private key.
                Err(wrong) => {
                    self.problems.add_with_hint(
                        key("trust.jwt.jwks"),
                        wrong,
                        "paste the response of the issuer's jwks_uri: {\"keys\": [...]}",
                    );
                    None
                }
            },
            (None, None) => {
                self.problems.add_with_hint(
                    key("trust.jwt"),
                    "has neither jwksUri nor jwks, so no token could be verified",
                    "set jwksUri to the URL of the issuer's public keys",
                );
                None
            }
            (Some(_), Some(_)) => {
                self.problems.add_with_hint(
                    key("trust.jwt"),
                    "has both jwksUri and jwks, but only one of them is used",
                    "keep jwksUri, unless istiod cannot reach the issuer",
                );
                None
            }
        }
    }

    /// The server trusts every request that the mesh admits; through the gateway, that would be any request.
    pub(super) fn check_gateway(&mut self, raw: &RawConfig) {
        if self.is_prod && raw.mesh.gateway.is_some() && raw.trust.jwt.is_none() {
            self.problems.add_with_hint(
                key("mesh.gateway"),
                "admits users without authentication",
                "set phoenix:trust.jwt to the issuer of their tokens, or remove the gateway",
            );
        }
        let host = raw
            .mesh
            .gateway
            .as_ref()
            .and_then(|gateway| gateway.host.as_ref());
        if let Some(OrPlaceholder::Value(host)) = host
            && host.ends_with(".cluster.local")
        {
            self.problems.add_with_hint(
                key("mesh.gateway.host"),
                "is a cluster-internal name, which cannot be resolved outside the cluster",
                "use the public name of the platform",
            );
        }
    }
}

pub(super) fn is_label_key(text: &str) -> bool {
    let (prefix, name) = match text.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, text),
    };
    !name.is_empty() && is_label_value(name) && prefix.is_none_or(|prefix| DnsName::parse(prefix).is_ok())
}

pub(super) fn is_label_value(text: &str) -> bool {
    let edge = |character: char| character.is_ascii_alphanumeric();
    text.is_empty()
        || text.len() <= 63
            && text.starts_with(edge)
            && text.ends_with(edge)
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// Characters that Istio matches literally: `*` or a space would have another meaning in a policy.
fn issuer_name(text: &str) -> Result<String, &'static str> {
    is_plain(text)
        .then(|| text.to_owned())
        .ok_or("is not an issuer name such as https://id.example.com")
}

fn audience_name(text: &str) -> Result<String, &'static str> {
    is_plain(text)
        .then(|| text.to_owned())
        .ok_or("is not an audience name such as phoenix-memory")
}

fn is_plain(text: &str) -> bool {
    (1..=253).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"*\"'\\<>{}$".contains(&byte))
}

fn https_address(text: &str) -> Result<String, &'static str> {
    let authority = text
        .strip_prefix("https://")
        .map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
    let host = authority.map(|authority| authority.split_once(':').unwrap_or((authority, "443")));
    let legal = host.is_some_and(|(host, port)| {
        DnsName::parse(host).is_ok() && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    (legal && is_plain(text))
        .then(|| text.to_owned())
        .ok_or("is not an https:// URL without credentials")
}

/// The fields of a key set that decide whether it may be published.
#[derive(Deserialize)]
struct KeySet {
    keys: Vec<JsonWebKey>,
}

#[derive(Deserialize)]
struct JsonWebKey {
    kty: String,
    /// The private exponent, or the private part of an elliptic curve key.
    d: Option<serde_json::Value>,
}

fn public_keys(text: &str) -> Result<(), &'static str> {
    let Ok(set) = serde_json::from_str::<KeySet>(text) else {
        return Err("is not a JSON Web Key Set (JWKS)");
    };
    if set.keys.is_empty() {
        return Err("contains no keys, so no token could be verified");
    }
    if set.keys.iter().any(|key| key.d.is_some()) {
        return Err("contains a private key: a user who can read the stack file can forge tokens");
    }
    if set.keys.iter().any(|key| key.kty == "oct") {
        return Err(
            "contains a shared secret (kty oct): a user who can read the stack file can forge tokens",
        );
    }
    Ok(())
}
