//! The language host service.
//!
//! The engine starts two hosts at every preview and calls only [`About`](Host::about) on one of them, so starting a host
//! must be cheap and must not change anything. Methods that preview, up, refresh, destroy, install, about and policy packs
//! do not call return `Unimplemented`, which the engine handles.

use crate::about;
use crate::build::{Build, Trigger};
use crate::environment;
use crate::manifest::Requirement;
use crate::process::{Ending, Job, Output, Supervisor};
use crate::program::{Program, Source};
use crate::run;
use anyhow::Result;
use phoenix_terminal::user_error::render_inline;
use pulumi_wire::proto::language_runtime_server::LanguageRuntime;
use pulumi_wire::proto::run_plugin_response::Output as PluginOutput;
use pulumi_wire::proto::{
    AboutRequest, AboutResponse, GetProgramDependenciesRequest, GetProgramDependenciesResponse,
    GetRequiredPackagesRequest, GetRequiredPackagesResponse, InstallDependenciesRequest,
    InstallDependenciesResponse, LanguageHandshakeRequest, LanguageHandshakeResponse, PackageDependency,
    PluginInfo, RunPluginRequest, RunPluginResponse, RunRequest, RunResponse,
};
use pulumi_wire::serve::Stop;
use std::ffi::OsString;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

/// The maximum number of buffered output chunks.
const BUFFERED_CHUNKS: usize = 16;

/// The language host.
#[derive(Debug)]
pub struct Host {
    supervisor: Supervisor,
    stop: Stop,
    /// The engine's address, from the command line or from a handshake.
    engine: Arc<Mutex<String>>,
}

impl Host {
    /// A host for the engine at this address.
    pub fn new(engine: String, supervisor: Supervisor, stop: Stop) -> Self {
        Self {
            supervisor,
            stop,
            engine: Arc::new(Mutex::new(engine)),
        }
    }

