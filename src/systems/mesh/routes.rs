//! Which path leads where, how long an answer may take, and what may be asked twice.

use kcr_networking_istio_io::v1::virtualservices::{
    VirtualService, VirtualServiceHttp, VirtualServiceHttpDirectResponse, VirtualServiceHttpHeaders,
    VirtualServiceHttpHeadersRequest, VirtualServiceHttpMatch, VirtualServiceHttpMatchMethod,
    VirtualServiceHttpMatchUri, VirtualServiceHttpRetries, VirtualServiceHttpRewrite,
    VirtualServiceHttpRoute, VirtualServiceHttpRouteDestination, VirtualServiceHttpRouteDestinationPort,
    VirtualServiceSpec,
};

use super::{GATEWAY, SYSTEM};
use crate::names::{self, MCP_PORT, OPENMEMORY, OPENMEMORY_PATH};
use crate::parts::metadata::{self, pairs};

/// What never reached a server can be asked again, whatever it was.
const NOT_REACHED: &str = "connect-failure,refused-stream";
/// A question can be asked again too when a pod went away under it.
const NOT_ANSWERED: &str = "connect-failure,refused-stream,gateway-error";

/// An answer about health that takes longer is none. Nothing else has a bound, which the mesh takes for none: an answer
/// may be a stream that lasts for hours (SSE, streamable HTTP).
const PROMPT: &str = "5s";

/// The paths of the source document. Any other path of these hosts leads nowhere.
pub fn by_path(hosts: &[String], through_gateway: bool, callers: &[String]) -> VirtualService {
    let gateways = ["mesh".to_owned()]
        .into_iter()
        .chain(through_gateway.then(|| format!("{}/{GATEWAY}", names::MEMORY)));
    VirtualService {
        metadata: metadata::in_memory(SYSTEM, "sophia-memory-routing"),
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
        status: None,
    }
}

/// Whoever addresses the Service itself says the paths as the pod knows them.
pub fn by_service(callers: &[String]) -> VirtualService {
    VirtualService {
        metadata: metadata::in_memory(SYSTEM, "sophia-memory-service-routing"),
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
        status: None,
    }
}

/// A slash that is written as `%2F` or `%5C` is no slash to the mesh and may be one to a server, so that the two would
/// read different paths in one request. Dots and backslashes in clear the mesh resolves itself.
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

/// One path of the hosts that is another at the pod, and nothing below it.
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
                port: Some(VirtualServiceHttpRouteDestinationPort {
                    number: Some(i64::from(MCP_PORT.number)),
                }),
                ..Default::default()
            },
            ..Default::default()
        }]),
        headers: Some(VirtualServiceHttpHeaders {
            request: Some(VirtualServiceHttpHeadersRequest {
                // Set, not added: a client's own value would stand beside it.
                set: Some(pairs([("x-memory-tier", "L3-persistent")])),
                ..Default::default()
            }),
            ..Default::default()
        }),
        // No bound for a single try: it would cut a stream.
        retries: Some(VirtualServiceHttpRetries {
            attempts: Some(2),
            retry_on: Some(retry_on.to_owned()),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// A path and everything below it, but not what merely begins with the same letters.
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
