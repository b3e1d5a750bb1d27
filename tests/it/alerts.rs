//! Rules and dashboards query exposed metrics; every alert has a runbook and examples, and every runbook an alert.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{ConfigMap, Service};
use phoenix::config::{check, secret};
use phoenix::connections::{Peer, connections};
use phoenix::platform::metrics::{METRICS, Source};
use phoenix::platform::{self, RULES, runbook_page};
use phoenix_crds::monitoring::{PodMonitor, ServiceMonitor};
use phoenix_graph::Graph;
use promql_parser::parser::{self, Expr};
use promql_parser::util::{ExprVisitor, walk_expr};
use serde_json::{Value, json};

use crate::support::{STACKS, keys, root, stack};
use phoenix_testing::alerts::{EXAMPLES, alerts, of, rules, with_everything};

/// What each stack declares to be watched by, and what one with more than any of them would.
fn graphs() -> Vec<(&'static str, Graph)> {
    let mut graphs: Vec<_> = STACKS.into_iter().map(|name| (name, stack(name).graph)).collect();
    graphs.push(("everything", with_everything(&stack("prod").config)));
    graphs
}

#[test]
fn every_rule_parses_and_queries_metrics_scraped_in_its_stack() {
    for (name, graph) in graphs() {
        let rules = rules(&graph);
        let mut recorded = BTreeSet::new();
        let mut asked = BTreeSet::new();
        for rule in rules
            .groups
            .unwrap()
            .into_iter()
            .flat_map(|group| group.rules.unwrap())
        {
            recorded.extend(rule.record);
            asked.extend(names(&expression(&rule.expr)));
        }
        let scraped = scraped(&graph);
        for metric in &asked {
            let source = source(metric);
            match source {
                Source::Rules => assert!(recorded.contains(metric), "{name}: nothing records {metric}"),
                source => assert!(
                    scraped.contains(&source),
                    "{name}: {} is not scraped for {metric}",
                    source.as_str()
                ),
            }
        }
        assert!(asked.len() > 15, "{name} queries {asked:?}");
        for metric in recorded {
            assert_eq!(source(&metric), Source::Rules);
        }
    }
}

#[test]
fn every_panel_parses_and_queries_exposed_metrics() {
    for name in STACKS {
        let graph = stack(name).graph;
        let recorded: BTreeSet<_> = rules(&graph)
            .groups
            .unwrap()
            .into_iter()
            .flat_map(|group| group.rules.unwrap())
            .filter_map(|rule| rule.record)
            .collect();
        let mut panels = 0;
        for (file, dashboard) in dashboards(&graph) {
            let mut ids = BTreeSet::new();
            for panel in dashboard["panels"].as_array().unwrap() {
                assert!(ids.insert(panel["id"].as_u64()), "{file}: an id is given twice");
                let targets = panel["targets"].as_array().unwrap();
                let letters: BTreeSet<_> = targets.iter().map(|target| target["refId"].as_str()).collect();
                assert_eq!(letters.len(), targets.len(), "{file}");
                for target in targets {
                    for metric in names(target["expr"].as_str().unwrap()) {
                        let source = source(&metric);
                        if source == Source::Rules {
                            assert!(
                                recorded.contains(&metric),
                                "{name}, {file}: nothing records {metric}"
                            );
                        }
                        if let Some(workload) = source.workload() {
                            assert!(
                                graph.objects().any(|object| object.id.name == workload.name),
                                "{name}: {} is nowhere, and {metric} with it",
                                workload.name
                            );
                        }
                        panels += 1;
                    }
                }
                overlaps(&file, dashboard["panels"].as_array().unwrap());
            }
        }
        assert!(panels > 15, "{name}");
    }
}

/// Two panels in one place would hide each other.
fn overlaps(file: &str, panels: &[Value]) {
    let mut taken = BTreeSet::new();
    for panel in panels {
        let place = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        assert!(
            place("x") + place("w") <= 24,
            "{file}: a panel is beyond the edge"
        );
        for x in place("x")..place("x") + place("w") {
            for y in place("y")..place("y") + place("h") {
                assert!(
                    taken.insert((x, y)),
                    "{file}: {} overlaps another",
                    panel["title"]
                );
            }
        }
    }
}

