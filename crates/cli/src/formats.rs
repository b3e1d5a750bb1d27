//! The JSON formats of the command: their names and schemas. `docs/json.md` describes them.

/// Every format of version 1, by its name in the field `format`, with its JSON schema.
pub const FORMATS: [(&str, &str); 12] = [
    ("check", include_str!("../../../docs/schemas/check.v1.json")),
    ("comment", include_str!("../../../docs/schemas/comment.v1.json")),
    ("diff", include_str!("../../../docs/schemas/diff.v1.json")),
    ("doctor", include_str!("../../../docs/schemas/doctor.v1.json")),
    ("error", include_str!("../../../docs/schemas/error.v1.json")),
    ("explain", include_str!("../../../docs/schemas/explain.v1.json")),
    (
        "explain-list",
        include_str!("../../../docs/schemas/explain-list.v1.json"),
    ),
    ("preview", include_str!("../../../docs/schemas/preview.v1.json")),
    (
        "sandbox-env",
        include_str!("../../../docs/schemas/sandbox-env.v1.json"),
    ),
    (
        "sandbox-status",
        include_str!("../../../docs/schemas/sandbox-status.v1.json"),
    ),
    (
        "secrets-check",
        include_str!("../../../docs/schemas/secrets-check.v1.json"),
    ),
    (
        "secrets-list",
        include_str!("../../../docs/schemas/secrets-list.v1.json"),
    ),
];

/// The schema of a format.
pub fn schema(format: &str) -> Option<&'static str> {
    FORMATS
        .iter()
        .find(|(name, _)| *name == format)
        .map(|(_, schema)| *schema)
}

#[cfg(test)]
mod tests {
    use phoenix_terminal::output::FORMAT_VERSION;
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_schema_is_that_of_its_format_and_version() {
        for (name, text) in FORMATS {
            let schema: Value = serde_json::from_str(text).unwrap();
            assert_eq!(schema["properties"]["format"]["const"], name);
            assert_eq!(schema["properties"]["formatVersion"]["const"], FORMAT_VERSION);
            let required = schema["required"].as_array().unwrap();
            assert!(required.contains(&"format".into()) && required.contains(&"formatVersion".into()));
        }
    }
}
