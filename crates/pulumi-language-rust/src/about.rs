//! Information about the language: the compiler, and the crates of a program.
//!
//! The engine requests the compiler at every preview, from a separate host, so the host reads it from the fingerprint of the
//! last build. The crates are requested only by `pulumi about`, where running cargo is acceptable.

use crate::build::{self, Build, collect};
use crate::environment;
use crate::manifest::Manifest;
use crate::process::{Ending, Job, Output, Supervisor};
use crate::program::{Program, Source};
use anyhow::{Context as _, Result};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Node, PackageId};
use phoenix_terminal::user_error::user_error;
use pulumi_wire::proto::{AboutResponse, DependencyInfo};
use std::collections::BTreeSet;
use std::ffi::OsString;

/// The compiler of a program.
pub async fn compiler(supervisor: &Supervisor, program: &Program) -> Result<AboutResponse> {
    let mut environment = environment::for_cargo(std::env::vars_os());
    let manifest = match program.source()? {
        // The installed compiler is irrelevant to a prebuilt program.
        Source::Binary(binary) => {
            return Ok(AboutResponse {
                executable: binary.display().to_string(),
                metadata: [("built".to_owned(), "prebuilt".to_owned())].into(),
                ..AboutResponse::default()
            });
        }
        Source::Package(manifest) => manifest,
    };
    let compiler = if let Some(known) = Build::new(&manifest, &program.options.profile)?.compiler() {
        known
    } else {
        // This call must not download a toolchain.
        environment.insert("RUSTUP_AUTO_INSTALL".into(), "0".into());
        build::query_compiler(supervisor, &environment, &manifest.directory).await?
    };
    Ok(AboutResponse {
        executable: compiler.executable.display().to_string(),
        version: compiler.version,
        metadata: [("host".to_owned(), compiler.host)].into(),
    })
}

/// The dependencies of a program: the direct ones, or with `transitive` all of them, without build and dev dependencies.
pub async fn crates(
    supervisor: &Supervisor,
    manifest: &Manifest,
    transitive: bool,
) -> Result<Vec<DependencyInfo>> {
    let metadata = read_metadata(supervisor, manifest)
        .await
        .with_context(|| format!("reading the crates of {}", manifest.directory.display()))?;
    let root = metadata
        .packages
        .iter()
        .find(|package| {
            package.name.as_str() == manifest.name() && metadata.workspace_members.contains(&package.id)
        })
        .map(|package| package.id.clone());
    let mut found = BTreeSet::new();
    let mut ahead = Vec::from_iter(root);
    while let Some(next) = ahead.pop() {
        for dependency in direct(&metadata, &next) {
            if found.insert(dependency.clone()) && transitive {
                ahead.push(dependency);
            }
        }
    }
    let mut crates: Vec<_> = metadata
        .packages
        .iter()
        .filter(|package| found.contains(&package.id))
        .map(|package| DependencyInfo {
            name: package.name.to_string(),
            version: package.version.to_string(),
        })
        .collect();
    crates.sort_by(|one, other| (&one.name, &one.version).cmp(&(&other.name, &other.version)));
    Ok(crates)
}

fn direct(metadata: &Metadata, package: &PackageId) -> Vec<PackageId> {
    let nodes = metadata.resolve.iter().flat_map(|resolve| &resolve.nodes);
    let node: Option<&Node> = nodes.into_iter().find(|node| node.id == *package);
    let normal =
        |kinds: &[cargo_metadata::DepKindInfo]| kinds.iter().any(|kind| kind.kind == DependencyKind::Normal);
    node.iter()
        .flat_map(|node| &node.deps)
        .filter(|dependency| normal(&dependency.dep_kinds))
        .map(|dependency| dependency.pkg.clone())
        .collect()
}

async fn read_metadata(supervisor: &Supervisor, manifest: &Manifest) -> Result<Metadata> {
    let environment = environment::for_cargo(std::env::vars_os());
    let job = Job {
        program: build::cargo(&environment)?,
        arguments: ["metadata", "--format-version=1"].map(OsString::from).to_vec(),
        environment,
        directory: manifest.directory.clone(),
    };
    let (ending, output) = collect(supervisor, job, Output::Inherit).await?;
    if ending != Ending::Exited(0) {
        return Err(user_error(
            "cargo metadata failed; see its messages above",
            "run `pulumi install` first",
        ));
    }
    MetadataCommand::parse(String::from_utf8_lossy(&output)).context("reading the output of cargo metadata")
}
