//! The connection to Pulumi ESC: custom certificate authorities (`SSL_CERT_FILE`) and a proxy (`HTTPS_PROXY`), from the real program
//! to a service with real TLS. The token is only sent to a service that proves its identity.

use std::io::Write as _;
use std::sync::{Arc, Mutex};

use phoenix_testing::esc::FakeService;
use pulumi_wire::fake::FakeEngine;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::complete;
use crate::esc::{TOKEN, canaries, environment, in_esc};
use crate::{logged, run_with};

/// A password in the address of a proxy.
const PASSWORD: &str = "canary-of-the-proxy";

/// A certificate authority.
type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut parameters = CertificateParams::new([]).unwrap();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap()
}

/// The file for `SSL_CERT_FILE`.
fn file(authority: &Authority) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(authority.as_ref().pem().as_bytes()).unwrap();
    file
}

/// A TLS server in front of a service, on its own port. It stops when dropped.
struct Front {
    port: u16,
    task: JoinHandle<()>,
}

impl Drop for Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Front {
    async fn start(service: &FakeService, authority: &Authority, name: &str, until: i32) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new([name.to_owned()]).unwrap();
        parameters.not_before = date_time_ymd(2020, 1, 1);
        parameters.not_after = date_time_ymd(until, 1, 1);
        let certificate = parameters.signed_by(&key, authority).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der())),
            )
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let behind = service.address().trim_start_matches("http://").to_owned();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, behind) = (acceptor.clone(), behind.clone());
                tokio::spawn(async move {
                    if let Ok(mut open) = acceptor.accept(stream).await {
                        let mut plain = TcpStream::connect(behind).await.unwrap();
                        let _ended = copy_bidirectional(&mut open, &mut plain).await;
                    }
                });
            }
        });
        Self { port, task }
    }
}

/// A proxy that connects every tunnel to one port. It stops when dropped.
struct Proxy {
    port: u16,
    /// All bytes that it received, before and in the tunnels.
    seen: Arc<Mutex<Vec<u8>>>,
    task: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    async fn start(leads_to: u16, answer: &'static str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(tunnel(stream, leads_to, answer, Arc::clone(&noted)));
            }
        });
        Self { port, seen, task }
    }

    fn seen(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap()).into_owned()
    }
}

async fn tunnel(mut stream: TcpStream, leads_to: u16, answer: &str, noted: Arc<Mutex<Vec<u8>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    noted.lock().unwrap().extend_from_slice(&head);
    let _sent = stream
        .write_all(format!("HTTP/1.1 {answer}\r\n\r\n").as_bytes())
        .await;
    if !answer.starts_with("200") {
        return;
    }
    let (mut from, mut to) = stream.into_split();
    let (mut back, mut forth) = TcpStream::connect(("127.0.0.1", leads_to))
        .await
        .unwrap()
        .into_split();
    let answers = tokio::spawn(async move { tokio::io::copy(&mut back, &mut to).await });
    let mut buffer = vec![0; 4096];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        noted.lock().unwrap().extend_from_slice(&buffer[..length]);
        if forth.write_all(&buffer[..length]).await.is_err() {
            break;
        }
    }
    answers.abort();
}

/// Whether the program succeeds with the service at this address, and its output.
async fn said(url: &str, variables: &[(&str, &str)]) -> (bool, String) {
    let engine: FakeEngine = in_esc(complete(), url).start().await;
    let more = [("PHOENIX_ESC_TOKEN", TOKEN), ("RUST_LOG", "trace")];
    let output = run_with(&engine, &[&more, variables].concat()).await;
    let said = format!(
        "{}{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
        logged(&engine)
    );
    canaries().are_not_in(&said, "what the program says");
    assert!(!said.contains(PASSWORD), "{said}");
    assert_eq!(
        output.status.success(),
        engine.registrations().len() > 2,
        "{said}"
    );
    (output.status.success(), said)
}

#[tokio::test]
async fn authorities_of_ones_own_are_named_in_a_file() {
    let service = environment().start();
    let authority = authority("ours");
    let front = Front::start(&service, &authority, "localhost", 2099).await;
    let trusted = file(&authority);
    let url = format!("https://localhost:{}", front.port);
    let reported = said(&url, &[("SSL_CERT_FILE", trusted.path().to_str().unwrap())]).await;
    assert_eq!(reported, (true, String::new()));
    assert_eq!(service.requests().len(), 2);
}

