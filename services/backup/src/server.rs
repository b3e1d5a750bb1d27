//! Asks one server over HTTP: bounded in time, in attempts and in what is read.

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

/// The longest answer that is read into memory at once.
const MOST: usize = 64 << 20;
/// How much of an error's text is repeated.
const MOST_SAID: usize = 300;

/// How long and how often a server is asked.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// How long a server may be silent, as while it makes a snapshot.
    pub silence: Duration,
    /// How often one question is asked.
    pub attempts: u32,
    /// The pause before the second attempt, at most; each further one is twice as long.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            silence: Duration::from_mins(20),
            attempts: 5,
            pause: Duration::from_secs(1),
        }
    }
}

/// Whether a question may be asked again when nobody knows whether it was answered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// Asking twice is asking once.
    Always,
    /// Only where the server cannot have begun.
    WhereRefused,
}

/// One server.
pub struct Server {
    base: Url,
    http: reqwest::Client,
    patience: Patience,
    hint: &'static str,
    content_type: &'static str,
    user: Option<(String, SecretString)>,
}

/// One question.
pub struct Question<'a, B: Serialize = ()> {
    /// How.
    pub method: Method,
    /// The path, part by part; each is encoded.
    pub path: &'a [&'a str],
    /// What is behind the question mark.
    pub query: &'a [(&'a str, &'a str)],
    /// What is sent as JSON.
    pub body: Option<&'a B>,
    /// Whether it may be asked again.
    pub again: Again,
    /// What we are doing, for the errors: "list the collections of Qdrant".
    pub doing: &'a str,
}

impl Server {
    /// A server at this address. `headers` go with each request; `hint` says what to look at when it does not know us.
    pub fn new(
        base: Url,
        headers: HeaderMap<HeaderValue>,
        patience: Patience,
        hint: &'static str,
    ) -> Result<Self, Error> {
        if base.cannot_be_a_base() || base.host_str().is_none() {
            return Err(Error::Settings(format!(
                "{base} is not the address of a server\n  hint: http://HOST:PORT"
            )));
        }
        let http = reqwest::Client::builder()
            .default_headers(headers)
            .connect_timeout(Duration::from_secs(10))
            // A server of ours answers itself; whoever sends us elsewhere shall not get our key.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| Error::Settings(format!("cannot set up HTTP: {error}")))?;
        Ok(Self {
            base,
            http,
            patience,
            hint,
            content_type: "application/json",
            user: None,
        })
    }

    /// The same server, spoken to in a kind of JSON of its own.
    pub fn speaking(self, content_type: &'static str) -> Self {
        Self { content_type, ..self }
    }

    /// The same server, with a user and a password in each question of JSON.
    pub fn with_password(self, user: &str, password: &str) -> Self {
        Self {
            user: Some((user.to_owned(), password.to_owned().into())),
            ..self
        }
    }

