//! The policy pack as a separate process, called in the same way as by the engine.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};

use phoenix_policies::RULES;
use phoenix_policies::Scope;
use prost_types::Struct;
use pulumi_wire::proto::analyzer_client::AnalyzerClient;
use pulumi_wire::proto::{
    AnalyzeRequest, AnalyzeResponse, AnalyzeStackRequest, AnalyzerInfo, AnalyzerResource,
    AnalyzerStackConfigureRequest, ConfigureAnalyzerRequest, EnforcementLevel, PolicyConfig, PolicyType,
};
use pulumi_wire::{UnknownKind, Value, to_wire};

const CANARY: &str = "canary-of-a-password";

/// The process of the pack, which ends with the test.
struct Pack {
    process: Child,
    client: Client,
    /// `phoenix:environment` of the stack.
    environment: Option<&'static str>,
}

type Client = AnalyzerClient<tonic::transport::Channel>;

impl Pack {
    async fn start() -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_phoenix-policies"))
            .arg("127.0.0.1:1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the pack starts");
        let mut line = String::new();
        BufReader::new(process.stdout.as_mut().expect("stdout is piped"))
            .read_line(&mut line)
            .expect("the pack prints its port");
        let port: u16 = line.trim_end().parse().expect("the line is only a port");
        let client = AnalyzerClient::connect(format!("http://127.0.0.1:{port}"))
            .await
            .expect("the pack listens");
        Self {
            process,
            client,
            environment: None,
        }
    }

    async fn info(&mut self) -> AnalyzerInfo {
        let answer = self.client.get_analyzer_info(()).await;
        answer.expect("the pack lists its policies").into_inner()
    }

    /// The first calls of the engine. It sends a level for every policy: the default if none is configured.
    async fn configure(
        &mut self,
        dry_run: bool,
        own: Option<&str>,
        configured: &[(&str, PolicyConfig)],
    ) -> Result<(), String> {
        let stack = AnalyzerStackConfigureRequest {
            stack: "dev".to_owned(),
            dry_run,
            config: own
                .map(|own| ("phoenix:policies".to_owned(), own.to_owned()))
                .into_iter()
                .chain(
                    self.environment
                        .map(|name| ("phoenix:environment".to_owned(), name.to_owned())),
                )
                .collect(),
            ..Default::default()
        };
        self.client
            .configure_stack(stack)
            .await
            .expect("the stack is configured");
        let mut policy_config: BTreeMap<String, PolicyConfig> = self
            .info()
            .await
            .policies
            .into_iter()
            .map(|policy| {
                let config = PolicyConfig {
                    enforcement_level: policy.enforcement_level,
                    properties: None,
                };
                (policy.name, config)
            })
            .collect();
        for (name, config) in configured {
            policy_config.insert((*name).to_owned(), config.clone());
        }
        let answer = self.client.configure(ConfigureAnalyzerRequest { policy_config });
        answer
            .await
            .map(drop)
            .map_err(|status| status.message().to_owned())
    }

    async fn analyze(&mut self, token: &str, properties: &Value) -> AnalyzeResponse {
        let request = AnalyzeRequest {
            r#type: token.to_owned(),
            urn: format!("urn:pulumi:dev::phoenix::{token}::it"),
            name: "it".to_owned(),
            properties: Some(wire(properties)),
            ..Default::default()
        };
        self.client
            .analyze(request)
            .await
            .expect("the pack answers")
            .into_inner()
    }

    /// The violations of a rule about settings, for a stack without objects.
    async fn about_settings(&mut self, rule: &str) -> Vec<(EnforcementLevel, String)> {
        let answer = self.client.analyze_stack(AnalyzeStackRequest {
            resources: Vec::new(),
        });
        let answer = answer.await.expect("the pack answers").into_inner();
        answer
            .diagnostics
            .into_iter()
            .filter(|found| found.policy_name == rule)
            .map(|found| (found.enforcement_level(), found.message))
            .collect()
    }

    /// Ends the pack as the engine does, and returns its stderr output.
    async fn end(mut self) -> String {
        self.client.cancel(()).await.expect("the pack takes the cancel");
        drop(self.client);
        drop(self.process.stdin.take());
        // Without blocking, because the client has to close the connection too.
        let ended = loop {
            if let Some(ended) = self.process.try_wait().expect("our own child") {
                break ended;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        };
        assert!(ended.success());
        let mut output = String::new();
        for stream in [
            self.process
                .stdout
                .take()
                .map(|stream| Box::new(stream) as Box<dyn std::io::Read>),
            self.process
                .stderr
                .take()
                .map(|stream| Box::new(stream) as Box<dyn std::io::Read>),
        ] {
            stream
                .expect("it is piped")
                .read_to_string(&mut output)
                .expect("it is text");
        }
        output
    }
}

