//! The connection to the engine: its resource monitor and its message log.
//!
//! Both use plain gRPC on loopback and never a proxy, regardless of `http_proxy`. Calls have no deadline: a registration
//! returns when the resource is ready, which can take a long time.

use std::sync::Arc;
use std::time::Duration;

use tonic::Code;
use tonic::transport::{Channel, Endpoint};

use crate::deployment::Deployment;
use crate::error::Error;
use crate::proto::engine_client::EngineClient;
use crate::proto::resource_monitor_client::ResourceMonitorClient;
use crate::proto::{FullSize as _, LogRequest, LogSeverity, RequirePulumiVersionRequest};

/// The timeout for connecting. The engine runs on this machine and is waiting for the program.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Looks up an environment variable.
type Lookup = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// A connection to the engine. Clones share the connection.
#[derive(Clone)]
pub struct Engine {
    pub(crate) monitor: ResourceMonitorClient<Channel>,
    log: EngineClient<Channel>,
    environment: Lookup,
}

impl Engine {
    /// Connects to the addresses in the environment variables `PULUMI_MONITOR` and `PULUMI_ENGINE`.
    #[expect(
        clippy::disallowed_methods,
        reason = "this function is an edge: it reads the environment"
    )]
    pub async fn connect() -> Result<Self, Error> {
        Self::connect_with(|variable| std::env::var(variable).ok()).await
    }

    /// Connects with environment variables that the caller provides.
    pub async fn connect_with(
        environment: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        let required = |variable| {
            environment(variable)
                .filter(|text| !text.is_empty())
                .ok_or(Error::NotStartedByPulumi { variable })
        };
        let (monitor, log) = (required("PULUMI_MONITOR")?, required("PULUMI_ENGINE")?);
        Ok(Self {
            monitor: ResourceMonitorClient::new(channel("PULUMI_MONITOR", monitor).await?).full_size(),
            log: EngineClient::new(channel("PULUMI_ENGINE", log).await?).full_size(),
            environment: Arc::new(environment),
        })
    }

    /// The current deployment. It is read from the engine, or from the environment if the engine is older than 3.231.
    pub async fn deployment(&self) -> Result<Deployment, Error> {
        match self.monitor.clone().get_deployment_info(()).await {
            Ok(answer) => Ok(Deployment::from_answer(answer.into_inner())),
            Err(status) if status.code() == Code::Unimplemented => {
                Deployment::from_environment(&*self.environment)
            }
            Err(status) => Err(Error::of_status(status, |answer| Error::Call {
                doing: "returning the deployment".to_owned(),
                answer,
            })),
        }
    }

    /// Fails unless the engine's version is in the range, such as `>=3.255.0`. An engine before 3.219 does not implement
    /// this check, which is reported as an error.
    pub async fn require_version(&self, range: &str) -> Result<(), Error> {
        let request = RequirePulumiVersionRequest {
            pulumi_version_range: range.to_owned(),
        };
        match self.log.clone().require_pulumi_version(request).await {
            Ok(_) => Ok(()),
            Err(status) => {
                let found = match status.code() {
                    Code::Unimplemented => {
                        "this version of Pulumi is too old to report its version to a program".to_owned()
                    }
                    _ => status.message().to_owned(),
                };
                Err(Error::of_status(status, |_| Error::Version {
                    range: range.to_owned(),
                    found,
                }))
            }
        }
    }

    /// Logs a message to the user, for a resource or (without a URN) for the stack.
    pub async fn log(&self, severity: LogSeverity, message: &str, urn: Option<&str>) -> Result<(), Error> {
        let request = LogRequest {
            severity: severity.into(),
            message: message.to_owned(),
            urn: urn.unwrap_or_default().to_owned(),
            ..LogRequest::default()
        };
        match self.log.clone().log(request).await {
            Ok(_) => Ok(()),
            Err(status) => Err(Error::of_status(status, |answer| Error::Call {
                doing: "logging a message".to_owned(),
                answer,
            })),
        }
    }

    /// Logs an error to the user and returns it as [`Error::Shown`]. An error that cannot be logged is returned unchanged.
    /// An error that was already shown, or that reports that the engine stopped, is not logged.
    pub async fn show(&self, error: Error, urn: Option<&str>) -> Error {
        if error.already_shown() {
            return error;
        }
        match self.log(LogSeverity::Error, &error.with_causes(), urn).await {
            Ok(()) => Error::Shown(Box::new(error)),
            Err(_) => error,
        }
    }
}

async fn channel(variable: &'static str, address: String) -> Result<Channel, Error> {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(|error| Error::Variable {
        variable,
        source: error.into(),
    })?;
    let endpoint = endpoint.connect_timeout(CONNECT_TIMEOUT).tcp_nodelay(true);
    endpoint
        .connect()
        .await
        .map_err(|source| Error::Connect { address, source })
}
