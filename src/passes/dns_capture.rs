//! Enables DNS capture in the sidecars of all pods.

use phoenix_graph::Object;

use crate::config::Mesh;

/// The configuration that Istio's injector reads, in addition to the mesh-wide settings, when it creates a pod's
/// sidecar.
/// <https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/#ProxyConfig>
const PROXY_CONFIG: &str = "proxy.istio.io/config";

/// The sidecar resolves names that only the mesh knows. It is off by default, and without it a sidecar cannot route
/// plain TCP to an external host.
const DNS_CAPTURE: &str = r#"{"proxyMetadata":{"ISTIO_META_DNS_CAPTURE":"true"}}"#;

/// Adds the configuration to the pod template.
pub fn apply(object: &mut Object, mesh: &Mesh) {
    if mesh.dns_capture {
        object.annotate_pods(PROXY_CONFIG, DNS_CAPTURE);
    }
}
