//! The dashboards: the four panels of the source document, its Memory Analytics tab, and a dashboard for each tier.
//!
//! Panels are values, and a test compares every query with the table of metrics. Metrics that a stack does not have
//! get no panel, except for those of the source document.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use phoenix_graph::Graph;

use super::dashboard::{
    Color, Dashboard, Datasource, FieldConfig, FieldDefaults, GridPosition, Legend, Lines, Mapping, Matcher,
    Options, Override, Panel, PanelKind, Property, Reduce, Step, Target, Templating, Thresholds,
    ThresholdsStyle, TimeRange, Tooltip, Variable, Words,
};
use super::objectives;
use super::targets::{LATENCY, PERIOD, PERSISTENCE};
use super::{Platform, SYSTEM};
use crate::config::Tiers;
use crate::names::{LANGGRAPH, OPENMEMORY, QDRANT, REDIS, Tier, Workload};
use crate::parts::metadata::{self, label};

/// The ConfigMap with the source document's dashboard, its identifier in URLs, and its file name.
const DASHBOARD: &str = "phoenix-mem0-dashboard";

/// The Memory Analytics tab of the source document.
const ANALYTICS: &str = "phoenix-memory-analytics";

/// The ConfigMap with a dashboard for each tier.
const TIERS: &str = "phoenix-memory-tiers";

/// The Prometheus data source that the viewer selected.
const PROMETHEUS: Datasource = Datasource {
    kind: "prometheus",
    uid: "${datasource}",
};

/// All of them.
pub fn insert(graph: &mut Graph, platform: &Platform<'_>) {
    graph.insert(config_map(DASHBOARD, &[memory_system(platform.tiers)]));
    graph.insert(config_map(ANALYTICS, &[analytics(platform.tiers)]));
    let tiers = Tier::ALL.map(|tier| of_tier(tier, platform));
    graph.insert(config_map(TIERS, &tiers));
}

fn config_map(name: &str, dashboards: &[Dashboard]) -> ConfigMap {
    let mut metadata = metadata::memory_meta(SYSTEM, name);
    // The label that the sidecar of Grafana's Helm chart looks for by default.
    label(&mut metadata, "grafana_dashboard", "1");
    // The sidecar writes all dashboards of the cluster into one directory, named by key. `dashboard.json`, as in the
    // source document, could collide.
    let files = dashboards.iter().map(|dashboard| {
        let json = serde_json::to_string_pretty(dashboard).expect("a dashboard is always JSON");
        (format!("{}.json", dashboard.uid), format!("{json}\n"))
    });
    ConfigMap {
        metadata,
        data: Some(files.collect()),
        ..Default::default()
    }
}

/// A dashboard with these panels.
fn dashboard(uid: &str, title: &str, description: &str, panels: Vec<Panel>) -> Dashboard {
    Dashboard {
        uid: uid.to_owned(),
        title: title.to_owned(),
        description: description.to_owned(),
        tags: vec!["phoenix", "memory"],
        timezone: "browser",
        editable: false,
        graph_tooltip: 1,
        refresh: "30s",
        // The last schema version before Grafana 11; newer versions migrate it.
        schema_version: 39,
        time: TimeRange {
            from: "now-6h",
            to: "now",
        },
        templating: Templating {
            list: vec![Variable {
                name: "datasource",
                label: "Data source",
                kind: "datasource",
                query: "prometheus",
            }],
        },
        panels,
    }
}

/// The four panels of the source document.
fn memory_system(tiers: &Tiers) -> Dashboard {
    dashboard(
        DASHBOARD,
        "Phoenix + Mem0 Memory System",
        "The five memory tiers, and the synchronization of Mem0 and Snowflake",
        vec![
            tier_performance(tiers),
            integration_health(),
            learning_rate(),
            sync_status(),
        ],
    )
}

fn tier_performance(tiers: &Tiers) -> Panel {
    let targets: Vec<_> = Tier::ALL
        .iter()
        .map(|tier| format!("{} {} ms", tier.level(), tiers.latency_ms(*tier)))
        .collect();
    Panel {
        description: format!(
            "Response time of each tier. The dashed lines are the targets: {}.",
            targets.join(", ")
        ),
        field_config: FieldConfig {
            defaults: FieldDefaults {
                min: Some(0.0),
                thresholds: absolute(latency_steps(tiers)),
                custom: Some(lines("dashed")),
                ..field("ms")
            },
            overrides: Tier::ALL.map(tier_color).into(),
        },
        ..time_series(
            1,
            "Memory Tier Performance",
            "sophia_memory_tier_response_time",
            "{{tier}} - {{operation}}",
            (0, 0),
        )
    }
}

