//! What the service answers: read within bounds, and what it says of a refusal.

use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::{Diagnostic, Error, Said};
use crate::masking;

/// The most that is read of an answer: far more than an environment holds, far less than would hurt.
pub(crate) const MOST: usize = 8 << 20;

/// The most of a sentence of the service that a person is shown.
const MOST_SAID: usize = 500;

/// A whole answer. Its body may hold secrets, so it is wiped.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Zeroizing<Vec<u8>>,
}

/// Why there is no whole answer.
pub(crate) enum Broken {
    TooLarge,
    Cut(reqwest::Error),
}

impl Answer {
    /// Reads a response to its end, or as much as anybody may want.
    pub(crate) async fn read(mut response: Response) -> Result<Self, Broken> {
        let mut body = Zeroizing::new(Vec::with_capacity(64 << 10));
        while let Some(chunk) = response.chunk().await.map_err(Broken::Cut)? {
            if body.len() + chunk.len() > MOST {
                return Err(Broken::TooLarge);
            }
            append(&mut body, &chunk);
        }
        Ok(Self {
            status: response.status(),
            retry_after: retry_after(response.headers()),
            body,
        })
    }

    /// Whether the same question may be answered otherwise in a moment.
    pub(crate) fn is_passing(&self) -> bool {
        self.status.is_server_error()
            || [StatusCode::TOO_MANY_REQUESTS, StatusCode::REQUEST_TIMEOUT].contains(&self.status)
    }

    /// What to do where the answer stays like this.
    pub(crate) fn way_out(&self) -> &'static str {
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            "too much is asked of it by this token or from this address; wait, and run this again"
        } else {
            "the service is in trouble of its own; look at its status page, and run this again"
        }
    }

    /// The status as a number and in words.
    pub(crate) fn status(&self) -> String {
        status(self.status)
    }

    /// What the service says besides the status, if anything.
    pub(crate) fn said(&self, token: &SecretString) -> Said {
        self.refusal().said(token)
    }

    fn refusal(&self) -> Refusal {
        object(&self.body).unwrap_or_default()
    }

    /// What an answer other than success means.
    pub(crate) fn into_error(self, environment: &str, token: &SecretString) -> Error {
        let refusal = self.refusal();
        let environment = environment.to_owned();
        let said = refusal.said(token);
        let diagnostics = told(refusal.diagnostics, &environment, token);
        match self.status {
            StatusCode::UNAUTHORIZED => Error::Unauthorized { environment, said },
            StatusCode::FORBIDDEN => Error::Forbidden { environment, said },
            StatusCode::NOT_FOUND => Error::NotFound { environment, said },
            StatusCode::CONFLICT => Error::Conflict { environment, said },
            redirection if redirection.is_redirection() => Error::Redirected {
                environment,
                status: status(redirection),
            },
            _ if !diagnostics.is_empty() => Error::Diagnostics {
                environment,
                diagnostics,
            },
            other => Error::Refused {
                environment,
                status: status(other),
                said,
            },
        }
    }
}

/// Reads a JSON object. Serde would take a list for one, field by field.
pub(crate) fn object<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err("no JSON object".to_owned());
    }
    serde_json::from_slice(body).map_err(|error| place(&error))
}

/// Where an answer stops being what it should be.
fn place(error: &serde_json::Error) -> String {
    let what = if error.is_data() {
        "another shape than expected"
    } else {
        "no JSON"
    };
    format!("{what} at line {} column {}", error.line(), error.column())
}

/// Appends without leaving an open copy where the buffer was before it grew.
fn append(body: &mut Zeroizing<Vec<u8>>, chunk: &[u8]) {
    let needed = body.len() + chunk.len();
    if needed > body.capacity() {
        let mut larger = Zeroizing::new(Vec::with_capacity(needed.max(2 * body.capacity())));
        larger.extend_from_slice(body);
        *body = larger;
    }
    body.extend_from_slice(chunk);
}

/// Seconds to wait; the other form, a date, would need our clock to agree with theirs.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn status(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(words) => format!("{} {words}", status.as_u16()),
        None => status.as_u16().to_string(),
    }
}

