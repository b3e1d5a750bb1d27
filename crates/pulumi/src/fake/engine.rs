//! The fake engine's log service. It keeps running after the monitor shuts down, like that of the real engine.

use tonic::{Request, Response, Status, async_trait};

use super::{Call, Shared};
use crate::proto::engine_server::Engine;
use crate::proto::{LogRequest, RequirePulumiVersionRequest, RequirePulumiVersionResponse};

#[async_trait]
impl Engine for Shared {
    async fn log(&self, request: Request<LogRequest>) -> Result<Response<()>, Status> {
        self.record().calls.push(Call::Log(request.into_inner()));
        Ok(Response::new(()))
    }

    async fn require_pulumi_version(
        &self,
        _request: Request<RequirePulumiVersionRequest>,
    ) -> Result<Response<RequirePulumiVersionResponse>, Status> {
        self.require_method("RequirePulumiVersion")?;
        Ok(Response::new(RequirePulumiVersionResponse {}))
    }
}