/// A line at each target, in the color of its tier; tiers with the same target share a line.
fn latency_steps(tiers: &Tiers) -> Vec<Step> {
    let mut colors = BTreeMap::new();
    for tier in Tier::ALL {
        colors.entry(tiers.latency_ms(tier)).or_insert(color(tier));
    }
    let below = Step {
        color: "transparent",
        value: None,
    };
    let targets = colors.into_iter().map(|(target, color)| Step {
        color,
        value: Some(f64::from(target)),
    });
    std::iter::once(below).chain(targets).collect()
}

/// The colors of the source document's tier cards.
fn color(tier: Tier) -> &'static str {
    match tier {
        Tier::SessionCache => "#4CAF50",
        Tier::SnowflakeCortex => "#FF6B35",
        Tier::Mem0Persistent => "#2196F3",
        Tier::KnowledgeGraph => "#9C27B0",
        Tier::LanggraphWorkflow => "#FF9800",
    }
}

fn tier_color(tier: Tier) -> Override {
    Override {
        matcher: Matcher {
            // `L3`, or a longer name with this prefix.
            id: "byRegexp",
            options: format!("/^{}/", tier.level()),
        },
        properties: vec![Property {
            id: "color",
            value: Color {
                mode: "fixed",
                fixed_color: color(tier),
            },
        }],
    }
}

fn integration_health() -> Panel {
    Panel {
        description: "The health that Mem0 reports.".to_owned(),
        field_config: FieldConfig {
            defaults: FieldDefaults {
                thresholds: absolute(good_from(1.0)),
                mappings: vec![Mapping {
                    kind: "value",
                    options: BTreeMap::from([
                        (
                            "0",
                            Words {
                                text: "down",
                                color: "red",
                                index: 0,
                            },
                        ),
                        (
                            "1",
                            Words {
                                text: "healthy",
                                color: "green",
                                index: 1,
                            },
                        ),
                    ]),
                }],
                ..field("none")
            },
            overrides: Vec::new(),
        },
        ..stat(
            2,
            "Mem0 Integration Health",
            "sophia_mem0_health_status",
            "Mem0 Status",
            (12, 0),
        )
    }
}

fn learning_rate() -> Panel {
    Panel {
        description: "Learning events across sessions.".to_owned(),
        field_config: FieldConfig {
            defaults: FieldDefaults {
                min: Some(0.0),
                custom: Some(lines("off")),
                ..field("cps")
            },
            overrides: Vec::new(),
        },
        ..time_series(
            3,
            "Cross-Session Learning Rate",
            "rate(sophia_mem0_learning_events[5m])",
            "Learning Events/sec",
            (0, 8),
        )
    }
}

fn sync_status() -> Panel {
    synchronised(
        4,
        "Snowflake ↔ Mem0 Sync Status",
        "sophia_snowflake_mem0_sync_success_rate",
        (12, 8),
    )
}

fn synchronised(id: u32, title: &str, expression: &str, place: (u32, u32)) -> Panel {
    Panel {
        description: format!(
            "The share of synchronized records, in both directions. Green at or above {} %, the target for persistence.",
            PERSISTENCE * 100.0
        ),
        field_config: FieldConfig {
            defaults: FieldDefaults {
                min: Some(0.0),
                max: Some(1.0),
                // One more digit than usual, so that 99.9 % and 99.5 % differ.
                decimals: Some(2),
                thresholds: absolute(good_from(PERSISTENCE)),
                ..field("percentunit")
            },
            overrides: Vec::new(),
        },
        ..stat(id, title, expression, "Sync Success Rate", place)
    }
}

