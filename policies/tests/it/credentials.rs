//! How precisely the rules find credentials, measured on configuration in the formats of real projects.
//!
//! The cases are in `credentials/`: two parts, each with a file of credentials and one of harmless configuration. The rules
//! were developed with the first part. The held-out part was written afterwards; `docs/policy-accuracy.md` has the
//! figures of its first run.
//! Values that look like credentials are not in the repository: `«alnum:36»` is replaced by a generated value.
//!
//! A line is a place and its content: `env NAME=value`, `file NAME: content` (a `ConfigMap`; `\n` separates lines), `args` and
//! `command` with a list in JSON, `script` (an argument of `sh -c`), `annotation NAME=value`, `header Name: value` (of a
//! probe), and `spec` with JSON (of a custom resource).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use base64::Engine as _;
use phoenix_policies::{Verdict, evaluate};
use serde_json::{Value, json};

use crate::support::{graph, of_rule, settings};

/// The parts: the name, the credentials and the harmless configuration.
const PARTS: [(&str, &str, &str); 2] = [
    (
        "development",
        include_str!("credentials/development_credentials.txt"),
        include_str!("credentials/development_harmless.txt"),
    ),
    (
        "held out",
        include_str!("credentials/held_out_credentials.txt"),
        include_str!("credentials/held_out_harmless.txt"),
    ),
];

const RULES: [&str; 3] = [
    "no-credentials-in-env",
    "no-credentials-in-configmap",
    "no-credentials-in-fields",
];

/// Pseudo-random characters, the same in every run.
struct Generator(u64);

impl Generator {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % u64::try_from(bound).unwrap()).unwrap()
    }

    fn text(&mut self, alphabet: &str, length: usize) -> String {
        let letters: Vec<char> = alphabet.chars().collect();
        (0..length).map(|_| letters[self.below(letters.len())]).collect()
    }

    /// A value of a kind: an alphabet and a length, or one of several compound forms.
    fn value(&mut self, kind: &str) -> String {
        const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
        const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
        const WORDS: [&str; 12] = [
            "harbor", "violet", "Copper", "meadow", "Falcon", "winter", "Summit", "orchid", "Tiger", "cedar",
            "Orbit", "maple",
        ];
        let (kind, length) = kind.split_once(':').unwrap_or((kind, "0"));
        let length = length.parse().unwrap();
        let digits = "0123456789";
        match kind {
            "hex" => self.text("0123456789abcdef", length),
            "upper" => self.text(&format!("{UPPER}{digits}"), length),
            "lower" => self.text(LOWER, length),
            "digits" => self.text(digits, length),
            "alnum" => self.text(&format!("{LOWER}{UPPER}{digits}"), length),
            "url" => self.text(&format!("{LOWER}{UPPER}{digits}_-"), length),
            "base64" => {
                let bytes = self.text(&format!("{LOWER}{UPPER}{digits}+/"), length);
                format!("{bytes}=")
            }
            // A password that a person chose, and one with symbols.
            "word" => format!("{}{}", WORDS[self.below(WORDS.len())], self.below(9000) + 1000),
            "words" => format!(
                "{} {} {}",
                WORDS[self.below(12)],
                WORDS[self.below(12)],
                WORDS[self.below(12)]
            ),
            "strong" => format!(
                "{}{}",
                self.text("!*+-_.", 1),
                self.text(&format!("{LOWER}{UPPER}{digits}!*+-_."), 15)
            ),
            "pem" => format!(
                "-----BEGIN {} KEY-----\\n{}\\n-----END {} KEY-----",
                "PRIVATE",
                self.text(&format!("{LOWER}{UPPER}{digits}+/"), 64),
                "PRIVATE"
            ),
            "pem64" => encode(&self.value("pem").replace("\\n", "\n")),
            "login64" => {
                let password = self.value("word");
                encode(&format!("deploy:{password}"))
            }
            "jwt" => format!(
                "{}.{}.{}",
                encode("{\"alg\":\"HS256\"}").trim_end_matches('='),
                encode("{\"sub\":\"1\",\"iat\":1}").trim_end_matches('='),
                self.value("url:43")
            ),
            "uuid" => {
                let parts = [8, 4, 4, 4, 12].map(|length| self.text("0123456789abcdef", length));
                parts.join("-")
            }
            other => panic!("there is no kind of value {other}"),
        }
    }

    /// A line with its values.
    fn filled(&mut self, line: &str) -> String {
        let mut text = String::new();
        let mut rest = line;
        while let Some((before, after)) = rest.split_once('«') {
            let (kind, after) = after.split_once('»').unwrap();
            text.push_str(before);
            text.push_str(&self.value(kind));
            rest = after;
        }
        text + rest
    }
}

