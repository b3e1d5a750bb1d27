//! The subset of Grafana's classic dashboard model that the dashboards use.
//!
//! Fields have Grafana's own order, so that an exported dashboard can be compared
//! (<https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/>).

use std::collections::BTreeMap;

use serde::Serialize;

/// A dashboard.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Dashboard {
    /// Its identifier in URLs, which must never change.
    pub uid: String,
    pub title: String,
    pub description: String,
    pub tags: Vec<&'static str>,
    pub timezone: &'static str,
    /// Provisioned dashboards are changed in this repository, not in Grafana.
    pub editable: bool,
    /// 1 shares the crosshair between all panels.
    pub graph_tooltip: u8,
    pub refresh: &'static str,
    pub schema_version: u8,
    pub time: TimeRange,
    pub templating: Templating,
    pub panels: Vec<Panel>,
}

/// The initial time range.
#[derive(Serialize)]
pub struct TimeRange {
    pub from: &'static str,
    pub to: &'static str,
}

/// The variables of a dashboard.
#[derive(Serialize)]
pub struct Templating {
    pub list: Vec<Variable>,
}

/// A variable; here always the Prometheus data source.
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

/// The type of a panel.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PanelKind {
    /// Lines over time; replaces the graph panel of the source document, which Grafana has removed.
    TimeSeries,
    /// The last value, in large type.
    Stat,
}

/// The data source.
#[derive(Clone, Copy, Serialize)]
pub struct Datasource {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub uid: &'static str,
}

/// The position of a panel; a row has 24 columns.
#[derive(Serialize)]
pub struct GridPosition {
    pub x: u32,
    pub y: u32,
    pub w: u32,
    pub h: u32,
}

/// A query.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    pub ref_id: &'static str,
    pub datasource: Datasource,
    pub expr: String,
    pub legend_format: &'static str,
}

/// Units, thresholds and appearance of values.
#[derive(Serialize)]
pub struct FieldConfig {
    pub defaults: FieldDefaults,
    pub overrides: Vec<Override>,
}

/// The defaults for all series of a panel.
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

/// Thresholds.
#[derive(Serialize)]
pub struct Thresholds {
    pub mode: &'static str,
    pub steps: Vec<Step>,
}

/// A threshold; the first has no value and covers everything below the next.
#[derive(Serialize)]
pub struct Step {
    pub color: &'static str,
    pub value: Option<f64>,
}

/// Text in place of values.
#[derive(Serialize)]
pub struct Mapping {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub options: BTreeMap<&'static str, Words>,
}

/// The text for a value.
#[derive(Serialize)]
pub struct Words {
    pub text: &'static str,
    pub color: &'static str,
    pub index: u8,
}

/// The style of lines.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Lines {
    pub draw_style: &'static str,
    pub line_width: u8,
    pub thresholds_style: ThresholdsStyle,
}

/// The style of thresholds: `dashed` draws lines across the panel, `off` none.
#[derive(Serialize)]
pub struct ThresholdsStyle {
    pub mode: &'static str,
}

/// Settings for some series of a panel.
#[derive(Serialize)]
pub struct Override {
    pub matcher: Matcher,
    pub properties: Vec<Property>,
}

/// Selects the series.
#[derive(Serialize)]
pub struct Matcher {
    pub id: &'static str,
    pub options: String,
}

/// A changed property; here always the color.
#[derive(Serialize)]
pub struct Property {
    pub id: &'static str,
    pub value: Color,
}

/// A fixed color.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Color {
    pub mode: &'static str,
    pub fixed_color: &'static str,
}

/// Options that depend on the panel type.
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

/// The legend.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Legend {
    pub display_mode: &'static str,
    pub placement: &'static str,
    pub calcs: Vec<&'static str>,
}

/// The tooltip.
#[derive(Serialize)]
pub struct Tooltip {
    pub mode: &'static str,
    pub sort: &'static str,
}

/// Which value of a series a panel shows.
#[derive(Serialize)]
pub struct Reduce {
    pub calcs: Vec<&'static str>,
}
