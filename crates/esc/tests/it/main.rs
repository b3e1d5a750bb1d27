//! The client with a fake service in this process: its requests, its results, and its errors.

use std::time::Duration;

use phoenix_esc::{
    Client, Environment, Error, ExposeSecret as _, RetryPolicy, SecretString, ValueError, Values,
};
use phoenix_testing::esc::{FakeService, Script, Trouble};
use serde_json::json;

const TOKEN: &str = "pul-canary-0f3a";
const LIFETIME: Duration = Duration::from_mins(15);

/// Pauses of a millisecond.
const QUICK: RetryPolicy = RetryPolicy {
    attempt: Duration::from_secs(20),
    total: Duration::from_mins(1),
    attempts: 3,
    pause: Duration::from_millis(1),
};

fn environment() -> Environment {
    Environment {
        organization: "acme".to_owned(),
        project: "shop".to_owned(),
        name: "prod".to_owned(),
        version: None,
    }
}

fn service() -> Script {
    FakeService::with("acme/shop/prod", TOKEN).secret("pulumiConfig", "shop:key", "canary-value")
}

fn client(address: &str, token: &str, policy: RetryPolicy) -> Client {
    Client::new(address, SecretString::from(token))
        .unwrap()
        .with_retry_policy(policy)
}

async fn open(service: &FakeService) -> Result<Values, Error> {
    client(service.address(), TOKEN, QUICK)
        .open(&environment(), LIFETIME)
        .await
}

/// The error message and the number of requests. Fails if the message contains a secret.
async fn failure(script: Script) -> (String, usize) {
    let service = script.start();
    let error = open(&service).await.unwrap_err();
    let message = error.to_string().replace(service.address(), "ADDRESS");
    for shown in [&message, &format!("{error:?}")] {
        assert!(!shown.contains("canary"), "{shown}");
    }
    (message, service.requests().len())
}

#[tokio::test]
async fn an_environment_is_opened_and_read_with_the_two_calls() {
    let service = service().start();
    let values = open(&service).await.unwrap();
    let key = values.secret_text(&["pulumiConfig", "shop:key"]).unwrap();
    assert_eq!(key.expose_secret(), "canary-value");
    assert_eq!(
        values.secret_text(&["pulumiConfig", "shop:other"]).unwrap_err(),
        ValueError::Missing
    );
    assert!(!format!("{values:?}").contains("canary"));
    let requests = service.requests();
    let lines: Vec<_> = requests
        .iter()
        .map(|request| format!("{} {}", request.method, request.target))
        .collect();
    assert_eq!(
        lines,
        [
            "POST /api/esc/environments/acme/shop/prod/open?duration=900s",
            "GET /api/esc/environments/acme/shop/prod/open/session-1",
        ]
    );
    assert_eq!(requests[0].headers["content-length"], "0");
    for request in &requests {
        assert_eq!(request.headers["authorization"], format!("token {TOKEN}"));
        assert_eq!(request.headers["accept"], "application/vnd.pulumi+8");
    }
}

#[tokio::test]
async fn a_version_is_opened_under_its_number_or_tag() {
    let service = FakeService::with("acme/shop/prod@stable", TOKEN).start();
    let environment = Environment {
        version: Some("stable".to_owned()),
        ..environment()
    };
    let client = client(service.address(), TOKEN, QUICK);
    client.open(&environment, LIFETIME).await.unwrap();
    assert!(
        service.requests()[0]
            .target
            .starts_with("/api/esc/environments/acme/shop/prod/versions/stable/open?")
    );
}

#[tokio::test]
async fn invalid_names_are_not_requested() {
    let service = service().start();
    let client = client(service.address(), TOKEN, QUICK);
    for name in ["..", "prod/open", "prod?x", "", "pr od", "%2e%2e"] {
        let environment = Environment {
            name: name.to_owned(),
            ..environment()
        };
        let error = client.open(&environment, LIFETIME).await.unwrap_err();
        assert!(matches!(error, Error::Name(_)), "{name}: {error}");
    }
    assert!(service.requests().is_empty());
}