/// The body of a refusal, as far as it has one.
#[derive(Default, Deserialize)]
struct Refusal {
    message: Option<String>,
    #[serde(default)]
    diagnostics: Vec<RawDiagnostic>,
}

impl Refusal {
    fn said(&self, token: &SecretString) -> Said {
        let message = self.message.as_deref().unwrap_or_default();
        Said(readable(message, token))
    }
}

/// A diagnostic as the service writes it.
#[derive(Deserialize)]
pub(crate) struct RawDiagnostic {
    #[serde(default)]
    range: Option<Range>,
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    summary: String,
    #[serde(default)]
    detail: String,
    #[serde(default)]
    severity: String,
}

#[derive(Deserialize)]
struct Range {
    #[serde(default)]
    environment: String,
    begin: Option<Position>,
}

#[derive(Deserialize)]
struct Position {
    line: u64,
    column: u64,
}

impl RawDiagnostic {
    /// Services older than the field report errors only.
    pub(crate) fn is_error(&self) -> bool {
        self.severity != "warning"
    }
}

/// The diagnostics as a person is told them.
pub(crate) fn told(
    diagnostics: Vec<RawDiagnostic>,
    environment: &str,
    token: &SecretString,
) -> Vec<Diagnostic> {
    diagnostics
        .into_iter()
        .map(|raw| {
            let mut place = environment.to_owned();
            if let Some(range) = &raw.range {
                if !range.environment.is_empty() {
                    place.clone_from(&range.environment);
                }
                if let Some(begin) = range.begin.as_ref().filter(|begin| begin.line > 0) {
                    place = format!("{place}:{}:{}", begin.line, begin.column);
                }
            }
            if let Some(path) = raw.path.as_ref().filter(|path| !path.is_empty()) {
                place = format!("{place} ({path})");
            }
            let summary = if raw.detail.is_empty() || raw.detail == raw.summary {
                raw.summary
            } else {
                format!("{}: {}", raw.summary, raw.detail)
            };
            Diagnostic {
                place: readable(&place, token),
                summary: readable(&summary, token),
            }
        })
        .collect()
}

/// A text of the service as it may be shown: on one line, not too long, and without the token, should it
/// repeat that in any form.
fn readable(text: &str, token: &SecretString) -> String {
    let text = masking::without(text, token);
    let mut shown: String = text
        .chars()
        .map(|character| if character.is_control() { ' ' } else { character })
        .take(MOST_SAID)
        .collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_grows_to_whatever_comes() {
        let mut body = Zeroizing::new(Vec::with_capacity(2));
        for chunk in [&b"ab"[..], b"c", b"", b"defghij"] {
            append(&mut body, chunk);
        }
        assert_eq!(body.as_slice(), b"abcdefghij");
    }

    #[test]
    fn what_the_service_says_is_one_line_without_the_token() {
        let token = SecretString::from("pul-canary");
        let said = readable("\u{1b}[31mbad token pul-canary\r\nfor you", &token);
        assert_eq!(said, "[31mbad token [token]  for you");
        let long = readable(&"ä".repeat(600), &token);
        assert_eq!((long.chars().count(), long.ends_with('…')), (501, true));
    }

    #[test]
    fn a_diagnostic_is_told_with_its_place() {
        let raw = r#"[
            {"range": {"environment": "phoenix/common", "begin": {"line": 3, "column": 5, "byte": 9}, "end": {"line": 3, "column": 9, "byte": 13}},
             "summary": "unknown property \"keys\"", "detail": "the object has key"},
            {"summary": "login failed", "path": "values.aws", "severity": "error"}
        ]"#;
        let raw: Vec<RawDiagnostic> = serde_json::from_str(raw).unwrap();
        assert!(raw.iter().all(RawDiagnostic::is_error));
        let lines: Vec<_> = told(raw, "acme/phoenix/prod", &SecretString::from("t0ken"))
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            lines,
            [
                "phoenix/common:3:5: unknown property \"keys\": the object has key",
                "acme/phoenix/prod (values.aws): login failed"
            ]
        );
    }
}
