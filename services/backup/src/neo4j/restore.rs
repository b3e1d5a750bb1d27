//! Restores the graph page by page.

use std::collections::BTreeMap;

use super::schema::Declaration;
use super::value::Typed;
use super::verify::{Verified, verify};
use super::{
    Counts, NODES, Neo4j, Node, OLD_ID, PAGE_SIZE, RELATIONSHIPS, RESTORE_LABEL, Relationship, first, quoted,
};
use crate::error::Error;
use crate::lines::Reader;
use crate::manifest::{File, Manifest};
use crate::vault::Vault;

impl Neo4j {
    /// Restores a backup and returns the number of nodes and relationships. Fails if the graph contains nodes, unless
    /// `overwrite` is set.
    pub async fn restore(
        &self,
        vault: &Vault,
        manifest: &Manifest,
        overwrite: bool,
    ) -> Result<Counts, Error> {
        // All checks are made before the first change.
        if !overwrite {
            self.expect_empty().await?;
        }
        let Verified {
            declarations: wanted,
            nodes,
            relationships,
        } = verify(vault, manifest).await?;
        let existing = self.schema().await?;
        if !overwrite && let Some(other) = existing.iter().find(|existing| differs(existing, &wanted)) {
            return Err(Error::NotEmpty(format!(
                "the constraint or index {} of the database differs from the backup {}\n  hint: drop it, or \
                 replace all data with RESTORE_OVERWRITE=true",
                other.name,
                manifest.folder()
            )));
        }
        if overwrite {
            self.empty(&existing).await?;
        }
        self.change(
            &format!("CREATE CONSTRAINT {OLD_ID} IF NOT EXISTS FOR (n:{RESTORE_LABEL}) REQUIRE n.{OLD_ID} IS UNIQUE"),
            "prepare the restore of Neo4j",
        )
        .await?;
        self.restore_nodes(vault, manifest, nodes).await?;
        let restored = self.marked().await?;
        if Some(restored) != nodes.records {
            return Err(Error::Damaged(format!(
                "the graph has {restored} nodes after the restore, but the backup {} contains {}\n  hint: check whether another client \
                 writes to the database, and repeat the restore with RESTORE_OVERWRITE=true",
                manifest.folder(),
                nodes.records.unwrap_or_default()
            )));
        }
        let related = self.restore_relationships(vault, manifest, relationships).await?;
        for declaration in &wanted {
            let exists = !overwrite && existing.iter().any(|existing| existing.name == declaration.name);
            if !exists {
                let doing = format!("create the constraint or index {}", declaration.name);
                self.change(&declaration.create()?, &doing).await?;
            }
        }
        // Last, and nodes after relationships: while a node has the label, the restore is incomplete.
        for statement in [
            format!(
                "MATCH ()-[r]->() WHERE r.{OLD_ID} IS NOT NULL WITH r LIMIT 5000 REMOVE r.{OLD_ID} RETURN count(r)"
            ),
            format!(
                "MATCH (n:{RESTORE_LABEL}) WITH n LIMIT 5000 REMOVE n.{OLD_ID}, n:{RESTORE_LABEL} RETURN count(n)"
            ),
        ] {
            self.until_none(&statement, "remove the labels of the restore")
                .await?;
        }
        self.change(
            &format!("DROP CONSTRAINT {OLD_ID} IF EXISTS"),
            "finish the restore of Neo4j",
        )
        .await?;
        Ok(Counts {
            nodes: restored,
            relationships: related,
        })
    }

    async fn expect_empty(&self) -> Result<(), Error> {
        let nodes = self
            .count("MATCH (n) RETURN count(n)", "count the nodes of Neo4j")
            .await?;
        if nodes == 0 {
            return Ok(());
        }
        let incomplete = if self.marked().await? > 0 {
            "; some belong to an incomplete restore"
        } else {
            ""
        };
        Err(Error::NotEmpty(format!(
            "the graph contains {nodes} nodes, which a restore would replace{incomplete}\n  hint: inspect them first; \
             RESTORE_OVERWRITE=true replaces them"
        )))
    }

