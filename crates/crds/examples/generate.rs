//! Writes the modules of `phoenix-crds` from the `CustomResourceDefinitions` pinned in `sandbox/tools`.
//!
//! ```sh
//! cargo run -p phoenix-crds --example generate            # write
//! cargo run -p phoenix-crds --example generate -- --check # exit with 1 if a module is outdated
//! ```
//!
//! It needs `go`, which downloads the pinned modules, and `rustfmt`.
#![expect(
    clippy::disallowed_methods,
    reason = "a development tool that reads definitions and writes modules"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use saphyr::{LoadableYamlNode as _, Scalar, Yaml};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

/// The folder in `sandbox/tools` that pins a Go module, the module, and its files with definitions.
const SOURCES: [(&str, &str, &[&str]); 2] = [
    (
        "istio",
        "istio.io/api",
        &["kubernetes/customresourcedefinitions.gen.yaml"],
    ),
    (
        "prometheus-operator",
        "github.com/prometheus-operator/prometheus-operator",
        &[
            "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml",
            "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
            "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
        ],
    ),
];

/// The modules to write, with their API group and kinds. All are served as `v1`.
const MODULES: [(&str, &str, &[&str]); 4] = [
    (
        "monitoring",
        "monitoring.coreos.com",
        &["PodMonitor", "PrometheusRule", "ServiceMonitor"],
    ),
    (
        "networking",
        "networking.istio.io",
        &[
            "DestinationRule",
            "Gateway",
            "ServiceEntry",
            "Sidecar",
            "VirtualService",
        ],
    ),
    (
        "security",
        "security.istio.io",
        &[
            "AuthorizationPolicy",
            "PeerAuthentication",
            "RequestAuthentication",
        ],
    ),
    ("telemetry", "telemetry.istio.io", &["Telemetry"]),
];

const VERSION: &str = "v1";

fn main() -> ExitCode {
    let check = std::env::args().skip(1).any(|argument| argument == "--check");
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let definitions = definitions(&package.join("../../sandbox/tools"));

    let mut hash = Sha256::new();
    let mut outdated = Vec::new();
    let mut put = |name: String, text: &str| {
        let path = package.join("src").join(name);
        if std::fs::read_to_string(&path).is_ok_and(|committed| committed == text) {
            return;
        }
        if check {
            outdated.push(path);
        } else {
            std::fs::write(&path, text).expect("the module can be written");
        }
    };
    for (module, group, kinds) in MODULES {
        let kinds: Vec<_> = kinds
            .iter()
            .map(|kind| {
                let found = definitions.iter().find(|definition| {
                    definition["spec"]["group"] == group && definition["spec"]["names"]["kind"] == *kind
                });
                found.unwrap_or_else(|| panic!("{group} defines no {kind}"))
            })
            .collect();
        let text = rustfmt(&write_module(group, &kinds));
        hash.update(&text);
        put(format!("{module}.rs"), &text);
    }
    let hash = hash.finalize().iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string never fails");
        text
    });
    put("generated.sha256".to_owned(), &format!("{hash}\n"));

    for path in &outdated {
        eprintln!(
            "{} differs from the pinned definitions; run `cargo run -p phoenix-crds --example generate`",
            path.display()
        );
    }
    if outdated.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// All definitions in the pinned modules.
fn definitions(tools: &Path) -> Vec<Value> {
    let mut definitions = Vec::new();
    for (family, module, files) in SOURCES {
        let folder = module_folder(&tools.join(family), module);
        for file in files {
            let text = std::fs::read_to_string(folder.join(file)).expect("the pinned module has this file");
            let documents = Yaml::load_from_str(&text).expect("the pinned definitions are YAML");
            definitions.extend(documents.iter().map(json));
        }
    }
    definitions
}

/// Where Go keeps a module, downloaded where it is missing.
fn module_folder(family: &Path, module: &str) -> PathBuf {
    let go = |arguments: &[&str]| {
        let output = Command::new("go")
            .args(arguments)
            .current_dir(family)
            .output()
            .expect("go can be run");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "go {}: {errors}", arguments.join(" "));
        String::from_utf8(output.stdout).expect("go writes UTF-8")
    };
    go(&["mod", "download", module]);
    PathBuf::from(go(&["list", "-m", "-f", "{{.Dir}}", module]).trim_end())
}

