//! The objects that both sides work on: what Helm makes of `benches/chart`.
//!
//! A tenant is 120 objects of 25 kinds, as a platform of six workloads has them. Helm works from the chart; the other
//! side gets the same objects as a JSON list, in Helm's order.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use phoenix_cli::yaml;
use serde_json::Value;

use crate::measure::Run;
use crate::programs::Programs;

/// How many objects a tenant has.
pub const PER_TENANT: usize = 120;

/// One size of the corpus.
#[derive(Debug)]
pub struct Corpus {
    /// How many objects it has.
    pub size: usize,
    /// The objects as a JSON list.
    pub objects: PathBuf,
    /// The objects as Helm wrote them, YAML of many documents.
    pub yaml: PathBuf,
    /// How Helm renders them.
    pub helm: Run,
}

/// Makes the corpus for so many tenants in the folder.
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
        ends_with: &[0],
    };
    let rendered = helm.output()?;
    let bodies = parse(&rendered).context("reading what Helm rendered")?;
    let size = tenants * PER_TENANT;
    ensure!(
        bodies.len() == size,
        "Helm made {} objects of the chart, and not {size}",
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

/// The objects of a YAML stream.
pub fn parse(stream: &[u8]) -> Result<Vec<Value>> {
    let text = std::str::from_utf8(stream).context("reading it as text")?;
    let documents = yaml::read(text)?;
    let values = documents.into_iter().map(|document| document.value);
    Ok(values.filter(|value| !value.is_null()).collect())
}