#[test]
fn every_metric_of_the_table_is_used() {
    let mut asked = BTreeSet::new();
    for (_, graph) in graphs() {
        for rule in rules(&graph)
            .groups
            .unwrap()
            .into_iter()
            .flat_map(|group| group.rules.unwrap())
        {
            asked.extend(names(&expression(&rule.expr)));
        }
        for (_, dashboard) in dashboards(&graph) {
            for panel in dashboard["panels"].as_array().unwrap() {
                for target in panel["targets"].as_array().unwrap() {
                    asked.extend(names(target["expr"].as_str().unwrap()));
                }
            }
        }
    }
    let table: BTreeSet<_> = METRICS.iter().map(|metric| metric.name.to_owned()).collect();
    assert_eq!(table.len(), METRICS.len(), "a metric is in the table twice");
    assert_eq!(table, asked);
}

#[test]
fn every_alert_has_a_runbook_and_every_runbook_an_alert() {
    let mut known = BTreeSet::new();
    for (_, graph) in graphs() {
        for alert in alerts(&rules(&graph)) {
            let page = runbook_page(alert.alert.as_deref().unwrap());
            let address = &alert.annotations.unwrap()["runbook_url"];
            assert_eq!(address, &format!("docs/runbooks/{page}.md"));
            known.insert(page);
        }
    }
    let pages: BTreeSet<_> = std::fs::read_dir(root().join("docs/runbooks"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|file| file.strip_suffix(".md").map(str::to_owned))
        .filter(|page| runbook_of_an_alert(page))
        .collect();
    assert_eq!(pages, known);
}

/// Other runbooks are in the same folder; those of alerts name the alert in their first line.
fn runbook_of_an_alert(page: &str) -> bool {
    let text = std::fs::read_to_string(root().join(format!("docs/runbooks/{page}.md"))).unwrap();
    text.lines()
        .next()
        .is_some_and(|title| title.starts_with("# Alert "))
}

#[test]
fn alert_runbooks_have_the_required_sections() {
    for entry in std::fs::read_dir(root().join("docs/runbooks")).unwrap() {
        let path = entry.unwrap().path();
        let page = path.file_stem().unwrap().to_str().unwrap();
        if path.extension().is_none_or(|extension| extension != "md") || !runbook_of_an_alert(page) {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let alert = text.lines().next().unwrap().trim_start_matches("# Alert ");
        assert_eq!(
            runbook_page(alert.trim_matches('`')),
            page,
            "the title names the alert"
        );
        let headings: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        assert_eq!(
            headings,
            [
                "What it means",
                "First checks",
                "Likely causes",
                "Escalation",
                "Confirm recovery"
            ],
            "{page}"
        );
        assert!(text.contains("```sh\n"), "{page} has no command");
    }
}

#[test]
fn every_alert_of_every_stack_has_an_example_that_fires_and_one_that_does_not() {
    for (name, graph) in graphs() {
        let rules = rules(&graph);
        let examples = of(&rules);
        for alert in alerts(&rules) {
            let of_alert: Vec<_> = examples
                .iter()
                .filter(|(example, ..)| Some(example.alert) == alert.alert.as_deref())
                .collect();
            assert!(
                of_alert.iter().any(|(_, firing, _)| firing.contains(&alert)),
                "{name}: nothing shows {:?} {:?} firing",
                alert.alert,
                alert.labels
            );
            assert!(
                of_alert.iter().any(|(_, firing, _)| !firing.contains(&alert)),
                "{name}: nothing shows {:?} {:?} silent",
                alert.alert,
                alert.labels
            );
        }
    }
    let facts: BTreeSet<_> = EXAMPLES
        .iter()
        .map(|example| (example.alert, example.fact))
        .collect();
    assert_eq!(facts.len(), EXAMPLES.len(), "two examples have the same name");
}

#[test]
fn each_tier_has_a_card_and_the_center_is_the_largest() {
    let graph = stack("prod").graph;
    let analytics = dashboards(&graph)
        .remove("phoenix-memory-analytics.json")
        .unwrap();
    let cards: Vec<_> = analytics["panels"].as_array().unwrap()[..5]
        .iter()
        .map(|card| {
            let red = card["fieldConfig"]["defaults"]["thresholds"]["steps"][1]["value"]
                .as_f64()
                .unwrap();
            let title = card["title"].as_str().unwrap();
            format!("{title}, {} wide, red from {red} ms", card["gridPos"]["w"])
        })
        .collect();
    assert_eq!(
        cards,
        [
            "L1: Session Cache, 4 wide, red from 50 ms",
            "L2: Snowflake Cortex (PRIMARY), 8 wide, red from 100 ms",
            "L3: Mem0 Persistent, 4 wide, red from 200 ms",
            "L4: Knowledge Graph, 4 wide, red from 150 ms",
            "L5: LangGraph Workflow, 4 wide, red from 100 ms",
        ]
    );
    let rest: Vec<_> = analytics["panels"].as_array().unwrap()[5..]
        .iter()
        .map(|panel| panel["title"].as_str().unwrap())
        .collect();
    assert_eq!(
        rest,
        [
            "Cross-Session Learning Progress",
            "Learned in 7 days",
            "Snowflake → Mem0",
            "Mem0 → Snowflake"
        ]
    );
}

#[test]
fn monitors_select_existing_services_and_pods() {
    for name in ["staging", "prod"] {
        let phoenix_cli::stack::Stack { config, graph, .. } = stack(name);
        let mut monitors = 0;
        for monitor in graph
            .objects()
            .filter_map(phoenix_graph::Object::typed::<ServiceMonitor>)
        {
            monitors += 1;
            let wanted = monitor.spec.selector.match_labels.unwrap();
            let endpoint = &monitor.spec.endpoints[0];
            let service = endpoint.relabelings.as_ref().unwrap()[0].regex.clone().unwrap();
            let namespaces = monitor.spec.namespace_selector.unwrap().match_names.unwrap();
            let service: Service = graph.get(Some(&namespaces[0]), &service).unwrap();
            let labels = service.metadata.labels.unwrap();
            assert!(wanted.iter().all(|(key, value)| labels.get(key) == Some(value)));
            let ports = service.spec.unwrap().ports.unwrap();
            assert!(ports.iter().any(|port| port.name == endpoint.port), "{name}");
            let port = ports.iter().find(|port| port.name == endpoint.port).unwrap().port;
            let target = wanted["app"].clone();
            // Whoever scrapes is let in there.
            assert!(
                connections(&config).iter().any(|row| {
                    let to = matches!(row.to, Peer::Workload(workload) if workload.app == target);
                    let prometheus = matches!(&row.from, Peer::InCluster(from) if from.name == "Prometheus");
                    to && prometheus && i32::from(row.port) == port
                }),
                "{name}: no row lets Prometheus in to {target}"
            );
            if let Some(credentials) = endpoint
                .authorization
                .as_ref()
                .and_then(|proof| proof.credentials.as_ref())
            {
                let row = &secret::QDRANT_READ_ONLY_API_KEY;
                assert_eq!(
                    (credentials.name.as_deref(), credentials.key.as_str()),
                    (Some(row.secret), row.data_key)
                );
            }
        }
        // OpenMemory, Qdrant, the session cache, LangGraph and the chat; the knowledge graph has no metrics.
        assert_eq!(monitors, 5, "{name}");
        let sidecars: PodMonitor = graph
            .get(Some("sophia-memory"), "phoenix-memory-sidecars")
            .unwrap();
        let wanted = sidecars.spec.selector.match_labels.unwrap();
        for object in graph
            .objects()
            .filter(|object| ["Deployment", "StatefulSet"].contains(&object.id.kind.as_str()))
        {
            let labels = &object.body()["spec"]["template"]["metadata"]["labels"];
            assert!(
                wanted.iter().all(|(key, value)| labels[key] == json!(value)),
                "{}",
                object.id
            );
        }
        for object in graph.component("monitoring").objects() {
            let selected = object.body().pointer("/metadata/labels/release").is_some();
            assert_eq!(
                selected,
                object.api_version == "monitoring.coreos.com/v1",
                "{}",
                object.id
            );
        }
    }
}

#[test]
fn without_the_operator_rules_are_a_file_and_its_kinds_are_absent() {
    let mut keys = keys("prod");
    let with = platform::build(&check(&keys).unwrap());
    let monitoring = keys.get_mut("phoenix:monitoring").unwrap();
    monitoring["prometheusOperator"] = json!(false);
    monitoring.as_object_mut().unwrap().remove("labels");
    let without = platform::build(&check(&keys).unwrap());
    assert!(
        without
            .objects()
            .all(|object| !object.api_version.starts_with("monitoring.coreos.com"))
    );
    assert!(without.get::<ConfigMap>(Some("sophia-memory"), RULES).is_some());
    let names = |graph: &Graph| -> BTreeSet<_> {
        alerts(&rules(graph))
            .into_iter()
            .map(|rule| rule.alert.unwrap())
            .collect()
    };
    // `up` of somebody else's jobs has labels that nobody knows.
    let lost: Vec<_> = names(&with).difference(&names(&without)).cloned().collect();
    assert_eq!(lost, ["MemoryTargetDown"]);
}

#[test]
fn runbook_links_use_the_stacks_base_url() {
    let mut keys = keys("prod");
    keys.get_mut("phoenix:monitoring").unwrap()["runbooks"] = json!("https://wiki.example.com/phoenix/");
    let graph = platform::build(&check(&keys).unwrap());
    for alert in alerts(&rules(&graph)) {
        let page = runbook_page(&alert.alert.unwrap());
        assert_eq!(
            alert.annotations.unwrap()["runbook_url"],
            format!("https://wiki.example.com/phoenix/{page}.md")
        );
    }
}

#[test]
fn a_tier_target_changes_only_monitoring_and_client_settings() {
    let mut keys = keys("prod");
    let before = platform::build(&check(&keys).unwrap());
    keys.get_mut("phoenix:tiers").unwrap()["sessionCache"]["latencyMs"] = json!(40);
    let after = platform::build(&check(&keys).unwrap());
    let changed: BTreeSet<_> = after
        .objects()
        .filter(|object| before.objects().all(|other| *other != **object))
        .map(|object| object.component.clone())
        .collect();
    assert_eq!(
        changed,
        BTreeSet::from(["chat", "mcp", "monitoring"].map(str::to_owned))
    );
}

/// Who is scraped in a stack, by our objects or because it is not ours.
fn scraped(graph: &Graph) -> BTreeSet<Source> {
    let mut scraped = BTreeSet::from([
        // Somebody else's, and a stated assumption: `docs/monitoring.md`.
        Source::Istiod,
        Source::KubeStateMetrics,
        Source::Kubelet,
        // By our monitor, or by a job of somebody else's where there is no operator.
        Source::Sidecars,
    ]);
    let monitors = graph
        .objects()
        .filter(|object| object.id.kind == "ServiceMonitor");
    let monitors: BTreeSet<_> = monitors.map(|object| object.id.name.clone()).collect();
    for source in Source::ALL {
        if source
            .workload()
            .is_some_and(|workload| monitors.contains(workload.name))
        {
            scraped.insert(source);
        }
    }
    if graph.objects().any(|object| object.id.kind == "PodMonitor") {
        scraped.insert(Source::Prometheus);
    }
    scraped
}

fn source(metric: &str) -> Source {
    METRICS
        .iter()
        .find(|row| row.name == metric)
        .unwrap_or_else(|| panic!("{metric} is not in the table of metrics"))
        .source
}

/// The metrics that a question names.
fn names(question: &str) -> BTreeSet<String> {
    struct Names(BTreeSet<String>);
    impl ExprVisitor for Names {
        type Error = std::convert::Infallible;

        fn pre_visit(&mut self, expression: &Expr) -> Result<bool, Self::Error> {
            let selector = match expression {
                Expr::VectorSelector(selector) => Some(selector),
                Expr::MatrixSelector(matrix) => Some(&matrix.vs),
                _ => None,
            };
            if let Some(selector) = selector {
                self.0
                    .insert(selector.name.clone().expect("every selector names its metric"));
            }
            Ok(true)
        }
    }
    let parsed = parser::parse(question).unwrap_or_else(|wrong| panic!("{wrong}: {question}"));
    let mut found = Names(BTreeSet::new());
    walk_expr(&mut found, &parsed).unwrap();
    found.0
}

fn expression(expression: &k8s_openapi::apimachinery::pkg::util::intstr::IntOrString) -> String {
    match expression {
        k8s_openapi::apimachinery::pkg::util::intstr::IntOrString::String(text) => text.clone(),
        k8s_openapi::apimachinery::pkg::util::intstr::IntOrString::Int(number) => number.to_string(),
    }
}

pub fn dashboards(graph: &Graph) -> BTreeMap<String, Value> {
    let maps = graph
        .objects()
        .filter_map(phoenix_graph::Object::typed::<ConfigMap>);
    maps.filter(|map| {
        let labels = map.metadata.labels.as_ref();
        labels.is_some_and(|labels| labels.contains_key("grafana_dashboard"))
    })
    .flat_map(|map| map.data.unwrap())
    .map(|(file, json)| (file, serde_json::from_str(&json).unwrap()))
    .collect()
}

#[test]
fn alert_texts_use_only_labels_of_the_alert() {
    for (name, graph) in graphs() {
        let file = phoenix_testing::alerts::test_file(&rules(&graph), "rules.yaml");
        for test in file["tests"].as_array().unwrap() {
            for fired in test["alert_rule_test"][0]["exp_alerts"].as_array().unwrap() {
                for (annotation, text) in fired["exp_annotations"].as_object().unwrap() {
                    assert!(
                        !text.as_str().unwrap().contains("{{"),
                        "{name}: {} has a {annotation} with an unknown label: {text}",
                        test["name"]
                    );
                }
            }
        }
    }
}