fn encode(text: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(text)
}

/// The object of a case.
fn object(case: &str) -> Value {
    let (place, content) = case.split_once(' ').unwrap();
    let pair = |separator: &str| {
        let (name, value) = content.split_once(separator).unwrap_or_else(|| panic!("{case}"));
        (name.to_owned(), value.replace("\\n", "\n"))
    };
    let list = || serde_json::from_str::<Value>(content).unwrap_or_else(|error| panic!("{case}: {error}"));
    let pod = |container: Value| {
        let mut container = container;
        container["name"] = json!("app");
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": [container]}})
    };
    match place {
        "env" => {
            let (name, value) = pair("=");
            pod(json!({"env": [{"name": name, "value": value}]}))
        }
        "file" => {
            let (name, value) = pair(": ");
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {name: value}})
        }
        "args" => pod(json!({"args": list()})),
        "command" => pod(json!({"command": list()})),
        "script" => pod(json!({"command": ["sh", "-c"], "args": [content.replace("\\n", "\n")]})),
        "header" => {
            let (name, value) = pair(": ");
            pod(
                json!({"livenessProbe": {"httpGet": {"port": 80, "httpHeaders": [{"name": name, "value": value}]}}}),
            )
        }
        "annotation" => {
            let (name, value) = pair("=");
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a", "annotations": {name: value}}})
        }
        "spec" => {
            json!({"apiVersion": "example.org/v1", "kind": "Custom", "metadata": {"name": "a"}, "spec": list()})
        }
        other => panic!("there is no place {other}"),
    }
}

/// The messages of the findings about a case.
fn findings(case: &str) -> Vec<String> {
    let report = evaluate(&graph(&[object(case)]), &settings());
    let rules = RULES.iter().map(|id| phoenix_policies::rules::find(id).unwrap());
    let verdicts = rules.flat_map(|rule| of_rule(rule, &report));
    verdicts
        .flat_map(|(_, verdict)| match verdict {
            Verdict::Fail(findings) => findings,
            _ => Vec::new(),
        })
        .map(|finding| format!("{}: {}", finding.path, finding.message))
        .collect()
}

/// The cases of a file.
fn cases(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with("# "))
}

#[test]
fn credentials_are_found_with_few_false_alarms() {
    let mut generator = Generator(20_261_129);
    let mut section = String::from(
        "| part | credentials | found | harmless | failed | precision | recall |\n|---|---|---|---|---|---|---|\n",
    );
    let mut wrong: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let (mut all, mut of_all) = ([0_usize; 2], [0_usize; 2]);
    for (part, credentials, harmless) in PARTS {
        let (mut counts, mut totals) = ([0_usize; 2], [0_usize; 2]);
        for (side, text) in [credentials, harmless].into_iter().enumerate() {
            for line in cases(text) {
                totals[side] += 1;
                let is_found = !findings(&generator.filled(line)).is_empty();
                counts[side] += usize::from(is_found);
                if is_found != (side == 0) {
                    let kind = if side == 0 { "missed" } else { "false alarm" };
                    wrong.entry(kind).or_default().push(format!("{part}: `{line}`"));
                }
            }
        }
        row(&mut section, part, counts, totals);
        for side in 0..2 {
            all[side] += counts[side];
            of_all[side] += totals[side];
        }
    }
    row(&mut section, "all", all, of_all);
    for (kind, lines) in &wrong {
        let _ = write!(section, "\n{kind}:\n\n");
        for line in lines {
            let _ = writeln!(section, "- {line}");
        }
    }
    assert!(
        all[0] * 100 >= (all[0] + all[1]) * 98,
        "precision is below 0.98:\n{section}"
    );
    insta::assert_snapshot!(section);
    assert!(of_all.iter().all(|cases| *cases >= 300), "{of_all:?}");
}