#[tokio::test]
async fn every_error_response_is_reported_with_a_hint() {
    let diagnostics = json!({"code": 400, "message": "Bad Request", "diagnostics": [
        {"range": {"environment": "shop/common", "begin": {"line": 4, "column": 9, "byte": 40}, "end": {"line": 4, "column": 20, "byte": 51}},
         "summary": "no such property: keys.openai", "severity": "error"},
        {"summary": "assuming role: access denied", "detail": "the role does not trust acme"},
    ]});
    let mut text = String::new();
    for (what, trouble) in [
        (
            "a definition that is wrong",
            Trouble::answer(400, diagnostics.to_string()),
        ),
        ("a bad request", Trouble::refusal(400, "invalid duration")),
        (
            "a wrong token",
            Trouble::refusal(401, &format!("Unauthorized: {TOKEN} is not valid")),
        ),
        (
            "a wrong token, repeated in base64",
            Trouble::refusal(401, "Unauthorized: cHVsLWNhbmFyeS0wZjNh is not valid"),
        ),
        (
            "a missing permission",
            Trouble::refusal(403, "Forbidden: needs environment:open"),
        ),
        (
            "an environment that is not there",
            Trouble::refusal(404, "Not Found: Environment not found"),
        ),
        ("a conflict", Trouble::refusal(409, "Conflict")),
        (
            "something else",
            Trouble::answer(418, "<html>canary teapot</html>"),
        ),
        (
            "another address",
            Trouble::Answer(
                307,
                vec![("location", "https://evil.example.com/".to_owned())],
                String::new(),
            ),
        ),
        ("no JSON", Trouble::answer(200, "<html>canary</html>")),
        ("a list", Trouble::answer(200, r#"["canary", []]"#)),
        ("no session", Trouble::answer(200, "{}")),
        (
            "a session that leads elsewhere",
            Trouble::answer(200, r#"{"id": "../../canary"}"#),
        ),
        (
            "errors in an opened environment",
            Trouble::answer(
                200,
                r#"{"id": "s", "diagnostics": [{"summary": "cannot log in", "path": "values.aws"}]}"#,
            ),
        ),
    ] {
        let (message, requests) = failure(service().trouble(trouble)).await;
        assert_eq!(requests, 1, "{what} is not retried");
        for part in ["# ", what, "\n", &message, "\n\n"] {
            text.push_str(part);
        }
    }
    insta::assert_snapshot!(text.trim_end());
}

#[tokio::test]
async fn values_in_malformed_responses_are_not_quoted() {
    for body in [
        r#"{"properties": {"a": "canary"}}"#,
        r#"{"properties": {"a": {"value": "canary""#,
        "canary",
    ] {
        let (message, requests) = failure(service().well().trouble(Trouble::answer(200, body))).await;
        assert!(message.contains("is not in the format of ESC"), "{message}");
        assert_eq!(requests, 2);
    }
}

#[tokio::test]
async fn transient_errors_are_retried() {
    let at_once = || vec![("retry-after", "0".to_owned())];
    for trouble in [
        Trouble::answer(500, "canary"),
        Trouble::answer(502, ""),
        Trouble::answer(503, ""),
        Trouble::answer(504, ""),
        Trouble::Answer(429, at_once(), String::new()),
        Trouble::Cut,
    ] {
        // Once at the opening, and twice at the reading.
        let service = service()
            .trouble(trouble.clone())
            .well()
            .trouble(trouble.clone())
            .trouble(trouble.clone())
            .start();
        open(&service)
            .await
            .unwrap_or_else(|error| panic!("{trouble:?}: {error}"));
        assert_eq!(service.requests().len(), 5, "{trouble:?}");
    }
}

#[tokio::test]
async fn the_number_of_retries_is_limited() {
    let three = |trouble: Trouble| {
        service()
            .trouble(trouble.clone())
            .trouble(trouble.clone())
            .trouble(trouble)
    };
    let (message, requests) = failure(three(Trouble::answer(503, "canary"))).await;
    assert_eq!(requests, 3);
    assert_eq!(
        message,
        "ESC at ADDRESS is not available for acme/shop/prod: the response is 503 Service Unavailable (attempt 3)\n  hint: check \
         the status page of the service, then try again"
    );
    let limited = Trouble::refusal(429, &format!("too many requests of {TOKEN}"));
    let (message, _) = failure(three(limited)).await;
    assert!(
        message.contains("429 Too Many Requests (message: too many requests of [token]) (attempt 3)\n  hint: the rate limit"),
        "{message}"
    );
    let (message, requests) = failure(three(Trouble::Cut)).await;
    assert_eq!(requests, 3);
    assert!(message.contains("the response is incomplete"), "{message}");
}

#[tokio::test]
async fn a_wait_that_exceeds_the_time_limit_is_not_started() {
    let hour = vec![("retry-after", "3600".to_owned())];
    let (message, requests) = failure(service().trouble(Trouble::Answer(429, hour, String::new()))).await;
    assert_eq!(requests, 1);
    assert!(
        message.contains("429 Too Many Requests; it requests a wait of 3600 s, which exceeds the limit of 60 s for all attempts"),
        "{message}"
    );
}

#[tokio::test]
async fn an_attempt_without_a_response_times_out() {
    let service = service()
        .trouble(Trouble::Silence)
        .trouble(Trouble::Silence)
        .start();
    let hasty = RetryPolicy {
        attempt: Duration::from_millis(30),
        attempts: 2,
        ..QUICK
    };
    let client = client(service.address(), TOKEN, hasty);
    let error = client.open(&environment(), LIFETIME).await.unwrap_err();
    assert_eq!(service.requests().len(), 2);
    assert!(
        error
            .to_string()
            .contains("there is no complete response within 30 ms (attempt 2)"),
        "{error}"
    );
}

#[tokio::test]
async fn a_refused_connection_is_reported() {
    let service = service().start();
    let address = service.address().to_owned();
    // A port that was free a moment ago and is released again.
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let unused = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    assert_ne!(address, unused);
    let client = client(&unused, TOKEN, QUICK);
    let error = client.open(&environment(), LIFETIME).await.unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains(&unused)
            && message.contains("there is no response (")
            && message.contains("(attempt 3)"),
        "{message}"
    );
}

#[tokio::test]
async fn a_response_above_the_maximum_size_is_not_read() {
    let huge = "x".repeat(9 << 20);
    let (message, requests) = failure(service().well().trouble(Trouble::answer(200, huge))).await;
    assert_eq!(requests, 2);
    assert_eq!(
        message,
        "the response of ESC for acme/shop/prod exceeds the maximum of 8388608 bytes"
    );
}

#[tokio::test]
async fn warnings_do_not_stop_an_opening() {
    let service = service().warning("a provider is deprecated").start();
    let values = open(&service).await.unwrap();
    assert_eq!(values.warnings(), ["acme/shop/prod: a provider is deprecated"]);
}

#[test]
fn an_unsafe_address_is_rejected_and_not_quoted() {
    for (address, expected) in [
        ("", "is not a URL"),
        ("canary", "is not a URL"),
        (
            "https://canary:secret@api.pulumi.com",
            "contains a user name or password",
        ),
        (
            "https://canary@api.pulumi.com",
            "contains a user name or password",
        ),
        ("http://canary.example.com", "would be sent unencrypted"),
        ("http://127.0.0.1.canary.example.com", "would be sent unencrypted"),
        ("ftp://canary.example.com", "would be sent unencrypted"),
        ("file:///canary", "has no host"),
        ("https://api.pulumi.com/canary", "only a host and a port"),
        ("https://api.pulumi.com?canary", "must not contain a query"),
    ] {
        let error = Client::new(address, SecretString::from(TOKEN)).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(
            shown.contains(expected) && !shown.contains("canary"),
            "{address}: {shown}"
        );
    }
    for address in [
        "http://127.0.0.1:1",
        "http://localhost",
        "http://[::1]:8080",
        "https://api.pulumi.com/",
    ] {
        let client = Client::new(address, SecretString::from(TOKEN)).unwrap();
        assert!(!format!("{client:?}").contains("canary"), "{client:?}");
    }
}

#[test]
fn an_invalid_token_is_rejected_and_not_quoted() {
    for token in [
        "",
        "pul-canary\n",
        "pul canary",
        "pul-cänary",
        "a\r\nX-Canary: canary",
    ] {
        let error = Client::new("http://127.0.0.1:1", SecretString::from(token)).unwrap_err();
        let shown = format!("{error} {error:?}").to_lowercase();
        assert!(
            shown.contains("the access token for esc") && !shown.contains("canary"),
            "{shown}"
        );
    }
}
