//! The JSON form that all resources share: `apiVersion`, `kind`, `metadata`, `spec`.

use k8s_openapi::Resource;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::de::Error as _;
use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Writes a resource of type `K`.
pub(crate) fn serialize<K: Resource, P: Serialize, S: Serializer>(
    metadata: &ObjectMeta,
    spec: &P,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut fields = serializer.serialize_struct(K::KIND, 4)?;
    fields.serialize_field("apiVersion", K::API_VERSION)?;
    fields.serialize_field("kind", K::KIND)?;
    fields.serialize_field("metadata", metadata)?;
    fields.serialize_field("spec", spec)?;
    fields.end()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document<P> {
    api_version: String,
    kind: String,
    metadata: ObjectMeta,
    #[serde(default)]
    spec: P,
}

/// Reads a resource of type `K`; another kind or version is an error.
pub(crate) fn deserialize<'de, K: Resource, P: Deserialize<'de> + Default, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<(ObjectMeta, P), D::Error> {
    let document = Document::deserialize(deserializer)?;
    for (found, expected) in [(&document.api_version, K::API_VERSION), (&document.kind, K::KIND)] {
        if found != expected {
            return Err(D::Error::custom(format_args!(
                "expected `{expected}`, found `{found}`"
            )));
        }
    }
    Ok((document.metadata, document.spec))
}
