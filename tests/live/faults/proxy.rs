//! A proxy on loopback between the provider and the API server, in which things go wrong as a test wants it.
//!
//! The provider speaks plain HTTP to it, by a kubeconfig with the same name of the context; the API server sees the
//! sandbox's administrator. Promises: what no rule concerns passes unchanged, streams of watches included; writes are
//! counted in the order in which they arrive, dry runs are not writes; while a rule decides about a write, no other
//! write is decided.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Method, Request, Response, header};
use http_body_util::{BodyExt as _, Either, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::live::Live;

/// A request, as a rule sees it.
#[derive(Debug, Clone)]
pub struct Call {
    /// What is to be done.
    pub method: Method,
    /// To what, without the query.
    pub path: String,
    /// Which write it is since the rule was given, from 1; nothing for what changes nothing.
    pub write: Option<usize>,
}

/// What becomes of a request.
pub enum Fate {
    /// It passes.
    Pass,
    /// It passes after a while.
    Wait(Duration),
    /// The API server never sees it, and this status is the answer, with the seconds of a `Retry-After` if there are any.
    Answer(u16, Option<u32>),
    /// Something happens, and the connection ends: the API server never sees it.
    Before(Box<dyn FnOnce() + Send>),
    /// The API server has done it and has answered. Then something happens, and the connection ends: nobody hears the answer.
    After(Box<dyn FnOnce() + Send>),
    /// The API server has done it, and this status is the answer.
    DoneBut(u16),
}

type Rule = Box<dyn FnMut(&Call) -> Fate + Send>;

struct Desk {
    client: Client,
    writes: usize,
    rule: Rule,
}

/// The proxy; it ends when it is dropped.
pub struct Proxy {
    desk: Arc<Mutex<Desk>>,
    kubeconfig: PathBuf,
    runtime: Option<Runtime>,
    _folder: tempfile::TempDir,
}

impl Proxy {
    /// Starts a proxy in front of a sandbox's cluster. Everything passes until there is a rule.
    pub fn of(live: &Live) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let (client, listener) = runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            (client(live).await, listener)
        });
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = folder.path().join("kubeconfig");
        let address = listener.local_addr().unwrap().to_string();
        std::fs::write(&kubeconfig, kubeconfig_to(&live.sandbox().context(), &address)).unwrap();
        let desk = Arc::new(Mutex::new(Desk {
            client,
            writes: 0,
            rule: Box::new(|_| Fate::Pass),
        }));
        runtime.spawn(serve(listener, Arc::clone(&desk)));
        Self {
            desk,
            kubeconfig,
            runtime: Some(runtime),
            _folder: folder,
        }
    }

    /// What leads the provider here.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Forgets the last rule and what it counted, and follows this one. The cluster may have moved in between.
    pub fn obey(&self, live: &Live, rule: impl FnMut(&Call) -> Fate + Send + 'static) {
        let client = self.runtime.as_ref().unwrap().block_on(client(live));
        *self.desk.lock().unwrap() = Desk {
            client,
            writes: 0,
            rule: Box::new(rule),
        };
    }

    /// How many writes have arrived since the last rule was given.
    pub fn writes(&self) -> usize {
        self.desk.lock().unwrap().writes
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // Watches would be waited for.
        self.runtime.take().unwrap().shutdown_background();
    }
}

async fn client(live: &Live) -> Client {
    let kubeconfig = Kubeconfig::read_from(live.sandbox().kubeconfig()).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .unwrap();
    Client::try_from(config).unwrap()
}

fn kubeconfig_to(context: &str, address: &str) -> String {
    serde_json::json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": context, "cluster": {"server": format!("http://{address}")}}],
        "users": [{"name": context, "user": {}}],
        "contexts": [{"name": context, "context": {"cluster": context, "user": context}}],
        "current-context": context,
    })
    .to_string()
}

async fn serve(listener: TcpListener, desk: Arc<Mutex<Desk>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let desk = Arc::clone(&desk);
        tokio::spawn(async move {
            let service = service_fn(move |request| handle(request, Arc::clone(&desk)));
            // An error here is a connection that ended, which is what some rules want.
            let _ended = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

/// The connection is to end without an answer.
#[derive(Debug)]
struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the connection is cut")
    }
}

impl std::error::Error for Cut {}

type Answer = Response<Either<Full<Bytes>, Body>>;

async fn handle(request: Request<Incoming>, desk: Arc<Mutex<Desk>>) -> Result<Answer, Cut> {
    let (fate, client) = {
        let mut desk = desk.lock().unwrap();
        let call = call(&request, &mut desk.writes);
        ((desk.rule)(&call), desk.client.clone())
    };
    match fate {
        Fate::Pass => pass(request, &client).await,
        Fate::Wait(time) => {
            tokio::time::sleep(time).await;
            pass(request, &client).await
        }
        Fate::Answer(status, retry_after) => Ok(answer(status, retry_after)),
        Fate::Before(happens) => {
            happens();
            Err(Cut)
        }
        Fate::After(happens) => {
            let answered = pass(request, &client).await?;
            // The whole answer, so that the server is done with it.
            let _answer = answered.into_body().collect().await;
            happens();
            Err(Cut)
        }
        Fate::DoneBut(status) => {
            let answered = pass(request, &client).await?;
            let _answer = answered.into_body().collect().await;
            Ok(answer(status, None))
        }
    }
}

fn call<B>(request: &Request<B>, writes: &mut usize) -> Call {
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let tries = request
        .uri()
        .query()
        .is_some_and(|query| query.contains("dryRun"));
    let write = (changes && !tries).then(|| {
        *writes += 1;
        *writes
    });
    Call {
        method: request.method().clone(),
        path: request.uri().path().to_owned(),
        write,
    }
}

/// Sends a request on as the administrator, and its answer back as it comes.
async fn pass(request: Request<Incoming>, client: &Client) -> Result<Answer, Cut> {
    let (mut parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
    // They are about this connection, not the next.
    for name in [header::HOST, header::CONNECTION, header::CONTENT_LENGTH] {
        parts.headers.remove(name);
    }
    let request = Request::from_parts(parts, Body::from(body));
    let response = client.send(request).await.map_err(|_| Cut)?;
    let (mut parts, body) = response.into_parts();
    parts.headers.remove(header::CONNECTION);
    parts.version = http::Version::HTTP_11;
    Ok(Response::from_parts(parts, Either::Right(body)))
}

/// What an API server says when it refuses, in its own form.
fn answer(status: u16, retry_after: Option<u32>) -> Answer {
    let (reason, message) = match status {
        429 => (
            "TooManyRequests",
            "the server has received too many requests and has asked us to try again later",
        ),
        503 => (
            "ServiceUnavailable",
            "the server is currently unable to handle the request",
        ),
        504 => ("Timeout", "etcdserver: request timed out"),
        _ => (
            "InternalError",
            "Internal error occurred: etcdserver: mvcc: database space exceeded",
        ),
    };
    let mut text = serde_json::json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "reason": reason,
        "message": message,
        "code": status,
    });
    let mut response = Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "application/json");
    if let Some(seconds) = retry_after {
        response = response.header(header::RETRY_AFTER, seconds);
        text["details"] = serde_json::json!({"retryAfterSeconds": seconds});
    }
    response.body(Either::Left(Full::from(text.to_string()))).unwrap()
}
