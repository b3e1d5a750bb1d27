//! Calls HTTP APIs: a client with limits on time, attempts and the size of responses.
//!
//! Redirects are not followed, because they would send a token to another address. Responses are zeroed when dropped, because
//! they can contain secrets. An error never contains the address as the user typed it, which may be a secret that was pasted by
//! mistake.

use std::error::Error as _;
use std::fmt::Write as _;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{CONTENT_LENGTH, HeaderMap, RETRY_AFTER};
use reqwest::redirect;
use rustls::ClientConfig;
use rustls::crypto::ring;
use secrecy::zeroize::Zeroizing;
use tokio::time::{Instant, sleep, timeout};

pub use reqwest::header;
pub use reqwest::{Method, StatusCode, Url};

/// The limits of retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The timeout of one attempt.
    pub attempt: Duration,
    /// The time limit for all attempts until a deadline, including pauses.
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

/// Why a client cannot be created.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SetupError {
    /// The address is invalid. Contains the rest of a sentence about it.
    #[error("the address {0}")]
    Address(&'static str),
    /// The certificates of this machine cannot be used.
    #[error("{0}")]
    Certificates(String),
}

/// Why a call has no final response.
#[derive(Debug)]
pub enum CallError {
    /// The response is larger than the limit.
    TooLarge,
    /// There is no response, or only transient errors.
    Unavailable {
        /// The last failure, as a sentence without its period.
        reason: String,
        /// The number of attempts.
        attempts: u32,
        /// The status of the last response.
        status: Option<StatusCode>,
    },
}

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The address.
    pub url: Url,
    /// The headers. Those with secrets must be marked as sensitive.
    pub headers: HeaderMap,
    /// The body, with its type in the headers.
    pub body: Vec<u8>,
}

/// A complete response. The body is zeroed when dropped.
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Zeroizing<Vec<u8>>,
}

/// A client for one service.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    retry_policy: RetryPolicy,
    max_response_bytes: usize,
}

impl Client {
    /// Creates a client for the service at an address. Does not connect.
    ///
    /// A proxy is used only if the environment sets one, and never for loopback addresses.
    pub fn new(address: &Url, user_agent: &str, max_response_bytes: usize) -> Result<Self, SetupError> {
        let mut http = reqwest::Client::builder()
            .user_agent(user_agent)
            .connect_timeout(Duration::from_secs(10))
            .redirect(redirect::Policy::none());
        http = if address.scheme() == "https" {
            http.https_only(true).use_preconfigured_tls(tls()?)
        } else {
            http.no_proxy().use_preconfigured_tls(tls_without_roots()?)
        };
        Ok(Self {
            http: http
                .build()
                .map_err(|error| SetupError::Certificates(chain(error)))?,
            retry_policy: RetryPolicy::default(),
            max_response_bytes,
        })
    }

    /// Sets the retry policy.
    #[must_use]
    pub fn with_retry_policy(self, retry_policy: RetryPolicy) -> Self {
        Self { retry_policy, ..self }
    }

    /// The retry policy.
    pub fn retry_policy(&self) -> RetryPolicy {
        self.retry_policy
    }

    /// The time until which calls that belong together may take.
    pub fn deadline(&self) -> Instant {
        Instant::now() + self.retry_policy.total
    }

    /// Sends a request until there is a final response: success, or an error that a retry would not change. `describe` adds what
    /// a transient response says to the reason. Waits as long as the service requests, but not beyond the deadline.
    pub async fn call(
        &self,
        request: &Request,
        deadline: Instant,
        describe: impl Fn(&Response) -> String,
    ) -> Result<Response, CallError> {
        let mut attempts = 1;
        loop {
            let (reason, wait, status) = match self.attempt(request, deadline).await {
                Ok(response) if !response.is_transient() => return Ok(response),
                Ok(response) => (
                    format!(
                        "the response is {}{}",
                        response.status_words(),
                        describe(&response)
                    ),
                    response.requested_wait(),
                    Some(response.status),
                ),
                Err(Failure::TooLarge) => return Err(CallError::TooLarge),
                Err(Failure::Transient(reason)) => (reason, None, None),
            };
            let unavailable = |reason| CallError::Unavailable {
                reason,
                attempts,
                status,
            };
            if attempts >= self.retry_policy.attempts {
                return Err(unavailable(reason));
            }
            // Not before the time that the service requests, and with jitter, so that clients do not retry at the same time.
            let pause = wait.unwrap_or_default() + self.pause(attempts);
            if Instant::now() + pause >= deadline {
                let total = seconds(self.retry_policy.total);
                return Err(unavailable(match wait {
                    Some(wait) => format!(
                        "{reason}; it requests a wait of {}, which exceeds the limit of {total} for all attempts",
                        seconds(wait)
                    ),
                    None => format!("{reason}; the limit of {total} for all attempts is reached"),
                }));
            }
            sleep(pause).await;
            attempts += 1;
        }
    }

    async fn attempt(&self, request: &Request, deadline: Instant) -> Result<Response, Failure> {
        let mut sent = self
            .http
            .request(request.method.clone(), request.url.clone())
            .headers(request.headers.clone());
        sent = if request.body.is_empty() && request.method != Method::GET {
            // Some proxies reject a request without a length.
            sent.header(CONTENT_LENGTH, 0)
        } else if request.body.is_empty() {
            sent
        } else {
            sent.body(request.body.clone())
        };
        let response = async {
            let response = sent
                .send()
                .await
                .map_err(|error| Failure::Transient(format!("there is no response ({})", chain(error))))?;
            self.read(response).await
        };
        let limit = self.retry_policy.attempt.min(deadline - Instant::now());
        timeout(limit, response).await.unwrap_or_else(|_| {
            Err(Failure::Transient(format!(
                "there is no complete response within {}",
                seconds(self.retry_policy.attempt)
            )))
        })
    }

