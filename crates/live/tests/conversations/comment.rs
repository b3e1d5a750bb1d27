//! `phoenix comment --post`: against a server that behaves like the APIs of GitHub and GitLab.

use std::sync::{Arc, Mutex, PoisonError};

use phoenix_testing::http::{HttpStub, Request, Response};
use serde_json::{Value, json};

use crate::support::{Answer, Checkout};

const TOKEN: &str = "ghs_canary_of_the_tests";
const BOT: &str = "github-actions[bot]";
const OLD: &str = "<!-- phoenix:comment v1 infra/change sha256:0 -->\nold";
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// A comment of the fake service.
#[derive(Clone, Debug, PartialEq)]
struct Comment {
    id: u64,
    body: String,
    author: String,
}

/// The state of the fake service, and what it does wrong.
#[derive(Default)]
struct Forge {
    comments: Mutex<Vec<Comment>>,
    labels: Mutex<Vec<String>>,
    pulls: Vec<Value>,
    /// The responses to the next requests with this method, instead of the usual ones.
    faults: Mutex<Vec<(&'static str, Response)>>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Forge {
    fn with(comments: &[(&str, &str)]) -> Self {
        let comments = comments.iter().zip(1..).map(|((author, body), id)| Comment {
            id,
            body: (*body).to_owned(),
            author: (*author).to_owned(),
        });
        Self {
            comments: Mutex::new(comments.collect()),
            ..Self::default()
        }
    }

    fn fault(self, method: &'static str, response: Response) -> Self {
        lock(&self.faults).push((method, response));
        self
    }

    fn bodies(&self) -> Vec<String> {
        lock(&self.comments)
            .iter()
            .map(|comment| comment.body.clone())
            .collect()
    }

    fn answer(&self, request: &Request) -> Response {
        assert!(
            [format!("Bearer {TOKEN}"), TOKEN.to_owned()].iter().any(|token| [
                request.header("authorization"),
                request.header("private-token")
            ]
            .contains(&token.as_str())),
            "no token: {request:?}"
        );
        let mut faults = lock(&self.faults);
        if let Some(position) = faults.iter().position(|(method, _)| *method == request.method) {
            return faults.remove(position).1;
        }
        drop(faults);
        let is_gitlab = request.path().starts_with("/api/v4");
        let parts: Vec<_> = request.path().trim_start_matches('/').split('/').collect();
        match (request.method.as_str(), parts.as_slice()) {
            ("GET", ["api", "v4", "user"]) => Response::json(200, &json!({"username": BOT})),
            ("GET", ["repos", "acme", "platform", "pulls"]) => {
                Response::json(200, &Value::from(self.pulls.clone()))
            }
            ("GET", [.., "labels"]) => {
                let labels = lock(&self.labels);
                let labels: Vec<_> = labels.iter().map(|name| json!({"name": name})).collect();
                Response::json(200, &Value::from(labels))
            }
            ("POST", [.., "labels"]) => {
                let added = request.json()["labels"][0].as_str().unwrap().to_owned();
                lock(&self.labels).push(added);
                Response::json(200, &json!([]))
            }
            ("DELETE", [.., "labels", name]) => {
                let name = name.replace("%2F", "/");
                lock(&self.labels).retain(|label| *label != name);
                Response::json(200, &json!([]))
            }
            ("PUT", ["api", "v4", "projects", "group%2Fproject", "merge_requests", "7"]) => {
                let body = request.json();
                *lock(&self.labels) = vec![body["add_labels"].as_str().unwrap().to_owned()];
                Response::json(200, &json!({}))
            }
            (
                "GET",
                ["repos", "acme", "platform", "issues", "7", "comments"]
                | [
                    "api",
                    "v4",
                    "projects",
                    "group%2Fproject",
                    "merge_requests",
                    "7",
                    "notes",
                ],
            ) => self.page(request, is_gitlab),
            ("POST", [.., "comments" | "notes"]) => {
                let mut comments = lock(&self.comments);
                let id = comments.len() as u64 + 1;
                let body = request.json()["body"].as_str().unwrap().to_owned();
                if body.chars().count() > 65_536 {
                    return Response::json(422, &json!({"message": "Body is too long"}));
                }
                comments.push(Comment {
                    id,
                    body,
                    author: BOT.to_owned(),
                });
                Response::json(
                    201,
                    &json!({"id": id, "html_url": format!("https://example.com/{id}")}),
                )
            }
            ("PATCH" | "PUT", [.., "comments" | "notes", id]) => {
                let mut comments = lock(&self.comments);
                let Some(comment) = comments.iter_mut().find(|comment| comment.id.to_string() == *id) else {
                    return Response::json(404, &json!({"message": "Not Found"}));
                };
                let body = request.json();
                body["body"].as_str().unwrap().clone_into(&mut comment.body);
                Response::json(
                    200,
                    &json!({"id": comment.id, "html_url": "https://example.com/edited"}),
                )
            }
            other => panic!("unexpected request: {other:?}"),
        }
    }

    /// A page of at most two comments, whatever the client asks for.
    fn page(&self, request: &Request, is_gitlab: bool) -> Response {
        const SIZE: usize = 2;
        let page: usize = request
            .query()
            .split('&')
            .find_map(|part| part.strip_prefix("page="))
            .and_then(|page| page.parse().ok())
            .unwrap();
        let comments = lock(&self.comments);
        let shown: Vec<_> = comments
            .iter()
            .skip((page - 1) * SIZE)
            .take(SIZE)
            .map(|comment| {
                json!({
                    "id": comment.id, "body": comment.body,
                    "user": {"login": comment.author}, "author": {"username": comment.author},
                })
            })
            .collect();
        let has_more = comments.len() > page * SIZE;
        let response = Response::json(200, &Value::from(shown));
        match (is_gitlab, has_more) {
            (true, true) => response.header("x-next-page", (page + 1).to_string()),
            (true, false) => response.header("x-next-page", ""),
            (false, true) => response.header(
                "link",
                format!("<https://example.com/?page={}>; rel=\"next\"", page + 1),
            ),
            (false, false) => response,
        }
    }
}

/// Posts the comment on a change of dev, and returns the answer with the server.
fn post(forge: Forge, arguments: &[&str]) -> (Answer, Arc<Forge>, Arc<HttpStub>) {
    let checkout = Checkout::new();
    checkout.edit(
        "stacks/Pulumi.dev.yaml",
        "    auditDays: 7\n",
        "    auditDays: 9\n",
    );
    let forge = Arc::new(forge);
    let behind = Arc::clone(&forge);
    let server = Arc::new(HttpStub::start(move |request| behind.answer(request)));
    checkout.write("event.json", r#"{"pull_request": {"number": 7}}"#);
    let mut command = checkout.command(&["comment", "dev", "--base", "HEAD", "--post"]);
    command
        .args(arguments)
        .env("GITHUB_REPOSITORY", "acme/platform")
        .env("GITHUB_API_URL", server.url())
        .env("GITHUB_TOKEN", TOKEN)
        .env("GITHUB_EVENT_PATH", checkout.path("event.json"));
    let answer = checkout.answer(&mut command);
    assert!(
        !answer.out.contains(TOKEN) && !answer.err.contains(TOKEN),
        "{answer}"
    );
    (answer, forge, server)
}

fn methods(server: &HttpStub) -> Vec<String> {
    server
        .requests()
        .into_iter()
        .map(|request| request.method)
        .collect()
}

#[test]
fn the_first_comment_is_written() {
    let (answer, forge, _) = post(Forge::with(&[("somebody", "hello")]), &[]);
    assert_eq!((answer.code, answer.out.as_str()), (0, ""), "{answer}");
    assert!(answer.err.contains("posted: https://example.com/2"), "{answer}");
    let bodies = forge.bodies();
    assert_eq!(bodies.len(), 2);
    assert!(
        bodies[1].starts_with("<!-- phoenix:comment v1 infra/change sha256:"),
        "{bodies:?}"
    );
}

#[test]
fn the_own_comment_is_found_through_all_pages_and_edited() {
    // Somebody else has copied the first line, and could change a comment that we took for ours.
    let (answer, forge, server) = post(
        Forge::with(&[
            ("evil", OLD),
            ("a", "b"),
            ("c", "d"),
            ("e", "f"),
            (BOT, "other"),
            (BOT, OLD),
        ]),
        &[],
    );
    assert_eq!(answer.code, 0, "{answer}");
    assert_eq!(methods(&server), ["GET", "GET", "GET", "PATCH"]);
    let bodies = forge.bodies();
    assert_eq!((bodies.len(), bodies[0].as_str()), (6, OLD));
    assert!(
        bodies[5].contains("infra/change") && bodies[5] != OLD,
        "{bodies:?}"
    );
}

#[test]
fn an_equal_comment_is_not_edited() {
    let checkout = Checkout::new();
    checkout.edit(
        "stacks/Pulumi.dev.yaml",
        "    auditDays: 7\n",
        "    auditDays: 9\n",
    );
    let forge = Arc::new(Forge::default());
    let behind = Arc::clone(&forge);
    let server = HttpStub::start(move |request| behind.answer(request));
    for _ in 0..2 {
        let mut command = checkout.command(&[
            "comment",
            "dev",
            "--base",
            "HEAD",
            "--post",
            "--pull-request",
            "7",
        ]);
        command
            .env("GITHUB_REPOSITORY", "acme/platform")
            .env("GITHUB_API_URL", server.url())
            .env("GITHUB_TOKEN", TOKEN);
        assert_eq!(checkout.answer(&mut command).code, 0);
    }
    assert_eq!(methods(&server), ["GET", "POST", "GET"]);
}

#[test]
fn a_comment_that_cannot_be_edited_is_written_again() {
    for status in [404, 410, 403] {
        let refused = Response::json(status, &json!({"message": "no"}));
        let (answer, forge, server) = post(Forge::with(&[(BOT, OLD)]).fault("PATCH", refused), &[]);
        assert_eq!(answer.code, 0, "{answer}");
        assert_eq!(methods(&server), ["GET", "PATCH", "POST"]);
        assert_eq!(forge.bodies().len(), 2);
    }
}

#[test]
fn a_rate_limit_is_waited_for_within_limits() {
    let limited = |status, seconds: &str| {
        Response::json(status, &json!({"message": "rate limit"})).header("retry-after", seconds.to_owned())
    };
    for status in [429, 403] {
        let (answer, forge, _) = post(Forge::default().fault("POST", limited(status, "0")), &[]);
        assert_eq!((answer.code, forge.bodies().len()), (0, 1), "{answer}");
    }
    let (answer, forge, _) = post(Forge::default().fault("POST", limited(403, "3600")), &[]);
    assert_eq!((answer.code, forge.bodies().len()), (1, 0), "{answer}");
    assert!(answer.err.contains("it requests a wait of 3600 s"), "{answer}");
}

#[test]
fn a_refusal_is_an_error_with_a_hint() {
    for (method, status, hint) in [
        ("POST", 422, "too long"),
        ("GET", 401, "check the token"),
        ("GET", 404, "check the repository"),
        ("GET", 301, "renamed"),
    ] {
        let refused = Response::json(status, &json!({"message": "no \u{1b}[31m"}))
            .header("location", "http://127.0.0.1:1/");
        let (answer, forge, _) = post(Forge::default().fault(method, refused), &[]);
        assert_eq!((answer.code, forge.bodies().len()), (1, 0), "{answer}");
        assert!(
            answer.err.contains(hint) && !answer.err.contains('\u{1b}'),
            "{answer}"
        );
    }
}

#[test]
fn one_label_is_set() {
    let forge = Forge::default();
    *lock(&forge.labels) = vec!["bug".to_owned(), "infra/destroy".to_owned()];
    let (answer, forge, _) = post(forge, &["--set-label"]);
    assert_eq!(answer.code, 0, "{answer}");
    assert_eq!(*lock(&forge.labels), ["bug", "infra/change"]);
}

#[test]
fn a_run_of_a_fork_finds_its_pull_request_by_the_head() {
    let pull = |number: u64, repository: &str, branch: &str, commit: &str| json!({"number": number, "head": {"ref": branch, "sha": commit, "repo": {"full_name": repository}}});
    let head = ["--head", "fork/platform", "feature", COMMIT];
    let with = |pulls: Vec<Value>| Forge {
        pulls,
        ..Forge::default()
    };
    let other = "f".repeat(40);
    let (answer, forge, server) = post(
        with(vec![
            pull(5, "fork/platform", "feature", &other),
            pull(6, "evil/platform", "feature", COMMIT),
            pull(7, "Fork/platform", "feature", COMMIT),
        ]),
        &head,
    );
    assert_eq!((answer.code, forge.bodies().len()), (0, 1), "{answer}");
    assert!(server.requests()[0].query().contains("head=fork%3Afeature"));
    for (pulls, said) in [
        (
            vec![pull(7, "fork/platform", "feature", &other)],
            "no open pull request",
        ),
        (vec![], "no open pull request"),
        (
            vec![
                pull(7, "fork/platform", "feature", COMMIT),
                pull(8, "fork/platform", "feature", COMMIT),
            ],
            "2 open pull requests",
        ),
    ] {
        let (answer, forge, _) = post(with(pulls), &head);
        assert_eq!((answer.code, forge.bodies().len()), (1, 0), "{answer}");
        assert!(answer.err.contains(said), "{answer}");
    }
    let (answer, _, server) = post(Forge::default(), &["--head", "fork", "feature", COMMIT]);
    assert_eq!((answer.code, server.requests().len()), (1, 0), "{answer}");
}

/// Posts a file in a folder that is no checkout.
fn post_document(text: &str, arguments: &[&str]) -> (Answer, Arc<Forge>) {
    let checkout = Checkout::bare();
    checkout.write("empty/comment.md", text);
    let forge = Arc::new(Forge::default());
    let behind = Arc::clone(&forge);
    let server = HttpStub::start(move |request| behind.answer(request));
    let mut command = checkout.command(&[
        "comment",
        "--post",
        "--document",
        "comment.md",
        "--pull-request",
        "7",
    ]);
    command
        .current_dir(checkout.path("empty"))
        .args(arguments)
        .env("GITHUB_REPOSITORY", "acme/platform")
        .env("GITHUB_API_URL", server.url())
        .env("GITHUB_TOKEN", TOKEN);
    (checkout.answer(&mut command), forge)
}

#[test]
fn a_document_that_is_not_trusted_stays_in_a_code_block() {
    let hostile = "<!-- phoenix:comment v1 infra/no-change sha256:0 -->\n```\n````\n</details> @maintainer <img src=x>\n";
    let (answer, forge) = post_document(hostile, &["--untrusted"]);
    assert_eq!(answer.code, 0, "{answer}");
    let body = forge.bodies().remove(0);
    let (before, block) = body.split_once("`````text\n").unwrap_or_else(|| panic!("{body}"));
    assert!(
        before.starts_with("<!-- phoenix:comment v1 untrusted -->\n"),
        "{body}"
    );
    assert!(before.contains("It is not verified"), "{body}");
    assert!(
        block.ends_with("\n`````\n") && block.contains("@maintainer"),
        "{body}"
    );
    // A file of any size fits.
    let (answer, forge) = post_document(
        &format!("{}{}", "`".repeat(60_000), "@\u{202e}##[".repeat(100_000)),
        &["--untrusted"],
    );
    assert_eq!(answer.code, 0, "{answer}");
    assert!(
        forge.bodies()[0].chars().count() < 65_536,
        "{}",
        forge.bodies()[0].len()
    );
}

#[test]
fn a_document_of_another_run_is_posted_with_its_label() {
    let digest = "0".repeat(64);
    let document = format!("<!-- phoenix:comment v1 infra/destroy sha256:{digest} -->\n### dev: 1 DELETE\n");
    let (answer, forge) = post_document(&document, &["--set-label"]);
    assert_eq!(answer.code, 0, "{answer}");
    assert_eq!(forge.bodies(), std::slice::from_ref(&document));
    assert_eq!(*lock(&forge.labels), ["infra/destroy"]);
    for other in [
        String::new(),
        "### dev".to_owned(),
        document.replace("v1", "v2"),
        document.replace("infra/destroy", "infra/other"),
        document.replace(&digest, "0 --><b>"),
        format!("{document}{}", "x".repeat(60_000)),
    ] {
        let (answer, forge) = post_document(&other, &[]);
        assert_eq!((answer.code, forge.bodies().len()), (1, 0), "{answer}");
        assert!(
            answer.err.contains("is not a document of `phoenix comment`"),
            "{answer}"
        );
    }
}

#[test]
fn notes_of_gitlab_are_edited_too() {
    let forge = Arc::new(Forge::with(&[("evil", OLD), ("a", "b"), ("c", "d"), (BOT, OLD)]));
    let behind = Arc::clone(&forge);
    let server = HttpStub::start(move |request| behind.answer(request));
    let checkout = Checkout::new();
    checkout.edit(
        "stacks/Pulumi.dev.yaml",
        "    auditDays: 7\n",
        "    auditDays: 9\n",
    );
    let mut command = checkout.command(&["comment", "dev", "--base", "HEAD", "--post", "--set-label"]);
    command
        .env("GITLAB_CI", "true")
        .env("CI_API_V4_URL", format!("{}/api/v4", server.url()))
        .env("CI_PROJECT_ID", "group/project")
        .env("CI_MERGE_REQUEST_IID", "7")
        .env("GITLAB_TOKEN", TOKEN);
    let answer = checkout.answer(&mut command);
    assert_eq!(answer.code, 0, "{answer}");
    assert_eq!(methods(&server), ["GET", "GET", "GET", "PUT", "PUT"]);
    let bodies = forge.bodies();
    assert_eq!((bodies.len(), bodies[0].as_str()), (4, OLD));
    assert!(
        bodies[3].contains("infra/change") && bodies[3] != OLD,
        "{bodies:?}"
    );
    assert_eq!(*lock(&forge.labels), ["infra/change"]);
}

#[test]
fn what_is_missing_is_an_error_before_anything_is_compared() {
    let checkout = Checkout::new();
    let variables = [
        ("GITHUB_REPOSITORY", "acme/platform"),
        ("GITHUB_TOKEN", TOKEN),
        ("GITHUB_EVENT_PATH", "event.json"),
    ];
    checkout.write("event.json", r#"{"workflow_run": {"pull_requests": []}}"#);
    for (missing, said) in [
        (Some("GITHUB_REPOSITORY"), "GITHUB_REPOSITORY is not set"),
        (Some("GITHUB_TOKEN"), "GITHUB_TOKEN is not set"),
        (Some("GITHUB_EVENT_PATH"), "GITHUB_EVENT_PATH is not set"),
        (None, "the event of this run names no pull request"),
    ] {
        let mut command = checkout.command(&["comment", "dev", "--post"]);
        for (name, value) in variables {
            if Some(name) != missing {
                command.env(name, value);
            }
        }
        let answer = checkout.answer(&mut command);
        assert_eq!(answer.code, 1, "{answer}");
        assert!(
            answer.err.contains(said) && answer.err.contains("hint: "),
            "{answer}"
        );
    }
    let unsafe_address = checkout.answer(
        checkout
            .command(&["comment", "dev", "--post", "--pull-request", "7"])
            .env("GITHUB_REPOSITORY", "acme/platform")
            .env("GITHUB_TOKEN", TOKEN)
            .env("GITHUB_API_URL", "http://example.com"),
    );
    assert_eq!(unsafe_address.code, 1, "{unsafe_address}");
    assert!(
        unsafe_address.err.contains("must begin with https://"),
        "{unsafe_address}"
    );
    assert!(!unsafe_address.err.contains(TOKEN), "{unsafe_address}");
}
