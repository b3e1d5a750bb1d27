//! An HTTP/1.1 server on loopback for tests of clients.
//!
//! A test gives a function from [`Request`] to [`Response`]. The function may assert: a panic in it is a violation, the
//! client gets a 500, and the test fails when the [`HttpStub`] is dropped. A response can also be wrong on purpose:
//! cut off, withheld, or replaced by a closed connection.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::future::pending;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::time::Sleep;

/// A request as the server received it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Such as `POST`.
    pub method: String,
    /// The path with its query.
    pub target: String,
    /// The headers, by lower-case names.
    pub headers: BTreeMap<String, String>,
    /// The whole body, decoded from chunks.
    pub body: Vec<u8>,
}

impl Request {
    /// Method and target, such as `GET /memory?limit=1`.
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }

    /// The target without its query.
    pub fn path(&self) -> &str {
        self.target
            .split_once('?')
            .map_or(&*self.target, |(path, _)| path)
    }

    /// The query without its question mark; empty if there is none.
    pub fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }

    /// The value of a header; empty if it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The body as JSON. Panics if it is none, which is a violation.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }
}

/// What the server answers.
#[derive(Clone, Debug)]
pub struct Response(Reply);

#[derive(Clone, Debug)]
enum Reply {
    Answer {
        status: u16,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
        /// How many bytes of the announced length are not sent.
        missing: usize,
    },
    Silence,
    Hangup,
}

impl Response {
    /// An answer with a status and a body.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self(Reply::Answer {
            status,
            headers: Vec::new(),
            body: body.into(),
            missing: 0,
        })
    }

    /// An answer with JSON.
    pub fn json(status: u16, body: &Value) -> Self {
        Self::new(status, body.to_string()).header("content-type", "application/json")
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        if let Reply::Answer { headers, .. } = &mut self.0 {
            headers.push((name.to_owned(), value.into()));
        }
        self
    }

    /// Announces this many bytes more than it sends, and then closes the connection.
    #[must_use]
    pub fn cut_off(mut self, bytes: usize) -> Self {
        if let Reply::Answer { missing, .. } = &mut self.0 {
            *missing = bytes;
        }
        self
    }

    /// No answer at all, for as long as the client waits.
    pub fn silence() -> Self {
        Self(Reply::Silence)
    }

    /// The connection is closed without an answer.
    pub fn hangup() -> Self {
        Self(Reply::Hangup)
    }
}

/// A running server. It ends when dropped.
pub struct HttpStub {
    address: SocketAddr,
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
}

struct Shared {
    answer: Box<dyn Fn(&Request) -> Response + Send + Sync>,
    requests: Mutex<Vec<Request>>,
    violations: Mutex<Vec<String>>,
}

impl HttpStub {
    /// Starts a server on a free port. Requests on different connections are answered in parallel.
    pub fn start(answer: impl Fn(&Request) -> Response + Send + Sync + 'static) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("threads can be started");
        let listener =
            std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port on loopback");
        listener.set_nonblocking(true).expect("a socket option");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared {
            answer: Box::new(answer),
            requests: Mutex::default(),
            violations: Mutex::default(),
        });
        runtime.spawn(accept(listener, Arc::clone(&shared)));
        Self {
            address,
            shared,
            runtime: Some(runtime),
        }
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Such as `http://127.0.0.1:40123`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests so far, in the order of their arrival.
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.shared.requests).clone()
    }

    /// The assertions that failed in the answering function so far. Taking them keeps the drop from failing.
    pub fn take_violations(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.shared.violations))
    }
}

impl Drop for HttpStub {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // A drop that waits is forbidden in asynchronous tests.
            runtime.shutdown_background();
        }
        let violations = self.take_violations();
        if !std::thread::panicking() {
            assert!(
                violations.is_empty(),
                "the stub received requests that it must not receive: {violations:#?}"
            );
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: std::net::TcpListener, shared: Arc<Shared>) {
    let listener = TcpListener::from_std(listener).expect("it is not blocking");
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(stream, Arc::clone(&shared)));
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let service = service_fn(move |request| respond(request, Arc::clone(&shared)));
    // A client that disconnects is not an error, and a cut-off answer ends the connection with one.
    let _ended = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn respond(
    request: hyper::Request<Incoming>,
    shared: Arc<Shared>,
) -> Result<hyper::Response<Content>, std::io::Error> {
    let hangup = || std::io::Error::other("the connection is closed without an answer");
    let request = receive(request).await.ok_or_else(hangup)?;
    lock(&shared.requests).push(request.clone());
    let asked = Arc::clone(&shared);
    let line = request.line();
    // The function may wait.
    let response = tokio::task::spawn_blocking(move || (asked.answer)(&request)).await;
    let response = response.unwrap_or_else(|error| {
        let mut violation = line;
        if let Ok(panic) = error.try_into_panic() {
            let text = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied());
            let _infallible = write!(violation, ": {}", text.unwrap_or("a panic"));
        }
        lock(&shared.violations).push(violation);
        Response::new(500, "the stub's function panicked")
    });
    match response.0 {
        Reply::Silence => pending().await,
        Reply::Hangup => Err(hangup()),
        Reply::Answer {
            status,
            headers,
            body,
            missing,
        } => {
            let mut builder = hyper::Response::builder().status(status);
            if missing > 0 {
                builder = builder.header("content-length", body.len() + missing);
            }
            for (name, value) in headers {
                builder = builder.header(name, value);
            }
            let content = Content {
                data: Some(body.into()),
                pause: (missing > 0).then(|| Box::pin(tokio::time::sleep(Duration::from_millis(20)))),
            };
            Ok(builder.body(content).expect("status and headers are valid"))
        }
    }
}

