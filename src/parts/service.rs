//! Services. Each port declares its protocol both by its name and by `appProtocol`.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::names::{Port, Workload};
use crate::parts::metadata::{self, annotate, string_map};

/// The Service that clients of a workload address.
///
/// It does not wait for its pods; the Deployment or StatefulSet does.
pub fn cluster_ip(workload: Workload, ports: &[Port]) -> Service {
    let mut metadata = metadata::workload_meta(workload, workload.service());
    annotate(&mut metadata, "pulumi.com/skipAwait", "true");
    Service {
        metadata,
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".to_owned()),
            selector: Some(string_map([("app", workload.app)])),
            ports: Some(ports.iter().copied().map(port).collect()),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// The headless Service that gives each pod of a StatefulSet its DNS name.
pub fn headless(workload: Workload, name: &str, ports: &[Port]) -> Service {
    let mut metadata = metadata::workload_meta(workload, name);
    annotate(&mut metadata, "pulumi.com/skipAwait", "true");
    Service {
        metadata,
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".to_owned()),
            // Peers need each other's names before they are ready, and operators need the name of a pod that is not
            // ready.
            publish_not_ready_addresses: Some(true),
            selector: Some(string_map([("app", workload.app)])),
            // The mesh forwards only the declared ports to a headless Service.
            ports: Some(ports.iter().copied().map(port).collect()),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn port(port: Port) -> ServicePort {
    ServicePort {
        name: Some(port.name.to_owned()),
        protocol: Some("TCP".to_owned()),
        app_protocol: Some(port.protocol.to_owned()),
        port: port.number(),
        target_port: Some(IntOrString::Int(port.number())),
        ..Default::default()
    }
}
