//! Tests a backup: restores it into temporary collections.

use super::restore::files_of;
use super::{Leftover, Qdrant, TEMPORARY_PREFIX, remember};
use crate::error::Error;
use crate::manifest::Manifest;
use crate::vault::Vault;

impl Qdrant {
    /// Restores each collection under a temporary name, counts its points, and deletes it.
    pub async fn drill(&self, vault: &Vault, manifest: &Manifest) -> Result<Vec<(String, u64)>, Error> {
        self.check_peers(manifest).await?;
        // An interrupted drill can leave collections behind, also of a backup with other names.
        for name in self.all_collections().await? {
            if name.starts_with(TEMPORARY_PREFIX) {
                self.remove(&Leftover::Collection(name)).await?;
            }
        }
        let mut counts = Vec::new();
        for collection in &manifest.collections {
            for file in files_of(manifest, collection) {
                vault.check(manifest, file).await?;
            }
            let temporary = format!("{TEMPORARY_PREFIX}{}", collection.name);
            let leftover = Leftover::Collection(temporary.clone());
            remember(&self.leftovers, leftover.clone());
            let points = self
                .restore_collection(vault, manifest, collection, &temporary)
                .await;
            self.remove(&leftover).await?;
            counts.push((collection.name.clone(), points?));
        }
        Ok(counts)
    }
}
