//! Validates JSON documents against the schemas of the command's formats.
//!
//! Stricter than the schemas: a field that a schema does not list is a violation, so that every field is documented. Supports
//! the keywords that these schemas use, and rejects others.

use serde_json::Value;

/// Keywords without a meaning for validation.
const ANNOTATIONS: [&str; 4] = ["$schema", "$defs", "title", "description"];

/// Where a document deviates from its schema, one sentence each.
pub fn violations(schema: &Value, document: &Value) -> Vec<String> {
    let mut found = Vec::new();
    Validator { root: schema }.value(schema, document, "$", &mut found);
    found
}

struct Validator<'a> {
    root: &'a Value,
}

impl Validator<'_> {
    fn value(&self, schema: &Value, value: &Value, path: &str, found: &mut Vec<String>) {
        let keywords = schema.as_object().expect("a schema is an object");
        for (keyword, argument) in keywords {
            match keyword.as_str() {
                "$ref" => {
                    let pointer = argument
                        .as_str()
                        .and_then(|reference| reference.strip_prefix('#'));
                    let target = pointer.and_then(|pointer| self.root.pointer(pointer));
                    self.value(
                        target.unwrap_or_else(|| panic!("{argument} is not defined")),
                        value,
                        path,
                        found,
                    );
                }
                "anyOf" => {
                    let branches = argument.as_array().expect("anyOf is a list");
                    let fits = branches.iter().any(|branch| {
                        let mut found = Vec::new();
                        self.value(branch, value, path, &mut found);
                        found.is_empty()
                    });
                    if !fits {
                        found.push(format!("{path} fits no branch: {value}"));
                    }
                }
                "const" if argument != value => found.push(format!("{path} is {value}, not {argument}")),
                "enum" if !argument.as_array().expect("enum is a list").contains(value) => {
                    found.push(format!("{path} is {value}, none of {argument}"));
                }
                "type" if !has_type(argument, value) => {
                    found.push(format!("{path} is {value}, not of type {argument}"));
                }
                "items" => {
                    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.value(argument, item, &format!("{path}[{index}]"), found);
                    }
                }
                "required" => {
                    for name in argument.as_array().expect("required is a list") {
                        let name = name.as_str().expect("names are strings");
                        if value.as_object().is_some_and(|fields| !fields.contains_key(name)) {
                            found.push(format!("{path}.{name} is missing"));
                        }
                    }
                }
                "properties" | "additionalProperties" | "const" | "enum" | "type" => {}
                other => assert!(
                    ANNOTATIONS.contains(&other),
                    "the keyword {other} is not supported"
                ),
            }
        }
        let has_fields = keywords.contains_key("properties") || keywords.contains_key("additionalProperties");
        for (name, field) in value.as_object().filter(|_| has_fields).into_iter().flatten() {
            let path = format!("{path}.{name}");
            let listed = keywords
                .get("properties")
                .and_then(|properties| properties.get(name));
            match listed.or(keywords.get("additionalProperties")) {
                Some(schema) => self.value(schema, field, &path, found),
                None => found.push(format!("{path} is not in the schema")),
            }
        }
    }
}

fn has_type(types: &Value, value: &Value) -> bool {
    let is = |name: &Value| match name.as_str().expect("types are strings") {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("the type {other} is not supported"),
    };
    match types {
        Value::Array(types) => types.iter().any(is),
        one => is(one),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn deviations_are_reported_with_their_paths() {
        let schema = json!({
            "type": "object",
            "properties": {
                "format": {"const": "x"},
                "items": {"type": "array", "items": {"$ref": "#/$defs/item"}},
                "map": {"type": "object", "additionalProperties": {"type": "integer"}},
                "any": {},
                "some": {"anyOf": [{"enum": ["a", "b"]}, {"type": "null"}]},
            },
            "required": ["format", "items"],
            "$defs": {"item": {"type": ["string", "null"]}},
        });
        let good =
            json!({"format": "x", "items": ["a", null], "map": {"y": 1}, "any": {"z": []}, "some": "a"});
        assert_eq!(violations(&schema, &good), Vec::<String>::new());
        let bad = json!({"format": "y", "map": {"y": "1"}, "other": 1, "some": "c"});
        assert_eq!(
            violations(&schema, &bad),
            [
                "$.items is missing",
                "$.format is \"y\", not \"x\"",
                "$.map.y is \"1\", not of type \"integer\"",
                "$.other is not in the schema",
                "$.some fits no branch: \"c\"",
            ]
        );
        assert_eq!(
            violations(&schema, &json!([])),
            ["$ is [], not of type \"object\""]
        );
    }
}