fn wire(properties: &Value) -> Struct {
    let Value::Object(fields) = properties else {
        panic!("properties are a mapping")
    };
    to_wire(fields, &BTreeMap::new()).expect("it can be sent")
}

fn value(json: &serde_json::Value) -> Value {
    Value::from_json(json).expect("it can travel")
}

const DEPLOYMENT: &str = "kubernetes:apps/v1:Deployment";

fn deployment(privileged: &serde_json::Value) -> serde_json::Value {
    serde_json::json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a", "namespace": "b"},
        "spec": {"replicas": 3, "template": {"spec": {"containers": [
            {"name": "c", "image": "d", "securityContext": {"privileged": privileged}},
        ]}}},
    })
}

/// The level and the message of a policy in an answer.
fn violation_of<'a>(answer: &'a AnalyzeResponse, policy: &str) -> Option<(EnforcementLevel, &'a str)> {
    answer
        .diagnostics
        .iter()
        .find(|found| found.policy_name == policy)
        .map(|found| (found.enforcement_level(), found.message.as_str()))
}

#[tokio::test]
async fn every_rule_is_a_policy_with_its_level_and_scope() {
    let mut pack = Pack::start().await;
    let info = pack.info().await;
    assert_eq!(info.policies.len(), RULES.len());
    for (policy, rule) in info.policies.iter().zip(RULES) {
        assert_eq!(policy.name, rule.id);
        let of_stack = policy.policy_type() == PolicyType::Stack;
        assert_eq!(of_stack, rule.scope() == Scope::Stack, "{}", rule.id);
        assert_eq!(policy.tags.len(), rule.evidence.len(), "{}", rule.id);
    }
    assert_eq!(
        pack.end().await,
        "",
        "the output of a pack appears in the diagnostics of the stack"
    );
}

#[tokio::test]
async fn a_finding_is_reported_with_place_fix_and_controls() {
    let mut pack = Pack::start().await;
    pack.configure(true, None, &[]).await.unwrap();
    let answer = pack.analyze(DEPLOYMENT, &value(&deployment(&true.into()))).await;
    let (level, message) = violation_of(&answer, "no-privileged-containers").unwrap();
    assert_eq!(level, EnforcementLevel::Mandatory);
    for part in [
        "Deployment b/a",
        "spec.template.spec.containers[0].securityContext.privileged",
        "How to fix: ",
        "SOC 2 ",
        "HIPAA 164.",
        "phoenix explain no-privileged-containers",
    ] {
        assert!(message.contains(part), "{part} is not in {message}");
    }
    let good = pack.analyze(DEPLOYMENT, &value(&deployment(&false.into()))).await;
    assert_eq!(violation_of(&good, "no-privileged-containers"), None);
    pack.end().await;
}

#[tokio::test]
async fn an_unknown_value_is_advisory_in_a_preview_and_a_failure_in_a_deployment() {
    let mut pack = Pack::start().await;
    let mut unknown = value(&deployment(&true.into()));
    if let Value::Object(fields) = &mut unknown {
        fields.insert("spec".to_owned(), Value::Unknown(UnknownKind::Object));
    }
    for (dry_run, expected) in [
        (true, EnforcementLevel::Advisory),
        (false, EnforcementLevel::Mandatory),
    ] {
        pack.configure(dry_run, None, &[]).await.unwrap();
        let answer = pack.analyze(DEPLOYMENT, &unknown).await;
        let (level, message) = violation_of(&answer, "no-privileged-containers").unwrap();
        assert_eq!(level, expected);
        assert!(message.contains("not known"), "{message}");
    }
    pack.end().await;
}