fn row(section: &mut String, name: &str, found: [usize; 2], of: [usize; 2]) {
    let share = |part: usize, whole: usize| {
        f64::from(u32::try_from(part).unwrap()) / f64::from(u32::try_from(whole.max(1)).unwrap())
    };
    let _ = writeln!(
        section,
        "| {name} | {} | {} | {} | {} | {:.3} | {:.3} |",
        of[0],
        found[0],
        of[1],
        found[1],
        share(found[0], found[0] + found[1]),
        share(found[0], of[0])
    );
}

#[test]
fn findings_do_not_quote_the_values() {
    let mut generator = Generator(1);
    for line in PARTS.iter().flat_map(|(_, credentials, _)| cases(credentials)) {
        let case = generator.filled(line);
        let mut parts = line.split('«').flat_map(|part| part.split('»'));
        let literal_parts: Vec<&str> = parts.by_ref().step_by(2).collect();
        let mut rest = case.as_str();
        let mut values = Vec::new();
        for part in literal_parts.iter().filter(|part| !part.is_empty()) {
            if let Some((value, after)) = rest.split_once(part) {
                values.push(value);
                rest = after;
            }
        }
        values.push(rest);
        for message in findings(&case) {
            for value in values.iter().filter(|value| value.len() > 6) {
                assert!(!message.contains(value), "{case}: {message}");
            }
        }
    }
}

fn fails(rule: &str, document: Value) -> bool {
    let rule = phoenix_policies::rules::find(rule).unwrap();
    let report = evaluate(&graph(&[document]), &settings());
    let mut verdicts = of_rule(rule, &report).into_iter();
    verdicts.any(|(_, verdict)| matches!(verdict, Verdict::Fail(_)))
}

#[test]
fn a_secret_encrypted_by_sops_passes_and_one_with_a_plain_value_does_not() {
    let encrypted = "ENC[AES256_GCM,data:aGk=,iv:aGk=,tag:aGk=,type:str]";
    let secret = |password: &str, mac: Option<&str>| {
        let mut secret = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "a"},
            "stringData": {"user": encrypted, "password": password},
        });
        if let Some(mac) = mac {
            secret["sops"] = json!({"mac": mac, "version": "3.9.0"});
        }
        secret
    };
    let rule = "secret-values-are-references";
    assert!(!fails(rule, secret(encrypted, Some(encrypted))));
    assert!(fails(rule, secret("correct-horse", Some(encrypted))));
    assert!(fails(
        rule,
        secret("ENC[AES256_GCM,correct-horse]", Some(encrypted))
    ));
    assert!(fails(rule, secret(encrypted, Some("correct-horse"))));
    assert!(fails(rule, secret(encrypted, None)));
}

