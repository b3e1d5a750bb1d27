//! A fake Pulumi ESC service: its two calls, its error responses, and the faults that a test scripts.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};

pub use crate::http::Request;
use crate::http::{HttpStub, Response};

/// What the service does instead of answering as it should.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// Another answer: status, further headers, body.
    Answer(u16, Vec<(&'static str, String)>, String),
    /// No answer at all, for as long as the client waits.
    Silence,
    /// The connection ends in the middle of the answer.
    Cut,
}

impl Trouble {
    /// An answer without further headers.
    pub fn answer(status: u16, body: impl Into<String>) -> Self {
        Self::Answer(status, Vec::new(), body.into())
    }

    /// An error response in the service's format.
    pub fn refusal(status: u16, message: &str) -> Self {
        Self::answer(status, json!({"code": status, "message": message}).to_string())
    }

    fn response(self) -> Response {
        match self {
            Self::Silence => Response::silence(),
            Self::Cut => Response::new(200, "{\"id\": ").cut_off(1000),
            Self::Answer(status, headers, body) => headers
                .into_iter()
                .fold(Response::new(status, body), |response, (name, value)| {
                    response.header(name, value)
                }),
        }
    }
}

/// What a [`FakeService`] will do.
#[derive(Debug, Default)]
pub struct Script {
    token: String,
    environment: String,
    properties: BTreeMap<String, Map<String, Value>>,
    /// For each request the trouble it meets, if any.
    troubles: VecDeque<Option<Trouble>>,
    warnings: Vec<Value>,
}

impl Script {
    /// A secret text in a map of the environment.
    #[must_use]
    pub fn secret(self, map: &str, name: &str, text: &str) -> Self {
        self.value(map, name, json!({"value": text, "secret": true}))
    }

    /// A value in a map of the environment, wrapped as the service wraps it.
    #[must_use]
    pub fn value(mut self, map: &str, name: &str, wrapped: Value) -> Self {
        self.properties
            .entry(map.to_owned())
            .or_default()
            .insert(name.to_owned(), wrapped);
        self
    }

    /// Takes a value out of a map of the environment again.
    #[must_use]
    pub fn without(mut self, map: &str, name: &str) -> Self {
        if let Some(fields) = self.properties.get_mut(map) {
            fields.remove(name);
        }
        self
    }

    /// The next request that has no trouble yet meets this one.
    #[must_use]
    pub fn trouble(mut self, trouble: Trouble) -> Self {
        self.troubles.push_back(Some(trouble));
        self
    }

    /// The next request that has no trouble yet meets none.
    #[must_use]
    pub fn well(mut self) -> Self {
        self.troubles.push_back(None);
        self
    }

    /// Opening warns of this.
    #[must_use]
    pub fn warning(mut self, summary: &str) -> Self {
        self.warnings
            .push(json!({"summary": summary, "severity": "warning"}));
        self
    }

    /// Starts the service on a free port of this machine.
    pub fn start(self) -> FakeService {
        let script = Arc::new(Mutex::new(self));
        let stub = HttpStub::start(move |request| {
            let mut script = lock(&script);
            if let Some(trouble) = script.troubles.pop_front().flatten() {
                trouble.response()
            } else {
                let (status, body) = proper(&script, request);
                Response::new(status, body.to_string())
            }
        });
        FakeService {
            address: stub.url(),
            stub,
        }
    }
}

/// A service that answers as ESC does. It ends when dropped.
pub struct FakeService {
    address: String,
    stub: HttpStub,
}

impl FakeService {
    /// A service with one environment, such as `acme/shop/prod@3`, that this token opens.
    pub fn with(environment: &str, token: &str) -> Script {
        Script {
            environment: environment.to_owned(),
            token: token.to_owned(),
            ..Script::default()
        }
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.stub.requests()
    }
}

fn lock(script: &Mutex<Script>) -> MutexGuard<'_, Script> {
    script.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the service answers when nothing is wrong with it.
fn proper(script: &Script, request: &Request) -> (u16, Value) {
    let refused = |status: u16, message: &str| (status, json!({"code": status, "message": message}));
    if request.header("authorization") != format!("token {}", script.token) {
        return refused(401, "Unauthorized: No credentials provided or are invalid.");
    }
    if request.header("accept") != "application/vnd.pulumi+8" {
        return refused(400, "unsupported API version");
    }
    let (name, version) = match script.environment.split_once('@') {
        Some((name, version)) => (name, format!("/versions/{version}")),
        None => (script.environment.as_str(), String::new()),
    };
    let below = format!("/api/esc/environments/{name}");
    let opening = format!("{below}{version}/open?duration=");
    let lifetime = request.target.strip_prefix(&opening);
    let has_lifetime = lifetime.is_some_and(|lifetime| lifetime.ends_with('s'));
    match request.method.as_str() {
        "POST" if has_lifetime => {
            let mut answer = json!({"id": "session-1"});
            if !script.warnings.is_empty() {
                answer["diagnostics"] = Value::from(script.warnings.clone());
            }
            (200, answer)
        }
        "GET" if request.target == format!("{below}/open/session-1") => {
            let trace = json!({"def": {"environment": name, "begin": {"line": 1, "column": 1, "byte": 0}}});
            let properties: Map<String, Value> = script
                .properties
                .iter()
                .map(|(map, fields)| (map.clone(), json!({"value": fields, "trace": trace})))
                .collect();
            (
                200,
                json!({"exprs": {}, "properties": properties, "schema": {"type": "object"}, "executionContext": {}}),
            )
        }
        _ => refused(404, "Not Found: Environment not found"),
    }
}
