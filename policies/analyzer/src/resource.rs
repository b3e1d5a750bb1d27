//! Converts the engine's resources into the objects that rules check. Secret values do not leave this module.

use std::collections::BTreeMap;

use phoenix_graph::Object;
use pulumi_wire::Value;
use pulumi_wire::analyzer::Resource;
use serde_json::{Map, Number, Value as Json};

/// The engine's placeholder for a secret that it cannot decrypt, for example when a state is analyzed without its passphrase.
const PLACEHOLDER: &str = "[secret]";

/// The name of every secret. Rules only see that there is one.
const SECRET_NAME: &str = "of the engine";

/// The object of a resource, or the reason why it is not an object.
pub fn object(resource: &Resource) -> Result<Object, &'static str> {
    if !resource.token.starts_with("kubernetes:") {
        return Err("it is not a Kubernetes object");
    }
    let mut secrets = Vec::new();
    let mut body = fields(&resource.properties, &mut String::new(), &mut secrets);
    // An object that the provider names has the resource name of the program here.
    if let Some(Json::Object(metadata)) = body.get_mut("metadata")
        && !metadata.get("name").is_some_and(Json::is_string)
    {
        metadata.insert("name".to_owned(), Json::String(resource.name.clone()));
    }
    let mut object = Object::from_json("", Json::Object(body))
        .map_err(|_| "it is not a single object: it has no apiVersion, kind or name")?;
    for pointer in secrets {
        object.secret(&pointer, SECRET_NAME);
    }
    object.options.protect = resource.protect;
    Ok(object)
}

/// The properties as JSON, with a placeholder for each secret. The pointers of the secrets are collected.
fn fields(
    properties: &BTreeMap<String, Value>,
    path: &mut String,
    secrets: &mut Vec<String>,
) -> Map<String, Json> {
    let is_top = path.is_empty();
    let fields = properties
        .iter()
        // Properties with this prefix are internal to the engine.
        .filter(|(key, _)| !(is_top && key.starts_with("__")));
    fields
        .map(|(key, value)| {
            let outside = path.len();
            path.push('/');
            path.push_str(&key.replace('~', "~0").replace('/', "~1"));
            let value = json(value, path, secrets);
            path.truncate(outside);
            (key.clone(), value)
        })
        .collect()
}

fn json(value: &Value, path: &mut String, secrets: &mut Vec<String>) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(truth) => Json::Bool(*truth),
        Value::Number(number) => Json::Number(whole(*number)),
        Value::String(text) if text == PLACEHOLDER => hidden(path, secrets),
        Value::String(text) => Json::String(text.clone()),
        Value::Array(items) => Json::Array(
            items
                .iter()
                .enumerate()
                .map(|(index, item)| {
                    let outside = path.len();
                    path.push('/');
                    path.push_str(&index.to_string());
                    let item = json(item, path, secrets);
                    path.truncate(outside);
                    item
                })
                .collect(),
        ),
        Value::Object(all) => Json::Object(fields(all, path, secrets)),
        Value::Unknown(kind) => Json::String(kind.sentinel().to_owned()),
        Value::Secret(_) | Value::SecretRef(_) | Value::ChecksumOf(_) => hidden(path, secrets),
    }
}

fn hidden(path: &str, secrets: &mut Vec<String>) -> Json {
    secrets.push(path.to_owned());
    Json::String(PLACEHOLDER.to_owned())
}

/// Converts a number: those of the engine are doubles, those of Kubernetes mostly integers.
fn whole(number: f64) -> Number {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "it is whole and small enough")]
        return Number::from(number as i64);
    }
    // A number that was transmitted is finite.
    Number::from_f64(number).unwrap_or_else(|| Number::from(0))
}