/// The tab of the source document: a card for each tier, learning progress, and the synchronization of Snowflake and
/// Mem0.
fn analytics(tiers: &Tiers) -> Dashboard {
    let mut panels = Vec::new();
    let mut x = 0;
    for (tier, id) in Tier::ALL.into_iter().zip(1..) {
        // The center of the platform is as large as two others.
        let width = if tier == Tier::SnowflakeCortex { 8 } else { 4 };
        panels.push(card(id, tier, tiers, (x, 0), width));
        x += width;
    }
    panels.push(Panel {
        grid_pos: GridPosition {
            x: 0,
            y: 6,
            w: 16,
            h: 8,
        },
        description: "Learning events across sessions.".to_owned(),
        field_config: FieldConfig {
            defaults: FieldDefaults {
                min: Some(0.0),
                custom: Some(lines("off")),
                ..field("cps")
            },
            overrides: Vec::new(),
        },
        ..time_series(
            6,
            "Cross-Session Learning Progress",
            "sum(rate(sophia_mem0_learning_events[5m]))",
            "Learning Events/sec",
            (0, 6),
        )
    });
    panels.push(Panel {
        grid_pos: GridPosition {
            x: 16,
            y: 6,
            w: 8,
            h: 8,
        },
        description: "Learning events in the last seven days.".to_owned(),
        field_config: FieldConfig {
            defaults: FieldDefaults {
                decimals: Some(0),
                ..field("short")
            },
            overrides: Vec::new(),
        },
        ..stat(
            7,
            "Learned in 7 days",
            "sum(increase(sophia_mem0_learning_events[7d]))",
            "Learning Events",
            (16, 6),
        )
    });
    for (id, title, direction, x) in [
        (8, "Snowflake → Mem0", "to_mem0", 0),
        (9, "Mem0 → Snowflake", "to_snowflake", 12),
    ] {
        let expression = format!("min(sophia_snowflake_mem0_sync_success_rate{{direction=\"{direction}\"}})");
        panels.push(synchronised(id, title, &expression, (x, 14)));
    }
    dashboard(
        ANALYTICS,
        "Memory Analytics",
        "Phoenix Multi-Tier Memory System: the tiers, learning across sessions, and the synchronization",
        panels,
    )
}

/// The color of the tier while it meets its target, red otherwise.
fn card(id: u32, tier: Tier, tiers: &Tiers, (x, y): (u32, u32), w: u32) -> Panel {
    let target = tiers.latency_ms(tier);
    Panel {
        grid_pos: GridPosition { x, y, w, h: 6 },
        description: format!("Response time of the tier. Red at or above the target of {target} ms."),
        field_config: FieldConfig {
            defaults: FieldDefaults {
                min: Some(0.0),
                thresholds: absolute(vec![
                    Step {
                        color: color(tier),
                        value: None,
                    },
                    Step {
                        color: "red",
                        value: Some(f64::from(target)),
                    },
                ]),
                ..field("ms")
            },
            overrides: Vec::new(),
        },
        options: Options::Stat {
            reduce_options: Reduce {
                calcs: vec!["lastNotNull"],
            },
            color_mode: "background",
            graph_mode: "area",
        },
        ..stat(
            id,
            name(tier),
            &format!(
                "avg(sophia_memory_tier_response_time{{tier=~\"{}.*\"}})",
                tier.level()
            ),
            "response time",
            (x, y),
        )
    }
}

/// The captions of the cards in the source document.
fn name(tier: Tier) -> &'static str {
    match tier {
        Tier::SessionCache => "L1: Session Cache",
        Tier::SnowflakeCortex => "L2: Snowflake Cortex (PRIMARY)",
        Tier::Mem0Persistent => "L3: Mem0 Persistent",
        Tier::KnowledgeGraph => "L4: Knowledge Graph",
        Tier::LanggraphWorkflow => "L5: LangGraph Workflow",
    }
}

/// A tier: its latency, its error rate and its remaining error budget.
fn of_tier(tier: Tier, platform: &Platform<'_>) -> Dashboard {
    let level = tier.level();
    let target = platform.tiers.latency_ms(tier);
    let mut panels = vec![Panel {
        description: format!("Response time of the tier. The dashed line is the target, {target} ms."),
        field_config: FieldConfig {
            defaults: FieldDefaults {
                min: Some(0.0),
                thresholds: absolute(vec![
                    Step {
                        color: "transparent",
                        value: None,
                    },
                    Step {
                        color: color(tier),
                        value: Some(f64::from(target)),
                    },
                ]),
                custom: Some(lines("dashed")),
                ..field("ms")
            },
            overrides: Vec::new(),
        },
        ..time_series(
            1,
            "Response time",
            &format!("avg by (operation) (sophia_memory_tier_response_time{{tier=~\"{level}.*\"}})"),
            "{{operation}}",
            (0, 0),
        )
    }];
    if objectives::measured(platform)
        .iter()
        .any(|(measured, _)| *measured == tier)
    {
        panels.extend(budget(level));
    }
    match tier {
        Tier::Mem0Persistent => panels.extend(servers(platform)),
        Tier::SessionCache if platform.scrapes_servers && platform.workloads.contains(&REDIS) => {
            panels.extend(session_cache());
        }
        Tier::LanggraphWorkflow if platform.workloads.contains(&LANGGRAPH) => {
            panels.extend(traffic(LANGGRAPH, "LangGraph"));
        }
        _ => {}
    }
    dashboard(
        &format!("phoenix-memory-tier-{}", level.to_lowercase()),
        name(tier),
        &format!("Tier {level} of the memory: its target of {target} ms, and its error budget"),
        panels,
    )
}

