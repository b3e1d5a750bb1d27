//! Backs up the graph page by page.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::Serialize;

use super::value::{Typed, unexpected};
use super::{NODES, Neo4j, Node, PAGE_SIZE, RELATIONSHIPS, Relationship, SCHEMA, columns, quoted};
use crate::error::Error;
use crate::manifest::{self, FORMAT, File, Manifest, Store};
use crate::vault::{Upload, Vault};

impl Neo4j {
    /// Backs up the graph with its constraints and indexes.
    pub async fn backup(&self, vault: &Vault, begun: DateTime<Utc>) -> Result<Manifest, Error> {
        let doing = "read the version of Neo4j";
        let version = self
            .one(
                "CALL dbms.components() YIELD name, versions WITH name, versions WHERE name = 'Neo4j Kernel' \
                 RETURN versions[0]",
                doing,
            )
            .await?
            .into_text(doing)?;
        let marked = self.marked().await?;
        if marked > 0 {
            return Err(Error::Damaged(format!(
                "the graph contains {marked} nodes of an incomplete restore, so a backup would be incomplete\n  \
                 hint: wait until the restore is complete, or repeat it with RESTORE_OVERWRITE=true"
            )));
        }
        let folder = manifest::folder(begun);
        let files = vec![
            self.export_schema(vault, &folder).await?,
            self.export_relationships(vault, &folder).await?,
            self.export_nodes(vault, &folder).await?,
        ];
        let manifest = Manifest {
            format: FORMAT,
            store: Store::Neo4j,
            begun,
            finished: Utc::now(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            server: Some(version),
            peers: 1,
            collections: Vec::new(),
            aliases: Vec::new(),
            files,
        };
        vault.complete(&manifest).await?;
        Ok(manifest)
    }

    async fn export_schema(&self, vault: &Vault, folder: &str) -> Result<File, Error> {
        let declarations = self.schema().await?;
        let mut upload = vault.write(Store::Neo4j, folder, SCHEMA, None).await?;
        match upload.write(lines_of(&declarations)).await {
            Ok(()) => Ok(File {
                records: Some(declarations.len() as u64),
                ..upload.finish().await?
            }),
            Err(error) => {
                upload.abort().await;
                Err(error)
            }
        }
    }

    async fn export_nodes(&self, vault: &Vault, folder: &str) -> Result<File, Error> {
        let doing = "export the nodes of Neo4j";
        let statement = format!(
            "MATCH (n) WHERE elementId(n) > $after WITH n ORDER BY elementId(n) LIMIT {PAGE_SIZE} \
             RETURN elementId(n), labels(n), properties(n)"
        );
        let upload = vault.write(Store::Neo4j, folder, NODES, None).await?;
        self.export(upload, &statement, doing, |[id, labels, properties]| {
            let node = Node {
                id: id.into_text(doing)?,
                labels: labels.into_texts(doing)?,
                properties,
            };
            for label in &node.labels {
                quoted(label)?;
            }
            node.properties
                .check_supported(&format!("the node {}", node.id))?;
            Ok((node.id.clone(), node))
        })
        .await
    }

    async fn export_relationships(&self, vault: &Vault, folder: &str) -> Result<File, Error> {
        let doing = "export the relationships of Neo4j";
        let statement = format!(
            "MATCH (a)-[r]->(b) WHERE elementId(r) > $after WITH a, r, b ORDER BY elementId(r) LIMIT {PAGE_SIZE} \
             RETURN elementId(r), type(r), elementId(a), elementId(b), properties(r)"
        );
        let upload = vault.write(Store::Neo4j, folder, RELATIONSHIPS, None).await?;
        self.export(upload, &statement, doing, |[id, kind, start, end, properties]| {
            let relationship = Relationship {
                id: id.into_text(doing)?,
                kind: kind.into_text(doing)?,
                start: start.into_text(doing)?,
                end: end.into_text(doing)?,
                properties,
            };
            quoted(&relationship.kind)?;
            relationship
                .properties
                .check_supported(&format!("the relationship {}", relationship.id))?;
            Ok((relationship.id.clone(), relationship))
        })
        .await
    }

    /// Writes the rows page by page. `read` returns the id, by which pages are ordered, and the line of a row.
    async fn export<const N: usize, T: Serialize>(
        &self,
        mut upload: Upload,
        statement: &str,
        doing: &str,
        read: impl Fn([Typed; N]) -> Result<(String, T), Error>,
    ) -> Result<File, Error> {
        let mut after = String::new();
        let mut records = 0;
        loop {
            let written: Result<usize, Error> = async {
                let rows = self
                    .query(statement, [("after", Typed::text(&after))].into(), doing)
                    .await?;
                let mut page = Vec::new();
                for row in rows {
                    let (id, line) = read(columns(row, doing)?)?;
                    // Without this check, a server with another order could cause an endless loop.
                    if id <= after {
                        return Err(unexpected(doing, "the rows are not in the requested order"));
                    }
                    after = id;
                    page.push(line);
                }
                upload.write(lines_of(&page)).await?;
                Ok(page.len())
            }
            .await;
            match written {
                Ok(lines) => {
                    records += lines as u64;
                    if lines < PAGE_SIZE {
                        return Ok(File {
                            records: Some(records),
                            ..upload.finish().await?
                        });
                    }
                }
                Err(error) => {
                    upload.abort().await;
                    return Err(error);
                }
            }
        }
    }
}

fn lines_of<T: Serialize>(records: &[T]) -> Bytes {
    let mut lines = Vec::new();
    for record in records {
        serde_json::to_writer(&mut lines, record).expect("lines are plain data");
        lines.push(b'\n');
    }
    Bytes::from(lines)
}
