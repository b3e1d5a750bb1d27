//! Whose request it is: told by the token of a person, and by nothing else that a client sends.
//!
//! Servers read it in one header. Where tokens are known, the sidecar of the server takes that header out of every
//! request that comes in, with or without a token, and writes the name of a valid token into it (Envoy's `jwt_authn`
//! does so for each header that it fills from a claim). Where they are not, nobody may send the header.

use kcr_security_istio_io::v1::authorizationpolicies::{
    AuthorizationPolicy, AuthorizationPolicyAction, AuthorizationPolicyRules, AuthorizationPolicyRulesTo,
    AuthorizationPolicyRulesToOperation, AuthorizationPolicyRulesWhen, AuthorizationPolicySelector,
    AuthorizationPolicySpec,
};
use kcr_security_istio_io::v1::requestauthentications::{
    RequestAuthentication, RequestAuthenticationJwtRules, RequestAuthenticationJwtRulesOutputClaimToHeaders,
    RequestAuthenticationSelector, RequestAuthenticationSpec,
};

use super::SYSTEM;
use crate::config::{Jwt, JwtKeys};
use crate::names::{Port, USER_HEADER, Workload};
use crate::parts::metadata::{self, pairs};

/// Refuses a token that is not valid, and tells the server whose it is. That there is one at all is demanded by the
/// rows of the table.
pub fn tokens(workload: Workload, jwt: &Jwt) -> RequestAuthentication {
    let (jwks_uri, jwks) = match &jwt.keys {
        JwtKeys::Uri(uri) => (Some(uri.clone()), None),
        JwtKeys::Inline(keys) => (None, Some(keys.clone())),
    };
    RequestAuthentication {
        metadata: metadata::in_memory(SYSTEM, "sophia-memory-jwt"),
        spec: RequestAuthenticationSpec {
            selector: Some(RequestAuthenticationSelector {
                match_labels: Some(pairs([("app", workload.app)])),
            }),
            jwt_rules: Some(vec![RequestAuthenticationJwtRules {
                issuer: Some(jwt.issuer.clone()),
                audiences: Some(jwt.audiences.clone()),
                jwks_uri,
                jwks,
                output_claim_to_headers: Some(vec![RequestAuthenticationJwtRulesOutputClaimToHeaders {
                    header: USER_HEADER.to_owned(),
                    claim: "sub".to_owned(),
                }]),
                // The server gets the name, not the token: it could pass a token on.
                forward_original_token: Some(false),
                ..Default::default()
            }]),
            ..Default::default()
        },
        status: None,
    }
}

/// Without tokens nobody can prove to be a user, so nobody may say so: a request with the header is refused.
///
/// It is refused at the server. A `VirtualService` could take the header away, but it acts at the caller, who may be
/// the one to distrust.
pub fn nobody(workload: Workload, port: Port) -> AuthorizationPolicy {
    AuthorizationPolicy {
        metadata: metadata::in_memory(SYSTEM, "sophia-memory-no-user"),
        spec: AuthorizationPolicySpec {
            action: Some(AuthorizationPolicyAction::Deny),
            rules: Some(vec![AuthorizationPolicyRules {
                // On a port that speaks TCP the condition would count as met, and refuse everything.
                to: Some(vec![AuthorizationPolicyRulesTo {
                    operation: Some(AuthorizationPolicyRulesToOperation {
                        ports: Some(vec![port.number.to_string()]),
                        ..Default::default()
                    }),
                }]),
                when: Some(vec![AuthorizationPolicyRulesWhen {
                    key: format!("request.headers[{USER_HEADER}]"),
                    values: Some(vec!["*".to_owned()]),
                    ..Default::default()
                }]),
                ..Default::default()
            }]),
            selector: Some(AuthorizationPolicySelector {
                match_labels: Some(pairs([("app", workload.app)])),
            }),
            ..Default::default()
        },
        status: None,
    }
}
