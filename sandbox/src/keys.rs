//! Keys and certificates of one control plane, and the kubeconfig made from them.
//!
//! Promises: an authority of its own for every sandbox, so that no sandbox trusts another one's clients;
//! etcd, too, answers only to certificates, because it listens on a port that every user of the machine
//! can reach.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use k8s_openapi::ByteString;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, KeyUsagePurpose,
};
use serde_json::json;

use super::home::{make_private, write_private};

/// The files of the keys, by what they are for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// The authority's certificate.
    pub authority: PathBuf,
    /// What servers on loopback show.
    pub server: Pair,
    /// What the administrator shows; a member of `system:masters`.
    pub administrator: Pair,
    /// What signs service-account tokens, and the public half that checks them.
    pub tokens: Pair,
}

/// A certificate or public key, and the private key to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// What everybody may see.
    pub public: PathBuf,
    /// What nobody else may see.
    pub private: PathBuf,
}

impl Keys {
    /// The keys in this directory, made if they are not all there yet.
    pub fn at(directory: &Path) -> Result<Self> {
        let pair = |name: &str| Pair {
            public: directory.join(format!("{name}.pem")),
            private: directory.join(format!("{name}-key.pem")),
        };
        let keys = Self {
            authority: directory.join("authority.pem"),
            server: pair("server"),
            administrator: pair("administrator"),
            tokens: pair("tokens"),
        };
        // The authority is written last: where it is, all the others are.
        if !keys.authority.exists() {
            make_private(directory)?;
            keys.make().context("making the certificates of the sandbox")?;
        }
        Ok(keys)
    }

    fn make(&self) -> Result<()> {
        let mut authority = parameters("phoenix sandbox authority", None, &[])?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;

        let signed = |pair: &Pair, mut parameters: CertificateParams| -> Result<()> {
            // etcd uses its server certificate as a client of itself, so every certificate is both.
            parameters.extended_key_usages = vec![
                ExtendedKeyUsagePurpose::ServerAuth,
                ExtendedKeyUsagePurpose::ClientAuth,
            ];
            parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            let key = KeyPair::generate()?;
            write_private(&pair.private, key.serialize_pem().as_bytes())?;
            write_private(
                &pair.public,
                parameters.signed_by(&key, &authority)?.pem().as_bytes(),
            )
        };
        let names = [
            "127.0.0.1",
            "localhost",
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
        ];
        signed(&self.server, parameters("phoenix sandbox server", None, &names)?)?;
        signed(
            &self.administrator,
            parameters("phoenix sandbox administrator", Some("system:masters"), &[])?,
        )?;

        let tokens = KeyPair::generate()?;
        write_private(&self.tokens.private, tokens.serialize_pem().as_bytes())?;
        write_private(&self.tokens.public, tokens.public_key_pem().as_bytes())?;
        write_private(&self.authority, authority.pem().as_bytes())
    }

    /// The kubeconfig of the administrator. It holds the keys themselves, so that it may be copied.
    pub fn kubeconfig(&self, context: &str, port: u16) -> Result<String> {
        let embedded = |path: &Path| -> Result<ByteString> {
            fs::read(path)
                .map(ByteString)
                .with_context(|| format!("reading {}", path.display()))
        };
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{ "name": context, "cluster": {
                "server": format!("https://127.0.0.1:{port}"),
                "certificate-authority-data": embedded(&self.authority)?,
            }}],
            "users": [{ "name": context, "user": {
                "client-certificate-data": embedded(&self.administrator.public)?,
                "client-key-data": embedded(&self.administrator.private)?,
            }}],
            "contexts": [{ "name": context, "context": { "cluster": context, "user": context }}],
            "current-context": context,
        });
        Ok(phoenix_graph::yaml::to_string(&config))
    }
}

fn parameters(name: &str, organisation: Option<&str>, hosts: &[&str]) -> Result<CertificateParams> {
    let hosts: Vec<String> = hosts.iter().copied().map(str::to_owned).collect();
    let mut parameters = CertificateParams::new(hosts)?;
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    if let Some(organisation) = organisation {
        subject.push(DnType::OrganizationName, organisation);
    }
    parameters.distinguished_name = subject;
    Ok(parameters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_once_and_kept() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let keys = Keys::at(directory.path()).expect("made");
        let first = fs::read(&keys.authority).expect("written");
        let again = Keys::at(directory.path()).expect("found");
        assert_eq!(keys, again);
        assert_eq!(fs::read(&again.authority).expect("kept"), first);
    }

    #[test]
    fn the_kubeconfig_names_one_context_and_reaches_loopback_only() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let text = Keys::at(directory.path()).and_then(|keys| keys.kubeconfig("phoenix-sandbox-dev", 6443));
        let text = text.expect("made");
        let config = kube::config::Kubeconfig::from_yaml(&text).expect("kube reads it");
        assert_eq!(config.current_context.as_deref(), Some("phoenix-sandbox-dev"));
        assert_eq!(config.contexts.len(), 1);
        let server = config.clusters[0]
            .cluster
            .as_ref()
            .and_then(|cluster| cluster.server.as_deref());
        assert_eq!(server, Some("https://127.0.0.1:6443"));
    }
}
