//! The client: calls the service with limits on time, attempts and response size.

use std::fmt;
use std::time::Duration;

use phoenix_http::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue};
use phoenix_http::{CallError, Method, Request, SetupError, Url, check_address};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tokio::time::Instant;

use crate::environment::{Environment, is_segment};
use crate::error::Error;
use crate::response::{MAX_RESPONSE_BYTES, RawDiagnostic, Response, diagnostics, hint, object};
use crate::value::Values;

pub use phoenix_http::RetryPolicy;

/// The address of Pulumi Cloud.
pub const SERVICE: &str = "https://api.pulumi.com";

/// The version of the REST API.
const API_VERSION: &str = "application/vnd.pulumi+8";

/// The hint to show if there is no response.
const NO_RESPONSE: &str =
    "check that the service is available and reachable from here (HTTPS_PROXY, NO_PROXY), then try again";

/// A client with one access token.
pub struct Client {
    address: Url,
    token: SecretString,
    http: phoenix_http::Client,
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Client")
            .field("address", &self.address.as_str())
            .field("retry_policy", &self.http.retry_policy())
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
        if address.path() != "/" {
            return Err(Error::Address("must contain only a host and a port"));
        }
        let is_allowed = |byte: u8| byte.is_ascii_graphic();
        if token.expose_secret().is_empty() {
            return Err(Error::Token("is empty"));
        }
        if !token.expose_secret().bytes().all(is_allowed) {
            return Err(Error::Token(
                "contains characters that are not allowed in a token, such as a trailing line break",
            ));
        }
        let user_agent = concat!("phoenix-esc/", env!("CARGO_PKG_VERSION"));
        let http = phoenix_http::Client::new(&address, user_agent, MAX_RESPONSE_BYTES)?;
        Ok(Self { address, token, http })
    }

    /// Sets the retry policy.
    #[must_use]
    pub fn with_retry_policy(self, retry_policy: RetryPolicy) -> Self {
        Self {
            http: self.http.with_retry_policy(retry_policy),
            ..self
        }
    }

    /// Opens an environment and reads all its values. The session, and dynamic credentials that were issued for it, expire
    /// after `lifetime`.
    pub async fn open(&self, environment: &Environment, lifetime: Duration) -> Result<Values, Error> {
        let segments = environment.segments()?;
        let deadline = self.http.deadline();
        let name = environment.to_string();
        let mut opening = self.url(&segments, &["open"]);
        opening.set_query(Some(&format!("duration={}s", lifetime.as_secs())));
        let response = self.call(Method::POST, opening, &name, deadline).await?;
        let session: Session = object(&response.0.body).map_err(|reason| self.malformed(&name, reason))?;
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
        Values::read(&response.0.body, warnings).map_err(|reason| self.malformed(&name, reason))
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
        let headers = [
            (ACCEPT, HeaderValue::from_static(API_VERSION)),
            (AUTHORIZATION, self.authorization()),
        ];
        let request = Request {
            method,
            url,
            headers: HeaderMap::from_iter(headers),
            body: Vec::new(),
        };
        let describe = |response: &phoenix_http::Response| {
            let message = crate::response::message(&response.body, &self.token);
            message.to_string()
        };
        match self.http.call(&request, deadline, describe).await {
            Ok(response) if response.status.is_success() => Ok(Response(response)),
            Ok(response) => Err(Response(response).into_error(environment, &self.token)),
            Err(CallError::TooLarge) => Err(Error::TooLarge {
                environment: environment.to_owned(),
                limit: MAX_RESPONSE_BYTES,
            }),
            Err(CallError::Unavailable {
                reason,
                attempts,
                status,
            }) => Err(Error::Unavailable {
                address: self.address.origin().ascii_serialization(),
                environment: environment.to_owned(),
                reason,
                attempts,
                hint: status.map_or(NO_RESPONSE, hint),
            }),
        }
    }

    fn authorization(&self) -> HeaderValue {
        let text = Zeroizing::new(format!("token {}", self.token.expose_secret()));
        let mut value =
            HeaderValue::from_str(&text).expect("tokens are checked to contain only allowed characters");
        value.set_sensitive(true);
        value
    }

    fn malformed(&self, environment: &str, reason: String) -> Error {
        Error::Malformed {
            address: self.address.origin().ascii_serialization(),
            environment: environment.to_owned(),
            reason,
        }
    }
}

/// The response to opening an environment.
#[derive(Deserialize)]
struct Session {
    #[serde(default)]
    id: String,
    #[serde(default)]
    diagnostics: Vec<RawDiagnostic>,
}

impl From<SetupError> for Error {
    fn from(error: SetupError) -> Self {
        match error {
            SetupError::Address(wrong) => Self::Address(wrong),
            SetupError::Certificates(reason) => Self::Certificates(reason),
        }
    }
}
