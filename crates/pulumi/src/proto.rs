//! Pulumi's protocol as Rust types: messages, clients and servers.
//!
//! `proto/pulumirpc.rs` is generated from `proto/pulumi/*.proto` of this crate and committed, so that a build needs no
//! protobuf compiler. `tests/it/generated.rs` fails when it is out of date, and writes it if the environment variable
//! `PHOENIX_WRITE_GENERATED` is set to 1.
//!
//! The descriptions contain only the methods and fields that this crate uses. Other methods are answered with
//! `Unimplemented`; other fields are skipped. `Debug` does not show the content of messages that may carry secrets.

use std::fmt;

use crate::wire::MAX_MESSAGE_BYTES;

#[expect(missing_docs, clippy::pedantic, reason = "generated code")]
mod generated {
    include!("proto/pulumirpc.rs");
}

pub use generated::*;

/// Clients and servers that accept messages up to the engine's maximum size.
pub trait FullSize {
    /// Raises the limit of the gRPC library for both directions from 4 MiB to [`MAX_MESSAGE_BYTES`].
    #[must_use]
    fn full_size(self) -> Self;
}

macro_rules! full_size {
    ($($(#[$attribute:meta])* $type:ty $(where $service:ident: $trait:path)?;)*) => {$(
        impl$(<$service: $trait>)? FullSize for $type {
            fn full_size(self) -> Self {
                self.max_decoding_message_size(MAX_MESSAGE_BYTES).max_encoding_message_size(MAX_MESSAGE_BYTES)
            }
        }
    )*};
}

full_size! {
    analyzer_client::AnalyzerClient<tonic::transport::Channel>;
    engine_client::EngineClient<tonic::transport::Channel>;
    language_runtime_client::LanguageRuntimeClient<tonic::transport::Channel>;
    resource_monitor_client::ResourceMonitorClient<tonic::transport::Channel>;
    analyzer_server::AnalyzerServer<T> where T: analyzer_server::Analyzer;
    engine_server::EngineServer<T> where T: engine_server::Engine;
    language_runtime_server::LanguageRuntimeServer<T> where T: language_runtime_server::LanguageRuntime;
    resource_monitor_server::ResourceMonitorServer<T> where T: resource_monitor_server::ResourceMonitor;
}

impl fmt::Debug for DeploymentInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeploymentInfo")
            .field("project", &self.project)
            .field("stack", &self.stack)
            .field("dry_run", &self.dry_run)
            .field("config", &self.config.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for RegisterResourceRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegisterResourceRequest")
            .field("type", &self.r#type)
            .field("name", &self.name)
            .field("parent", &self.parent)
            .field("object", &keys(self.object.as_ref()))
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for RegisterResourceResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegisterResourceResponse")
            .field("urn", &self.urn)
            .field("id", &self.id)
            .field("result", &self.result)
            .field("object", &keys(self.object.as_ref()))
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ReadResourceRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadResourceRequest")
            .field("type", &self.r#type)
            .field("name", &self.name)
            .field("id", &self.id)
            .field("provider", &self.provider)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ReadResourceResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadResourceResponse")
            .field("urn", &self.urn)
            .field("properties", &keys(self.properties.as_ref()))
            .finish()
    }
}

impl fmt::Debug for RegisterResourceOutputsRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegisterResourceOutputsRequest")
            .field("urn", &self.urn)
            .field("outputs", &keys(self.outputs.as_ref()))
            .finish()
    }
}

impl fmt::Debug for RunRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunRequest")
            .field("project", &self.project)
            .field("stack", &self.stack)
            .field("pwd", &self.pwd)
            .field("dry_run", &self.dry_run)
            .field("config", &self.config.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for RunPluginRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self
            .env
            .iter()
            .map(|pair| pair.split_once('=').map_or(pair.as_str(), |(name, _)| name));
        f.debug_struct("RunPluginRequest")
            .field("pwd", &self.pwd)
            .field("program", &self.program)
            .field("kind", &self.kind)
            .field("env", &names.collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for AnalyzeRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnalyzeRequest")
            .field("urn", &self.urn)
            .field("properties", &keys(self.properties.as_ref()))
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for AnalyzeStackRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnalyzeStackRequest")
            .field("resources", &self.resources)
            .finish()
    }
}

impl fmt::Debug for AnalyzerResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnalyzerResource")
            .field("urn", &self.urn)
            .field("properties", &keys(self.properties.as_ref()))
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for AnalyzerProviderResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnalyzerProviderResource")
            .field("urn", &self.urn)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for AnalyzerStackConfigureRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnalyzerStackConfigureRequest")
            .field("project", &self.project)
            .field("stack", &self.stack)
            .field("dry_run", &self.dry_run)
            .field("config", &self.config.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Remediation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remediation")
            .field("policy_name", &self.policy_name)
            .field("properties", &keys(self.properties.as_ref()))
            .finish_non_exhaustive()
    }
}

/// The names of the properties, which are not secret.
fn keys(properties: Option<&prost_types::Struct>) -> Vec<&str> {
    properties
        .map(|all| all.fields.keys().map(String::as_str).collect())
        .unwrap_or_default()
}