#[tokio::test]
async fn the_token_is_sent_only_to_an_authenticated_service() {
    let (ours, other) = (authority("ours"), authority("another"));
    let trusted = file(&ours);
    let trusted = trusted.path().to_str().unwrap();
    let refused = async |signed_by: &Authority, name: &str, until: i32| {
        let service = environment().start();
        let front = Front::start(&service, signed_by, name, until).await;
        let url = format!("https://localhost:{}", front.port);
        let (good, said) = said(&url, &[("SSL_CERT_FILE", trusted)]).await;
        assert!(
            !good && said.contains(&format!("ESC at {url} is not available for acme/phoenix/prod")),
            "{said}"
        );
        assert!(service.requests().is_empty(), "{said}");
        said
    };
    let (unknown, misnamed, expired) = tokio::join!(
        refused(&other, "localhost", 2099),
        refused(&ours, "esc.example.com", 2099),
        refused(&ours, "localhost", 2021),
    );
    assert!(unknown.contains("UnknownIssuer"), "{unknown}");
    assert!(
        misnamed.contains("certificate not valid for name \"localhost\""),
        "{misnamed}"
    );
    assert!(
        expired.to_lowercase().contains("certificate expired"),
        "{expired}"
    );
}

#[tokio::test]
async fn without_any_authority_nothing_is_asked() {
    let empty = NamedTempFile::new().unwrap();
    for path in [empty.path().to_str().unwrap(), "/nowhere/at/all.pem"] {
        let (good, said) = said("https://localhost:1", &[("SSL_CERT_FILE", path)]).await;
        assert!(
            !good && said.contains("cannot verify the identity of ESC"),
            "{said}"
        );
        assert!(said.contains("or set SSL_CERT_FILE"), "{said}");
    }
}

#[tokio::test]
async fn a_proxy_sees_where_it_leads_to_and_nothing_else() {
    let service = environment().start();
    let authority = authority("ours");
    let front = Front::start(&service, &authority, "esc.example.com", 2099).await;
    let trusted = file(&authority);
    let trusted = ("SSL_CERT_FILE", trusted.path().to_str().unwrap());
    let proxy = Proxy::start(front.port, "200 Connection established").await;
    let address = format!("http://somebody:{PASSWORD}@127.0.0.1:{}", proxy.port);
    let url = "https://esc.example.com:8443";
    let reported = said(url, &[trusted, ("HTTPS_PROXY", &address)]).await;
    assert_eq!(reported, (true, String::new()));
    assert_eq!(service.requests().len(), 2);
    let seen = proxy.seen();
    assert!(
        seen.contains("CONNECT esc.example.com:8443 HTTP/1.1\r\n"),
        "{seen}"
    );
    assert!(
        seen.to_lowercase().contains("proxy-authorization: basic "),
        "{seen}"
    );
    canaries().are_not_in(&seen, "what the proxy sees");

    // A service on this machine needs none, and neither does one that somebody has excepted.
    let before = proxy.seen().len();
    let local = format!("https://localhost:{}", front.port);
    let excepted = [
        trusted,
        ("HTTPS_PROXY", address.as_str()),
        ("NO_PROXY", "localhost"),
    ];
    let (good, _) = said(&local, &excepted).await;
    assert!(!good, "its certificate has another name");
    assert_eq!(proxy.seen().len(), before);
}

#[tokio::test]
async fn a_denying_proxy_is_reported_without_credentials() {
    let authority = authority("ours");
    let trusted = file(&authority);
    let trusted = ("SSL_CERT_FILE", trusted.path().to_str().unwrap());
    let gone = {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        listener.local_addr().unwrap().port()
    };
    let proxy = Proxy::start(0, "407 Proxy Authentication Required").await;
    let through = async |port: u16| {
        let address = format!("http://somebody:{PASSWORD}@127.0.0.1:{port}");
        said("https://esc.example.com", &[trusted, ("HTTPS_PROXY", &address)]).await
    };
    let (refused, lost) = tokio::join!(through(proxy.port), through(gone));
    for (good, said) in [&refused, &lost] {
        assert!(
            !good && said.contains("reachable from here (HTTPS_PROXY, NO_PROXY)"),
            "{said}"
        );
    }
    assert!(
        refused.1.contains("proxy authorization required"),
        "{}",
        refused.1
    );
    canaries().are_not_in(&proxy.seen(), "what the proxy sees");
}