#[tokio::test]
async fn a_marked_secret_passes_and_is_never_repeated() {
    let mut pack = Pack::start().await;
    pack.configure(true, None, &[]).await.unwrap();
    let secret = |data: Value| {
        let mut secret = value(&serde_json::json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a", "namespace": "b"},
        }));
        if let Value::Object(fields) = &mut secret {
            fields.insert("stringData".to_owned(), data);
        }
        secret
    };
    let plain = value(&serde_json::json!({"password": CANARY}));
    let marked = [
        Value::secret(plain.clone()),
        Value::Object(BTreeMap::from([(
            "password".to_owned(),
            Value::secret(Value::from(CANARY)),
        )])),
        // The placeholder of the engine for a secret that it cannot decrypt.
        value(&serde_json::json!({"password": "[secret]"})),
    ];
    for data in marked {
        let answer = pack.analyze("kubernetes:core/v1:Secret", &secret(data)).await;
        assert_eq!(violation_of(&answer, "secret-values-are-references"), None);
    }
    let answer = pack.analyze("kubernetes:core/v1:Secret", &secret(plain)).await;
    assert!(violation_of(&answer, "secret-values-are-references").is_some());
    assert!(!format!("{answer:?}").contains(CANARY));
    assert!(!pack.end().await.contains(CANARY));
}

#[tokio::test]
async fn non_objects_are_skipped_and_kinds_use_only_their_own_rules() {
    let mut pack = Pack::start().await;
    pack.configure(true, None, &[]).await.unwrap();
    let asked = |rule: &&&phoenix_policies::Rule| {
        rule.scope() == Scope::Resource && rule.enforcement != phoenix_policies::Enforcement::Disabled
    };
    let of_resources = RULES.iter().filter(asked).count();
    let component = pack
        .analyze("phoenix:index:System", &value(&serde_json::json!({})))
        .await;
    assert_eq!(component.not_applicable.len(), of_resources);
    let answer = pack.analyze(DEPLOYMENT, &value(&deployment(&true.into()))).await;
    let aside: Vec<_> = answer
        .not_applicable
        .iter()
        .map(|policy| policy.policy_name.as_str())
        .collect();
    assert!(aside.contains(&"gateway-tls-enforced"));
    assert!(!aside.contains(&"no-privileged-containers"));
    pack.end().await;
}

#[tokio::test]
async fn settings_of_the_command_line_override_those_of_the_stack() {
    let mut pack = Pack::start().await;
    let own = r#"{"rules": {"no-root-group": "mandatory"}}"#;
    let mut rooted = deployment(&false.into());
    rooted["spec"]["template"]["spec"]["securityContext"] = serde_json::json!({"runAsGroup": 0});
    let rooted = value(&rooted);
    pack.configure(true, Some(own), &[]).await.unwrap();
    let answer = pack.analyze(DEPLOYMENT, &rooted).await;
    let (level, _) = violation_of(&answer, "no-root-group").unwrap();
    assert_eq!(level, EnforcementLevel::Mandatory);
    let disabled = PolicyConfig {
        enforcement_level: EnforcementLevel::Disabled.into(),
        properties: None,
    };
    pack.configure(true, Some(own), &[("no-root-group", disabled)])
        .await
        .unwrap();
    let answer = pack.analyze(DEPLOYMENT, &rooted).await;
    assert_eq!(violation_of(&answer, "no-root-group"), None);
    let weakened = pack.about_settings("evaluation-not-weakened").await;
    assert_eq!(weakened.len(), 1, "{weakened:?}");
    assert!(
        weakened[0]
            .1
            .contains("no-root-group is disabled instead of advisory, set by --policy-pack-config"),
        "{weakened:?}"
    );
    pack.end().await;
}

