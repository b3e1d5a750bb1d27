//! The language host: what the engine asks, and who here answers it.
//!
//! The engine starts two of these at every preview and asks one of them for nothing but [`About`](Host::about), so a
//! start costs little and changes nothing. Methods that Pulumi has and its preview, up, refresh, destroy, install,
//! about and policy packs do not call are answered with `Unimplemented`, which the engine takes well.

use crate::about;
use crate::building::{Build, Occasion};
use crate::environment;
use crate::manifest::Requirement;
use crate::mistake::tell;
use crate::process::{Ending, Job, Output, Supervisor};
use crate::program::{Program, Source};
use crate::running;
use anyhow::Result;
use pulumi_wire::proto::language_runtime_server::LanguageRuntime;
use pulumi_wire::proto::run_plugin_response::Output as Said;
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

/// How many pieces of output may wait for the engine.
const PIECES: usize = 16;

/// Answers the engine.
#[derive(Debug)]
pub struct Host {
    supervisor: Supervisor,
    stop: Stop,
    /// From the command line, or from a handshake where an engine finds us running.
    engine: Arc<Mutex<String>>,
}

impl Host {
    /// For the engine at this address.
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

/// What a stream of answers is made of.
type Answers<T> = mpsc::Sender<Result<T, Status>>;

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
        let packages = required_packages(&request.into_inner()).map_err(|error| refuse(&error))?;
        Ok(Response::new(GetRequiredPackagesResponse { packages }))
    }

    async fn run(&self, request: Request<RunRequest>) -> Result<Response<RunResponse>, Status> {
        let (supervisor, engine) = (self.supervisor.clone(), self.engine());
        // In a task of its own: when the engine gives up the call, this function is dropped at once, but the program
        // shall have its time to end.
        let (mut waiting, answer) = oneshot::channel();
        tokio::spawn(async move {
            let ended = running::run(&supervisor, &engine, request.into_inner(), waiting.closed()).await;
            drop(waiting.send(ended));
        });
        let ended = answer
            .await
            .map_err(|_| Status::internal("the task that runs the program has died"))?;
        // An error in the answer reads better than a failed call: the engine prints it as it is.
        let response = ended.unwrap_or_else(|error| RunResponse {
            error: tell(&error),
            bail: false,
        });
        Ok(Response::new(response))
    }

    type InstallDependenciesStream = ReceiverStream<Result<InstallDependenciesResponse, Status>>;

    async fn install_dependencies(
        &self,
        request: Request<InstallDependenciesRequest>,
    ) -> Result<Response<Self::InstallDependenciesStream>, Status> {
        let (answers, stream) = mpsc::channel(PIECES);
        let supervisor = self.supervisor.clone();
        tokio::spawn(async move {
            let (talk, relayed) = relay(&answers, |stderr| InstallDependenciesResponse {
                stderr,
                ..Default::default()
            });
            let installed = install(&supervisor, &request.into_inner(), &talk).await;
            finish(talk, relayed).await;
            if let Err(error) = installed {
                drop(answers.send(Err(refuse(&error))).await);
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn about(&self, request: Request<AboutRequest>) -> Result<Response<AboutResponse>, Status> {
        let program =
            Program::find(request.into_inner().info.as_ref(), ".").map_err(|error| refuse(&error))?;
        about::compiler(&self.supervisor, &program)
            .await
            .map(Response::new)
            .map_err(|error| refuse(&error))
    }

    async fn get_program_dependencies(
        &self,
        request: Request<GetProgramDependenciesRequest>,
    ) -> Result<Response<GetProgramDependenciesResponse>, Status> {
        let request = request.into_inner();
        let manifest = Program::find(request.info.as_ref(), &request.pwd)
            .and_then(|program| program.manifest())
            .map_err(|error| refuse(&error))?;
        let dependencies = match manifest {
            Some(manifest) => about::crates(&self.supervisor, &manifest, request.transitive_dependencies)
                .await
                .map_err(|error| refuse(&error))?,
            None => Vec::new(),
        };
        Ok(Response::new(GetProgramDependenciesResponse { dependencies }))
    }

    type RunPluginStream = ReceiverStream<Result<RunPluginResponse, Status>>;

    async fn run_plugin(
        &self,
        request: Request<RunPluginRequest>,
    ) -> Result<Response<Self::RunPluginStream>, Status> {
        let (answers, stream) = mpsc::channel(PIECES);
        let supervisor = self.supervisor.clone();
        tokio::spawn(async move {
            let last = match run_plugin(&supervisor, request.into_inner(), &answers).await {
                Ok(code) => Ok(said(Said::Exitcode(code))),
                Err(error) => Err(refuse(&error)),
            };
            drop(answers.send(last).await);
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

/// Of digits that were checked when they were read.
fn from_hex(digits: &str) -> Vec<u8> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .expect("a checksum was checked to be hexadecimal digits")
    };
    let pairs = digits.as_bytes().chunks_exact(2);
    pairs
        .map(|pair| u8::try_from(digit(pair[0]) * 16 + digit(pair[1])).expect("two digits are a byte"))
        .collect()
}

async fn install(supervisor: &Supervisor, request: &InstallDependenciesRequest, talk: &Output) -> Result<()> {
    let program = Program::find(request.info.as_ref(), &request.directory)?;
    if let Source::Package(manifest) = program.source()? {
        Build::new(&manifest, &program.options.profile)?
            .executable(supervisor, Occasion::Install, talk)
            .await?;
    }
    Ok(())
}

/// Builds a plugin that is given as sources, runs it, and passes on what it says, until it ends or the engine drops it.
async fn run_plugin(
    supervisor: &Supervisor,
    request: RunPluginRequest,
    answers: &Answers<RunPluginResponse>,
) -> Result<i32> {
    let program = Program::find(request.info.as_ref(), &request.program)?;
    let (stderr, stderr_relayed) = relay(answers, |bytes| said(Said::Stderr(bytes)));
    let (stdout, stdout_relayed) = relay(answers, |bytes| said(Said::Stdout(bytes)));
    let run = async {
        let job = Job {
            program: running::executable(supervisor, &program, &stderr).await?,
            arguments: request.args.into_iter().map(OsString::from).collect(),
            environment: environment::for_plugin(&request.env),
            directory: running::folder(&request.pwd, &program)?,
        };
        supervisor
            .run(job, stdout.clone(), stderr.clone(), answers.closed())
            .await
    };
    let ending = run.await;
    finish(stdout, stdout_relayed).await;
    finish(stderr, stderr_relayed).await;
    Ok(match ending? {
        Ending::Exited(code) => code,
        // As a shell tells it.
        Ending::Killed(signal) => 128 + signal,
        Ending::Stopped => 130,
    })
}

fn said(output: Said) -> RunPluginResponse {
    RunPluginResponse { output: Some(output) }
}

/// An output whose pieces become answers, and the task that turns them.
fn relay<T: Send + 'static>(
    answers: &Answers<T>,
    wrap: impl Fn(Vec<u8>) -> T + Send + 'static,
) -> (Output, JoinHandle<()>) {
    let (sender, mut pieces) = mpsc::channel(PIECES);
    let answers = answers.clone();
    let task = tokio::spawn(async move {
        while let Some(piece) = pieces.recv().await {
            if answers.send(Ok(wrap(piece))).await.is_err() {
                return;
            }
        }
    });
    (Output::Pieces(sender), task)
}

/// Waits until everything said has been passed on, so that what follows comes last.
async fn finish(output: Output, relayed: JoinHandle<()>) {
    drop(output);
    // It neither panics nor is aborted; and if it were, there would be nothing more to pass on.
    let _ = relayed.await;
}

fn refuse(error: &anyhow::Error) -> Status {
    Status::failed_precondition(tell(error))
}