fn json(yaml: &Yaml<'_>) -> Value {
    match yaml {
        Yaml::Mapping(fields) => fields
            .iter()
            .map(|(key, value)| (key.as_str().expect("keys are strings").to_owned(), json(value)))
            .collect::<Map<_, _>>()
            .into(),
        Yaml::Sequence(items) => items.iter().map(json).collect(),
        Yaml::Value(Scalar::String(text)) => text.as_ref().into(),
        Yaml::Value(Scalar::Boolean(value)) => (*value).into(),
        Yaml::Value(Scalar::Integer(value)) => (*value).into(),
        Yaml::Value(Scalar::FloatingPoint(value)) => value.into_inner().into(),
        _ => Value::Null,
    }
}

fn rustfmt(text: &str) -> String {
    let mut child = Command::new("rustfmt")
        .args([
            "--edition",
            "2024",
            "--config",
            "max_width=110,use_field_init_shorthand=true",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("rustfmt can be run");
    let mut input = child.stdin.take().expect("the input is a pipe");
    input.write_all(text.as_bytes()).expect("rustfmt reads its input");
    drop(input);
    let output = child.wait_with_output().expect("rustfmt ends");
    assert!(
        output.status.success(),
        "rustfmt cannot read the generated module"
    );
    String::from_utf8(output.stdout).expect("rustfmt writes UTF-8")
}

fn write_module(group: &str, definitions: &[&Value]) -> String {
    let mut body = String::new();
    for definition in definitions {
        let names = &definition["spec"]["names"];
        let kind = names["kind"].as_str().expect("a definition has a kind");
        let plural = names["plural"].as_str().expect("a definition has a plural");
        let versions = definition["spec"]["versions"]
            .as_array()
            .expect("a definition has versions");
        let version = versions
            .iter()
            .find(|version| version["name"] == VERSION)
            .unwrap_or_else(|| panic!("{kind} is not served as {VERSION}"));
        let spec = &version["schema"]["openAPIV3Schema"]["properties"]["spec"];
        writeln!(
            body,
            "/// `{kind}` of `{group}/{VERSION}`.\n#[derive(Clone, Debug, Default, PartialEq)]\npub struct {kind} {{\n\
             pub metadata: ObjectMeta,\npub spec: {kind}Spec,\n}}\n\n\
             resource!({kind}, \"{group}\", \"{VERSION}\", \"{plural}\");\n"
        )
        .expect("a string takes everything");
        Kind::new(kind, spec).write(&mut body, spec);
    }
    let mut text = String::from("// Generated by crates/crds/examples/generate.rs; do not edit.\n\n");
    if body.contains("BTreeMap<") {
        text.push_str("use std::collections::BTreeMap;\n\n");
    }
    text.push_str("use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;\n");
    if body.contains("IntOrString") {
        text.push_str("use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;\n");
    }
    text.push_str("use serde::{Deserialize, Serialize};\n");
    if body.contains(" Value") || body.contains("<Value>") {
        text.push_str("use serde_json::Value;\n");
    }
    text.push('\n');
    text.push_str(&body);
    text
}

/// The types of one kind: every object and enumeration of its schema, named after the path to it.
struct Kind<'a> {
    kind: &'a str,
    /// The name of every place in the schema → the name of its type.
    names: BTreeMap<String, String>,
}

/// A place in a schema that is a type of its own.
struct Place<'a> {
    name: String,
    /// The last field on the path to it, and its structure.
    key: (&'a str, String),
    depth: usize,
}

impl<'a> Kind<'a> {
    fn new(kind: &'a str, spec: &'a Value) -> Self {
        let mut places = Vec::new();
        for (key, field) in fields(spec) {
            collect(&format!("{kind}{}", pascal(key)), key, 1, field, &mut places);
        }
        let mut nearest: BTreeMap<&(&str, String), &Place<'_>> = BTreeMap::new();
        for place in &places {
            let kept = nearest.entry(&place.key).or_insert(place);
            if place.depth < kept.depth {
                *kept = place;
            }
        }
        let names = places.iter().map(|place| {
            let nearest = nearest[&place.key];
            let of_type = if nearest.depth < place.depth {
                nearest
            } else {
                place
            };
            (place.name.clone(), of_type.name.clone())
        });
        Self {
            kind,
            names: names.collect(),
        }
    }

    fn write(&self, text: &mut String, spec: &Value) {
        self.write_struct(text, &format!("{}Spec", self.kind), self.kind, spec);
    }

    /// Writes the type at a place, unless the place repeats one that is written elsewhere.
    fn write_type(&self, text: &mut String, name: &str, schema: &Value) {
        if let Some(inner) = inner(schema) {
            self.write_type(text, name, inner);
        } else if is_type(schema) && self.names[name] == name {
            match values(schema) {
                Some(values) => write_enum(text, name, &values),
                None => self.write_struct(text, name, name, schema),
            }
        }
    }

    /// Writes a struct, and after it the types of its fields, whose names begin with `prefix`.
    fn write_struct(&self, text: &mut String, name: &str, prefix: &str, schema: &Value) {
        let default = if has_default(schema) { "Default, " } else { "" };
        let mut lines = String::new();
        let mut camel_case = false;
        for (key, field) in fields(schema) {
            let rust = snake(key);
            let in_camel_case = camel(&rust) == *key;
            camel_case |= in_camel_case && rust != *key;
            let required = required(schema, key);
            let mut attributes = Vec::new();
            if !required {
                attributes.push("skip_serializing_if = \"Option::is_none\"".to_owned());
            }
            if !in_camel_case {
                attributes.push(format!("rename = \"{key}\""));
            }
            if !attributes.is_empty() {
                writeln!(lines, "#[serde({})]", attributes.join(", ")).expect("a string takes everything");
            }
            let of_type = self.rust_type(&format!("{prefix}{}", pascal(key)), field);
            let of_type = if required {
                of_type
            } else {
                format!("Option<{of_type}>")
            };
            let keyword = if KEYWORDS.contains(&rust.as_str()) {
                "r#"
            } else {
                ""
            };
            writeln!(lines, "pub {keyword}{rust}: {of_type},").expect("a string takes everything");
        }
        writeln!(
            text,
            "#[derive(Clone, Debug, {default}PartialEq, Deserialize, Serialize)]"
        )
        .expect("as above");
        if camel_case {
            text.push_str("#[serde(rename_all = \"camelCase\")]\n");
        }
        writeln!(text, "pub struct {name} {{\n{lines}}}\n").expect("a string takes everything");
        for (key, field) in fields(schema) {
            self.write_type(text, &format!("{prefix}{}", pascal(key)), field);
        }
    }

    fn rust_type(&self, name: &str, schema: &Value) -> String {
        if is_type(schema) {
            return self.names[name].clone();
        }
        if schema["x-kubernetes-int-or-string"] == true {
            return "IntOrString".to_owned();
        }
        match (schema["type"].as_str(), schema["format"].as_str()) {
            (Some("string"), _) => "String".to_owned(),
            (Some("boolean"), _) => "bool".to_owned(),
            (Some("integer"), Some("int32")) => "i32".to_owned(),
            (Some("integer"), _) => "i64".to_owned(),
            (Some("number"), _) => "f64".to_owned(),
            (Some("array"), _) => format!("Vec<{}>", self.rust_type(name, &schema["items"])),
            (Some("object"), _) if schema["additionalProperties"].is_object() => {
                format!(
                    "BTreeMap<String, {}>",
                    self.rust_type(name, &schema["additionalProperties"])
                )
            }
            (Some("object"), _) => "BTreeMap<String, Value>".to_owned(),
            _ => "Value".to_owned(),
        }
    }
}

/// Whether every required field has a default.
fn has_default(schema: &Value) -> bool {
    fields(schema).all(|(key, field)| {
        !required(schema, key) || (values(field).is_none() && (!is_type(field) || has_default(field)))
    })
}

/// Words that need `r#` as the name of a field.
const KEYWORDS: [&str; 6] = ["as", "for", "in", "match", "ref", "type"];

fn write_enum(text: &mut String, name: &str, values: &[&str]) {
    writeln!(
        text,
        "#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]\npub enum {name} {{"
    )
    .expect("a string takes everything");
    let mut written: Vec<&str> = Vec::new();
    for value in values {
        if written.iter().any(|written| written.eq_ignore_ascii_case(value)) {
            continue;
        }
        written.push(value);
        let variant = if value.is_empty() {
            "Empty".to_owned()
        } else {
            pascal(value)
        };
        let mut attributes = Vec::new();
        if variant != *value {
            attributes.push(format!("rename = \"{value}\""));
        }
        // Some enumerations list a value in several spellings: all are read, the first is written.
        let spellings = values
            .iter()
            .filter(|other| other.eq_ignore_ascii_case(value) && *other != value);
        attributes.extend(spellings.map(|other| format!("alias = \"{other}\"")));
        if !attributes.is_empty() {
            writeln!(text, "#[serde({})]", attributes.join(", ")).expect("a string takes everything");
        }
        writeln!(text, "{variant},").expect("a string takes everything");
    }
    text.push_str("}\n\n");
}

/// Lists every place in a schema that is a type of its own.
fn collect<'a>(name: &str, key: &'a str, depth: usize, schema: &'a Value, places: &mut Vec<Place<'a>>) {
    if let Some(inner) = inner(schema) {
        collect(name, key, depth, inner, places);
    } else if is_type(schema) {
        places.push(Place {
            name: name.to_owned(),
            key: (key, structure(schema)),
            depth,
        });
        for (key, field) in fields(schema) {
            collect(&format!("{name}{}", pascal(key)), key, depth + 1, field, places);
        }
    }
}

