//! Resources as the engine shows them, made into the objects that rules judge. What is secret stays behind here.

use std::collections::BTreeMap;

use phoenix_graph::Object;
use pulumi_wire::Value;
use pulumi_wire::analyzer::Resource;
use serde_json::{Map, Number, Value as Json};

/// What the engine shows of a secret that it cannot decrypt, as where a state is analyzed without its passphrase.
const SEALED: &str = "[secret]";

/// What a secret is known by here; rules see only that there is one.
const NAME: &str = "of the engine";

/// The object that a resource is; otherwise why it is none.
pub fn object(resource: &Resource) -> Result<Object, &'static str> {
    if !resource.token.starts_with("kubernetes:") {
        return Err("it is no object of Kubernetes");
    }
    let mut secrets = Vec::new();
    let mut body = fields(&resource.properties, &mut String::new(), &mut secrets);
    // What the program left to the provider to name goes by the program's own word for it.
    if let Some(Json::Object(metadata)) = body.get_mut("metadata")
        && !metadata.get("name").is_some_and(Json::is_string)
    {
        metadata.insert("name".to_owned(), Json::String(resource.name.clone()));
    }
    let mut object = Object::from_json("", Json::Object(body))
        .map_err(|_| "it is not a single object: it has no apiVersion, kind or name")?;
    for pointer in secrets {
        object.secret(&pointer, NAME);
    }
    object.options.protect = resource.protect;
    Ok(object)
}

/// The properties as JSON, with a stand-in for each secret, whose place is noted.
fn fields(
    properties: &BTreeMap<String, Value>,
    path: &mut String,
    secrets: &mut Vec<String>,
) -> Map<String, Json> {
    let is_top = path.is_empty();
    let fields = properties
        .iter()
        // The engine keeps notes of its own beside the properties.
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
        Value::String(text) if text == SEALED => hidden(path, secrets),
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
    Json::String(SEALED.to_owned())
}

/// All numbers of the engine are doubles; those of Kubernetes are integers.
fn whole(number: f64) -> Number {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "it is whole and small enough")]
        return Number::from(number as i64);
    }
    // What came over the wire is finite.
    Number::from_f64(number).unwrap_or_else(|| Number::from(0))
}
