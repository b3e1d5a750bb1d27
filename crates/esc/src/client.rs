//! Asks the service: bounded in time, in attempts and in what is read.

use std::error::Error as _;
use std::fmt::{self, Write as _};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, HeaderValue};
use reqwest::{Method, Url};
use rustls::ClientConfig;
use rustls::crypto::ring;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tokio::time::{Instant, sleep, timeout};

use crate::answer::{Answer, Broken, MOST, RawDiagnostic, object, told};
use crate::environment::{Environment, is_segment};
use crate::error::{Error, seconds};
use crate::value::Values;

/// Pulumi's own service.
pub const SERVICE: &str = "https://api.pulumi.com";

/// The version of the interface that this crate speaks.
const INTERFACE: &str = "application/vnd.pulumi+8";

/// What to do where nothing came.
const NO_ANSWER: &str =
    "look whether the service is up and reached from here (HTTPS_PROXY, NO_PROXY), and run this again";

/// How long and how often the service is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How long one attempt may take. Opening asks other services in turn, and they take their time.
    pub attempt: Duration,
    /// How long everything may take, pauses included.
    pub total: Duration,
    /// How often one question is asked.
    pub attempts: u32,
    /// The pause before the second attempt, at most; each further one is twice as long.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            attempt: Duration::from_mins(1),
            total: Duration::from_mins(3),
            attempts: 5,
            pause: Duration::from_millis(500),
        }
    }
}

