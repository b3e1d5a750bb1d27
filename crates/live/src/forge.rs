//! Posts comments on pull requests of GitHub and merge requests of GitLab.
//!
//! Our own comment is found by its first line and by its author, through all pages, and edited in place. The author counts
//! because anyone can write the first line, and an edited comment of another user would remain theirs to change. If our comment
//! was deleted or cannot be edited, a new one is written.

use anyhow::{Context as _, Result, anyhow, bail};
use phoenix_forge::{Place, Post, Posted};
use phoenix_http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use phoenix_http::{CallError, Client, Method, Request, Response, StatusCode, Url, check_address};
use phoenix_report::comment::{Label, MARKER};
use phoenix_terminal::style::escape_line;
use phoenix_terminal::user_error::user_error;
use serde_json::{Value, json};
use tokio::time::Instant;

mod github;
mod gitlab;

/// The maximum number of pages of comments that are read.
const MAX_PAGES: usize = 100;

/// The maximum size of a response.
const MAX_RESPONSE_BYTES: usize = 16 << 20;

/// A comment that exists.
struct Existing {
    id: u64,
    body: String,
    author: String,
}

/// What the two services have in common.
trait Forge {
    /// The comments of a page, and whether there may be another page.
    async fn comments(&self, page: usize) -> Result<(Vec<Existing>, bool)>;

    /// Whether this author is the owner of the token.
    async fn is_own(&self, author: &str) -> Result<bool>;

    /// Changes a comment. `None` if it is gone or cannot be changed.
    async fn edit(&self, id: u64, body: &str) -> Result<Option<Posted>>;

    /// Writes a comment.
    async fn create(&self, body: &str) -> Result<Posted>;

    /// Sets one of [`Label`] and removes the others.
    async fn set_label(&self, label: Label) -> Result<()>;
}

/// Posts a comment.
pub async fn post(post: &Post) -> Result<Posted> {
    match &post.place {
        Place::GitHub(place) => {
            let forge = github::GitHub::connect(place).await?;
            post_to(&forge, post).await
        }
        Place::GitLab(place) => {
            let forge = gitlab::GitLab::connect(place).await?;
            post_to(&forge, post).await
        }
    }
}

async fn post_to(forge: &impl Forge, post: &Post) -> Result<Posted> {
    let existing = find(forge).await.context("cannot list the comments")?;
    let edited = match &existing {
        Some(existing) if existing.body == post.body => Some(Posted::unchanged(existing.id)),
        Some(existing) => forge
            .edit(existing.id, &post.body)
            .await
            .context("cannot edit the comment")?,
        None => None,
    };
    let posted = match edited {
        Some(posted) => posted,
        None => forge
            .create(&post.body)
            .await
            .context("cannot write the comment")?,
    };
    if let Some(label) = post.label {
        forge.set_label(label).await.context("cannot set the label")?;
    }
    Ok(posted)
}

/// Our own comment, if there is one.
async fn find(forge: &impl Forge) -> Result<Option<Existing>> {
    for page in 1..=MAX_PAGES {
        let (comments, has_more) = forge.comments(page).await?;
        for comment in comments {
            if comment.body.trim_start().starts_with(MARKER) && forge.is_own(&comment.author).await? {
                return Ok(Some(comment));
            }
        }
        if !has_more {
            return Ok(None);
        }
    }
    bail!("there are more than {MAX_PAGES} pages of comments")
}

/// A client with a token for the API below an address.
struct Api {
    client: Client,
    base: Url,
    headers: HeaderMap,
    deadline: Instant,
}

impl Api {
    fn new(
        address: &str,
        named_by: &str,
        authorization: (HeaderName, String),
        accept: &'static str,
    ) -> Result<Self> {
        let base = check_address(address)
            .map_err(|error| user_error(format!("{error} (from {named_by})"), format!("check {named_by}")))?;
        let client = Client::new(
            &base,
            concat!("phoenix/", env!("CARGO_PKG_VERSION")),
            MAX_RESPONSE_BYTES,
        )?;
        let (name, value) = authorization;
        let mut value = HeaderValue::from_str(&value).map_err(|_| {
            user_error(
                "the token contains characters that are not allowed, such as a line break",
                "set the token again, without a line break at its end",
            )
        })?;
        value.set_sensitive(true);
        let headers = [
            (name, value),
            (ACCEPT, HeaderValue::from_static(accept)),
            (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        ];
        let deadline = client.deadline();
        Ok(Self {
            client,
            base,
            headers: HeaderMap::from_iter(headers),
            deadline,
        })
    }

    fn url(&self, segments: &[&str], query: &[(&str, &str)]) -> Url {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .expect("addresses are checked to have a host")
            .pop_if_empty()
            .extend(segments);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    async fn call(&self, method: Method, url: Url, body: Option<&Value>) -> Result<Response> {
        let request = Request {
            method,
            url,
            headers: self.headers.clone(),
            body: body.map(|body| body.to_string().into_bytes()).unwrap_or_default(),
        };
        let call = self.client.call(&request, self.deadline, said);
        call.await.map_err(|error| match error {
            CallError::TooLarge => anyhow!("the response is larger than {} MiB", MAX_RESPONSE_BYTES >> 20),
            CallError::Unavailable { reason, attempts, .. } => {
                anyhow!(
                    "{} is not available: {reason} (attempt {attempts})",
                    self.base.origin().ascii_serialization()
                )
            }
        })
    }

    /// Sends a request whose response must be a success.
    async fn expect(&self, method: Method, url: Url, body: Option<&Value>) -> Result<Value> {
        let response = self.call(method, url, body).await?;
        if response.status.is_success() {
            return json_of(&response);
        }
        Err(refused(&response))
    }
}

/// The JSON in a response; null if it is empty.
fn json_of(response: &Response) -> Result<Value> {
    if response.body.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&response.body).context("the response is not JSON")
}

/// The message of the service, on one line.
fn said(response: &Response) -> String {
    let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let message = body.get("message").or_else(|| body.get("error"));
    let message = match message {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => return String::new(),
    };
    let short: String = message.chars().take(300).collect();
    format!(" ({})", escape_line(&short))
}

/// The error for a response that is final and no success.
fn refused(response: &Response) -> anyhow::Error {
    let hint = match response.status {
        StatusCode::UNAUTHORIZED => "check the token: it may have expired",
        StatusCode::FORBIDDEN => {
            "the token needs the permission to write comments (GitHub: `pull-requests: write`; GitLab: scope `api`)"
        }
        StatusCode::NOT_FOUND => "check the repository and the number, and that the token may read them",
        StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY => {
            "the document may be too long; it must have at most 65,536 characters"
        }
        status if status.is_redirection() => "the repository may have been renamed; use its new name",
        _ => "check the status page of the service, then try again",
    };
    user_error(
        format!("the response is {}{}", response.status_words(), said(response)),
        hint,
    )
}

/// Fields of a JSON response that must exist.
fn field<T>(value: Option<T>, name: &str) -> Result<T> {
    value.with_context(|| format!("the response has no field {name}"))
}

/// The comment in a response.
fn posted(comment: &Value, address: &str) -> Result<Posted> {
    let id = field(comment["id"].as_u64(), "id")?;
    Ok(Posted {
        id,
        address: comment[address].as_str().map(str::to_owned),
        is_changed: true,
    })
}

fn body_of(text: &str) -> Value {
    json!({"body": text})
}
