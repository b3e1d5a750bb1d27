//! Keys and certificates of one control plane, and the kubeconfig made from them.
//!
//! Every sandbox has its own certificate authority, so that it does not trust the clients of another sandbox. etcd requires
//! certificates as well, because every user of the machine can reach its port.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use k8s_openapi::ByteString;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, KeyUsagePurpose,
};
use serde_json::json;

use super::state_dir::{make_private, write_private};

/// The files of the keys, by purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// The certificate of the authority.
    pub authority: PathBuf,
    /// The certificate of servers on loopback.
    pub server: Pair,
    /// The certificate of the administrator, in the group `system:masters`.
    pub administrator: Pair,
    /// The key pair that signs and verifies service account tokens.
    pub tokens: Pair,
}

/// A certificate or public key, and its private key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The file with the certificate or public key.
    pub public: PathBuf,
    /// The file with the private key.
    pub private: PathBuf,
}

impl Keys {
    /// The keys in this directory, generated if they are not complete.
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
        // The authority is written last, so if it exists, all files exist.
        if !keys.authority.exists() {
            make_private(directory)?;
            keys.generate()
                .context("generating the certificates of the sandbox")?;
        }
        Ok(keys)
    }

    fn generate(&self) -> Result<()> {
        let mut authority = parameters("phoenix sandbox authority", None, &[])?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;

        let signed = |pair: &Pair, mut parameters: CertificateParams| -> Result<()> {
            // etcd also uses its server certificate as a client certificate, so every certificate allows both uses.
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

    /// The kubeconfig of the administrator. It contains the keys themselves, so that it can be copied.
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

fn parameters(name: &str, organization: Option<&str>, hosts: &[&str]) -> Result<CertificateParams> {
    let hosts: Vec<String> = hosts.iter().copied().map(str::to_owned).collect();
    let mut parameters = CertificateParams::new(hosts)?;
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    if let Some(organization) = organization {
        subject.push(DnType::OrganizationName, organization);
    }
    parameters.distinguished_name = subject;
    Ok(parameters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_generated_once() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let keys = Keys::at(directory.path()).expect("made");
        let first = fs::read(&keys.authority).expect("written");
        let again = Keys::at(directory.path()).expect("found");
        assert_eq!(keys, again);
        assert_eq!(fs::read(&again.authority).expect("kept"), first);
    }

    #[test]
    fn the_kubeconfig_has_one_context_on_loopback() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let text = Keys::at(directory.path()).and_then(|keys| keys.kubeconfig("phoenix-sandbox-dev", 6443));
        let text = text.expect("made");
        let config = phoenix_manifests::yaml::read(&text)
            .expect("it is YAML")
            .remove(0)
            .value;
        assert_eq!(config["current-context"], "phoenix-sandbox-dev");
        assert_eq!(config["contexts"].as_array().map(Vec::len), Some(1));
        assert_eq!(
            config["clusters"][0]["cluster"]["server"],
            "https://127.0.0.1:6443"
        );
    }
}
