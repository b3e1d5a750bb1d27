//! What people look at: the dashboard of the memory system.
//!
//! Grafana's sidecar finds it by its label, in whatever namespace it is told to look. The metrics and their units are a
//! contract with those who expose them: `docs/metrics.md`.

mod dashboard;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use phoenix_graph::Graph;

use crate::config::Tiers;
use crate::names::Tier;
use crate::parts::metadata::{self, label, pairs};
use dashboard::{
    Color, Dashboard, Datasource, FieldConfig, FieldDefaults, GridPosition, Legend, Lines, Mapping, Matcher,
    Options, Override, Panel, PanelKind, Property, Reduce, Step, Target, Templating, Thresholds,
    ThresholdsStyle, TimeRange, Tooltip, Variable, Words,
};

/// The system's name.
const SYSTEM: &str = "monitoring";

/// The ConfigMap with the dashboard, its name in addresses, and the name of its file.
const DASHBOARD: &str = "phoenix-mem0-dashboard";

/// The share of memories that the source document promises to keep across sessions.
const PERSISTENCE: f64 = 0.999;

/// Whichever Prometheus the viewer has chosen.
const PROMETHEUS: Datasource = Datasource {
    kind: "prometheus",
    uid: "${datasource}",
};

/// The dashboard.
pub fn build(tiers: &Tiers) -> Graph {
    let mut graph = Graph::of(SYSTEM);
    graph.insert(config_map(&memory_system(tiers)));
    graph
}

fn config_map(dashboard: &Dashboard) -> ConfigMap {
    let json = serde_json::to_string_pretty(dashboard).expect("a dashboard is always JSON");
    let mut metadata = metadata::in_memory(SYSTEM, DASHBOARD);
    // What the sidecar of Grafana's chart looks for unless told otherwise.
    label(&mut metadata, "grafana_dashboard", "1");
    ConfigMap {
        metadata,
        // The sidecar writes all dashboards of the cluster into one folder, each under its key: `dashboard.json`, as in
        // the source document, would be anybody's.
        data: Some(pairs([(
            format!("{DASHBOARD}.json").as_str(),
            format!("{json}\n").as_str(),
        )])),
        ..Default::default()
    }
}

/// The four panels of the source document.
fn memory_system(tiers: &Tiers) -> Dashboard {
    Dashboard {
        uid: DASHBOARD,
        title: "Phoenix + Mem0 Memory System",
        description: "The five tiers of the memory, and how Mem0 and Snowflake keep in step",
        tags: vec!["phoenix", "memory"],
        timezone: "browser",
        editable: false,
        graph_tooltip: 1,
        refresh: "30s",
        // The last before Grafana 11; newer ones read it and bring it up to date for themselves.
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
        panels: vec![
            tier_performance(tiers),
            integration_health(),
            learning_rate(),
            sync_status(),
        ],
    }
}

fn tier_performance(tiers: &Tiers) -> Panel {
    let targets: Vec<_> = Tier::ALL
        .iter()
        .map(|tier| format!("{} {} ms", tier.level(), tiers.latency_ms(*tier)))
        .collect();
    Panel {
        description: format!(
            "How long each tier takes to answer. The dashed lines are the targets: {}.",
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

/// A line at each target, in the colour of its tier; tiers with the same target share a line.
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

/// The colours of the source document's tier cards.
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
            // `L3`, or a longer name that begins so.
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
        description: "Whether Mem0 says of itself that it is well.".to_owned(),
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
        description: "How much is learnt across sessions.".to_owned(),
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
    Panel {
        description: format!(
            "The share of records that were brought in step, both ways. Green from {} % on, the target for persistence.",
            PERSISTENCE * 100.0
        ),
        field_config: FieldConfig {
            defaults: FieldDefaults {
                min: Some(0.0),
                max: Some(1.0),
                // One digit more than usual: 99.9 % and 99.5 % are not the same here.
                decimals: Some(2),
                thresholds: absolute(good_from(PERSISTENCE)),
                ..field("percentunit")
            },
            overrides: Vec::new(),
        },
        ..stat(
            4,
            "Snowflake ↔ Mem0 Sync Status",
            "sophia_snowflake_mem0_sync_success_rate",
            "Sync Success Rate",
            (12, 8),
        )
    }
}

fn time_series(
    id: u32,
    title: &'static str,
    expression: &'static str,
    legend: &'static str,
    place: (u32, u32),
) -> Panel {
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

fn stat(
    id: u32,
    title: &'static str,
    expression: &'static str,
    legend: &'static str,
    (x, y): (u32, u32),
) -> Panel {
    Panel {
        id,
        kind: PanelKind::Stat,
        title,
        description: String::new(),
        datasource: PROMETHEUS,
        grid_pos: GridPosition { x, y, w: 12, h: 8 },
        targets: vec![Target {
            ref_id: "A",
            datasource: PROMETHEUS,
            expr: expression,
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
