//! Responses of the service, and conversion of error responses.

use phoenix_http::StatusCode;
use secrecy::SecretString;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::{Diagnostic, Error, ServiceMessage};
use crate::masking;

/// The maximum size of a response: far more than any environment contains.
pub(crate) const MAX_RESPONSE_BYTES: usize = 8 << 20;

/// The maximum number of characters of a message of the service that is shown.
const MAX_MESSAGE_CHARS: usize = 500;

/// A final response.
pub(crate) struct Response(pub(crate) phoenix_http::Response);

/// The hint to show if retries after this status do not help.
pub(crate) fn hint(status: StatusCode) -> &'static str {
    if status == StatusCode::TOO_MANY_REQUESTS {
        "the rate limit for this token or address is exceeded; wait, then try again"
    } else {
        "check the status page of the service, then try again"
    }
}

/// The message in a response, if there is one.
pub(crate) fn message(body: &[u8], token: &SecretString) -> ServiceMessage {
    object::<ErrorBody>(body).unwrap_or_default().message(token)
}

impl Response {
    /// Converts an error response.
    pub(crate) fn into_error(self, environment: &str, token: &SecretString) -> Error {
        let body: ErrorBody = object(&self.0.body).unwrap_or_default();
        let environment = environment.to_owned();
        let message = body.message(token);
        let diagnostics = diagnostics(body.diagnostics, &environment, token);
        let status = self.0.status_words();
        match self.0.status {
            StatusCode::UNAUTHORIZED => Error::Unauthorized { environment, message },
            StatusCode::FORBIDDEN => Error::Forbidden { environment, message },
            StatusCode::NOT_FOUND => Error::NotFound { environment, message },
            StatusCode::CONFLICT => Error::Conflict { environment, message },
            redirection if redirection.is_redirection() => Error::Redirected { environment, status },
            _ if !diagnostics.is_empty() => Error::Diagnostics {
                environment,
                diagnostics,
            },
            _ => Error::Rejected {
                environment,
                status,
                message,
            },
        }
    }
}

/// Parses a JSON object. Serde would also accept a list, field by field.
pub(crate) fn object<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err("it is not a JSON object".to_owned());
    }
    serde_json::from_slice(body).map_err(|error| position(&error))
}

/// The position of a parse error.
fn position(error: &serde_json::Error) -> String {
    let what = if error.is_data() {
        "unexpected structure"
    } else {
        "invalid JSON"
    };
    format!("{what} at line {} column {}", error.line(), error.column())
}

/// The body of an error response.
#[derive(Default, Deserialize)]
struct ErrorBody {
    message: Option<String>,
    #[serde(default)]
    diagnostics: Vec<RawDiagnostic>,
}

impl ErrorBody {
    fn message(&self, token: &SecretString) -> ServiceMessage {
        let message = self.message.as_deref().unwrap_or_default();
        ServiceMessage(readable(message, token))
    }
}

/// A diagnostic in the service's format.
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
    /// Older services do not set the severity and report only errors.
    pub(crate) fn is_error(&self) -> bool {
        self.severity != "warning"
    }
}

/// Converts diagnostics for display.
pub(crate) fn diagnostics(
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

/// A text of the service for display: on one line, truncated, and with the token masked.
fn readable(text: &str, token: &SecretString) -> String {
    let text = masking::mask(text, token);
    let mut shown: String = text
        .chars()
        .map(|character| if character.is_control() { ' ' } else { character })
        .take(MAX_MESSAGE_CHARS)
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
    fn a_message_is_one_line_without_the_token() {
        let token = SecretString::from("pul-canary");
        let said = readable("\u{1b}[31mbad token pul-canary\r\nfor you", &token);
        assert_eq!(said, "[31mbad token [token]  for you");
        let long = readable(&"ä".repeat(600), &token);
        assert_eq!((long.chars().count(), long.ends_with('…')), (501, true));
    }

    #[test]
    fn a_diagnostic_is_shown_with_its_location() {
        let raw = r#"[
            {"range": {"environment": "phoenix/common", "begin": {"line": 3, "column": 5, "byte": 9}, "end": {"line": 3, "column": 9, "byte": 13}},
             "summary": "unknown property \"keys\"", "detail": "the object has key"},
            {"summary": "login failed", "path": "values.aws", "severity": "error"}
        ]"#;
        let raw: Vec<RawDiagnostic> = serde_json::from_str(raw).unwrap();
        assert!(raw.iter().all(RawDiagnostic::is_error));
        let lines: Vec<_> = diagnostics(raw, "acme/phoenix/prod", &SecretString::from("t0ken"))
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