#[tokio::test]
async fn a_stack_cannot_weaken_its_evaluation_with_or_without_settings_of_the_engine() {
    let mut pack = Pack::start().await;
    let privileged = value(&deployment(&true.into()));
    let mandatory = at(EnforcementLevel::Mandatory);
    for own in [
        r#"{"all": "disabled"}"#,
        r#"{"rules": {"no-privileged-containers": "disabled"}}"#,
        r#"{"rules": {"no-privileged-containers": {"enforcement": "advisory"}}}"#,
    ] {
        for engine in [&[][..], &[("no-privileged-containers", mandatory.clone())]] {
            pack.configure(true, Some(own), engine).await.unwrap();
            let answer = pack.analyze(DEPLOYMENT, &privileged).await;
            let (level, _) = violation_of(&answer, "no-privileged-containers").unwrap();
            assert_eq!(level, EnforcementLevel::Mandatory, "{own}");
            let found = pack.about_settings("evaluation-not-weakened").await;
            assert_eq!(found.len(), 1, "{own}: {found:?}");
            assert_eq!(found[0].0, EnforcementLevel::Mandatory, "{own}");
            assert!(found[0].1.contains("the stack cannot set"), "{own}: {found:?}");
        }
    }
    for own in [
        r#"{"assume": {"mesh": "never"}}"#,
        r#"{"assume": {"complete": false}}"#,
    ] {
        let refused = pack.configure(true, Some(own), &[]).await.unwrap_err();
        assert!(refused.contains("is not accepted in a stack file"), "{refused}");
    }
    pack.end().await;
}

#[tokio::test]
async fn the_profile_of_the_environment_relaxes_and_the_engine_has_the_last_word() {
    let mut pack = Pack::start().await;
    let tagged = value(&serde_json::json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"},
        "spec": {"containers": [{"name": "c", "image": "registry.example/c:1"}]},
    }));
    let all = [("all", at(EnforcementLevel::Mandatory))];
    for (environment, engine, expected) in [
        ("dev", &[][..], None),
        ("prod", &[], Some(EnforcementLevel::Mandatory)),
        ("DEV", &[], Some(EnforcementLevel::Mandatory)),
        ("dev", &all, Some(EnforcementLevel::Mandatory)),
    ] {
        pack.environment = Some(environment);
        pack.configure(true, None, engine).await.unwrap();
        let answer = pack.analyze("kubernetes:core/v1:Pod", &tagged).await;
        let found = violation_of(&answer, "image-digest-pinned").map(|(level, _)| level);
        assert_eq!(found, expected, "{environment}");
        let listed = pack.about_settings("evaluation-not-weakened").await;
        let is_listed = listed.iter().any(|(level, message)| {
            *level == EnforcementLevel::Advisory
                && message.contains(
                    "image-digest-pinned is disabled instead of mandatory, set by policies/profiles/dev.yaml",
                )
        });
        assert_eq!(is_listed, expected.is_none(), "{environment}: {listed:?}");
    }
    pack.end().await;
}

#[tokio::test]
async fn unknown_settings_are_errors_with_a_suggestion() {
    let mut pack = Pack::start().await;
    let own = r#"{"rules": {"no-priviledged-containers": "mandatory"}}"#;
    let refused = pack.configure(true, Some(own), &[]).await.unwrap_err();
    assert!(
        refused.contains("did you mean no-privileged-containers?"),
        "{refused}"
    );
    let refused = pack.configure(true, Some("[]"), &[]).await.unwrap_err();
    assert_eq!(refused, "phoenix:policies must be a mapping");
    pack.end().await;
}

#[tokio::test]
async fn rules_about_the_stack_see_all_objects_and_can_be_evaluated_twice() {
    let mut pack = Pack::start().await;
    // Without the stack and its configuration, as when a state is analyzed.
    let resource = |urn: &str| AnalyzerResource {
        r#type: DEPLOYMENT.to_owned(),
        urn: urn.to_owned(),
        name: "a".to_owned(),
        properties: Some(wire(&value(&deployment(&false.into())))),
        ..Default::default()
    };
    let request = AnalyzeStackRequest {
        resources: vec![resource("urn:first"), resource("urn:second")],
    };
    let answer = pack
        .client
        .analyze_stack(request)
        .await
        .expect("the pack answers")
        .into_inner();
    let found = answer
        .diagnostics
        .iter()
        .find(|found| found.policy_name == "workload-has-network-policy")
        .expect("nothing guards the deployment");
    assert_eq!(found.urn, "urn:first");
    assert!(
        answer
            .diagnostics
            .iter()
            .all(|found| found.policy_name != "no-privileged-containers"),
        "a rule about one object has answered before"
    );
    pack.end().await;
}

