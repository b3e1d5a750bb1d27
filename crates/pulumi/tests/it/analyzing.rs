//! A policy pack as the engine asks it: a small one behind a real connection.

use std::collections::BTreeMap;

use prost_types::Struct;
use pulumi_wire::analyzer::{
    About, Analyzer, Change, Context, Level, Pack, Policy, PolicySettings, Remediations, Resource, Severity,
    Stack, Verdicts, Violation,
};
use pulumi_wire::proto::analyzer_client::AnalyzerClient;
use pulumi_wire::proto::analyzer_server::AnalyzerServer;
use pulumi_wire::proto::{
    AnalyzeRequest, AnalyzeStackRequest, AnalyzerResource, AnalyzerResourceOptions,
    AnalyzerStackConfigureRequest, ConfigureAnalyzerRequest, FullSize as _, PolicyConfig, PolicyType,
};
use pulumi_wire::serve::{Stop, serve_on};
use pulumi_wire::{SecretString, Value, to_wire};
use tokio::net::TcpListener;
use tonic::transport::Channel;

const CANARY: &str = "canary-of-a-property";

/// Demands a text under `word`; wants it to be `right`.
struct Words;

#[derive(Default)]
struct Settings(Option<Level>);

impl Words {
    fn evaluate(resource: &Resource, level: Level) -> Verdicts {
        let mut verdicts = Verdicts::default();
        match resource.properties.get("word") {
            None => verdicts
                .not_applicable
                .push(("a-word".to_owned(), "has no word".to_owned())),
            Some(Value::String(word)) if word == "right" => {}
            Some(Value::Null) => panic!("{CANARY}"),
            Some(value) => verdicts.violations.push(Violation {
                policy: "a-word".to_owned(),
                description: "The word is right.".to_owned(),
                message: match value {
                    Value::Unknown(_) => "is not known yet".to_owned(),
                    _ => "is wrong".to_owned(),
                },
                urn: resource.urn.clone(),
                level,
                severity: Severity::High,
            }),
        }
        verdicts
    }
}

impl Pack for Words {
    type Settings = Settings;

    fn about(&self) -> About {
        About {
            name: "words".to_owned(),
            version: "1.2.3".to_owned(),
            policies: vec![Policy {
                name: "a-word".to_owned(),
                display_name: "A word".to_owned(),
                description: "The word is right.".to_owned(),
                level: Level::Mandatory,
                severity: Severity::High,
                of_stack: false,
                schema: BTreeMap::from([("most".to_owned(), serde_json::json!({"type": "integer"}))]),
                framework: None,
                tags: vec!["words".to_owned()],
                remediation: "Write it right.".to_owned(),
            }],
            ..Default::default()
        }
    }

    fn configure(
        &self,
        policies: BTreeMap<String, PolicySettings>,
        stack: Option<&Stack>,
    ) -> Result<Settings, String> {
        // Secrets of the stack are none of a pack's business.
        assert!(stack.is_none_or(|stack| stack.config.keys().eq(["phoenix:policies"])));
        match policies.get("a-word") {
            Some(policy) if policy.properties.contains_key("least") => Err("a-word has no least".to_owned()),
            policy => Ok(Settings(policy.map(|policy| policy.level))),
        }
    }

    fn analyze(&self, resource: &Resource, context: Context<'_, Settings>) -> Verdicts {
        Self::evaluate(resource, context.settings.0.unwrap_or(Level::Mandatory))
    }

    fn analyze_stack(&self, resources: &[Resource], context: Context<'_, Settings>) -> Verdicts {
        Verdicts {
            violations: Vec::new(),
            not_applicable: vec![(
                "a-word".to_owned(),
                format!(
                    "{} resources of {}, the first below {}, after {}",
                    resources.len(),
                    context.stack.map_or("no stack", |stack| stack.name.as_str()),
                    resources[0].parent,
                    resources[0].dependencies.len(),
                ),
            )],
        }
    }

    fn remediate(&self, resource: &Resource, _: Context<'_, Settings>) -> Remediations {
        let mut properties = resource.properties.clone();
        properties.insert("word".to_owned(), Value::from("right"));
        Remediations {
            changes: vec![Change {
                policy: "a-word".to_owned(),
                description: "The word is right.".to_owned(),
                properties,
            }],
            not_applicable: Vec::new(),
        }
    }
}

async fn connect() -> AnalyzerClient<Channel> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let stop = Stop::new();
    let service = AnalyzerServer::new(Analyzer::new(Words, stop.clone()));
    tokio::spawn(serve_on(listener, service, stop));
    let client = AnalyzerClient::connect(format!("http://127.0.0.1:{port}"))
        .await
        .unwrap();
    client.full_size()
}

fn properties(word: Value) -> Struct {
    let all = BTreeMap::from([
        ("word".to_owned(), word),
        ("password".to_owned(), Value::secret(Value::from(CANARY))),
    ]);
    to_wire(&all, &BTreeMap::<String, SecretString>::new()).unwrap()
}

