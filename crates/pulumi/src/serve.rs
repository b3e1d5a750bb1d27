//! How every plugin of ours lives: take a port, say which, serve, and go when told to.
//!
//! It promises that the port line is the first and only thing it writes to stdout, that messages may be as large
//! as the engine sends them, and that the process does not outlive the engine. It does not know which service
//! it serves, nor what the service does when it is cancelled.
//!
//! A plugin stops when one of these happens:
//! - its service calls [`Stop::request`], which its `Cancel` method should do;
//! - the process receives SIGINT or SIGTERM (the engine sends SIGINT after `Cancel`);
//! - stdin ends, *if stdin is a pipe or a socket*. The engine holds the other end of that pipe, so its end means
//!   that the engine is gone, even when it was killed. Any other stdin (`/dev/null`, a terminal, a file) says
//!   nothing about the engine and is never read.

use std::convert::Infallible;
use std::io::{self, IsTerminal as _, Read, Write};
use std::net::Ipv4Addr;
use std::thread;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::server::NamedService;
use tonic::transport::server::{Server, TcpIncoming};

use crate::proto::FullSize;

/// How long calls that are under way may take to end after a stop was requested. The engine sends SIGKILL five
/// seconds after SIGINT, so a longer grace would not be seen.
pub const GRACE: Duration = Duration::from_secs(5);

/// Serves as a plugin until stopped: binds a free port on loopback, prints it, and answers.
///
/// ```no_run
/// use pulumi_wire::proto::language_runtime_server::{LanguageRuntime, LanguageRuntimeServer};
/// use pulumi_wire::serve::{Stop, serve};
///
/// async fn start<H: LanguageRuntime>(host: impl FnOnce(Stop) -> H) -> Result<(), pulumi_wire::serve::ServeError> {
///     let stop = Stop::new();
///     serve(LanguageRuntimeServer::new(host(stop.clone())), stop).await
/// }
/// ```
pub async fn serve<S>(service: S, stop: Stop) -> Result<(), ServeError>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>,
    S: NamedService + FullSize + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .map_err(ServeError::Bind)?;
    let port = listener.local_addr().map_err(ServeError::Bind)?.port();
    // Before the port is known, so that no request to stop can come too early to be seen.
    stop_on_signals(&stop).map_err(ServeError::Signals)?;
    stop_with_stdin(&stop);
    announce(&mut io::stdout().lock(), port).map_err(ServeError::Announce)?;
    serve_on(listener, service, stop).await
}

/// Serves on a listener that the caller has opened, with the same limits and the same end, but without a word on
/// stdout and without watching stdin or signals: for tests.
pub async fn serve_on<S>(listener: TcpListener, service: S, stop: Stop) -> Result<(), ServeError>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>,
    S: NamedService + FullSize + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    // No router: a generated service answers the paths it does not know with `Unimplemented` itself.
    let draining =
        Server::builder().serve_with_incoming_shutdown(service.full_size(), incoming, stop.clone().requested());
    let too_late = async {
        stop.requested().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        served = draining => served.map_err(ServeError::Serve),
        () = too_late => Ok(()),
    }
}

/// What can keep a plugin from serving.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// No port on loopback could be had.
    #[error("cannot listen on 127.0.0.1")]
    Bind(#[source] io::Error),
    /// The operating system refused to tell us of signals.
    #[error("cannot watch for signals")]
    Signals(#[source] io::Error),
    /// Nobody reads our stdout, so nobody would ever call.
    #[error("cannot tell the engine our port on stdout")]
    Announce(#[source] io::Error),
    /// The server broke down.
    #[error("cannot answer the engine's calls")]
    Serve(#[source] tonic::transport::Error),
}

/// A request to stop, shared by all who may make it or wait for it.
#[derive(Clone, Debug)]
pub struct Stop(watch::Sender<bool>);

impl Stop {
    /// Nobody has asked yet.
    pub fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    /// Asks to stop. Asking again changes nothing.
    pub fn request(&self) {
        self.0.send_replace(true);
    }

    /// Whether someone has asked.
    pub fn is_requested(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until someone asks; returns at once if someone has.
    pub async fn requested(self) {
        let mut asked = self.0.subscribe();
        // Cannot fail: `self` keeps the sender alive.
        let _ = asked.wait_for(|asked| *asked).await;
    }
}

impl Default for Stop {
    fn default() -> Self {
        Self::new()
    }
}

/// The one line the engine waits for.
fn announce(stdout: &mut impl Write, port: u16) -> io::Result<()> {
    writeln!(stdout, "{port}")?;
    stdout.flush()
}

fn stop_on_signals(stop: &Stop) -> io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let stop = stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => (),
                _ = terminate.recv() => (),
            }
            stop.request();
        });
    }
    #[cfg(not(unix))]
    {
        let stop = stop.clone();
        tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                stop.request();
            }
        });
    }
    Ok(())
}

/// Ties our life to the engine's, where stdin allows it.
fn stop_with_stdin(stop: &Stop) {
    if stdin_is_held_by_someone() {
        let stop = stop.clone();
        // A thread of its own, because a blocked read must not hold up the end of the runtime.
        thread::spawn(move || {
            wait_for_end(&mut io::stdin().lock());
            stop.request();
        });
    }
}

/// Whether stdin is something that ends when its other side goes away.
#[cfg(unix)]
fn stdin_is_held_by_someone() -> bool {
    use std::os::fd::AsFd as _;
    use std::os::unix::fs::FileTypeExt as _;
    let stdin = io::stdin();
    if stdin.is_terminal() {
        return false;
    }
    let Ok(file) = stdin.as_fd().try_clone_to_owned().map(std::fs::File::from) else {
        return false;
    };
    file.metadata()
        .is_ok_and(|data| data.file_type().is_fifo() || data.file_type().is_socket())
}

/// Other systems give no safe way to ask what stdin is, so it is left alone there.
#[cfg(not(unix))]
fn stdin_is_held_by_someone() -> bool {
    false
}

/// Reads until there is nothing more to come. What was written is of no interest.
fn wait_for_end(input: &mut impl Read) {
    let mut ignored = [0; 256];
    loop {
        match input.read(&mut ignored) {
            Ok(0) => return,
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return,
            Ok(_) | Err(_) => (),
        }
    }
}