async fn receive(request: hyper::Request<Incoming>) -> Option<Request> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.ok()?.to_bytes().to_vec();
    let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Some(Request {
        method: head.method.to_string(),
        target: head.uri.to_string(),
        headers: head
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), text(value)))
            .collect(),
        body,
    })
}

/// A body that can end before its announced length.
struct Content {
    data: Option<Bytes>,
    /// What was written is sent during this pause; an early end would otherwise discard it.
    pause: Option<Pin<Box<Sleep>>>,
}

impl Body for Content {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some(data) = self.data.take().filter(|data| !data.is_empty()) {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(context));
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.pause.is_none() && self.data.as_ref().is_none_or(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.pause, &self.data) {
            (None, data) => SizeHint::with_exact(data.as_ref().map_or(0, |data| data.len() as u64)),
            _ => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    /// What comes back on a connection of its own, until the server closes it.
    fn exchange(stub: &HttpStub, request: &str) -> String {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", stub.port())).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        let _reset = stream.read_to_string(&mut answer);
        answer
    }

    const GET: &str = "GET /a/b?c=d HTTP/1.1\r\nHost: stub\r\nConnection: close\r\nX-Test: Yes\r\n\r\n";

    #[test]
    fn a_request_is_answered_and_recorded() {
        let stub = HttpStub::start(|request| Response::json(201, &request.json()).header("x-more", "1"));
        let answer = exchange(
            &stub,
            "PUT /a?b HTTP/1.1\r\nHost: stub\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[1\r\n1\r\n]\r\n0\r\n\r\n",
        );
        assert!(
            answer.starts_with("HTTP/1.1 201 Created\r\n") && answer.contains("x-more: 1\r\n"),
            "{answer}"
        );
        assert!(answer.ends_with("\r\n\r\n[1]"), "{answer}");
        let requests = stub.requests();
        assert_eq!(requests.len(), 1);
        assert_eq!(
            (requests[0].line(), requests[0].path(), requests[0].query()),
            ("PUT /a?b".to_owned(), "/a", "b")
        );
        assert_eq!(requests[0].header("host"), "stub");
        assert_eq!(requests[0].header("x-missing"), "");
    }

    #[test]
    fn an_answer_can_be_cut_off() {
        let stub = HttpStub::start(|_| Response::new(200, "half").cut_off(4));
        let answer = exchange(&stub, GET);
        assert!(
            answer.contains("content-length: 8\r\n") && answer.ends_with("\r\n\r\nhalf"),
            "{answer}"
        );
    }

    #[test]
    fn a_connection_can_be_closed_without_an_answer() {
        let stub = HttpStub::start(|_| Response::hangup());
        assert_eq!(exchange(&stub, GET), "");
    }

    #[test]
    fn a_failed_assertion_of_the_stub_fails_the_test() {
        let stub = HttpStub::start(|request| {
            assert!(request.path() != "/a/b", "secrets are not listed");
            Response::new(200, "")
        });
        assert!(exchange(&stub, GET).starts_with("HTTP/1.1 500 "));
        let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(stub)));
        let message = dropped.unwrap_err().downcast::<String>().unwrap();
        assert!(
            message.contains("GET /a/b?c=d: secrets are not listed"),
            "{message}"
        );
    }

    #[test]
    fn violations_that_a_test_expects_are_taken() {
        let stub = HttpStub::start(|_| panic!("expected"));
        exchange(&stub, GET);
        assert_eq!(stub.take_violations(), ["GET /a/b?c=d: expected"]);
    }

    #[tokio::test]
    async fn a_stub_may_be_dropped_in_an_asynchronous_test() {
        drop(HttpStub::start(|_| Response::silence()));
    }
}
