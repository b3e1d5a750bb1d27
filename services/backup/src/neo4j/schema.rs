//! Constraints and indexes: read as fields, stored as fields, and created with statements that are built from these fields.
//!
//! No statement is read from a backup: otherwise, a client that can write `schema.jsonl` could run its own statements.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::value::{Typed, unexpected};
use super::{Neo4j, OLD_ID, columns, quoted};
use crate::error::Error;

/// A line of `schema.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Declaration {
    pub(super) name: String,
    kind: Kind,
    entity: Entity,
    /// The labels or relationship types. Only a full-text index can have several.
    labels: Vec<String>,
    properties: Vec<String>,
    /// The settings of an index, such as the number of dimensions of vectors.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    config: BTreeMap<String, Setting>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    UniquenessConstraint,
    KeyConstraint,
    ExistenceConstraint,
    RangeIndex,
    TextIndex,
    PointIndex,
    FulltextIndex,
    VectorIndex,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Entity {
    Node,
    Relationship,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Setting {
    Flag(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    Floats(Vec<f64>),
}

impl Neo4j {
    /// All constraints, then all indexes that do not belong to a constraint; without the constraint of a restore.
    pub(super) async fn schema(&self) -> Result<Vec<Declaration>, Error> {
        let doing = "list the constraints and indexes of Neo4j";
        let mut declarations = Vec::new();
        for statement in [
            "SHOW CONSTRAINTS YIELD name, type, entityType, labelsOrTypes, properties \
             RETURN name, type, entityType, labelsOrTypes, properties, {} ORDER BY name",
            "SHOW INDEXES YIELD name, type, entityType, labelsOrTypes, properties, options, owningConstraint \
             WHERE owningConstraint IS NULL AND type <> 'LOOKUP' \
             RETURN name, type, entityType, labelsOrTypes, properties, options ORDER BY name",
        ] {
            for row in self.query(statement, BTreeMap::new(), doing).await? {
                let declaration = Declaration::read(columns(row, doing)?, doing)?;
                if !declaration.is_of_restore() {
                    declarations.push(declaration);
                }
            }
        }
        Ok(declarations)
    }
}

impl Declaration {
    /// Whether it is the constraint that exists only during a restore.
    pub(super) fn is_of_restore(&self) -> bool {
        self.name == OLD_ID
    }

    fn read(row: [Typed; 6], doing: &str) -> Result<Self, Error> {
        let [name, kind, entity, labels, properties, options] = row;
        let name = name.into_text(doing)?;
        let kind = kind.into_text(doing)?;
        let unsupported = |what: &str| {
            Error::Damaged(format!(
                "cannot back up the constraint or index {name}: {what} is not supported\n  hint: drop it, or back up this \
                 database with neo4j-admin"
            ))
        };
        let Some(kind) = Kind::parse(&kind) else {
            return Err(unsupported(&format!("the type {kind}")));
        };
        let entity = match entity.into_text(doing)?.as_str() {
            "NODE" => Entity::Node,
            "RELATIONSHIP" => Entity::Relationship,
            other => return Err(unexpected(doing, &format!("it contains the entity type {other}"))),
        };
        let config = match options.into_entries(doing)?.remove("indexConfig") {
            Some(config) => config.into_entries(doing)?,
            None => BTreeMap::new(),
        };
        let mut settings = BTreeMap::new();
        for (key, value) in config {
            let Some(setting) = Setting::parse(value) else {
                return Err(unsupported(&format!("its setting {key}")));
            };
            settings.insert(key, setting);
        }
        let declaration = Self {
            name: name.clone(),
            kind,
            entity,
            labels: labels.into_texts(doing)?,
            properties: properties.into_texts(doing)?,
            config: settings,
        };
        // Now, and not only in a restore.
        declaration.create().map_err(|_| unsupported("its definition"))?;
        Ok(declaration)
    }

    /// The statement that creates it. Names are quoted, and values are numbers, Booleans or plain text.
    pub(super) fn create(&self) -> Result<String, Error> {
        let damaged = |what: &str| {
            Error::Damaged(format!(
                "the constraint or index {} is damaged: {what}",
                self.name
            ))
        };
        let one_label = self.labels.len() == 1 || self.kind == Kind::FulltextIndex;
        if self.labels.is_empty() || !one_label || self.properties.is_empty() {
            return Err(damaged("it has an unexpected number of labels or properties"));
        }
        if self.kind.is_constraint() && !self.config.is_empty() {
            return Err(damaged("a constraint has no settings"));
        }
        let labels = self
            .labels
            .iter()
            .map(|label| quoted(label))
            .collect::<Result<Vec<_>, _>>()?
            .join("|");
        let (variable, pattern) = match self.entity {
            Entity::Node => ("n", format!("(n:{labels})")),
            Entity::Relationship => ("r", format!("()-[r:{labels}]-()")),
        };
        let properties = self
            .properties
            .iter()
            .map(|property| Ok(format!("{variable}.{}", quoted(property)?)))
            .collect::<Result<Vec<_>, Error>>()?
            .join(", ");
        let name = quoted(&self.name)?;
        let constraint =
            |what: &str| format!("CREATE CONSTRAINT {name} FOR {pattern} REQUIRE ({properties}) IS {what}");
        let index = |kind: &str| format!("CREATE {kind} INDEX {name} FOR {pattern} ON ({properties})");
        let mut statement = match (self.kind, self.entity) {
            (Kind::UniquenessConstraint, _) => constraint("UNIQUE"),
            (Kind::KeyConstraint, Entity::Node) => constraint("NODE KEY"),
            (Kind::KeyConstraint, Entity::Relationship) => constraint("RELATIONSHIP KEY"),
            (Kind::ExistenceConstraint, _) => constraint("NOT NULL"),
            (Kind::RangeIndex, _) => index("RANGE"),
            (Kind::TextIndex, _) => index("TEXT"),
            (Kind::PointIndex, _) => index("POINT"),
            (Kind::VectorIndex, _) => index("VECTOR"),
            (Kind::FulltextIndex, _) => {
                format!("CREATE FULLTEXT INDEX {name} FOR {pattern} ON EACH [{properties}]")
            }
        };
        if !self.config.is_empty() {
            let settings = self.config.iter().map(|(key, setting)| {
                let literal = setting.literal().ok_or_else(|| damaged("a setting is invalid"))?;
                Ok(format!("{}: {literal}", quoted(key)?))
            });
            let settings = settings.collect::<Result<Vec<_>, Error>>()?.join(", ");
            write!(statement, " OPTIONS {{indexConfig: {{{settings}}}}}")
                .expect("writing to a string cannot fail");
        }
        Ok(statement)
    }

    /// The statement that drops a declaration with its name.
    pub(super) fn remove(&self) -> Result<String, Error> {
        let kind = if self.kind.is_constraint() {
            "CONSTRAINT"
        } else {
            "INDEX"
        };
        Ok(format!("DROP {kind} {} IF EXISTS", quoted(&self.name)?))
    }
}

impl Kind {
    /// A type as `SHOW CONSTRAINTS` or `SHOW INDEXES` prints it.
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "UNIQUENESS"
            | "NODE_PROPERTY_UNIQUENESS"
            | "RELATIONSHIP_UNIQUENESS"
            | "RELATIONSHIP_PROPERTY_UNIQUENESS" => Self::UniquenessConstraint,
            "NODE_KEY" | "RELATIONSHIP_KEY" => Self::KeyConstraint,
            "NODE_PROPERTY_EXISTENCE" | "RELATIONSHIP_PROPERTY_EXISTENCE" => Self::ExistenceConstraint,
            "RANGE" => Self::RangeIndex,
            "TEXT" => Self::TextIndex,
            "POINT" => Self::PointIndex,
            "FULLTEXT" => Self::FulltextIndex,
            "VECTOR" => Self::VectorIndex,
            _ => return None,
        })
    }

    fn is_constraint(self) -> bool {
        matches!(
            self,
            Self::UniquenessConstraint | Self::KeyConstraint | Self::ExistenceConstraint
        )
    }
}

