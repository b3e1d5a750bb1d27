//! The part of Grafana's dashboard model that our dashboards use, in its classic form, which every version still reads.
//!
//! Fields are in the order in which Grafana writes them itself, so that an exported dashboard can be compared with ours
//! (<https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/>).

use std::collections::BTreeMap;

use serde::Serialize;

/// A whole dashboard.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Dashboard {
    /// Its place in addresses; it must never change.
    pub uid: String,
    pub title: String,
    pub description: String,
    pub tags: Vec<&'static str>,
    pub timezone: &'static str,
    /// What is provisioned is changed here, not in Grafana.
    pub editable: bool,
    /// 1 shows the same moment in all panels.
    pub graph_tooltip: u8,
    pub refresh: &'static str,
    pub schema_version: u8,
    pub time: TimeRange,
    pub templating: Templating,
    pub panels: Vec<Panel>,
}

/// What is shown at first.
#[derive(Serialize)]
pub struct TimeRange {
    pub from: &'static str,
    pub to: &'static str,
}

/// What a viewer can choose.
#[derive(Serialize)]
pub struct Templating {
    pub list: Vec<Variable>,
}

/// One choice; here always which Prometheus is asked.
#[derive(Serialize)]
pub struct Variable {
    pub name: &'static str,
    pub label: &'static str,
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub query: &'static str,
}

/// One panel.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Panel {
    pub id: u32,
    #[serde(rename = "type")]
    pub kind: PanelKind,
    pub title: String,
    pub description: String,
    pub datasource: Datasource,
    pub grid_pos: GridPosition,
    pub targets: Vec<Target>,
    pub field_config: FieldConfig,
    pub options: Options,
}

/// How a panel draws.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PanelKind {
    /// Lines over time; what the source document calls a graph, which Grafana has removed.
    TimeSeries,
    /// The last value, large.
    Stat,
}

/// Who is asked.
#[derive(Clone, Copy, Serialize)]
pub struct Datasource {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub uid: &'static str,
}

/// Where a panel is; a row has 24 columns.
#[derive(Serialize)]
pub struct GridPosition {
    pub x: u32,
    pub y: u32,
    pub w: u32,
    pub h: u32,
}

/// One question.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    pub ref_id: &'static str,
    pub datasource: Datasource,
    pub expr: String,
    pub legend_format: &'static str,
}

/// What values mean and how they look.
#[derive(Serialize)]
pub struct FieldConfig {
    pub defaults: FieldDefaults,
    pub overrides: Vec<Override>,
}

/// What holds for all series of a panel.
#[derive(Serialize)]
pub struct FieldDefaults {
    pub unit: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decimals: Option<u8>,
    pub thresholds: Thresholds,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mappings: Vec<Mapping>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom: Option<Lines>,
}

/// From which value on something looks different.
#[derive(Serialize)]
pub struct Thresholds {
    pub mode: &'static str,
    pub steps: Vec<Step>,
}

/// One of them; the first has no value, which means everything below the next.
#[derive(Serialize)]
pub struct Step {
    pub color: &'static str,
    pub value: Option<f64>,
}

/// Words in the place of values.
#[derive(Serialize)]
pub struct Mapping {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub options: BTreeMap<&'static str, Words>,
}

/// What stands for a value.
#[derive(Serialize)]
pub struct Words {
    pub text: &'static str,
    pub color: &'static str,
    pub index: u8,
}

/// How lines are drawn.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Lines {
    pub draw_style: &'static str,
    pub line_width: u8,
    pub thresholds_style: ThresholdsStyle,
}

/// How thresholds are drawn: `dashed` as lines across the panel, `off` not at all.
#[derive(Serialize)]
pub struct ThresholdsStyle {
    pub mode: &'static str,
}

/// What holds for some series of a panel.
#[derive(Serialize)]
pub struct Override {
    pub matcher: Matcher,
    pub properties: Vec<Property>,
}

/// Which series.
#[derive(Serialize)]
pub struct Matcher {
    pub id: &'static str,
    pub options: String,
}

/// What is different for them; here always the colour.
#[derive(Serialize)]
pub struct Property {
    pub id: &'static str,
    pub value: Color,
}

/// A colour of its own.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Color {
    pub mode: &'static str,
    pub fixed_color: &'static str,
}

/// What only one kind of panel knows.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Options {
    #[serde(rename_all = "camelCase")]
    TimeSeries { legend: Legend, tooltip: Tooltip },
    #[serde(rename_all = "camelCase")]
    Stat {
        reduce_options: Reduce,
        color_mode: &'static str,
        graph_mode: &'static str,
    },
}

/// What is said of the lines.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Legend {
    pub display_mode: &'static str,
    pub placement: &'static str,
    pub calcs: Vec<&'static str>,
}

/// What is said at the pointer.
#[derive(Serialize)]
pub struct Tooltip {
    pub mode: &'static str,
    pub sort: &'static str,
}

/// Which of many values is shown.
#[derive(Serialize)]
pub struct Reduce {
    pub calcs: Vec<&'static str>,
}