    /// Its address, for messages.
    pub fn address(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    fn url(&self, path: &[&str], query: &[(&str, &str)]) -> Url {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .expect("looked at when the server was made")
            .pop_if_empty()
            .extend(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    /// Asks, and reads the answer as JSON.
    pub async fn ask<T: DeserializeOwned, B: Serialize + Sync>(
        &self,
        question: &Question<'_, B>,
    ) -> Result<T, Error> {
        let mut attempt = 1;
        loop {
            match self.ask_once(question).await {
                Err(failure) if attempt < self.patience.attempts && failure.again(question.again) => {
                    sleep(self.pause(attempt)).await;
                    attempt += 1;
                }
                Err(failure) => return Err(failure.error),
                Ok(answer) => return Ok(answer),
            }
        }
    }

    async fn ask_once<T: DeserializeOwned, B: Serialize + Sync>(
        &self,
        question: &Question<'_, B>,
    ) -> Result<T, Failure> {
        let url = self.url(question.path, question.query);
        let mut request = self.http.request(question.method.clone(), url);
        if let Some((user, password)) = &self.user {
            request = request.basic_auth(user, Some(password.expose_secret()));
        }
        if let Some(body) = question.body {
            request = request.body(serde_json::to_vec(body).expect("questions are plain data"));
            request = request.header("content-type", self.content_type);
        }
        let response = self
            .send(request, question.doing, Some(self.patience.silence))
            .await?;
        self.json(response, question.doing).await
    }

    /// Reads an answer as JSON.
    async fn json<T: DeserializeOwned>(&self, response: Response, doing: &str) -> Result<T, Failure> {
        let text = self.text(response, doing, MOST).await?;
        serde_json::from_slice(&text).map_err(|error| {
            Failure::for_good(Error::Unreachable {
                doing: doing.to_owned(),
                cause: format!("the answer is not what was expected: {error}"),
            })
        })
    }

    /// Fetches something long. The stream ends with an error where the server stops in the middle.
    pub async fn fetch(
        &self,
        path: &[&str],
        doing: &str,
    ) -> Result<(Option<u64>, impl Stream<Item = Result<Bytes, Error>> + use<>), Error> {
        let mut attempt = 1;
        let response = loop {
            match self
                .send(
                    self.http.get(self.url(path, &[])),
                    doing,
                    Some(self.patience.silence),
                )
                .await
            {
                Err(failure) if attempt < self.patience.attempts && failure.again(Again::Always) => {
                    sleep(self.pause(attempt)).await;
                    attempt += 1;
                }
                Err(failure) => return Err(failure.error),
                Ok(response) => break response,
            }
        };
        let (silence, doing) = (self.patience.silence, doing.to_owned());
        let length = response.content_length();
        let pieces = stream::try_unfold((response, doing), move |(mut response, doing)| async move {
            match timeout(silence, response.chunk()).await {
                Ok(Ok(Some(piece))) => Ok(Some((piece, (response, doing)))),
                Ok(Ok(None)) => Ok(None),
                Ok(Err(error)) => Err(Error::Unreachable {
                    doing,
                    cause: format!("the answer was cut off: {}", chain(&error)),
                }),
                Err(_) => Err(Error::Unreachable {
                    doing,
                    cause: format!("nothing came for {} seconds", silence.as_secs()),
                }),
            }
        });
        Ok((length, pieces))
    }

    /// Sends something long, once, and reads the answer as JSON.
    pub async fn send_all<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        content_type: &str,
        pieces: impl Stream<Item = Result<Bytes, Error>> + Send + 'static,
        doing: &str,
    ) -> Result<T, Error> {
        let request = self
            .http
            .post(self.url(path, query))
            .header("content-type", content_type)
            .body(Body::wrap_stream(pieces));
        // No limit but the one of the whole run: how long a file takes is not known.
        let response = self
            .send(request, doing, None)
            .await
            .map_err(|failure| failure.error)?;
        self.json(response, doing).await.map_err(|failure| failure.error)
    }

    async fn send(
        &self,
        request: RequestBuilder,
        doing: &str,
        limit: Option<Duration>,
    ) -> Result<Response, Failure> {
        let unreachable = |cause: String, begun: bool| Failure {
            error: Error::Unreachable {
                doing: doing.to_owned(),
                cause,
            },
            passing: true,
            begun,
        };
        let answered = match limit {
            Some(limit) => timeout(limit, request.send()).await.map_err(|_| {
                unreachable(format!("no answer came within {} seconds", limit.as_secs()), true)
            })?,
            None => request.send().await,
        };
        let response = answered.map_err(|error| unreachable(chain(&error), !error.is_connect()))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return Err(Failure::for_good(Error::Unauthorized {
                doing: doing.to_owned(),
                status,
                hint: self.hint,
            }));
        }
        // What it says is a help and no more: an answer that breaks off here changes nothing.
        let said = self.text(response, doing, 64 << 10).await.unwrap_or_default();
        Err(Failure {
            error: Error::Refused {
                doing: doing.to_owned(),
                status,
                said: shortened(&said),
            },
            passing: status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS,
            begun: !matches!(
                status,
                StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS
            ),
        })
    }

    async fn text(&self, mut response: Response, doing: &str, most: usize) -> Result<Vec<u8>, Failure> {
        let mut text = Vec::new();
        loop {
            let cause = match timeout(self.patience.silence, response.chunk()).await {
                Ok(Ok(None)) => return Ok(text),
                Ok(Ok(Some(piece))) if text.len() + piece.len() <= most => {
                    text.extend_from_slice(&piece);
                    continue;
                }
                Ok(Ok(Some(_))) => "the answer is too long".to_owned(),
                Ok(Err(error)) => format!("the answer was cut off: {}", chain(&error)),
                Err(_) => "the answer stopped in the middle".to_owned(),
            };
            return Err(Failure {
                error: Error::Unreachable {
                    doing: doing.to_owned(),
                    cause,
                },
                passing: true,
                begun: true,
            });
        }
    }

    /// Between half of it and the whole, so that peers that fail together are not asked together again.
    pub fn pause(&self, attempt: u32) -> Duration {
        let whole = self.patience.pause * 2_u32.saturating_pow(attempt - 1);
        let random = u32::try_from(RandomState::new().hash_one(attempt) % 1000).expect("below a thousand");
        whole / 2 + whole / 2 * random / 1000
    }
}

/// A failure, and whether it may pass.
struct Failure {
    error: Error,
    /// Whether asking again can help.
    passing: bool,
    /// Whether the server may have begun to do what it was asked.
    begun: bool,
}

impl Failure {
    fn for_good(error: Error) -> Self {
        Self {
            error,
            passing: false,
            begun: true,
        }
    }

    fn again(&self, again: Again) -> bool {
        self.passing && (again == Again::Always || !self.begun)
    }
}

/// An error and its causes in one line. Addresses are left out: they are told by what we were doing.
fn chain(error: &reqwest::Error) -> String {
    let mut causes = Vec::new();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        causes.push(cause.to_string());
        source = cause.source();
    }
    if causes.is_empty() {
        return "the connection broke".to_owned();
    }
    causes.join(": ")
}

fn shortened(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    let words: String = said
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .take(MOST_SAID)
        .collect();
    match words.trim() {
        "" => String::new(),
        words => format!(": {words}"),
    }
}