#[test]
fn each_rule_searches_its_own_fields_of_every_kind() {
    let last_applied = "kubectl.kubernetes.io/last-applied-configuration";
    let applied = json!({"apiVersion": "v1", "kind": "Secret", "data": {"any": "aGVsbG8="}}).to_string();
    for (rule, document, expected) in [
        (
            "no-credentials-in-configmap",
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "binaryData": {"a.env": encode("DB_PASSWORD=correct-horse")}}),
            true,
        ),
        (
            "no-credentials-in-configmap",
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "binaryData": {"a.env": encode("DB_PASSWORD_FILE=/run/db")}}),
            false,
        ),
        (
            "no-credentials-in-fields",
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a", "annotations": {last_applied: applied}}, "data": {"any": "aGVsbG8="}}),
            true,
        ),
        (
            "no-credentials-in-fields",
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "data": {"password": "aGVsbG8="}}),
            false,
        ),
        // A shell expands `$NAME`; Kubernetes expands only `$(NAME)`.
        (
            "no-credentials-in-fields",
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": [{"name": "b", "args": ["--password", "$ecret-horse"]}]}}),
            true,
        ),
        (
            "no-credentials-in-fields",
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": [{"name": "b", "args": ["--password=$ecret-horse"]}]}}),
            true,
        ),
        // Only the name of a shell is one, not every word that ends as its name does.
        (
            "no-credentials-in-fields",
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": [{"name": "b", "args": ["--flush", "--password", "$ecret-horse"]}]}}),
            true,
        ),
        (
            "no-credentials-in-fields",
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": [{"name": "b", "command": ["/opt/entrypoint.sh", "--password", "$ecret-horse"]}]}}),
            true,
        ),
        (
            "no-credentials-in-fields",
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": [{"name": "b", "args": ["--password", "$(DB_PASSWORD)"]}]}}),
            false,
        ),
        // Not expanded, but meant as a variable.
        (
            "no-credentials-in-fields",
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": [{"name": "b", "args": ["--password", "$DB_PASSWORD", "--token=$API_TOKEN"]}]}}),
            false,
        ),
        (
            "no-credentials-in-fields",
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": [{"name": "b", "command": ["/bin/sh", "-c"], "args": ["exec server --password $DB_PASSWORD"]}]}}),
            false,
        ),
        (
            "no-credentials-in-fields",
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": [{"name": "b", "command": ["bash", "-ec", "server --password $DB_PASSWORD"]}]}}),
            false,
        ),
        // Containers of an operator's object that are not read as a pod, and those that are.
        (
            "no-credentials-in-fields",
            json!({"apiVersion": "monitoring.coreos.com/v1", "kind": "Prometheus", "metadata": {"name": "a"}, "spec": {"containers": [{"name": "b", "env": [{"name": "DB_PASSWORD", "value": "correct-horse"}]}]}}),
            true,
        ),
        (
            "no-credentials-in-fields",
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": [{"name": "b", "env": [{"name": "DB_PASSWORD", "value": "correct-horse"}]}]}}),
            false,
        ),
        (
            "no-credentials-in-fields",
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": [{"name": "a", "env": [{"name": "DB_PASSWORD", "value": "correct-horse"}]}]}}),
            false,
        ),
        (
            "no-credentials-in-fields",
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": [{"name": "a", "lifecycle": {"preStop": {"exec": {"command": ["redis-cli", "-a", "correct-horse"]}}}}]}}),
            true,
        ),
        (
            "no-credentials-in-fields",
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": [{"name": "a", "command": ["mysql"], "args": ["-uroot", "-pcorrect-horse"]}]}}),
            true,
        ),
        (
            "no-credentials-in-fields",
            json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": "a"}, "spec": {"template": {"spec": {"containers": [{"name": "a", "env": [{"name": "DB_PASSWORD", "value": "correct-horse"}]}]}}}}),
            false,
        ),
        (
            "no-credentials-in-env",
            json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": "a"}, "spec": {"template": {"spec": {"containers": [{"name": "a", "env": [{"name": "DB_PASSWORD", "value": "correct-horse"}]}]}}}}),
            true,
        ),
        (
            "no-credentials-in-fields",
            json!({"apiVersion": "monitoring.coreos.com/v1", "kind": "Prometheus", "metadata": {"name": "a"}, "spec": {"env": [{"name": "DB_PASSWORD", "value": "correct-horse"}]}}),
            true,
        ),
        (
            "no-credentials-in-fields",
            json!({"apiVersion": "bitnami.com/v1alpha1", "kind": "SealedSecret", "metadata": {"name": "a"}, "spec": {"encryptedData": {"password": "AgBy3i4OJSWK"}}}),
            false,
        ),
        (
            "no-credentials-in-fields",
            json!({"apiVersion": "example.org/v1", "kind": "SealedSecret", "metadata": {"name": "a"}, "spec": {"encryptedData": {"password": "correct-horse"}}}),
            true,
        ),
    ] {
        assert_eq!(fails(rule, document.clone()), expected, "{rule}: {document}");
    }
}

#[test]
fn a_fault_of_an_object_with_several_pods_is_reported_once() {
    let container = json!({"template": {"spec": {"containers": [{"name": "a", "image": "a"}]}}});
    let job = json!({
        "apiVersion": "batch.volcano.sh/v1alpha1",
        "kind": "Job",
        "metadata": {"name": "a", "annotations": {"password": "correct-horse"}},
        "spec": {"tasks": [container, container]},
    });
    let rule = phoenix_policies::rules::find("no-credentials-in-fields").unwrap();
    let report = evaluate(&graph(&[job]), &settings());
    assert_eq!(crate::support::findings(&of_rule(rule, &report)).len(), 1);
}
