//! A client's certificate that has expired, and that the API server would trust otherwise.

use k8s_openapi::ByteString;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use serde_json::{Value, json};

use crate::live::Live;

/// An authority of the test's own.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in the text form of PEM.
struct Signed {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Authority {
    /// A new one.
    pub fn new() -> Self {
        let mut parameters = CertificateParams::new([]).unwrap();
        parameters
            .distinguished_name
            .push(DnType::CommonName, "authority of the tests");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        Self(CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap())
    }

    /// Adds it to those that the sandbox's API server trusts, and waits until a client of it is let in.
    pub fn is_trusted_by(&self, live: &Live) {
        let file = live.directory().join("keys/authority.pem");
        let trusted = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, trusted + &self.0.pem()).unwrap();
        let text = self.kubeconfig_of_a_client(live, false);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        for _ in 0..180 {
            let answer = runtime.block_on(async {
                let kubeconfig = Kubeconfig::from_yaml(&text).unwrap();
                let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
                    .await
                    .unwrap();
                Client::try_from(config).unwrap().apiserver_version().await
            });
            if answer.is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(500));
        }
        panic!("the API server does not trust the new authority");
    }

    /// A kubeconfig whose client is an administrator, with a certificate that has expired or not.
    pub fn kubeconfig_of_a_client(&self, live: &Live, expired: bool) -> String {
        let signed = self.sign(expired);
        changed(live, |cluster| {
            cluster["users"][0]["user"] = json!({
                "client-certificate-data": ByteString(signed.certificate.pem().into_bytes()),
                "client-key-data": ByteString(signed.key.serialize_pem().into_bytes()),
            });
        })
    }

    fn sign(&self, expired: bool) -> Signed {
        let mut parameters = CertificateParams::new([]).unwrap();
        let name = &mut parameters.distinguished_name;
        name.push(DnType::CommonName, "administrator of the tests");
        name.push(DnType::OrganizationName, "system:masters");
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        parameters.not_before = date_time_ymd(2020, 1, 1);
        parameters.not_after = if expired {
            date_time_ymd(2020, 2, 1)
        } else {
            date_time_ymd(2120, 1, 1)
        };
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &self.0).unwrap();
        Signed { certificate, key }
    }
}

/// The sandbox's kubeconfig with a change; JSON is YAML.
fn changed(live: &Live, change: impl FnOnce(&mut Value)) -> String {
    let kubeconfig = Kubeconfig::read_from(live.sandbox().kubeconfig()).unwrap();
    let context = kubeconfig.current_context.unwrap();
    let cluster = kubeconfig.clusters[0].cluster.clone().unwrap();
    let mut config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": context, "cluster": {
            "server": cluster.server,
            "certificate-authority-data": cluster.certificate_authority_data,
        }}],
        "users": [{"name": context, "user": {}}],
        "contexts": [{"name": context, "context": {"cluster": context, "user": context}}],
        "current-context": context,
    });
    change(&mut config);
    config.to_string()
}