/// How fast the error budget of a tier is consumed.
fn budget(level: &str) -> [Panel; 2] {
    let objective = format!("{{slo=\"tier-latency\",tier=\"{level}\"}}");
    [
        Panel {
            description: format!(
                "The remainder of the {} % of requests that may miss the target in {PERIOD}; below zero the objective is missed.",
                100.0 - LATENCY * 100.0
            ),
            field_config: FieldConfig {
                defaults: FieldDefaults {
                    max: Some(1.0),
                    thresholds: absolute(good_from(0.1)),
                    ..field("percentunit")
                },
                overrides: Vec::new(),
            },
            ..stat(
                2,
                "Remaining error budget",
                &format!(
                    "1 - avg_over_time({}{objective}[{PERIOD}]) / on (slo, tier) phoenix_slo:error_budget:ratio{objective}",
                    objectives::ratio("5m")
                ),
                "left",
                (12, 0),
            )
        },
        Panel {
            description: "How fast the error budget burns, as a multiple of the allowed rate. Alerts start at 1 (over 3 days) and end at 14.4 (over 1 hour).".to_owned(),
            field_config: FieldConfig {
                defaults: FieldDefaults {
                    min: Some(0.0),
                    custom: Some(lines("off")),
                    ..field("none")
                },
                overrides: Vec::new(),
            },
            targets: ["5m", "1h", "6h"]
                .into_iter()
                .zip(["A", "B", "C"])
                .map(|(window, ref_id)| Target {
                    ref_id,
                    datasource: PROMETHEUS,
                    expr: format!(
                        "{}{objective} / on (slo, tier) phoenix_slo:error_budget:ratio{objective}",
                        objectives::ratio(window)
                    ),
                    legend_format: window,
                })
                .collect(),
            ..time_series(3, "Burn rate", "", "", (0, 8))
        },
    ]
}

/// The session cache's free memory, and its evictions.
fn session_cache() -> [Panel; 2] {
    let job = format!("job=\"{}\"", REDIS.app);
    [
        Panel {
            description: "Memory used by entries, clients and the server itself, and the limit.".to_owned(),
            field_config: FieldConfig {
                defaults: FieldDefaults {
                    min: Some(0.0),
                    custom: Some(lines("off")),
                    ..field("bytes")
                },
                overrides: Vec::new(),
            },
            targets: [("used", "used", "A"), ("max", "limit", "B")]
                .into_iter()
                .map(|(which, legend_format, ref_id)| Target {
                    ref_id,
                    datasource: PROMETHEUS,
                    expr: format!("sum(redis_memory_{which}_bytes{{{job}}})"),
                    legend_format,
                })
                .collect(),
            ..time_series(4, "Memory of the session cache", "", "", (12, 8))
        },
        Panel {
            description: "Entries that were evicted before they expired. The expected value is 0.".to_owned(),
            field_config: FieldConfig {
                defaults: FieldDefaults {
                    min: Some(0.0),
                    custom: Some(lines("off")),
                    ..field("cps")
                },
                overrides: Vec::new(),
            },
            ..time_series(
                5,
                "Evicted entries",
                &format!("sum(rate(redis_evicted_keys_total{{{job}}}[5m]))"),
                "entries/sec",
                (0, 16),
            )
        },
    ]
}

/// A server as its clients see it: results and latency.
fn traffic(server: Workload, called: &str) -> [Panel; 2] {
    let requests = format!(
        "reporter=\"destination\",destination_workload=\"{}\",destination_workload_namespace=\"{}\"",
        server.name, server.namespace
    );
    [
        Panel {
            description: format!("Responses to clients of {called}, as its sidecar reports them."),
            field_config: FieldConfig {
                defaults: FieldDefaults {
                    min: Some(0.0),
                    custom: Some(lines("off")),
                    ..field("reqps")
                },
                overrides: Vec::new(),
            },
            ..time_series(
                4,
                "Requests by response code",
                &format!("sum by (response_code) (rate(istio_requests_total{{{requests}}}[5m]))"),
                "{{response_code}}",
                (12, 8),
            )
        },
        Panel {
            description: "The 50th, 95th and 99th percentile of the request duration. A stream counts as one long request when it ends.".to_owned(),
            field_config: FieldConfig {
                defaults: FieldDefaults {
                    min: Some(0.0),
                    custom: Some(lines("off")),
                    ..field("ms")
                },
                overrides: Vec::new(),
            },
            targets: [("0.5", "half", "A"), ("0.95", "95 %", "B"), ("0.99", "99 %", "C")]
                .into_iter()
                .map(|(quantile, legend_format, ref_id)| Target {
                    ref_id,
                    datasource: PROMETHEUS,
                    expr: format!(
                        "histogram_quantile({quantile}, sum by (le) (rate(istio_request_duration_milliseconds_bucket{{{requests}}}[5m])))"
                    ),
                    legend_format,
                })
                .collect(),
            ..time_series(5, "Duration of requests", "", "", (0, 16))
        },
    ]
}