/// A configuration with only a level.
fn at(level: EnforcementLevel) -> PolicyConfig {
    PolicyConfig {
        enforcement_level: level.into(),
        properties: None,
    }
}

#[tokio::test]
async fn options_are_declared_with_their_type_and_passed_to_their_rule() {
    let mut pack = Pack::start().await;
    let info = pack.info().await;
    let policy = info
        .policies
        .iter()
        .find(|policy| policy.name == "image-registry-allowed")
        .unwrap();
    let schema = policy.config_schema.clone().unwrap().properties.unwrap();
    let schema = pulumi_wire::from_wire(schema).unwrap();
    let Value::Object(registries) = &schema["registries"] else {
        panic!("the schema of an option is a mapping: {schema:?}")
    };
    assert_eq!(registries["type"], Value::from("array"));
    let found = |answer: &AnalyzeResponse| violation_of(answer, "image-registry-allowed").is_some();
    let given = |registries: serde_json::Value| PolicyConfig {
        enforcement_level: EnforcementLevel::Mandatory.into(),
        properties: Some(wire(&value(&serde_json::json!({"registries": registries})))),
    };
    let properties = value(&serde_json::json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"},
        "spec": {"containers": [{"name": "c", "image": "registry.example/c:1"}]},
    }));
    for (registries, fails) in [
        (serde_json::json!(["registry.example"]), false),
        (serde_json::json!(["other.example"]), true),
    ] {
        pack.configure(true, None, &[("image-registry-allowed", given(registries))])
            .await
            .unwrap();
        assert_eq!(
            found(&pack.analyze("kubernetes:core/v1:Pod", &properties).await),
            fails
        );
    }
    // A value of a wrong type, which an engine with validation would reject.
    let refused = pack
        .configure(
            true,
            None,
            &[(
                "image-registry-allowed",
                given(serde_json::json!("registry.example")),
            )],
        )
        .await
        .unwrap_err();
    assert!(
        refused.contains("rules.image-registry-allowed.registries must be a list of strings"),
        "{refused}"
    );
    pack.end().await;
}

#[tokio::test]
async fn an_unknown_policy_is_rejected_on_the_command_line_too() {
    let mut pack = Pack::start().await;
    let refused = pack
        .configure(
            true,
            None,
            &[("no-priviledged-containers", at(EnforcementLevel::Advisory))],
        )
        .await
        .unwrap_err();
    assert!(
        refused.contains("did you mean no-privileged-containers?"),
        "{refused}"
    );
    pack.end().await;
}

#[tokio::test]
async fn unrelated_configuration_of_the_stack_is_ignored() {
    let mut pack = Pack::start().await;
    let stack = AnalyzerStackConfigureRequest {
        stack: "dev".to_owned(),
        project: "phoenix".to_owned(),
        organization: "organization".to_owned(),
        tags: BTreeMap::from([("owner".to_owned(), "us".to_owned())]),
        config: BTreeMap::from([("phoenix:policies".to_owned(), r#"{"all": "advisory"}"#.to_owned())]),
        // A mapping that contains a secret is a secret as a whole; it is not a setting of the pack and is ignored.
        config_secret_keys: vec!["phoenix:policies".to_owned()],
        ..Default::default()
    };
    pack.client
        .configure_stack(stack)
        .await
        .expect("the stack is configured");
    let answer = pack.analyze(DEPLOYMENT, &value(&deployment(&true.into()))).await;
    let (level, _) = violation_of(&answer, "no-privileged-containers").unwrap();
    assert_eq!(level, EnforcementLevel::Mandatory);
    pack.end().await;
}

#[tokio::test]
async fn a_violation_has_the_urn_of_its_resource() {
    let mut pack = Pack::start().await;
    pack.configure(true, None, &[]).await.unwrap();
    // The provider has not generated a name yet, so the name of the resource in the program is used.
    let mut properties = deployment(&true.into());
    properties["metadata"].as_object_mut().unwrap().remove("name");
    let answer = pack.analyze(DEPLOYMENT, &value(&properties)).await;
    let found = answer
        .diagnostics
        .iter()
        .find(|found| found.policy_name == "no-privileged-containers")
        .unwrap();
    assert_eq!(found.urn, format!("urn:pulumi:dev::phoenix::{DEPLOYMENT}::it"));
    assert!(found.message.contains("Deployment b/it"), "{}", found.message);
    assert_eq!(found.policy_pack_name, "phoenix-controls");
    pack.end().await;
}

/// The remediation of a pod with a user and a secret.
async fn remediated(pack: &mut Pack) -> Vec<(String, Value)> {
    let mut properties = value(&serde_json::json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "b"},
        "spec": {
            "securityContext": {"runAsUser": 1000},
            "containers": [{"name": "c", "image": "d", "securityContext": {"allowPrivilegeEscalation": false}}],
        },
    }));
    if let Value::Object(fields) = &mut properties {
        let hidden = Value::secret(Value::from(CANARY));
        fields.insert("hidden".to_owned(), hidden);
    }
    let request = AnalyzeRequest {
        r#type: "kubernetes:core/v1:Pod".to_owned(),
        urn: "urn:pod".to_owned(),
        name: "a".to_owned(),
        properties: Some(wire(&properties)),
        ..Default::default()
    };
    let answer = pack
        .client
        .remediate(request)
        .await
        .expect("the pack answers")
        .into_inner();
    answer
        .remediations
        .into_iter()
        .map(|change| {
            let properties = pulumi_wire::from_wire(change.properties.unwrap()).unwrap();
            assert_eq!(
                properties["hidden"],
                Value::secret(Value::from(CANARY)),
                "what is secret stays so"
            );
            (change.policy_name, properties["spec"].clone())
        })
        .collect()
}

