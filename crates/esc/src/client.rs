//! The client: calls the service with limits on time, attempts and response size.

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

use crate::environment::{Environment, is_segment};
use crate::error::{Error, seconds};
use crate::response::{MAX_RESPONSE_BYTES, RawDiagnostic, ReadError, Response, diagnostics, object};
use crate::value::Values;

/// The address of Pulumi Cloud.
pub const SERVICE: &str = "https://api.pulumi.com";

/// The version of the REST API.
const API_VERSION: &str = "application/vnd.pulumi+8";

/// The hint to show if there is no response.
const NO_RESPONSE: &str =
    "check that the service is available and reachable from here (HTTPS_PROXY, NO_PROXY), then try again";

/// The limits of retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The timeout of one attempt. Opening an environment can call other services, which takes time.
    pub attempt: Duration,
    /// The time limit for all attempts of one `open`, including pauses.
    pub total: Duration,
    /// The maximum number of attempts of one call.
    pub attempts: u32,
    /// The maximum pause before the second attempt. It doubles for each further attempt.
    pub pause: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempt: Duration::from_mins(1),
            total: Duration::from_mins(3),
            attempts: 5,
            pause: Duration::from_millis(500),
        }
    }
}

/// A client with one access token.
pub struct Client {
    address: Url,
    token: SecretString,
    http: reqwest::Client,
    retry_policy: RetryPolicy,
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Client")
            .field("address", &self.address.as_str())
            .field("retry_policy", &self.retry_policy)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Creates a client for the service at this address. Does not connect.
    ///
    /// The address must use `https://`, or `http://` on loopback. A proxy is used only if the environment sets one, and never
    /// for loopback addresses.
    pub fn new(address: &str, token: SecretString) -> Result<Self, Error> {
        let address = check_address(address)?;
        let is_allowed = |byte: u8| byte.is_ascii_graphic();
        if token.expose_secret().is_empty() {
            return Err(Error::Token("is empty"));
        }
        if !token.expose_secret().bytes().all(is_allowed) {
            return Err(Error::Token(
                "contains characters that are not allowed in a token, such as a trailing line break",
            ));
        }
        let mut http = reqwest::Client::builder()
            .user_agent(concat!("phoenix-esc/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(10))
            // A redirect would send the token to another address.
            .redirect(reqwest::redirect::Policy::none());
        http = if address.scheme() == "https" {
            http.https_only(true).use_preconfigured_tls(tls()?)
        } else {
            http.no_proxy().use_preconfigured_tls(tls_without_roots()?)
        };
        Ok(Self {
            address,
            token,
            http: http.build().map_err(|error| Error::Certificates(chain(error)))?,
            retry_policy: RetryPolicy::default(),
        })
    }

    /// Sets the retry policy.
    #[must_use]
    pub fn with_retry_policy(self, retry_policy: RetryPolicy) -> Self {
        Self { retry_policy, ..self }
    }

    /// Opens an environment and reads all its values. The session, and dynamic credentials that were issued for it, expire
    /// after `lifetime`.
    pub async fn open(&self, environment: &Environment, lifetime: Duration) -> Result<Values, Error> {
        let segments = environment.segments()?;
        let deadline = Instant::now() + self.retry_policy.total;
        let name = environment.to_string();
        let mut opening = self.url(&segments, &["open"]);
        opening.set_query(Some(&format!("duration={}s", lifetime.as_secs())));
        let response = self.call(Method::POST, opening, &name, deadline).await?;
        let session: Session = object(&response.body).map_err(|reason| self.malformed(&name, reason))?;
        let (errors, warnings): (Vec<_>, Vec<_>) =
            session.diagnostics.into_iter().partition(RawDiagnostic::is_error);
        let diagnostics = diagnostics(errors, &name, &self.token);
        if !diagnostics.is_empty() {
            return Err(Error::Diagnostics {
                environment: name,
                diagnostics,
            });
        }
        if !is_segment(&session.id) {
            return Err(self.malformed(&name, "it contains no session id".to_owned()));
        }
        // The session of a version is read at the path of the environment, without the version.
        let reading = self.url(&segments[..3], &["open", &session.id]);
        let response = self.call(Method::GET, reading, &name, deadline).await?;
        let warnings = crate::response::diagnostics(warnings, &name, &self.token)
            .iter()
            .map(ToString::to_string)
            .collect();
        Values::read(&response.body, warnings).map_err(|reason| self.malformed(&name, reason))
    }

    fn url(&self, environment: &[&str], suffix: &[&str]) -> Url {
        let mut url = self.address.clone();
        url.path_segments_mut()
            .expect("addresses are checked to have a host")
            .clear()
            .extend(["api", "esc", "environments"])
            .extend(environment)
            .extend(suffix);
        url
    }

    /// Calls the service, with retries, until it returns a final response.
    async fn call(
        &self,
        method: Method,
        url: Url,
        environment: &str,
        deadline: Instant,
    ) -> Result<Response, Error> {
        let mut attempts = 1;
        loop {
            let mut hint = NO_RESPONSE;
            let (reason, retry_after) = match self.attempt(method.clone(), url.clone(), deadline).await {
                Ok(response) if response.status.is_success() => return Ok(response),
                Ok(response) if response.is_transient() => {
                    let message = response.message(&self.token);
                    hint = response.hint();
                    (
                        format!("the response is {}{message}", response.status()),
                        response.retry_after,
                    )
                }
                Ok(response) => return Err(response.into_error(environment, &self.token)),
                Err(Failure::TooLarge) => {
                    return Err(Error::TooLarge {
                        environment: environment.to_owned(),
                        limit: MAX_RESPONSE_BYTES,
                    });
                }
                Err(Failure::Transient(reason)) => (reason, None),
            };
            let unavailable = |reason| Error::Unavailable {
                address: self.address.origin().ascii_serialization(),
                environment: environment.to_owned(),
                reason,
                attempts,
                hint,
            };
            if attempts >= self.retry_policy.attempts {
                return Err(unavailable(reason));
            }
            // Not before the time in Retry-After, and with jitter, so that clients do not retry at the same time.
            let pause = retry_after.unwrap_or_default() + self.pause(attempts);
            if Instant::now() + pause >= deadline {
                let total = seconds(self.retry_policy.total);
                return Err(unavailable(match retry_after {
                    Some(retry_after) => format!(
                        "{reason}; it requests a wait of {}, which exceeds the limit of {total} for all attempts",
                        seconds(retry_after)
                    ),
                    None => format!("{reason}; the limit of {total} for all attempts is reached"),
                }));
            }
            sleep(pause).await;
            attempts += 1;
        }
    }

    async fn attempt(&self, method: Method, url: Url, deadline: Instant) -> Result<Response, Failure> {
        let is_opening = method == Method::POST;
        let mut request = self
            .http
            .request(method, url)
            .header(ACCEPT, API_VERSION)
            .header(AUTHORIZATION, self.authorization());
        if is_opening {
            // Some proxies reject a POST request without a length.
            request = request.header(CONTENT_LENGTH, 0);
        }
        let response = async {
            let response = request
                .send()
                .await
                .map_err(|error| Failure::Transient(format!("there is no response ({})", chain(error))))?;
            Response::read(response).await.map_err(|error| match error {
                ReadError::TooLarge => Failure::TooLarge,
                ReadError::Interrupted(error) => {
                    Failure::Transient(format!("the response is incomplete ({})", chain(error)))
                }
            })
        };
        let limit = self.retry_policy.attempt.min(deadline - Instant::now());
        timeout(limit, response).await.unwrap_or_else(|_| {
            Err(Failure::Transient(format!(
                "there is no complete response within {}",
                seconds(self.retry_policy.attempt)
            )))
        })
    }

    fn authorization(&self) -> HeaderValue {
        let text = Zeroizing::new(format!("token {}", self.token.expose_secret()));
        let mut value =
            HeaderValue::from_str(&text).expect("tokens are checked to contain only allowed characters");
        value.set_sensitive(true);
        value
    }

    /// The backoff before the next attempt: exponential, with jitter between half and the full pause.
    fn pause(&self, attempts: u32) -> Duration {
        let longest = self.retry_policy.pause * 2_u32.saturating_pow(attempts - 1);
        let random = RandomState::new().build_hasher().finish() % 1_000;
        longest / 2 + longest * u32::try_from(random).unwrap_or(0) / 2_000
    }

    fn malformed(&self, environment: &str, reason: String) -> Error {
        Error::Malformed {
            address: self.address.origin().ascii_serialization(),
            environment: environment.to_owned(),
            reason,
        }
    }
}

/// A failed attempt.
enum Failure {
    /// A retry can succeed.
    Transient(String),
    /// The response is too large, and a retry would not change that.
    TooLarge,
}

/// The response to opening an environment.
#[derive(Deserialize)]
struct Session {
    #[serde(default)]
    id: String,
    #[serde(default)]
    diagnostics: Vec<RawDiagnostic>,
}

/// Checks an address. The error does not contain it, because it may be a secret that was pasted by mistake.
fn check_address(address: &str) -> Result<Url, Error> {
    let url =
        Url::parse(address).map_err(|_| Error::Address("is not a URL such as https://api.pulumi.com"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Error::Address(
            "contains a user name or password, which would be logged; provide the token separately",
        ));
    }
    let Some(host) = url.host_str() else {
        return Err(Error::Address("has no host"));
    };
    let is_loopback = host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback());
    if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback) {
        return Err(Error::Address(
            "must begin with https://, because the token would be sent unencrypted",
        ));
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(Error::Address("must contain only a host and a port"));
    }
    Ok(url)
}

/// The TLS configuration with the certificate authorities that this machine trusts.
fn tls() -> Result<ClientConfig, Error> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let reason = found.errors.first().map_or_else(
            || "no CA certificates are installed on this machine".to_owned(),
            |error| format!("the CA certificates cannot be read ({error})"),
        );
        return Err(Error::Certificates(reason));
    }
    with_roots(roots)
}

/// A TLS configuration without certificate authorities, for addresses that do not use TLS.
fn tls_without_roots() -> Result<ClientConfig, Error> {
    with_roots(rustls::RootCertStore::empty())
}

fn with_roots(roots: rustls::RootCertStore) -> Result<ClientConfig, Error> {
    // Explicit, so that it does not depend on the default crypto provider of the process.
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Certificates(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

/// The message of an error and its causes, without the address.
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