    async fn empty(&self, schema: &[Declaration]) -> Result<(), Error> {
        self.until_none(
            "MATCH (n) WITH n LIMIT 1000 DETACH DELETE n RETURN count(*)",
            "delete the existing graph",
        )
        .await?;
        for declaration in schema {
            let doing = format!("drop the constraint or index {}", declaration.name);
            self.change(&declaration.remove()?, &doing).await?;
        }
        Ok(())
    }

    async fn restore_nodes(&self, vault: &Vault, manifest: &Manifest, file: &File) -> Result<(), Error> {
        let mut lines = Reader::new(Box::pin(vault.read(manifest, file)), NODES.to_owned());
        loop {
            // Some versions of Neo4j 5 do not accept labels as parameters, so nodes are grouped by labels.
            let mut by_labels: BTreeMap<Vec<String>, Vec<Typed>> = BTreeMap::new();
            let mut read = 0;
            while read < PAGE_SIZE
                && let Some(node) = lines.next::<Node>().await?
            {
                read += 1;
                let row = Typed::map([("id", Typed::text(&node.id)), ("properties", node.properties)]);
                by_labels.entry(node.labels).or_default().push(row);
            }
            for (labels, rows) in by_labels {
                let mut set = String::new();
                for label in &labels {
                    set.push_str(", n:");
                    set.push_str(&quoted(label)?);
                }
                let statement = format!(
                    "UNWIND $rows AS row MERGE (n:{RESTORE_LABEL} {{{OLD_ID}: row.id}}) SET n += row.properties{set} \
                     RETURN count(n)"
                );
                self.insert(&statement, rows, "restore nodes of Neo4j").await?;
            }
            if read < PAGE_SIZE {
                return Ok(());
            }
        }
    }

    async fn restore_relationships(
        &self,
        vault: &Vault,
        manifest: &Manifest,
        file: &File,
    ) -> Result<u64, Error> {
        let mut lines = Reader::new(Box::pin(vault.read(manifest, file)), RELATIONSHIPS.to_owned());
        let (mut restored, mut wanted) = (0, 0);
        loop {
            let mut by_kind: BTreeMap<String, Vec<Typed>> = BTreeMap::new();
            let mut read = 0;
            while read < PAGE_SIZE
                && let Some(relationship) = lines.next::<Relationship>().await?
            {
                read += 1;
                let row = Typed::map([
                    ("id", Typed::text(&relationship.id)),
                    ("start", Typed::text(&relationship.start)),
                    ("end", Typed::text(&relationship.end)),
                    ("properties", relationship.properties),
                ]);
                by_kind.entry(relationship.kind).or_default().push(row);
            }
            wanted += read as u64;
            for (kind, rows) in by_kind {
                let statement = format!(
                    "UNWIND $rows AS row MATCH (a:{RESTORE_LABEL} {{{OLD_ID}: row.start}}) MATCH (b:{RESTORE_LABEL} {{{OLD_ID}: row.end}}) \
                     MERGE (a)-[r:{} {{{OLD_ID}: row.id}}]->(b) SET r += row.properties RETURN count(r)",
                    quoted(&kind)?
                );
                restored += self
                    .insert(&statement, rows, "restore relationships of Neo4j")
                    .await?;
            }
            if read < PAGE_SIZE {
                break;
            }
        }
        if restored < wanted {
            eprintln!(
                "skipped {} relationships whose nodes were deleted during the backup",
                wanted - restored
            );
        }
        Ok(restored)
    }

    async fn insert(&self, statement: &str, rows: Vec<Typed>, doing: &str) -> Result<u64, Error> {
        let rows = self
            .query(statement, [("rows", Typed::list(rows))].into(), doing)
            .await?;
        first(rows, doing)?.into_number(doing)
    }

    async fn until_none(&self, statement: &str, doing: &str) -> Result<(), Error> {
        while self.count(statement, doing).await? > 0 {}
        Ok(())
    }
}

/// Whether the backup contains a declaration with the same name and another definition.
fn differs(existing: &Declaration, wanted: &[Declaration]) -> bool {
    wanted
        .iter()
        .any(|wanted| wanted.name == existing.name && wanted != existing)
}