/// The servers behind tier L3: OpenMemory as its clients see it, and Qdrant.
fn servers(platform: &Platform<'_>) -> Vec<Panel> {
    let mut panels = Vec::from(traffic(OPENMEMORY, "OpenMemory"));
    panels.push(Panel {
        description: "OpenMemory servers and Qdrant peers that are ready.".to_owned(),
        targets: vec![
            Target {
                ref_id: "A",
                datasource: PROMETHEUS,
                expr: format!(
                    "max(kube_deployment_status_replicas_available{{namespace=\"{}\",deployment=\"{}\"}})",
                    OPENMEMORY.namespace, OPENMEMORY.name
                ),
                legend_format: "OpenMemory",
            },
            Target {
                ref_id: "B",
                datasource: PROMETHEUS,
                expr: format!(
                    "max(kube_statefulset_status_replicas_ready{{namespace=\"{}\",statefulset=\"{}\"}})",
                    QDRANT.namespace, QDRANT.name
                ),
                legend_format: "Qdrant",
            },
        ],
        ..stat(6, "Ready pods", "", "", (12, 16))
    });
    if platform.scrapes_servers {
        panels.push(Panel {
            description: "Points of each collection on each peer. Peers with replicas of the same shards report the same number.".to_owned(),
            field_config: FieldConfig {
                defaults: FieldDefaults {
                    min: Some(0.0),
                    custom: Some(lines("off")),
                    ..field("short")
                },
                overrides: Vec::new(),
            },
            ..time_series(
                7,
                "Points in Qdrant",
                &format!("sum by (pod, id) (collection_points{{job=\"{}\"}})", QDRANT.app),
                "{{pod}} {{id}}",
                (0, 24),
            )
        });
    }
    panels
}

fn time_series(id: u32, title: &str, expression: &str, legend: &'static str, place: (u32, u32)) -> Panel {
    Panel {
        kind: PanelKind::TimeSeries,
        options: Options::TimeSeries {
            legend: Legend {
                display_mode: "table",
                placement: "bottom",
                calcs: vec!["mean", "max"],
            },
            tooltip: Tooltip {
                mode: "multi",
                sort: "desc",
            },
        },
        ..stat(id, title, expression, legend, place)
    }
}

fn stat(id: u32, title: &str, expression: &str, legend: &'static str, (x, y): (u32, u32)) -> Panel {
    Panel {
        id,
        kind: PanelKind::Stat,
        title: title.to_owned(),
        description: String::new(),
        datasource: PROMETHEUS,
        grid_pos: GridPosition { x, y, w: 12, h: 8 },
        targets: vec![Target {
            ref_id: "A",
            datasource: PROMETHEUS,
            expr: expression.to_owned(),
            legend_format: legend,
        }],
        field_config: FieldConfig {
            defaults: field("none"),
            overrides: Vec::new(),
        },
        options: Options::Stat {
            reduce_options: Reduce {
                calcs: vec!["lastNotNull"],
            },
            color_mode: "value",
            graph_mode: "area",
        },
    }
}

fn field(unit: &'static str) -> FieldDefaults {
    FieldDefaults {
        unit,
        min: None,
        max: None,
        decimals: None,
        thresholds: absolute(vec![Step {
            color: "green",
            value: None,
        }]),
        mappings: Vec::new(),
        custom: None,
    }
}

fn absolute(steps: Vec<Step>) -> Thresholds {
    Thresholds {
        mode: "absolute",
        steps,
    }
}

fn good_from(value: f64) -> Vec<Step> {
    vec![
        Step {
            color: "red",
            value: None,
        },
        Step {
            color: "green",
            value: Some(value),
        },
    ]
}

fn lines(thresholds: &'static str) -> Lines {
    Lines {
        draw_style: "line",
        line_width: 2,
        thresholds_style: ThresholdsStyle { mode: thresholds },
    }
}
