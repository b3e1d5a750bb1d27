//! The objects that both sides process: what Helm renders from `benches/chart`.
//!
//! A tenant of the chart is 120 objects of 25 kinds, typical of a platform with six workloads. Helm renders the chart; the
//! other side gets the same objects as a JSON list, in Helm's order.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use phoenix_manifests::yaml;
use serde_json::Value;

use crate::measure::Run;
use crate::programs::Programs;

/// Objects per tenant.
pub const PER_TENANT: usize = 120;

/// One size of the corpus.
#[derive(Debug)]
pub struct Corpus {
    /// The number of objects.
    pub size: usize,
    /// The objects as a JSON list.
    pub objects: PathBuf,
    /// The objects as Helm wrote them, as a stream of YAML documents.
    pub yaml: PathBuf,
    /// The command that renders them with Helm.
    pub helm: Run,
}

/// Generates the corpus for this number of tenants, in the folder.
pub fn make(programs: &Programs, root: &Path, folder: &Path, tenants: usize) -> Result<Corpus> {
    let helm = Run {
        program: programs.helm.clone(),
        arguments: vec![
            "template".into(),
            "corpus".into(),
            root.join("benches/chart").into(),
            "--set".into(),
            format!("tenants={tenants}").into(),
        ],
        stdin: "/dev/null".into(),
        directory: folder.to_owned(),
        environment: [
            ("HELM_CACHE_HOME", folder.join("helm/cache").into()),
            ("HELM_CONFIG_HOME", folder.join("helm/config").into()),
            ("HELM_DATA_HOME", folder.join("helm/data").into()),
        ]
        .into(),
        tree: false,
        expected_codes: &[0],
    };
    let rendered = helm.output()?;
    let bodies = parse(&rendered).context("parsing the output of Helm")?;
    let size = tenants * PER_TENANT;
    ensure!(
        bodies.len() == size,
        "Helm rendered {} objects from the chart instead of {size}",
        bodies.len()
    );
    let objects = folder.join(format!("objects-{size}.json"));
    fs::write(&objects, serde_json::to_vec(&bodies)?)
        .with_context(|| format!("writing {}", objects.display()))?;
    let yaml = folder.join(format!("objects-{size}.yaml"));
    fs::write(&yaml, rendered).with_context(|| format!("writing {}", yaml.display()))?;
    Ok(Corpus {
        size,
        objects,
        yaml,
        helm,
    })
}

/// Parses a YAML stream into its objects.
pub fn parse(stream: &[u8]) -> Result<Vec<Value>> {
    let text = std::str::from_utf8(stream).context("decoding UTF-8")?;
    let documents = yaml::read(text)?;
    let values = documents.into_iter().map(|document| document.value);
    Ok(values.filter(|value| !value.is_null()).collect())
}
