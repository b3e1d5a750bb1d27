//! An HTTP client for one server, with limits on time, attempts and response size.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, stream};
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Body, Method, RequestBuilder, Response, StatusCode, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{sleep, timeout};

use crate::error::Error;

/// The maximum size of a response that is read into memory.
const MAX_RESPONSE_BYTES: usize = 64 << 20;
/// The maximum number of characters of an error message of the server that is shown.
const MAX_MESSAGE_CHARS: usize = 300;

/// The limits of retries.
#[derive(Clone, Copy, Debug)]
pub struct RetryPolicy {
    /// The maximum time without data from the server, for example while it creates a snapshot.
    pub idle_timeout: Duration,
    /// The maximum number of attempts of one request.
    pub attempts: u32,
    /// The maximum pause before the second attempt. It doubles for each further attempt.
    pub pause: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            idle_timeout: Duration::from_mins(20),
            attempts: 5,
            pause: Duration::from_secs(1),
        }
    }
}

/// When a request is retried.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// After any transient failure: the request is idempotent.
    Always,
    /// Only if the server cannot have started to process the request.
    OnlyIfNotSent,
}

/// A client for one server.
pub struct Server {
    base: Url,
    http: reqwest::Client,
    retry_policy: RetryPolicy,
    hint: &'static str,
    content_type: &'static str,
    user: Option<(String, SecretString)>,
}

/// A request.
pub struct Request<'a, B: Serialize = ()> {
    /// The HTTP method.
    pub method: Method,
    /// The segments of the path; each is percent-encoded.
    pub path: &'a [&'a str],
    /// The query parameters.
    pub query: &'a [(&'a str, &'a str)],
    /// The body, sent as JSON.
    pub body: Option<&'a B>,
    /// When the request is retried.
    pub retry: Retry,
    /// The operation, for errors: "list the collections of Qdrant".
    pub doing: &'a str,
}

impl Server {
    /// Creates a client. `headers` are sent with each request; `hint` is shown if authentication fails.
    pub fn new(
        base: Url,
        headers: HeaderMap<HeaderValue>,
        retry_policy: RetryPolicy,
        hint: &'static str,
    ) -> Result<Self, Error> {
        if base.cannot_be_a_base() || base.host_str().is_none() {
            return Err(Error::Settings(format!(
                "{base} is not the address of a server\n  hint: write it as http://HOST:PORT"
            )));
        }
        let http = reqwest::Client::builder()
            .default_headers(headers)
            .connect_timeout(Duration::from_secs(10))
            // The servers do not redirect. Following a redirect would send the credentials to another address.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| Error::Settings(format!("cannot create the HTTP client: {error}")))?;
        Ok(Self {
            base,
            http,
            retry_policy,
            hint,
            content_type: "application/json",
            user: None,
        })
    }

    /// Sets the content type of JSON requests.
    pub fn with_content_type(self, content_type: &'static str) -> Self {
        Self { content_type, ..self }
    }

    /// Sets the user and password for JSON requests.
    pub fn with_password(self, user: &str, password: &str) -> Self {
        Self {
            user: Some((user.to_owned(), password.to_owned().into())),
            ..self
        }
    }