/// Opens environments with one access token.
pub struct Client {
    address: Url,
    token: SecretString,
    http: reqwest::Client,
    patience: Patience,
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Client")
            .field("address", &self.address.as_str())
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// A client for the service at this address, with this access token. Nothing is asked yet.
    ///
    /// The address is `https://`, or `http://` on this machine. A proxy is used only where the environment names one, and
    /// never for this machine.
    pub fn new(address: &str, token: SecretString) -> Result<Self, Error> {
        let address = checked(address)?;
        let sendable = |byte: u8| byte.is_ascii_graphic();
        if token.expose_secret().is_empty() {
            return Err(Error::Token("is empty"));
        }
        if !token.expose_secret().bytes().all(sendable) {
            return Err(Error::Token(
                "holds characters that no token has, such as a line break at its end",
            ));
        }
        let mut http = reqwest::Client::builder()
            .user_agent(concat!("phoenix-esc/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(10))
            // Followed, a redirection would take the token elsewhere.
            .redirect(reqwest::redirect::Policy::none());
        http = if address.scheme() == "https" {
            http.https_only(true).use_preconfigured_tls(tls()?)
        } else {
            http.no_proxy().use_preconfigured_tls(tls_to_nobody()?)
        };
        Ok(Self {
            address,
            token,
            http: http.build().map_err(|error| Error::Certificates(chain(error)))?,
            patience: Patience::default(),
        })
    }

    /// The same client, as patient as this.
    #[must_use]
    pub fn with_patience(self, patience: Patience) -> Self {
        Self { patience, ..self }
    }

    /// Opens an environment and reads all of its values. The session, and with it credentials that were made for it, end
    /// after `lifetime`.
    pub async fn open(&self, environment: &Environment, lifetime: Duration) -> Result<Values, Error> {
        let segments = environment.segments()?;
        let deadline = Instant::now() + self.patience.total;
        let name = environment.to_string();
        let mut opening = self.url(&segments, &["open"]);
        opening.set_query(Some(&format!("duration={}s", lifetime.as_secs())));
        let answer = self.ask(Method::POST, opening, &name, deadline).await?;
        let session: Session = object(&answer.body).map_err(|what| self.malformed(&name, what))?;
        let (errors, warnings): (Vec<_>, Vec<_>) =
            session.diagnostics.into_iter().partition(RawDiagnostic::is_error);
        let diagnostics = told(errors, &name, &self.token);
        if !diagnostics.is_empty() {
            return Err(Error::Diagnostics {
                environment: name,
                diagnostics,
            });
        }
        if !is_segment(&session.id) {
            return Err(self.malformed(&name, "its answer names no session".to_owned()));
        }
        // A version is opened, but its session is read below the environment itself.
        let reading = self.url(&segments[..3], &["open", &session.id]);
        let answer = self.ask(Method::GET, reading, &name, deadline).await?;
        let warnings = told(warnings, &name, &self.token)
            .iter()
            .map(ToString::to_string)
            .collect();
        Values::read(&answer.body, warnings).map_err(|what| self.malformed(&name, what))
    }

    fn url(&self, environment: &[&str], behind: &[&str]) -> Url {
        let mut url = self.address.clone();
        url.path_segments_mut()
            .expect("the address was checked to have a host")
            .clear()
            .extend(["api", "esc", "environments"])
            .extend(environment)
            .extend(behind);
        url
    }

    /// Asks until there is an answer that asking again would not change.
    async fn ask(
        &self,
        method: Method,
        url: Url,
        environment: &str,
        deadline: Instant,
    ) -> Result<Answer, Error> {
        let mut attempts = 1;
        loop {
            let mut hint = NO_ANSWER;
            let (why, wanted) = match self.attempt(method.clone(), url.clone(), deadline).await {
                Ok(answer) if answer.status.is_success() => return Ok(answer),
                Ok(answer) if answer.is_passing() => {
                    let said = answer.said(&self.token);
                    hint = answer.way_out();
                    (
                        format!("it answers {}{said}", answer.status()),
                        answer.retry_after,
                    )
                }
                Ok(answer) => return Err(answer.into_error(environment, &self.token)),
                Err(Failure::TooLarge) => {
                    return Err(Error::TooLarge {
                        environment: environment.to_owned(),
                        limit: MOST,
                    });
                }
                Err(Failure::Passing(why)) => (why, None),
            };
            let given_up = |why| Error::Unavailable {
                address: self.address.origin().ascii_serialization(),
                environment: environment.to_owned(),
                why,
                attempts,
                hint,
            };
            if attempts >= self.patience.attempts {
                return Err(given_up(why));
            }
            // Never sooner than the service asks for, and not all clients in the same moment.
            let pause = wanted.unwrap_or_default() + self.pause(attempts);
            if Instant::now() + pause >= deadline {
                let total = seconds(self.patience.total);
                return Err(given_up(match wanted {
                    Some(wanted) => format!(
                        "{why} and asks to wait {}, but all of it may take {total}",
                        seconds(wanted)
                    ),
                    None => format!("{why}, and all of it may take {total}"),
                }));
            }
            sleep(pause).await;
            attempts += 1;
        }
    }

    async fn attempt(&self, method: Method, url: Url, deadline: Instant) -> Result<Answer, Failure> {
        let is_opening = method == Method::POST;
        let mut request = self
            .http
            .request(method, url)
            .header(ACCEPT, INTERFACE)
            .header(AUTHORIZATION, self.authorization());
        if is_opening {
            // Some proxies refuse an opening that does not say that it has no body.
            request = request.header(CONTENT_LENGTH, 0);
        }
        let answer = async {
            let response = request
                .send()
                .await
                .map_err(|error| Failure::Passing(format!("there is no answer ({})", chain(error))))?;
            Answer::read(response).await.map_err(|broken| match broken {
                Broken::TooLarge => Failure::TooLarge,
                Broken::Cut(error) => Failure::Passing(format!("its answer is cut off ({})", chain(error))),
            })
        };
        let limit = self.patience.attempt.min(deadline - Instant::now());
        timeout(limit, answer).await.unwrap_or_else(|_| {
            Err(Failure::Passing(format!(
                "there is no whole answer within {}",
                seconds(self.patience.attempt)
            )))
        })
    }

    fn authorization(&self) -> HeaderValue {
        let text = Zeroizing::new(format!("token {}", self.token.expose_secret()));
        let mut value = HeaderValue::from_str(&text).expect("the token was checked to be sendable");
        value.set_sensitive(true);
        value
    }

    /// Between half of what it may be and all of it, so that many clients do not come back at once.
    fn pause(&self, attempts: u32) -> Duration {
        let longest = self.patience.pause * 2_u32.saturating_pow(attempts - 1);
        let dice = RandomState::new().build_hasher().finish() % 1_000;
        longest / 2 + longest * u32::try_from(dice).unwrap_or(0) / 2_000
    }

    fn malformed(&self, environment: &str, what: String) -> Error {
        Error::Malformed {
            address: self.address.origin().ascii_serialization(),
            environment: environment.to_owned(),
            what,
        }
    }
}

/// Why an attempt came to nothing.
enum Failure {
    /// Asking again may help.
    Passing(String),
    /// Asking again would be as large.
    TooLarge,
}

/// The answer to an opening.
#[derive(Deserialize)]
struct Session {
    #[serde(default)]
    id: String,
    #[serde(default)]
    diagnostics: Vec<RawDiagnostic>,
}

/// Checks an address, and never repeats it: what looks like one may be a pasted secret.
fn checked(address: &str) -> Result<Url, Error> {
    let url = Url::parse(address).map_err(|_| Error::Address("is no URL, such as https://api.pulumi.com"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Error::Address(
            "has a login in it, which would end up in logs; the token is given apart from it",
        ));
    }
    let Some(host) = url.host_str() else {
        return Err(Error::Address("names no host"));
    };
    let is_here = host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback());
    if url.scheme() != "https" && !(url.scheme() == "http" && is_here) {
        return Err(Error::Address(
            "does not begin with https://, so that the token would travel openly",
        ));
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(Error::Address("has more than a host and a port"));
    }
    Ok(url)
}

/// TLS with the authorities that this machine trusts.
fn tls() -> Result<ClientConfig, Error> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found.errors.first().map_or_else(
            || "this machine has no certificates of authorities".to_owned(),
            |error| format!("the certificates of authorities cannot be read ({error})"),
        );
        return Err(Error::Certificates(why));
    }
    with_roots(roots)
}

/// TLS that trusts nobody, for addresses that need none.
fn tls_to_nobody() -> Result<ClientConfig, Error> {
    with_roots(rustls::RootCertStore::empty())
}

fn with_roots(roots: rustls::RootCertStore) -> Result<ClientConfig, Error> {
    // Named, so that nothing depends on which provider of cryptography the process has chosen.
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Certificates(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

/// What happened, with its causes and without the address.
fn chain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}
