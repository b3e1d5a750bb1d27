//! Traffic between all workloads, the cluster and the mesh.

use super::{ClusterPeer, Connection, Peer, Traffic, prometheus};
use crate::config::StackConfig;
use crate::parts::metadata::string_map;

pub fn rows(config: &StackConfig) -> Vec<Connection> {
    vec![
        Connection {
            from: Peer::EveryWorkload,
            to: Peer::InCluster(ClusterPeer {
                name: "the cluster's DNS",
                namespace: "kube-system".to_owned(),
                labels: string_map([("k8s-app", "kube-dns")]),
                service_account: None,
            }),
            port: 53,
            traffic: Traffic::Infrastructure { udp: true },
            why: "resolves host names",
        },
        Connection {
            from: Peer::EveryWorkload,
            to: Peer::InCluster(ClusterPeer {
                name: "istiod",
                namespace: config.cluster.mesh.namespace.to_string(),
                labels: string_map([("app", "istiod")]),
                service_account: None,
            }),
            port: 15_012,
            traffic: Traffic::Infrastructure { udp: false },
            why: "sidecars receive their configuration and certificates",
        },
        Connection {
            from: prometheus(config),
            to: Peer::EveryWorkload,
            port: 15_020,
            traffic: Traffic::Infrastructure { udp: false },
            why: "scrapes the sidecars' merged metrics",
        },
    ]
}