    /// The address, for messages.
    pub fn address(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    fn url(&self, path: &[&str], query: &[(&str, &str)]) -> Url {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .expect("addresses are checked when the client is created")
            .pop_if_empty()
            .extend(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    /// Sends a request, with retries, and parses the response as JSON.
    pub async fn send<T: DeserializeOwned, B: Serialize + Sync>(
        &self,
        request: &Request<'_, B>,
    ) -> Result<T, Error> {
        let mut attempt = 1;
        loop {
            match self.send_once(request).await {
                Err(failure) if attempt < self.retry_policy.attempts && failure.allows(request.retry) => {
                    sleep(self.pause(attempt)).await;
                    attempt += 1;
                }
                Err(failure) => return Err(failure.error),
                Ok(response) => return Ok(response),
            }
        }
    }

    async fn send_once<T: DeserializeOwned, B: Serialize + Sync>(
        &self,
        request: &Request<'_, B>,
    ) -> Result<T, Failure> {
        let url = self.url(request.path, request.query);
        let mut builder = self.http.request(request.method.clone(), url);
        if let Some((user, password)) = &self.user {
            builder = builder.basic_auth(user, Some(password.expose_secret()));
        }
        if let Some(body) = request.body {
            builder = builder.body(serde_json::to_vec(body).expect("requests are plain data"));
            builder = builder.header("content-type", self.content_type);
        }
        let response = self
            .execute(builder, request.doing, Some(self.retry_policy.idle_timeout))
            .await?;
        self.json(response, request.doing).await
    }

    /// Parses a response as JSON.
    async fn json<T: DeserializeOwned>(&self, response: Response, doing: &str) -> Result<T, Failure> {
        let text = self.text(response, doing, MAX_RESPONSE_BYTES).await?;
        serde_json::from_slice(&text).map_err(|error| {
            Failure::permanent(Error::Unreachable {
                doing: doing.to_owned(),
                cause: format!("the response has an unexpected format: {error}"),
            })
        })
    }

    /// Downloads a large body. The stream ends with an error if the response is incomplete.
    pub async fn fetch(
        &self,
        path: &[&str],
        doing: &str,
    ) -> Result<(Option<u64>, impl Stream<Item = Result<Bytes, Error>> + use<>), Error> {
        let mut attempt = 1;
        let response = loop {
            match self
                .execute(
                    self.http.get(self.url(path, &[])),
                    doing,
                    Some(self.retry_policy.idle_timeout),
                )
                .await
            {
                Err(failure) if attempt < self.retry_policy.attempts && failure.allows(Retry::Always) => {
                    sleep(self.pause(attempt)).await;
                    attempt += 1;
                }
                Err(failure) => return Err(failure.error),
                Ok(response) => break response,
            }
        };
        let (idle_timeout, doing) = (self.retry_policy.idle_timeout, doing.to_owned());
        let length = response.content_length();
        let chunks = stream::try_unfold((response, doing), move |(mut response, doing)| async move {
            match timeout(idle_timeout, response.chunk()).await {
                Ok(Ok(Some(chunk))) => Ok(Some((chunk, (response, doing)))),
                Ok(Ok(None)) => Ok(None),
                Ok(Err(error)) => Err(Error::Unreachable {
                    doing,
                    cause: format!("the response is incomplete: {}", chain(&error)),
                }),
                Err(_) => Err(Error::Unreachable {
                    doing,
                    cause: format!("no data was received for {} seconds", idle_timeout.as_secs()),
                }),
            }
        });
        Ok((length, chunks))
    }

    /// Uploads a large body, without retries, and parses the response as JSON.
    pub async fn upload<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        content_type: &str,
        chunks: impl Stream<Item = Result<Bytes, Error>> + Send + 'static,
        doing: &str,
    ) -> Result<T, Error> {
        let request = self
            .http
            .post(self.url(path, query))
            .header("content-type", content_type)
            .body(Body::wrap_stream(chunks));
        // Limited only by the time limit of the run, because the duration of an upload is unknown.
        let response = self
            .execute(request, doing, None)
            .await
            .map_err(|failure| failure.error)?;
        self.json(response, doing).await.map_err(|failure| failure.error)
    }

    async fn execute(
        &self,
        request: RequestBuilder,
        doing: &str,
        limit: Option<Duration>,
    ) -> Result<Response, Failure> {
        let unreachable = |cause: String, sent: bool| Failure {
            error: Error::Unreachable {
                doing: doing.to_owned(),
                cause,
            },
            transient: true,
            sent,
        };
        let result = match limit {
            Some(limit) => timeout(limit, request.send()).await.map_err(|_| {
                unreachable(
                    format!("there is no response within {} seconds", limit.as_secs()),
                    true,
                )
            })?,
            None => request.send().await,
        };
        let response = result.map_err(|error| unreachable(chain(&error), !error.is_connect()))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return Err(Failure::permanent(Error::Unauthorized {
                doing: doing.to_owned(),
                status,
                hint: self.hint,
            }));
        }
        // The message is optional: a failure to read it is ignored.
        let message = self.text(response, doing, 64 << 10).await.unwrap_or_default();
        Err(Failure {
            error: Error::Rejected {
                doing: doing.to_owned(),
                status,
                message: shortened(&message),
            },
            transient: status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS,
            sent: !matches!(
                status,
                StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS
            ),
        })
    }

    async fn text(&self, mut response: Response, doing: &str, limit: usize) -> Result<Vec<u8>, Failure> {
        let mut text = Vec::new();
        loop {
            let cause = match timeout(self.retry_policy.idle_timeout, response.chunk()).await {
                Ok(Ok(None)) => return Ok(text),
                Ok(Ok(Some(chunk))) if text.len() + chunk.len() <= limit => {
                    text.extend_from_slice(&chunk);
                    continue;
                }
                Ok(Ok(Some(_))) => "the response is too large".to_owned(),
                Ok(Err(error)) => format!("the response is incomplete: {}", chain(&error)),
                Err(_) => "the response stopped before its end".to_owned(),
            };
            return Err(Failure {
                error: Error::Unreachable {
                    doing: doing.to_owned(),
                    cause,
                },
                transient: true,
                sent: true,
            });
        }
    }

    /// The backoff before the next attempt: exponential, with jitter between half and the full pause.
    pub fn pause(&self, attempt: u32) -> Duration {
        let whole = self.retry_policy.pause * 2_u32.saturating_pow(attempt - 1);
        let random = u32::try_from(RandomState::new().hash_one(attempt) % 1000).expect("below a thousand");
        whole / 2 + whole / 2 * random / 1000
    }
}

/// A failed attempt.
struct Failure {
    error: Error,
    /// Whether a retry can succeed.
    transient: bool,
    /// Whether the server may have started to process the request.
    sent: bool,
}

impl Failure {
    fn permanent(error: Error) -> Self {
        Self {
            error,
            transient: false,
            sent: true,
        }
    }

    fn allows(&self, retry: Retry) -> bool {
        self.transient && (retry == Retry::Always || !self.sent)
    }
}

/// An error and its causes on one line, without addresses, which are part of the operation.
fn chain(error: &reqwest::Error) -> String {
    let mut causes = Vec::new();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        causes.push(cause.to_string());
        source = cause.source();
    }
    if causes.is_empty() {
        return "the connection was closed".to_owned();
    }
    causes.join(": ")
}

fn shortened(message: &[u8]) -> String {
    let message = String::from_utf8_lossy(message);
    let text: String = message
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .take(MAX_MESSAGE_CHARS)
        .collect();
    match text.trim() {
        "" => String::new(),
        text => format!(": {text}"),
    }
}