    fn engine(&self) -> String {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The sender of a response stream.
type Responses<T> = mpsc::Sender<Result<T, Status>>;

#[tonic::async_trait]
impl LanguageRuntime for Host {
    async fn handshake(
        &self,
        request: Request<LanguageHandshakeRequest>,
    ) -> Result<Response<LanguageHandshakeResponse>, Status> {
        *self.engine.lock().unwrap_or_else(PoisonError::into_inner) = request.into_inner().engine_address;
        Ok(Response::new(LanguageHandshakeResponse {}))
    }

    async fn get_plugin_info(&self, _: Request<()>) -> Result<Response<PluginInfo>, Status> {
        Ok(Response::new(PluginInfo {
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }))
    }

    async fn get_required_packages(
        &self,
        request: Request<GetRequiredPackagesRequest>,
    ) -> Result<Response<GetRequiredPackagesResponse>, Status> {
        let packages = required_packages(&request.into_inner()).map_err(|error| to_status(&error))?;
        Ok(Response::new(GetRequiredPackagesResponse { packages }))
    }

    async fn run(&self, request: Request<RunRequest>) -> Result<Response<RunResponse>, Status> {
        let (supervisor, engine) = (self.supervisor.clone(), self.engine());
        // In a separate task: if the engine cancels the call, this function is dropped immediately, but the program must have
        // time to exit.
        let (mut sender, receiver) = oneshot::channel();
        tokio::spawn(async move {
            let ended = run::run(&supervisor, &engine, request.into_inner(), sender.closed()).await;
            drop(sender.send(ended));
        });
        let ended = receiver
            .await
            .map_err(|_| Status::internal("the task that runs the program panicked"))?;
        // Returned in the response, because the engine prints it without the prefix of a failed call.
        let response = ended.unwrap_or_else(|error| RunResponse {
            error: render_inline(&error),
            bail: false,
        });
        Ok(Response::new(response))
    }

    type InstallDependenciesStream = ReceiverStream<Result<InstallDependenciesResponse, Status>>;

    async fn install_dependencies(
        &self,
        request: Request<InstallDependenciesRequest>,
    ) -> Result<Response<Self::InstallDependenciesStream>, Status> {
        let (responses, stream) = mpsc::channel(BUFFERED_CHUNKS);
        let supervisor = self.supervisor.clone();
        tokio::spawn(async move {
            let (messages, relayed) = relay(&responses, |stderr| InstallDependenciesResponse {
                stderr,
                ..Default::default()
            });
            let installed = install(&supervisor, &request.into_inner(), &messages).await;
            finish(messages, relayed).await;
            if let Err(error) = installed {
                drop(responses.send(Err(to_status(&error))).await);
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn about(&self, request: Request<AboutRequest>) -> Result<Response<AboutResponse>, Status> {
        let program =
            Program::find(request.into_inner().info.as_ref(), ".").map_err(|error| to_status(&error))?;
        about::compiler(&self.supervisor, &program)
            .await
            .map(Response::new)
            .map_err(|error| to_status(&error))
    }

    async fn get_program_dependencies(
        &self,
        request: Request<GetProgramDependenciesRequest>,
    ) -> Result<Response<GetProgramDependenciesResponse>, Status> {
        let request = request.into_inner();
        let manifest = Program::find(request.info.as_ref(), &request.pwd)
            .and_then(|program| program.manifest())
            .map_err(|error| to_status(&error))?;
        let dependencies = match manifest {
            Some(manifest) => about::crates(&self.supervisor, &manifest, request.transitive_dependencies)
                .await
                .map_err(|error| to_status(&error))?,
            None => Vec::new(),
        };
        Ok(Response::new(GetProgramDependenciesResponse { dependencies }))
    }

    type RunPluginStream = ReceiverStream<Result<RunPluginResponse, Status>>;

    async fn run_plugin(
        &self,
        request: Request<RunPluginRequest>,
    ) -> Result<Response<Self::RunPluginStream>, Status> {
        let (responses, stream) = mpsc::channel(BUFFERED_CHUNKS);
        let supervisor = self.supervisor.clone();
        tokio::spawn(async move {
            let last = match run_plugin(&supervisor, request.into_inner(), &responses).await {
                Ok(code) => Ok(plugin_response(PluginOutput::Exitcode(code))),
                Err(error) => Err(to_status(&error)),
            };
            drop(responses.send(last).await);
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn cancel(&self, _: Request<()>) -> Result<Response<()>, Status> {
        self.stop.request();
        Ok(Response::new(()))
    }
}

fn required_packages(request: &GetRequiredPackagesRequest) -> Result<Vec<PackageDependency>> {
    let Some(manifest) = Program::find(request.info.as_ref(), ".")?.manifest()? else {
        return Ok(Vec::new());
    };
    Ok(manifest.requirements()?.into_iter().map(package).collect())
}

fn package(requirement: Requirement) -> PackageDependency {
    let Requirement {
        name,
        kind,
        version,
        server,
        checksums,
    } = requirement;
    let checksums = checksums
        .into_iter()
        .map(|(platform, digits)| (platform, from_hex(&digits)))
        .collect();
    PackageDependency {
        name,
        kind,
        version,
        server,
        checksums,
    }
}

/// Decodes hexadecimal digits, which are checked when the manifest is read.
fn from_hex(digits: &str) -> Vec<u8> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .expect("checksums are checked to be hexadecimal")
    };
    let pairs = digits.as_bytes().chunks_exact(2);
    pairs
        .map(|pair| u8::try_from(digit(pair[0]) * 16 + digit(pair[1])).expect("two digits are a byte"))
        .collect()
}

async fn install(
    supervisor: &Supervisor,
    request: &InstallDependenciesRequest,
    messages: &Output,
) -> Result<()> {
    let program = Program::find(request.info.as_ref(), &request.directory)?;
    if let Source::Package(manifest) = program.source()? {
        Build::new(&manifest, &program.options.profile)?
            .executable(supervisor, Trigger::Install, messages)
            .await?;
    }
    Ok(())
}

/// Builds and runs a plugin from source, and forwards its output until it exits or the engine cancels the call.
async fn run_plugin(
    supervisor: &Supervisor,
    request: RunPluginRequest,
    responses: &Responses<RunPluginResponse>,
) -> Result<i32> {
    let program = Program::find(request.info.as_ref(), &request.program)?;
    let (stderr, stderr_relayed) = relay(responses, |bytes| plugin_response(PluginOutput::Stderr(bytes)));
    let (stdout, stdout_relayed) = relay(responses, |bytes| plugin_response(PluginOutput::Stdout(bytes)));
    let execution = async {
        let job = Job {
            program: run::executable(supervisor, &program, &stderr).await?,
            arguments: request.args.into_iter().map(OsString::from).collect(),
            environment: environment::for_plugin(&request.env),
            directory: run::folder(&request.pwd, &program)?,
        };
        supervisor
            .run(job, stdout.clone(), stderr.clone(), responses.closed())
            .await
    };
    let ending = execution.await;
    finish(stdout, stdout_relayed).await;
    finish(stderr, stderr_relayed).await;
    Ok(match ending? {
        Ending::Exited(code) => code,
        // The convention of shells.
        Ending::Killed(signal) => 128 + signal,
        Ending::Stopped => 130,
    })
}

fn plugin_response(output: PluginOutput) -> RunPluginResponse {
    RunPluginResponse { output: Some(output) }
}

/// An output whose chunks are sent as responses, and the task that forwards them.
fn relay<T: Send + 'static>(
    responses: &Responses<T>,
    wrap: impl Fn(Vec<u8>) -> T + Send + 'static,
) -> (Output, JoinHandle<()>) {
    let (sender, mut chunks) = mpsc::channel(BUFFERED_CHUNKS);
    let responses = responses.clone();
    let task = tokio::spawn(async move {
        while let Some(piece) = chunks.recv().await {
            if responses.send(Ok(wrap(piece))).await.is_err() {
                return;
            }
        }
    });
    (Output::Chunks(sender), task)
}

/// Waits until all output is forwarded, so that the next response is the last one.
async fn finish(output: Output, relayed: JoinHandle<()>) {
    drop(output);
    // The task neither panics nor is aborted.
    let _ = relayed.await;
}

fn to_status(error: &anyhow::Error) -> Status {
    Status::failed_precondition(render_inline(error))
}