    async fn read(&self, mut response: reqwest::Response) -> Result<Response, Failure> {
        let mut body = Zeroizing::new(Vec::with_capacity(64 << 10));
        let incomplete = |error| Failure::Transient(format!("the response is incomplete ({})", chain(error)));
        while let Some(chunk) = response.chunk().await.map_err(incomplete)? {
            if body.len() + chunk.len() > self.max_response_bytes {
                return Err(Failure::TooLarge);
            }
            append(&mut body, &chunk);
        }
        Ok(Response {
            status: response.status(),
            headers: response.headers().clone(),
            body,
        })
    }

    /// The backoff before the next attempt: exponential, with jitter between half and the full pause.
    fn pause(&self, attempts: u32) -> Duration {
        let longest = self.retry_policy.pause * 2_u32.saturating_pow(attempts - 1);
        let random = RandomState::new().build_hasher().finish() % 1_000;
        longest / 2 + longest * u32::try_from(random).unwrap_or(0) / 2_000
    }
}

impl Response {
    /// Whether a retry can succeed. A service that limits the rate of requests answers with 429, or with 403 and a time.
    fn is_transient(&self) -> bool {
        self.status.is_server_error()
            || [StatusCode::TOO_MANY_REQUESTS, StatusCode::REQUEST_TIMEOUT].contains(&self.status)
            || (self.status == StatusCode::FORBIDDEN && self.requested_wait().is_some())
    }

    /// The number of seconds in `Retry-After`. Dates are ignored, because they require synchronized clocks.
    fn requested_wait(&self) -> Option<Duration> {
        let seconds = self
            .headers
            .get(RETRY_AFTER)?
            .to_str()
            .ok()?
            .trim()
            .parse()
            .ok()?;
        Some(Duration::from_secs(seconds))
    }

    /// The status code and its text.
    pub fn status_words(&self) -> String {
        match self.status.canonical_reason() {
            Some(words) => format!("{} {words}", self.status.as_u16()),
            None => self.status.as_u16().to_string(),
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

/// Checks the address of a service: `https://`, or `http://` on loopback; a host, and no user, query or fragment.
pub fn check_address(address: &str) -> Result<Url, SetupError> {
    let url =
        Url::parse(address).map_err(|_| SetupError::Address("is not a URL such as https://example.com"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(SetupError::Address(
            "contains a user name or password, which would be logged; provide the token separately",
        ));
    }
    let Some(host) = url.host_str() else {
        return Err(SetupError::Address("has no host"));
    };
    let is_loopback = host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback());
    if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback) {
        return Err(SetupError::Address(
            "must begin with https://, because the token would be sent unencrypted",
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(SetupError::Address("must not contain a query or a fragment"));
    }
    Ok(url)
}

/// The TLS configuration with the certificate authorities that this machine trusts.
fn tls() -> Result<ClientConfig, SetupError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let reason = found.errors.first().map_or_else(
            || "no CA certificates are installed on this machine".to_owned(),
            |error| format!("the CA certificates cannot be read ({error})"),
        );
        return Err(SetupError::Certificates(reason));
    }
    with_roots(roots)
}

/// A TLS configuration without certificate authorities, for addresses that do not use TLS.
fn tls_without_roots() -> Result<ClientConfig, SetupError> {
    with_roots(rustls::RootCertStore::empty())
}

fn with_roots(roots: rustls::RootCertStore) -> Result<ClientConfig, SetupError> {
    // Explicit, so that it does not depend on the default crypto provider of the process.
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| SetupError::Certificates(error.to_string()))?
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

/// Appends a chunk. When the buffer grows, the old one is zeroed.
fn append(body: &mut Zeroizing<Vec<u8>>, chunk: &[u8]) {
    let needed = body.len() + chunk.len();
    if needed > body.capacity() {
        let mut larger = Zeroizing::new(Vec::with_capacity(needed.max(2 * body.capacity())));
        larger.extend_from_slice(body);
        *body = larger;
    }
    body.extend_from_slice(chunk);
}

/// A duration in seconds or milliseconds, as messages show it.
pub fn seconds(time: Duration) -> String {
    if time.subsec_millis() == 0 {
        format!("{} s", time.as_secs())
    } else {
        format!("{} ms", time.as_millis())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_grows_with_its_chunks() {
        let mut body = Zeroizing::new(Vec::with_capacity(2));
        for chunk in [&b"ab"[..], b"c", b"", b"defghij"] {
            append(&mut body, chunk);
        }
        assert_eq!(body.as_slice(), b"abcdefghij");
    }

    #[test]
    fn an_address_uses_tls_or_loopback_and_contains_no_secret() {
        for good in [
            "https://api.example.com",
            "https://example.com/api/v3",
            "http://127.0.0.1:8080",
            "http://[::1]:80",
        ] {
            assert!(check_address(good).is_ok(), "{good}");
        }
        for (bad, said) in [
            ("api.example.com", "is not a URL"),
            ("https://user:secret@example.com", "contains a user name"),
            ("http://example.com", "must begin with https://"),
            ("ftp://127.0.0.1", "must begin with https://"),
            ("https://example.com?a=b", "must not contain a query"),
        ] {
            let error = check_address(bad).unwrap_err().to_string();
            assert!(
                error.contains(said) && !error.contains("secret"),
                "{bad}: {error}"
            );
        }
    }
}