/// The schema of the items of a list, or of the values of a map.
fn inner(schema: &Value) -> Option<&Value> {
    let inner = match schema["type"].as_str()? {
        "array" => &schema["items"],
        "object" => &schema["additionalProperties"],
        _ => return None,
    };
    inner.is_object().then_some(inner)
}

/// Whether a schema becomes a struct or an enum.
fn is_type(schema: &Value) -> bool {
    schema["properties"].is_object() || values(schema).is_some()
}

fn values(schema: &Value) -> Option<Vec<&str>> {
    let values = schema["enum"].as_array()?;
    (schema["x-kubernetes-int-or-string"] != true).then(|| {
        values
            .iter()
            .map(|value| value.as_str().expect("enumerations are of strings"))
            .collect()
    })
}

/// The fields of an object, without those that repeat another in snake case (`jwks_uri` beside `jwksUri`).
fn fields(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let properties = schema["properties"].as_object();
    properties.into_iter().flatten().filter(move |(key, _)| {
        !key.contains('_') || properties.is_some_and(|all| !all.contains_key(&camel(key)))
    })
}

fn required(schema: &Value, key: &str) -> bool {
    let required = schema["required"].as_array();
    required.is_some_and(|required| required.iter().any(|required| required == key))
}

/// What makes two schemas the same type: the schema without descriptions and constraints.
fn structure(schema: &Value) -> String {
    fn reduce(schema: &Value) -> Value {
        let mut reduced = Map::new();
        for key in ["type", "format", "enum", "required", "x-kubernetes-int-or-string"] {
            if let Some(value) = schema.get(key) {
                reduced.insert(key.to_owned(), value.clone());
            }
        }
        for key in ["items", "additionalProperties"] {
            if let Some(value) = schema.get(key) {
                reduced.insert(key.to_owned(), reduce(value));
            }
        }
        let properties: Map<_, _> = fields(schema)
            .map(|(key, field)| (key.clone(), reduce(field)))
            .collect();
        reduced.insert("properties".to_owned(), properties.into());
        reduced.into()
    }
    reduce(schema).to_string()
}

/// The words of a name in any case: `tlsConfig`, `TLSConfig`, `MIN_VERSION`.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let letters: Vec<char> = name.chars().collect();
    let mut start = true;
    for (at, &letter) in letters.iter().enumerate() {
        if !letter.is_ascii_alphanumeric() {
            start = true;
            continue;
        }
        let before = at.checked_sub(1).map(|before| letters[before]);
        let after = letters.get(at + 1);
        start |= letter.is_ascii_uppercase()
            && (before.is_some_and(|before| before.is_ascii_lowercase() || before.is_ascii_digit())
                || after.is_some_and(char::is_ascii_lowercase));
        if start {
            words.push(String::new());
        }
        start = false;
        words
            .last_mut()
            .expect("there is a word")
            .push(letter.to_ascii_lowercase());
    }
    words
}

fn capitalized(word: &str) -> String {
    let (first, rest) = word.split_at(1);
    format!("{}{rest}", first.to_ascii_uppercase())
}

fn pascal(name: &str) -> String {
    words(name).iter().map(|word| capitalized(word)).collect()
}

fn snake(name: &str) -> String {
    words(name).join("_")
}

fn camel(snake: &str) -> String {
    let mut words = snake.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    first + &words.map(capitalized).collect::<String>()
}