#[tokio::test]
async fn nothing_is_remediated_by_default() {
    let mut pack = Pack::start().await;
    assert_eq!(remediated(&mut pack).await, vec![]);
    pack.configure(true, None, &[]).await.unwrap();
    assert_eq!(remediated(&mut pack).await, vec![]);
    pack.end().await;
}

#[tokio::test]
async fn remediations_build_on_each_other_and_the_result_passes() {
    let mut pack = Pack::start().await;
    let all = at(EnforcementLevel::Remediate);
    let policies: Vec<_> = RULES.iter().map(|rule| (rule.id, all.clone())).collect();
    // The engine applies a level for `all` to each policy.
    pack.configure(true, None, &policies).await.unwrap();
    let changes = remediated(&mut pack).await;
    let names: Vec<_> = changes.iter().map(|(policy, _)| policy.as_str()).collect();
    assert_eq!(names, ["run-as-non-root", "drop-all-capabilities"]);
    let spec = |container: serde_json::Value| {
        value(&serde_json::json!({
            "securityContext": {"runAsUser": 1000},
            "containers": [{"name": "c", "image": "d", "securityContext": container}],
        }))
    };
    assert_eq!(
        changes[0].1,
        spec(serde_json::json!({"allowPrivilegeEscalation": false, "runAsNonRoot": true}))
    );
    let last = spec(serde_json::json!({
        "allowPrivilegeEscalation": false, "runAsNonRoot": true, "capabilities": {"drop": ["ALL"]},
    }));
    assert_eq!(changes[1].1, last);
    let mut repaired = value(&serde_json::json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "b"},
    }));
    if let Value::Object(fields) = &mut repaired {
        fields.insert("spec".to_owned(), last);
    }
    let answer = pack.analyze("kubernetes:core/v1:Pod", &repaired).await;
    for policy in names {
        assert_eq!(violation_of(&answer, policy), None);
    }
    pack.end().await;
}

#[tokio::test]
async fn a_waived_object_is_not_remediated() {
    let mut pack = Pack::start().await;
    let own = serde_json::json!({
        "rules": {"run-as-non-root": "remediate", "drop-all-capabilities": "remediate"},
        "waivers": [{
            "rule": "run-as-non-root", "objects": ["Pod b/a"], "reason": "r", "compensatingMeasure": "m", "owner": "o",
            "approver": "a", "approved": "2020-01-01", "lastDay": "9999-12-31", "ticket": "t",
        }],
    });
    pack.configure(true, Some(&own.to_string()), &[]).await.unwrap();
    let changes = remediated(&mut pack).await;
    let names: Vec<_> = changes.iter().map(|(policy, _)| policy.as_str()).collect();
    assert_eq!(names, ["drop-all-capabilities"]);
    pack.end().await;
}
