//! The lifecycle of a plugin: bind a port, print it, serve, and stop on request.
//!
//! Guarantees: the line with the port is the only output to stdout; messages up to the engine's maximum size are
//! accepted; the process does not outlive the engine.
//!
//! A plugin stops when one of these happens:
//! - its service calls [`Stop::request`], usually in its `Cancel` method;
//! - the process receives SIGINT or SIGTERM (the engine sends SIGINT after `Cancel`);
//! - stdin is closed, *if stdin is a pipe or a socket*. The engine holds the other end, so a closed stdin means that the
//!   engine has exited, even if it was killed. Any other stdin (`/dev/null`, a terminal, a file) is never read.

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

/// The time that running calls have to finish after a stop is requested. The engine sends SIGKILL five seconds after
/// SIGINT, so a longer period would have no effect.
pub const GRACE: Duration = Duration::from_secs(5);

/// Serves as a plugin until stopped: binds a free port on loopback, prints it, and answers calls.
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
    // Before the port is printed, so that no early request to stop is missed.
    stop_on_signals(&stop).map_err(ServeError::Signals)?;
    stop_with_stdin(&stop);
    announce(&mut io::stdout().lock(), port).map_err(ServeError::Announce)?;
    serve_on(listener, service, stop).await
}

/// Serves on an existing listener, with the same limits, without printing the port and without watching stdin or
/// signals. Intended for tests.
pub async fn serve_on<S>(listener: TcpListener, service: S, stop: Stop) -> Result<(), ServeError>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>,
    S: NamedService + FullSize + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    // No router: a generated service answers the paths it does not know with `Unimplemented` itself.
    let draining = Server::builder().serve_with_incoming_shutdown(
        service.full_size(),
        incoming,
        stop.clone().requested(),
    );
    let too_late = async {
        stop.requested().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        served = draining => served.map_err(ServeError::Serve),
        () = too_late => Ok(()),
    }
}

/// A failure to serve as a plugin.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// No port on loopback could be bound.
    #[error("cannot listen on 127.0.0.1")]
    Bind(#[source] io::Error),
    /// The signal handlers could not be installed.
    #[error("cannot install signal handlers")]
    Signals(#[source] io::Error),
    /// The port could not be written to stdout, where the engine reads it.
    #[error("cannot write the port to stdout")]
    Announce(#[source] io::Error),
    /// The server failed.
    #[error("cannot serve the engine's calls")]
    Serve(#[source] tonic::transport::Error),
}

/// A shared request to stop. Clones refer to the same request.
#[derive(Clone, Debug)]
pub struct Stop(watch::Sender<bool>);

impl Stop {
    /// A request that has not been made yet.
    pub fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    /// Requests the stop. Further calls have no effect.
    pub fn request(&self) {
        self.0.send_replace(true);
    }

    /// Whether the stop was requested.
    pub fn is_requested(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until the stop is requested. Returns immediately if it was requested before.
    pub async fn requested(self) {
        let mut receiver = self.0.subscribe();
        // Cannot fail: `self` keeps the sender alive.
        let _ = receiver.wait_for(|requested| *requested).await;
    }
}

impl Default for Stop {
    fn default() -> Self {
        Self::new()
    }
}

/// Writes the line that the engine waits for.
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

/// Requests the stop when stdin is closed, if stdin is a pipe or a socket.
fn stop_with_stdin(stop: &Stop) {
    if stdin_has_a_peer() {
        let stop = stop.clone();
        // A separate thread, because a blocked read must not delay the shutdown of the runtime.
        thread::spawn(move || {
            wait_for_end(&mut io::stdin().lock());
            stop.request();
        });
    }
}

/// Whether stdin is a pipe or a socket, which is closed when the process at the other end exits.
#[cfg(unix)]
fn stdin_has_a_peer() -> bool {
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

/// Other systems have no safe way to find out what stdin is, so it is not read.
#[cfg(not(unix))]
fn stdin_has_a_peer() -> bool {
    false
}

/// Reads and discards the input until its end.
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
