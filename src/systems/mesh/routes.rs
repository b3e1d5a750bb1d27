//! Routes of paths, with their timeouts and retries.

use phoenix_crds::networking::{
    VirtualService, VirtualServiceHttp, VirtualServiceHttpDirectResponse, VirtualServiceHttpHeaders,
    VirtualServiceHttpHeadersRequest, VirtualServiceHttpMatch, VirtualServiceHttpMatchMethod,
    VirtualServiceHttpMatchUri, VirtualServiceHttpMirrorPort, VirtualServiceHttpRetries,
    VirtualServiceHttpRewrite, VirtualServiceHttpRoute, VirtualServiceHttpRouteDestination,
    VirtualServiceSpec,
};

use super::{GATEWAY, SYSTEM};
use crate::names::{self, MCP_PORT, OPENMEMORY, OPENMEMORY_PATH};
use crate::parts::metadata::{self, string_map};

/// Requests that never reached a server can always be retried.
const NOT_REACHED: &str = "connect-failure,refused-stream";
/// Idempotent requests can also be retried after a pod disappeared.
const NOT_ANSWERED: &str = "connect-failure,refused-stream,gateway-error";

/// A timeout for health checks. No other route has one, which the mesh treats as unlimited: a response may be a
/// stream that lasts for hours (SSE, Streamable HTTP).
const PROMPT: &str = "5s";

/// The paths of the source document. Other paths of these hosts have no route.
pub fn by_path(hosts: &[String], through_gateway: bool, callers: &[String]) -> VirtualService {
    let gateways = ["mesh".to_owned()]
        .into_iter()
        .chain(through_gateway.then(|| format!("{}/{GATEWAY}", names::MEMORY)));
    VirtualService {
        metadata: metadata::memory_meta(SYSTEM, "sophia-memory-routing"),
        spec: VirtualServiceSpec {
            hosts: Some(hosts.to_vec()),
            gateways: Some(gateways.collect()),
            http: Some(vec![
                refuse_hidden_slashes(),
                VirtualServiceHttp {
                    r#match: Some(below(OPENMEMORY_PATH).map(only_get).to_vec()),
                    ..to_server("openmemory-get", NOT_ANSWERED)
                },
                VirtualServiceHttp {
                    r#match: Some(below(OPENMEMORY_PATH).to_vec()),
                    ..to_server("openmemory", NOT_REACHED)
                },
                rewritten("health", names::HEALTH_PATH, "/health"),
                rewritten("metrics", names::METRICS_PATH, "/metrics"),
            ]),
            export_to: Some(callers.to_vec()),
            ..Default::default()
        },
    }
}

/// Clients that address the Service itself use the paths of the pod.
pub fn by_service(callers: &[String]) -> VirtualService {
    VirtualService {
        metadata: metadata::memory_meta(SYSTEM, "sophia-memory-service-routing"),
        spec: VirtualServiceSpec {
            hosts: Some(vec![OPENMEMORY.host()]),
            http: Some(vec![
                refuse_hidden_slashes(),
                VirtualServiceHttp {
                    r#match: Some(vec![only_get(VirtualServiceHttpMatch::default())]),
                    ..to_server("any-get", NOT_ANSWERED)
                },
                to_server("any", NOT_REACHED),
            ]),
            export_to: Some(callers.to_vec()),
            ..Default::default()
        },
    }
}

/// The mesh does not decode a slash written as `%2F` or `%5C`, but a server may, so that both would see different
/// paths in one request. The mesh itself normalizes dots and plain backslashes.
fn refuse_hidden_slashes() -> VirtualServiceHttp {
    VirtualServiceHttp {
        name: Some("hidden-slashes".to_owned()),
        r#match: Some(vec![VirtualServiceHttpMatch {
            uri: Some(VirtualServiceHttpMatchUri {
                regex: Some(".*%(2[fF]|5[cC]).*".to_owned()),
                ..Default::default()
            }),
            ..Default::default()
        }]),
        direct_response: Some(VirtualServiceHttpDirectResponse {
            status: 400,
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// An exact path that is rewritten for the pod.
fn rewritten(name: &str, path: &str, path_at_pod: &str) -> VirtualServiceHttp {
    VirtualServiceHttp {
        r#match: Some(vec![exactly(path)]),
        rewrite: Some(VirtualServiceHttpRewrite {
            uri: Some(path_at_pod.to_owned()),
            ..Default::default()
        }),
        timeout: Some(PROMPT.to_owned()),
        ..to_server(name, NOT_REACHED)
    }
}

fn to_server(name: &str, retry_on: &str) -> VirtualServiceHttp {
    VirtualServiceHttp {
        name: Some(name.to_owned()),
        route: Some(vec![VirtualServiceHttpRoute {
            destination: VirtualServiceHttpRouteDestination {
                host: OPENMEMORY.host(),
                port: Some(VirtualServiceHttpMirrorPort {
                    number: Some(i64::from(MCP_PORT.number)),
                }),
                ..Default::default()
            },
            ..Default::default()
        }]),
        headers: Some(VirtualServiceHttpHeaders {
            request: Some(VirtualServiceHttpHeadersRequest {
                // Set, not added: an added value would appear beside one from the client.
                set: Some(string_map([("x-memory-tier", "L3-persistent")])),
                ..Default::default()
            }),
            ..Default::default()
        }),
        // No timeout for each attempt, because it would end streams.
        retries: Some(VirtualServiceHttpRetries {
            attempts: Some(2),
            retry_on: Some(retry_on.to_owned()),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// A path and everything below it, but not paths that merely share the prefix.
fn below(path: &str) -> [VirtualServiceHttpMatch; 2] {
    let prefix = VirtualServiceHttpMatchUri {
        prefix: Some(format!("{path}/")),
        ..Default::default()
    };
    [
        exactly(path),
        VirtualServiceHttpMatch {
            uri: Some(prefix),
            ..Default::default()
        },
    ]
}

fn exactly(path: &str) -> VirtualServiceHttpMatch {
    VirtualServiceHttpMatch {
        uri: Some(VirtualServiceHttpMatchUri {
            exact: Some(path.to_owned()),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn only_get(condition: VirtualServiceHttpMatch) -> VirtualServiceHttpMatch {
    VirtualServiceHttpMatch {
        method: Some(VirtualServiceHttpMatchMethod {
            exact: Some("GET".to_owned()),
            ..Default::default()
        }),
        ..condition
    }
}
