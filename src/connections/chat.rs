//! Clients of the chat.

use super::{ClusterPeer, Connection, METRICS, Peer, READ_AND_WRITE, Traffic, prometheus, row};
use crate::config::StackConfig;
use crate::names::{AI, CHAT, CHAT_CLIENT, CHAT_PORT};
use crate::parts::metadata::string_map;

pub fn rows(config: &StackConfig) -> Vec<Connection> {
    if config.chat.is_none() {
        return Vec::new();
    }
    let applications = Peer::InCluster(ClusterPeer {
        name: "the applications",
        namespace: AI.to_owned(),
        labels: string_map([(CHAT_CLIENT, "true")]),
        service_account: None,
    });
    vec![
        row(
            applications,
            CHAT,
            CHAT_PORT,
            Traffic::Http {
                methods: READ_AND_WRITE,
                paths: &["/chat", "/chat/*", "/health"],
                token: false,
            },
            "users reach the chat through applications in its namespace",
        ),
        row(
            prometheus(config),
            CHAT,
            CHAT_PORT,
            METRICS,
            "scrapes the metrics of the chat",
        ),
    ]
}
