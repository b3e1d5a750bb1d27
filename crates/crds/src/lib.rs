//! Rust types of the custom resources that Phoenix declares, one module per API group.
//!
//! The modules are generated from the `CustomResourceDefinitions` pinned in `sandbox/tools`:
//!
//! ```sh
//! cargo run -p phoenix-crds --example generate
//! ```
//!
//! The types have the fields of a resource's `spec` and no `status`, which only controllers write. A field that repeats a
//! field of the same name and structure nearer to the root, as in the subsets of a `DestinationRule`, has the type of that field. `cargo test -p phoenix-crds` detects
//! manual edits; the live lane compares the modules with the pinned definitions.
//!
//! ```
//! use phoenix_crds::security::{PeerAuthentication, PeerAuthenticationMtls, PeerAuthenticationMtlsMode, PeerAuthenticationSpec};
//!
//! let strict = PeerAuthentication {
//!     spec: PeerAuthenticationSpec {
//!         mtls: Some(PeerAuthenticationMtls { mode: Some(PeerAuthenticationMtlsMode::Strict) }),
//!         ..Default::default()
//!     },
//!     ..Default::default()
//! };
//! let json = serde_json::to_value(strict).expect("a resource is always JSON");
//! assert_eq!(json["kind"], "PeerAuthentication");
//! assert_eq!(json["spec"]["mtls"]["mode"], "STRICT");
//! ```

/// Implements the traits of `k8s_openapi` and the JSON form of a namespaced resource with a `metadata` and a `spec`.
macro_rules! resource {
    ($kind:ident, $group:literal, $version:literal, $plural:literal) => {
        impl k8s_openapi::Resource for $kind {
            const API_VERSION: &'static str = concat!($group, "/", $version);
            const GROUP: &'static str = $group;
            const KIND: &'static str = stringify!($kind);
            const VERSION: &'static str = $version;
            const URL_PATH_SEGMENT: &'static str = $plural;
            type Scope = k8s_openapi::NamespaceResourceScope;
        }

        impl k8s_openapi::Metadata for $kind {
            type Ty = k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

            fn metadata(&self) -> &Self::Ty {
                &self.metadata
            }

            fn metadata_mut(&mut self) -> &mut Self::Ty {
                &mut self.metadata
            }
        }

        impl serde::Serialize for $kind {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                crate::resource::serialize::<Self, _, _>(&self.metadata, &self.spec, serializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $kind {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let (metadata, spec) = crate::resource::deserialize::<Self, _, _>(deserializer)?;
                Ok(Self { metadata, spec })
            }
        }
    };
}

#[expect(
    missing_docs,
    reason = "generated; the definitions' own descriptions are the reference"
)]
pub mod monitoring;
#[expect(
    missing_docs,
    reason = "generated; the definitions' own descriptions are the reference"
)]
pub mod networking;
mod resource;
#[expect(
    missing_docs,
    reason = "generated; the definitions' own descriptions are the reference"
)]
pub mod security;
#[expect(
    missing_docs,
    reason = "generated; the definitions' own descriptions are the reference"
)]
pub mod telemetry;
