//! The connection to the engine that started us: its resource monitor, and its ear for messages.
//!
//! Both are plain gRPC on loopback. No proxy is ever asked, whatever `http_proxy` says. Calls have no deadline:
//! a registration answers when the resource is ready, and that may take long.

use std::sync::Arc;
use std::time::Duration;

use tonic::Code;
use tonic::transport::{Channel, Endpoint};

use crate::deployment::Deployment;
use crate::error::Error;
use crate::proto::engine_client::EngineClient;
use crate::proto::resource_monitor_client::ResourceMonitorClient;
use crate::proto::{FullSize as _, LogRequest, LogSeverity, RequirePulumiVersionRequest};

/// How long the engine may take to accept a connection. It is on this machine and waits for us.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Where a variable's text comes from.
type Lookup = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// The engine, connected. Clones share the connection.
#[derive(Clone)]
pub struct Engine {
    pub(crate) monitor: ResourceMonitorClient<Channel>,
    log: EngineClient<Channel>,
    environment: Lookup,
}

impl Engine {
    /// Connects to the engine that the environment names, in `PULUMI_MONITOR` and `PULUMI_ENGINE`.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the edge where a program meets its environment"
    )]
    pub async fn connect() -> Result<Self, Error> {
        Self::connect_with(|variable| std::env::var(variable).ok()).await
    }

    /// The same with an environment of the caller's.
    pub async fn connect_with(
        environment: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        let needed = |variable| {
            environment(variable)
                .filter(|text| !text.is_empty())
                .ok_or(Error::NotStartedByPulumi { variable })
        };
        let (monitor, log) = (needed("PULUMI_MONITOR")?, needed("PULUMI_ENGINE")?);
        Ok(Self {
            monitor: ResourceMonitorClient::new(channel("PULUMI_MONITOR", monitor).await?).full_size(),
            log: EngineClient::new(channel("PULUMI_ENGINE", log).await?).full_size(),
            environment: Arc::new(environment),
        })
    }

    /// What is being deployed: from the engine, or from the environment where the engine is too old to say.
    pub async fn deployment(&self) -> Result<Deployment, Error> {
        match self.monitor.clone().get_deployment_info(()).await {
            Ok(answer) => Ok(Deployment::from_answer(answer.into_inner())),
            Err(status) if status.code() == Code::Unimplemented => {
                Deployment::from_environment(&*self.environment)
            }
            Err(status) => Err(Error::of_status(status, |answer| Error::Call {
                doing: "telling what is being deployed".to_owned(),
                answer,
            })),
        }
    }

    /// Makes sure that the engine is one of these versions, such as `>=3.255.0`. One that is too old to be asked is
    /// too old to be any of them.
    pub async fn require_version(&self, range: &str) -> Result<(), Error> {
        let request = RequirePulumiVersionRequest {
            pulumi_version_range: range.to_owned(),
        };
        match self.log.clone().require_pulumi_version(request).await {
            Ok(_) => Ok(()),
            Err(status) => {
                let found = match status.code() {
                    Code::Unimplemented => {
                        "this Pulumi is too old to tell its version to a program".to_owned()
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

    /// Shows a message to the person who runs Pulumi, below a resource or (without a URN) below the stack.
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
                doing: "showing a message".to_owned(),
                answer,
            })),
        }
    }

    /// Shows an error, and remembers in it that it was shown. One that cannot be shown comes back as it was, and
    /// one that was shown already, or that says that the engine is gone, is not shown again.
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
