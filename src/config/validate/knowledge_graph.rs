//! Checks of the knowledge graph.

use super::{Check, key};
use crate::config::raw::{RawGraphStore, RawKnowledgeGraph};
use crate::config::{GraphStore, Image, Quantity};

/// The minimum memory of a server, which Neo4j's own chart also requires.
const LEAST_MEMORY: u128 = 2 << 30;

impl Check {
    /// The configuration and the backup are for version 5 of the Community Edition; the Enterprise Edition also requires a
    /// license. An image without a tag says nothing about either.
    fn community_edition(&mut self, image: &Image) {
        let (name, tag) = image.name_and_tag();
        let tag = tag.unwrap_or_default();
        let major = tag.split(['.', '-']).next().unwrap_or_default();
        let wrong = if name.contains("enterprise") || tag.contains("enterprise") {
            "the Enterprise Edition, which requires a license"
        } else if major.parse::<u32>().is_ok_and(|major| major != 5) {
            "another version than 5"
        } else {
            return;
        };
        self.problems.add_with_hint(
            key("knowledgeGraph.image"),
            format!("is {image}, {wrong}"),
            "use an image of version 5, Community Edition, such as neo4j:5.26.21-community",
        );
    }

    pub(super) fn knowledge_graph(
        &mut self,
        raw: &RawGraphStore,
        tier: &RawKnowledgeGraph,
    ) -> Option<GraphStore> {
        let image = self.image("knowledgeGraph.image", &raw.image, "neo4j");
        if let Some(image) = &image {
            self.community_edition(image);
        }
        let resources = self.resources("knowledgeGraph.resources", &raw.resources);
        let limit = resources
            .as_ref()
            .map(|resources| resources.limits.memory.thousandths() / 1_000);
        // The memory that is left for other uses.
        let share = limit.map(|limit| limit / 8 * 3);
        let heap = match &raw.heap {
            Some(heap) => self.part_of_memory("knowledgeGraph.heap", heap),
            None => share,
        };
        let page_cache = match &raw.page_cache {
            Some(page_cache) => self.part_of_memory("knowledgeGraph.pageCache", page_cache),
            None => share,
        };
        let storage = self.volume(
            "knowledgeGraph.storage",
            &raw.storage.size,
            raw.storage.storage_class.as_ref(),
        );
        let logs = self.volume(
            "knowledgeGraph.logs",
            &raw.logs.size,
            raw.logs.storage_class.as_ref(),
        );
        self.tier_is_once("knowledgeGraph", tier.external.is_some(), "knowledgeGraph");
        let (resources, limit) = (resources?, limit?);
        if limit < LEAST_MEMORY {
            self.problems.add_with_hint(
                key("knowledgeGraph.resources.limits.memory"),
                format!(
                    "is {}, but a Neo4j server needs at least 2Gi",
                    resources.limits.memory
                ),
                "use 2Gi or more, or remove phoenix:knowledgeGraph",
            );
        }
        let together = limit / 4 * 3;
        let (heap, page_cache) = (heap?, page_cache?);
        if heap + page_cache > together {
            self.problems.add_with_hint(
                key("knowledgeGraph.resources.limits.memory"),
                format!(
                    "is {}, but heap and page cache take {}Mi of it, and the rest of the server needs a quarter: it would be \
                     killed under load",
                    resources.limits.memory,
                    mebibytes(heap + page_cache)
                ),
                format!(
                    "use at least {}Mi, or reduce phoenix:knowledgeGraph.heap and pageCache to a sum of {}Mi",
                    mebibytes(heap + page_cache).div_ceil(3) * 4,
                    mebibytes(together)
                ),
            );
        }
        Some(GraphStore {
            image: image?,
            resources,
            heap_mebibytes: mebibytes(heap),
            page_cache_mebibytes: mebibytes(page_cache),
            storage: storage?,
            logs: logs?,
        })
    }

    /// A part of the server's memory, in bytes.
    fn part_of_memory(&mut self, path: &str, text: &str) -> Option<u128> {
        let bytes = self.parse(path, text, Quantity::parse)?.thousandths() / 1_000;
        if bytes < 128 << 20 {
            self.problems.add_with_hint(
                key(path),
                format!("is {text}, too little for a Neo4j server to start"),
                "use 128Mi or more, or remove it",
            );
            return None;
        }
        Some(bytes)
    }
}

fn mebibytes(bytes: u128) -> u64 {
    u64::try_from(bytes >> 20).expect("an amount has at most fifteen digits")
}
