//! The protocol of a Service port, as Istio derives it from `appProtocol`, the name or the number of the port.

use crate::field::{Field, Node};

/// What the mesh parses on a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// HTTP requests.
    Requests,
    /// A stream of bytes.
    Bytes,
    /// Nothing is declared, so the proxy detects the protocol of each connection.
    Detected,
}

/// Ports that Istio treats as TCP unless another protocol is declared: SMTP, DNS, `MySQL` and `MongoDB`.
const TCP_BY_NUMBER: [i64; 4] = [25, 53, 3306, 27017];

/// The protocol of a TCP port of a Service.
pub(crate) fn protocol(port: Node<'_>) -> Field<Protocol> {
    let name = match port.text("appProtocol") {
        Field::Known("kubernetes.io/h2c" | "kubernetes.io/ws") => return Field::Known(Protocol::Requests),
        Field::Known("kubernetes.io/wss") => return Field::Known(Protocol::Bytes),
        declared => declared.or(|| port.text("name")),
    };
    let by_number = || match port.number("port") {
        Field::Known(number) if TCP_BY_NUMBER.contains(&number) => Field::Known(Protocol::Bytes),
        Field::Unknown => Field::Unknown,
        Field::Known(_) | Field::Absent => Field::Known(Protocol::Detected),
    };
    match name {
        Field::Known(name) => match of_name(name) {
            Protocol::Detected => by_number(),
            protocol => Field::Known(protocol),
        },
        Field::Absent => by_number(),
        Field::Unknown => Field::Unknown,
    }
}

/// The protocol that a name is, or begins with in front of a hyphen.
fn of_name(name: &str) -> Protocol {
    let name = name.to_ascii_lowercase();
    if name.starts_with("grpc-web") {
        return Protocol::Requests;
    }
    match name.split('-').next() {
        Some("http" | "http2" | "http_proxy" | "grpc") => Protocol::Requests,
        Some("tcp" | "tls" | "https" | "mongo" | "mysql" | "redis" | "udp") => Protocol::Bytes,
        _ => Protocol::Detected,
    }
}