fn asked(word: Value) -> AnalyzeRequest {
    AnalyzeRequest {
        r#type: "kubernetes:core/v1:ConfigMap".to_owned(),
        urn: "urn:pulumi:dev::phoenix::kubernetes:core/v1:ConfigMap::settings".to_owned(),
        name: "settings".to_owned(),
        properties: Some(properties(word)),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_violation_names_its_policy_resource_and_pack() {
    let mut client = connect().await;
    let answer = client
        .analyze(asked(Value::from("wrong")))
        .await
        .unwrap()
        .into_inner();
    let [found] = answer.diagnostics.as_slice() else {
        panic!("{answer:?}")
    };
    assert_eq!(
        (found.policy_name.as_str(), found.policy_pack_name.as_str()),
        ("a-word", "words")
    );
    assert_eq!(found.policy_pack_version, "1.2.3");
    assert_eq!(found.message, "is wrong");
    assert_eq!(found.urn, asked(Value::Null).urn);
    assert_eq!(found.enforcement_level(), Level::Mandatory);
    assert_eq!(found.severity(), Severity::High);
}

#[tokio::test]
async fn a_passed_policy_is_in_neither_list_and_one_that_does_not_apply_gives_a_reason() {
    let mut client = connect().await;
    let passed = client
        .analyze(asked(Value::from("right")))
        .await
        .unwrap()
        .into_inner();
    assert!(passed.diagnostics.is_empty() && passed.not_applicable.is_empty());
    let without = AnalyzeRequest {
        properties: None,
        ..asked(Value::Null)
    };
    let answer = client.analyze(without).await.unwrap().into_inner();
    assert!(answer.diagnostics.is_empty());
    assert_eq!(answer.not_applicable[0].policy_name, "a-word");
    assert_eq!(answer.not_applicable[0].reason, "has no word");
}

#[tokio::test]
async fn an_unknown_value_is_decoded_as_unknown() {
    let mut client = connect().await;
    let unknown = Value::Unknown(pulumi_wire::UnknownKind::String);
    let answer = client.analyze(asked(unknown)).await.unwrap().into_inner();
    assert_eq!(answer.diagnostics[0].message, "is not known yet");
}

#[tokio::test]
async fn a_panic_of_a_policy_reveals_no_value_and_the_next_call_succeeds() {
    let mut client = connect().await;
    let refused = client.analyze(asked(Value::Null)).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Internal);
    assert!(!refused.message().contains(CANARY), "{}", refused.message());
    let next = client
        .analyze(asked(Value::from("wrong")))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(next.diagnostics.len(), 1);
}

#[tokio::test]
async fn the_configured_level_applies_and_an_invalid_setting_is_rejected() {
    let mut client = connect().await;
    let configured = |properties: BTreeMap<String, Value>| ConfigureAnalyzerRequest {
        policy_config: BTreeMap::from([(
            "a-word".to_owned(),
            PolicyConfig {
                enforcement_level: Level::Advisory.into(),
                properties: Some(to_wire(&properties, &BTreeMap::new()).unwrap()),
            },
        )]),
    };
    client.configure(configured(BTreeMap::new())).await.unwrap();
    let answer = client
        .analyze(asked(Value::from("wrong")))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(answer.diagnostics[0].enforcement_level(), Level::Advisory);
    let wrong = BTreeMap::from([("least".to_owned(), Value::from(1))]);
    let refused = client.configure(configured(wrong)).await.unwrap_err();
    assert_eq!(
        (refused.code(), refused.message()),
        (tonic::Code::InvalidArgument, "a-word has no least")
    );
}

#[tokio::test]
async fn a_stack_is_evaluated_with_and_without_its_description() {
    let mut client = connect().await;
    let request = AnalyzeStackRequest {
        resources: vec![AnalyzerResource {
            dependencies: vec!["urn:a".to_owned()],
            options: Some(AnalyzerResourceOptions {
                parent: "urn:parent".to_owned(),
                ..Default::default()
            }),
            ..Default::default()
        }],
    };
    let answer = client.analyze_stack(request.clone()).await.unwrap().into_inner();
    assert_eq!(
        answer.not_applicable[0].reason,
        "1 resources of no stack, the first below urn:parent, after 1"
    );
    let stack = AnalyzerStackConfigureRequest {
        stack: "dev".to_owned(),
        config: BTreeMap::from([
            ("phoenix:password".to_owned(), CANARY.to_owned()),
            ("phoenix:policies".to_owned(), "{}".to_owned()),
        ]),
        config_secret_keys: vec!["phoenix:password".to_owned()],
        ..Default::default()
    };
    assert!(!format!("{stack:?}").contains(CANARY));
    client.configure_stack(stack).await.unwrap();
    let answer = client.analyze_stack(request).await.unwrap().into_inner();
    assert!(answer.not_applicable[0].reason.starts_with("1 resources of dev"));
    let configured = client.configure(ConfigureAnalyzerRequest::default()).await;
    configured.expect("the pack sees what is not secret");
}

#[tokio::test]
async fn a_remediation_returns_all_properties_with_secrets_marked() {
    let mut client = connect().await;
    let answer = client
        .remediate(asked(Value::from("wrong")))
        .await
        .unwrap()
        .into_inner();
    let [change] = answer.remediations.as_slice() else {
        panic!("{answer:?}")
    };
    assert_eq!(change.properties, Some(properties(Value::from("right"))));
    assert!(!format!("{change:?}").contains(CANARY));
}

#[tokio::test]
async fn a_pack_lists_its_policies_with_their_settings() {
    let mut client = connect().await;
    let info = client.get_analyzer_info(()).await.unwrap().into_inner();
    assert_eq!((info.name.as_str(), info.version.as_str()), ("words", "1.2.3"));
    assert!(info.supports_config);
    let [policy] = info.policies.as_slice() else {
        panic!("{info:?}")
    };
    assert_eq!(policy.policy_type(), PolicyType::Resource);
    assert_eq!(policy.enforcement_level(), Level::Mandatory);
    let schema = policy.config_schema.as_ref().unwrap();
    assert!(schema.properties.as_ref().unwrap().fields.contains_key("most"));
    let plugin = client.get_plugin_info(()).await.unwrap().into_inner();
    assert_eq!(plugin.version, "1.2.3");
}
