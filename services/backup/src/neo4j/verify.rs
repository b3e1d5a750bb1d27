//! Verifies a backup completely before a restore changes the graph.

use serde::de::DeserializeOwned;

use super::schema::Declaration;
use super::value::Typed;
use super::{NODES, Node, RELATIONSHIPS, Relationship, SCHEMA, quoted};
use crate::error::Error;
use crate::lines::Reader;
use crate::manifest::{File, Manifest};
use crate::vault::Vault;

/// The files of a verified backup.
pub(super) struct Verified<'a> {
    pub(super) declarations: Vec<Declaration>,
    pub(super) nodes: &'a File,
    pub(super) relationships: &'a File,
}

/// Reads all files, and verifies checksums, every line, and the numbers of lines.
pub(super) async fn verify<'a>(vault: &Vault, manifest: &'a Manifest) -> Result<Verified<'a>, Error> {
    let (schema, nodes, relationships) = (
        manifest.file(SCHEMA)?,
        manifest.file(NODES)?,
        manifest.file(RELATIONSHIPS)?,
    );
    let mut declarations: Vec<Declaration> = Vec::new();
    each_line(vault, manifest, schema, |declaration: Declaration| {
        declaration.create().map_err(|error| error.to_string())?;
        if declarations.iter().any(|other| other.name == declaration.name) {
            return Err("it repeats a name".to_owned());
        }
        if !declaration.is_of_restore() {
            declarations.push(declaration);
        }
        Ok(())
    })
    .await?;
    let mut last = String::new();
    each_line(vault, manifest, nodes, |node: Node| {
        for label in &node.labels {
            quoted(label).map_err(|error| error.to_string())?;
        }
        check_record(&mut last, node.id, &node.properties)
    })
    .await?;
    let mut last = String::new();
    each_line(vault, manifest, relationships, |relationship: Relationship| {
        quoted(&relationship.kind).map_err(|error| error.to_string())?;
        check_record(&mut last, relationship.id, &relationship.properties)
    })
    .await?;
    Ok(Verified {
        declarations,
        nodes,
        relationships,
    })
}

/// A backup contains its records in the order of their ids, so that a repeated one is found without remembering all.
fn check_record(last: &mut String, id: String, properties: &Typed) -> Result<(), String> {
    if id <= *last {
        return Err(format!("the id {id} is repeated or out of order"));
    }
    *last = id;
    match properties.unsupported() {
        Some(kind) => Err(format!("it has a property of the unknown type {kind}")),
        None if properties.kind() == "Map" => Ok(()),
        None => Err("its properties are not a map".to_owned()),
    }
}

async fn each_line<T: DeserializeOwned>(
    vault: &Vault,
    manifest: &Manifest,
    file: &File,
    mut check: impl FnMut(T) -> Result<(), String>,
) -> Result<(), Error> {
    let mut reader = Reader::new(Box::pin(vault.read(manifest, file)), file.path.clone());
    let mut lines = 0;
    while let Some(line) = reader.next().await? {
        lines += 1;
        check(line)
            .map_err(|reason| Error::Damaged(format!("{} is damaged: line {lines}: {reason}", file.path)))?;
    }
    if file.records == Some(lines) {
        return Ok(());
    }
    Err(Error::Damaged(format!(
        "{} is damaged: it has {lines} lines, but the manifest specifies {}",
        file.path,
        file.records.unwrap_or_default()
    )))
}