impl Setting {
    fn parse(value: Typed) -> Option<Self> {
        if let Some(flag) = value.as_flag() {
            return Some(Self::Flag(flag));
        }
        let kind = value.kind().to_owned();
        let number = |text: String| text.parse::<f64>().ok().filter(|number| number.is_finite());
        let setting = match kind.as_str() {
            "Integer" => Self::Integer(value.into_text("").ok()?.parse().ok()?),
            "Float" => Self::Float(number(value.into_text("").ok()?)?),
            "String" => Self::Text(value.into_text("").ok()?),
            "List" => {
                let items = value.into_texts("").ok()?.into_iter();
                Self::Floats(items.map(number).collect::<Option<_>>()?)
            }
            _ => return None,
        };
        Some(setting)
    }

    /// The literal in Cypher; `None` if it could be something else than a literal.
    fn literal(&self) -> Option<String> {
        let float = |number: &f64| number.is_finite().then(|| format!("{number:?}"));
        match self {
            Self::Flag(flag) => Some(flag.to_string()),
            Self::Integer(number) => Some(number.to_string()),
            Self::Float(number) => float(number),
            Self::Text(text) => {
                let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_. ".contains(letter);
                text.chars().all(is_plain).then(|| format!("'{text}'"))
            }
            Self::Floats(numbers) => {
                let numbers: Option<Vec<_>> = numbers.iter().map(float).collect();
                Some(format!("[{}]", numbers?.join(", ")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn statement(line: Value) -> Result<String, String> {
        let declaration: Declaration = serde_json::from_value(line).map_err(|error| error.to_string())?;
        declaration.create().map_err(|error| error.to_string())
    }

    #[test]
    fn statements_are_built_from_fields() {
        let line = |kind: &str, entity: &str, properties: &[&str]| {
            let line = json!({"name": "a`b", "kind": kind, "entity": entity, "labels": ["L"], "properties": properties});
            statement(line).unwrap()
        };
        for (built, expected) in [
            (
                line("uniqueness_constraint", "node", &["p", "q"]),
                "CREATE CONSTRAINT `a``b` FOR (n:`L`) REQUIRE (n.`p`, n.`q`) IS UNIQUE",
            ),
            (
                line("key_constraint", "relationship", &["p"]),
                "CREATE CONSTRAINT `a``b` FOR ()-[r:`L`]-() REQUIRE (r.`p`) IS RELATIONSHIP KEY",
            ),
            (
                line("existence_constraint", "node", &["p"]),
                "CREATE CONSTRAINT `a``b` FOR (n:`L`) REQUIRE (n.`p`) IS NOT NULL",
            ),
            (
                line("range_index", "relationship", &["p"]),
                "CREATE RANGE INDEX `a``b` FOR ()-[r:`L`]-() ON (r.`p`)",
            ),
            (
                line("text_index", "node", &["p"]),
                "CREATE TEXT INDEX `a``b` FOR (n:`L`) ON (n.`p`)",
            ),
        ] {
            assert_eq!(built, expected);
        }
        let fulltext = json!({
            "name": "f", "kind": "fulltext_index", "entity": "node", "labels": ["A", "B"], "properties": ["p", "q"],
            "config": {"fulltext.analyzer": "standard-no-stop-words", "fulltext.eventually_consistent": false},
        });
        assert_eq!(
            statement(fulltext).unwrap(),
            "CREATE FULLTEXT INDEX `f` FOR (n:`A`|`B`) ON EACH [n.`p`, n.`q`] OPTIONS {indexConfig: \
             {`fulltext.analyzer`: 'standard-no-stop-words', `fulltext.eventually_consistent`: false}}"
        );
        let vector = json!({
            "name": "v", "kind": "vector_index", "entity": "node", "labels": ["A"], "properties": ["p"],
            "config": {"vector.dimensions": 1536, "spatial.cartesian.min": [-1.0, 1e300]},
        });
        assert_eq!(
            statement(vector).unwrap(),
            "CREATE VECTOR INDEX `v` FOR (n:`A`) ON (n.`p`) OPTIONS {indexConfig: \
             {`spatial.cartesian.min`: [-1.0, 1e300], `vector.dimensions`: 1536}}"
        );
    }

    #[test]
    fn nothing_in_a_line_becomes_a_statement() {
        let good = json!({"name": "n", "kind": "range_index", "entity": "node", "labels": ["L"], "properties": ["p"]});
        let with = |key: &str, value: Value| {
            let mut line = good.clone();
            line[key] = value;
            statement(line)
        };
        // Names are quoted.
        let name = "n` IF NOT EXISTS FOR (n:X) ON (n.p); MATCH (n) DETACH DELETE n //";
        let built = with("labels", json!([name])).unwrap();
        assert!(
            built.contains(
                "(n:`n`` IF NOT EXISTS FOR (n:X) ON (n.p); MATCH (n) DETACH DELETE n //`) ON (n.`p`)"
            ),
            "{built}"
        );
        for (key, value) in [
            ("create", json!("CREATE USER eve SET PASSWORD 'x'")),
            ("kind", json!("user")),
            ("entity", json!("database")),
            ("name", json!("\\u0060 FOR")),
            ("labels", json!(["\\u0060"])),
            ("properties", json!(["\\u0060"])),
            ("labels", json!([])),
            ("labels", json!(["A", "B"])),
            ("properties", json!([])),
            ("config", json!({"a": "'}} MATCH (n) DETACH DELETE n //"})),
            ("config", json!({"a": "\\"})),
            ("config", json!({"a\\u0060": 1})),
            ("config", json!({"a": {"b": 1}})),
        ] {
            assert!(with(key, value.clone()).is_err(), "{key}: {value}");
        }
        let constraint = json!({
            "name": "n", "kind": "key_constraint", "entity": "node", "labels": ["L"], "properties": ["p"], "config": {"a": 1},
        });
        assert!(statement(constraint).is_err());
    }
}
