//! The value of one YAML document, as `kubectl` reads it: anchors, aliases and merge keys are expanded.
//!
//! Later keys win over earlier ones, and a merge counts as a later key too. A key that is written twice is an error, as in
//! the API server. What follows the document is an error, because `kubectl` ignores it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::scalar;
use crate::scanner::{Mark, Scanner, Token};
use crate::syntax::{Lines, MAX_DEPTH, MAX_PATH, SyntaxError, hint_for, shown, too_deep};

/// The most values that the aliases of one text, or of each part of a long one, may add. A manifest adds dozens, an alias
/// bomb millions. 64 bytes of text count as one value.
const MAX_ALIASED: usize = 100_000;

/// How many values aliases have added to a text.
#[derive(Debug, Default)]
pub(crate) struct Aliased(usize);

impl Aliased {
    fn add(&mut self, value: &Value, mark: Mark) -> Result<(), SyntaxError> {
        self.0 += size(value, MAX_ALIASED);
        if self.0 > MAX_ALIASED {
            return Err(mark.error(format!(
                "the anchors and aliases of this text expand to more than {MAX_ALIASED} values"
            )));
        }
        Ok(())
    }
}

/// Reads a document, which must be the only one of the text. With `lines`, records the line of every key and item.
pub(crate) fn read(
    text: &str,
    aliased: &mut Aliased,
    lines: Option<&mut Lines>,
) -> Result<Value, SyntaxError> {
    if let Some(error) = forbidden_character(text) {
        return Err(error);
    }
    let mut parser = Parser {
        scanner: Scanner::new(text),
        anchors: BTreeMap::new(),
        anchored: Vec::new(),
        aliased,
        lines,
        path: String::new(),
        depth: 0,
    };
    parser.document().map_err(|mut error| {
        error.hint = error.hint.or_else(|| Some(hint_for(text, error.line)));
        error
    })
}

/// The error for a character that YAML does not allow. A byte order mark is allowed at the beginning only.
fn forbidden_character(text: &str) -> Option<SyntaxError> {
    let is_plain = |byte: &u8| matches!(byte, b'\t' | b'\n' | b'\r' | 0x20..=0x7e);
    if text.as_bytes().iter().all(is_plain) {
        return None;
    }
    let is_allowed = |character: char| match character {
        '\t' | '\n' | '\r' | '\u{85}' => true,
        '\u{feff}' | '\u{fffe}' | '\u{ffff}' => false,
        _ => !character.is_control(),
    };
    let (at, character) = text
        .char_indices()
        .find(|(_, character)| !is_allowed(*character))?;
    let before = &text[..at];
    Some(SyntaxError {
        message: format!("the character {character:?} is not allowed here"),
        hint: Some("remove it, or write it as an escape in double quotes"),
        line: before.matches('\n').count() + 1,
        column: before.rsplit('\n').next().unwrap_or_default().chars().count() + 1,
    })
}

/// A value, with what its place in a mapping depends on.
struct Node {
    value: Value,
    is_alias: bool,
    /// Whether it is the key that merges other mappings: `<<` without quotes.
    is_merge: bool,
}

impl Node {
    const NULL: Self = Self::of(Value::Null);

    const fn of(value: Value) -> Self {
        Self {
            value,
            is_alias: false,
            is_merge: false,
        }
    }
}

struct Parser<'t, 'p> {
    scanner: Scanner<'t>,
    /// The number of the latest anchor of each name.
    anchors: BTreeMap<&'t str, usize>,
    /// The value of each anchor; none while it is read.
    anchored: Vec<Option<Value>>,
    aliased: &'p mut Aliased,
    lines: Option<&'p mut Lines>,
    path: String,
    depth: usize,
}

impl<'t> Parser<'t, '_> {
    fn document(&mut self) -> Result<Value, SyntaxError> {
        let is_explicit = self.skip_if(&Token::DocumentStart)?;
        if let Some(lines) = &mut self.lines {
            lines.first = self.scanner.peek()?.1.line + 1;
        }
        let value = match self.peek()? {
            Token::StreamEnd => Value::Null,
            Token::DocumentStart | Token::DocumentEnd if is_explicit => Value::Null,
            _ => self.node(true, false)?.value,
        };
        self.skip_if(&Token::DocumentEnd)?;
        match self.scanner.peek()? {
            (Token::StreamEnd, _) => Ok(value),
            (_, mark) => {
                let mut error = mark.error("kubectl ignores what follows the document");
                error.hint = Some("begin the next document with a line that contains only `---`");
                Err(error)
            }
        }
    }

    fn peek(&mut self) -> Result<&Token<'t>, SyntaxError> {
        Ok(&self.scanner.peek()?.0)
    }

    /// Takes the next token if it is this one.
    fn skip_if(&mut self, token: &Token<'t>) -> Result<bool, SyntaxError> {
        let is_next = self.peek()? == token;
        if is_next {
            self.scanner.next()?;
        }
        Ok(is_next)
    }

    /// A node, or null if the next token ends it.
    fn optional(
        &mut self,
        ends: &[Token<'static>],
        node: fn(&mut Self) -> Result<Node, SyntaxError>,
    ) -> Result<Node, SyntaxError> {
        if ends.contains(self.peek()?) {
            return Ok(Node::NULL);
        }
        node(self)
    }

    fn block_node(&mut self) -> Result<Node, SyntaxError> {
        self.node(true, false)
    }

    fn block_node_or_list(&mut self) -> Result<Node, SyntaxError> {
        self.node(true, true)
    }

    fn flow_node(&mut self) -> Result<Node, SyntaxError> {
        self.node(false, false)
    }

    /// A value with its anchor and tag. `is_block` allows block collections, and `may_be_unindented` a list that begins in
    /// the column of its key.
    fn node(&mut self, is_block: bool, may_be_unindented: bool) -> Result<Node, SyntaxError> {
        let mut anchor = None;
        let mut tag = None;
        let begin = self.scanner.peek()?.1;
        if let Token::Alias(name) = *self.peek()? {
            self.scanner.next()?;
            return self.alias(name, begin);
        }
        for _ in 0..2 {
            match *self.peek()? {
                Token::Anchor(name) if anchor.is_none() => anchor = Some(name),
                Token::Tag { handle, suffix } if tag.is_none() => {
                    tag = Some(full_tag(handle, suffix, begin)?);
                }
                _ => break,
            }
            self.scanner.next()?;
        }
        let number = anchor.map(|name| {
            self.anchored.push(None);
            self.anchors.insert(name, self.anchored.len() - 1);
            self.anchored.len() - 1
        });
        let tag = tag.as_deref();
        let mark = self.scanner.peek()?.1;
        let node = match self.peek()? {
            Token::BlockEntry if may_be_unindented => self.nested(mark, Self::unindented_list)?,
            Token::Scalar { .. } => self.scalar(tag)?,
            Token::FlowSequenceStart => self.nested(mark, Self::flow_list)?,
            Token::FlowMappingStart => self.nested(mark, Self::flow_mapping)?,
            Token::BlockSequenceStart if is_block => self.nested(mark, Self::block_list)?,
            Token::BlockMappingStart if is_block => self.nested(mark, Self::block_mapping)?,
            _ if anchor.is_some() || tag.is_some() => {
                Node::of(scalar::resolve("", true, tag).map_err(|message| mark.error(message))?)
            }
            _ => return Err(mark.error("a value is missing or is not allowed here")),
        };
        if let Some(number) = number {
            self.aliased.add(&node.value, mark)?;
            self.anchored[number] = Some(node.value.clone());
        }
        Ok(node)
    }

    fn alias(&mut self, name: &str, mark: Mark) -> Result<Node, SyntaxError> {
        let Some(number) = self.anchors.get(name) else {
            return Err(mark.error(format!("the alias *{name} has no anchor")));
        };
        let Some(value) = &self.anchored[*number] else {
            return Err(mark.error(format!("the value of the anchor &{name} contains itself")));
        };
        self.aliased.add(value, mark)?;
        if self.depth + depth(value) > MAX_DEPTH {
            return Err(mark.error(too_deep()));
        }
        Ok(Node {
            is_alias: true,
            ..Node::of(value.clone())
        })
    }

    fn scalar(&mut self, tag: Option<&str>) -> Result<Node, SyntaxError> {
        let (token, mark) = self.scanner.next()?;
        let Token::Scalar { text, is_plain } = token else {
            return Err(mark.error("a value is missing"));
        };
        let may_merge = match tag {
            None => is_plain,
            Some(tag) => tag == "!" || tag == "tag:yaml.org,2002:merge",
        };
        Ok(Node {
            is_merge: may_merge && text == "<<",
            ..Node::of(scalar::resolve(&text, is_plain, tag).map_err(|message| mark.error(message))?)
        })
    }

    /// Reads a collection, one level deeper.
    fn nested(
        &mut self,
        mark: Mark,
        collection: fn(&mut Self) -> Result<Value, SyntaxError>,
    ) -> Result<Node, SyntaxError> {
        if self.depth == MAX_DEPTH {
            return Err(mark.error(too_deep()));
        }
        self.depth += 1;
        let value = collection(self)?;
        self.depth -= 1;
        Ok(Node::of(value))
    }

    fn block_list(&mut self) -> Result<Value, SyntaxError> {
        self.scanner.next()?;
        let mut items = Vec::new();
        while self.skip_if(&Token::BlockEntry)? {
            self.item(
                &mut items,
                &[Token::BlockEntry, Token::BlockEnd],
                Self::block_node,
            )?;
        }
        self.end(&Token::BlockEnd, "a list item (`- …`) is expected here")?;
        Ok(Value::Array(items))
    }

    fn unindented_list(&mut self) -> Result<Value, SyntaxError> {
        let ends = [Token::BlockEntry, Token::Key, Token::Value, Token::BlockEnd];
        let mut items = Vec::new();
        while self.skip_if(&Token::BlockEntry)? {
            self.item(&mut items, &ends, Self::block_node)?;
        }
        Ok(Value::Array(items))
    }

    fn flow_list(&mut self) -> Result<Value, SyntaxError> {
        self.scanner.next()?;
        let mut items = Vec::new();
        while *self.peek()? != Token::FlowSequenceEnd {
            if !items.is_empty() {
                self.end(&Token::FlowEntry, "`,` or `]` is expected here")?;
            }
            match self.peek()? {
                Token::FlowSequenceEnd => break,
                Token::Key => self.item(&mut items, &[], Self::pair)?,
                _ => self.item(&mut items, &[], Self::flow_node)?,
            }
        }
        self.scanner.next()?;
        Ok(Value::Array(items))
    }

    /// A mapping with one key in a flow list, without braces.
    fn pair(&mut self) -> Result<Node, SyntaxError> {
        let mark = self.scanner.peek()?.1;
        self.nested(mark, |parser| {
            let ends = [Token::FlowEntry, Token::FlowSequenceEnd];
            parser.scanner.next()?;
            let mut mapping = Mapping::default();
            let mark = parser.scanner.peek()?.1;
            let key = parser.flow_node()?;
            parser.entry(&mut mapping, key, mark, &ends, Self::flow_node)?;
            Ok(Value::Object(mapping.fields))
        })
    }

    fn block_mapping(&mut self) -> Result<Value, SyntaxError> {
        self.scanner.next()?;
        let ends = [Token::Key, Token::Value, Token::BlockEnd];
        let mut mapping = Mapping::default();
        while self.skip_if(&Token::Key)? {
            let mark = self.scanner.peek()?.1;
            let key = self.optional(&ends, Self::block_node_or_list)?;
            self.entry(&mut mapping, key, mark, &ends, Self::block_node_or_list)?;
        }
        self.end(&Token::BlockEnd, "a key is expected here")?;
        Ok(Value::Object(mapping.fields))
    }

    fn flow_mapping(&mut self) -> Result<Value, SyntaxError> {
        self.scanner.next()?;
        let ends = [Token::FlowEntry, Token::FlowMappingEnd];
        let mut mapping = Mapping::default();
        let mut is_first = true;
        while *self.peek()? != Token::FlowMappingEnd {
            if !is_first {
                self.end(&Token::FlowEntry, "`,` or `}` is expected here")?;
            }
            is_first = false;
            if *self.peek()? == Token::FlowMappingEnd {
                break;
            }
            // Without a key token, it is a key without a value.
            let has_value = self.skip_if(&Token::Key)?;
            let mark = self.scanner.peek()?.1;
            let key = self.flow_node()?;
            if !has_value && *self.peek()? == Token::Value {
                return Err(mark.error("`,` or `}` is expected here"));
            }
            self.entry(&mut mapping, key, mark, &ends, Self::flow_node)?;
        }
        self.scanner.next()?;
        Ok(Value::Object(mapping.fields))
    }

    fn end(&mut self, token: &Token<'t>, message: &str) -> Result<(), SyntaxError> {
        if self.skip_if(token)? {
            return Ok(());
        }
        Err(self.scanner.peek()?.1.error(message))
    }

    /// Reads the next item of a list.
    fn item(
        &mut self,
        items: &mut Vec<Value>,
        ends: &[Token<'static>],
        node: fn(&mut Self) -> Result<Node, SyntaxError>,
    ) -> Result<(), SyntaxError> {
        let outer = self.path.len();
        if self.lines.is_some() {
            let _ = write!(self.path, "[{}]", items.len());
            let mark = self.scanner.peek()?.1;
            self.note(mark);
        }
        items.push(self.optional(ends, node)?.value);
        self.path.truncate(outer);
        Ok(())
    }

    /// Reads the value of a key, and adds both to a mapping.
    fn entry(
        &mut self,
        mapping: &mut Mapping,
        key: Node,
        mark: Mark,
        ends: &[Token<'static>],
        node: fn(&mut Self) -> Result<Node, SyntaxError>,
    ) -> Result<(), SyntaxError> {
        let is_merge = key.is_merge;
        let name = if is_merge {
            String::new()
        } else {
            scalar::key(key.value).map_err(|message| mark.error(message))?
        };
        let outer = self.path.len();
        if self.lines.is_some() && !is_merge {
            self.enter(&name);
            self.note(mark);
        }
        let at = self.scanner.peek()?.1;
        let value = if self.skip_if(&Token::Value)? {
            self.optional(ends, node)?
        } else {
            Node::NULL
        };
        self.path.truncate(outer);
        if is_merge {
            mapping.merge(value).map_err(|message| at.error(message))
        } else {
            mapping.insert(name, value.value).map_err(|message| SyntaxError {
                hint: Some("remove one of the two"),
                ..mark.error(message)
            })
        }
    }

    /// Appends a key to the path, as findings write it.
    fn enter(&mut self, key: &str) {
        if key.contains(['.', '/']) {
            let _ = write!(self.path, "[{key}]");
        } else {
            if !self.path.is_empty() {
                self.path.push('.');
            }
            self.path.push_str(key);
        }
    }

    fn note(&mut self, mark: Mark) {
        if let Some(lines) = &mut self.lines
            && self.path.len() <= MAX_PATH
        {
            lines.lines.insert(self.path.clone(), mark.line + 1);
        }
    }
}

/// A mapping that is read.
#[derive(Default)]
struct Mapping {
    fields: Map<String, Value>,
    /// The keys that were merged and not written.
    merged: BTreeSet<String>,
}

impl Mapping {
    fn insert(&mut self, key: String, value: Value) -> Result<(), String> {
        if self.fields.contains_key(&key) && !self.merged.remove(&key) {
            return Err(format!("duplicate key {}", shown(&key)));
        }
        self.fields.insert(key, value);
        Ok(())
    }

    /// Adds the fields of another mapping, or of several: earlier ones win over later ones, and all over what is there.
    fn merge(&mut self, node: Node) -> Result<(), &'static str> {
        let mappings = match node.value {
            Value::Array(items) if !node.is_alias => items,
            value => vec![value],
        };
        for mapping in mappings.into_iter().rev() {
            let Value::Object(more) = mapping else {
                return Err("`<<` merges mappings and lists of mappings only");
            };
            for (key, value) in more {
                if self.fields.insert(key.clone(), value).is_none() {
                    self.merged.insert(key);
                }
            }
        }
        Ok(())
    }
}

/// The tag with its handle expanded.
fn full_tag(handle: &str, suffix: &str, mark: Mark) -> Result<String, SyntaxError> {
    match handle {
        "" => Ok(suffix.to_owned()),
        "!" => Ok(format!("!{suffix}")),
        "!!" => Ok(format!("tag:yaml.org,2002:{suffix}")),
        _ => Err(mark.error(format!("the tag handle {handle} is not defined"))),
    }
}

/// The size of a value, up to a bound: each value counts one, and long strings more.
fn size(value: &Value, most: usize) -> usize {
    let mut count = 0;
    let mut waiting = vec![value];
    while let Some(value) = waiting.pop() {
        count += 1;
        if count > most {
            break;
        }
        match value {
            Value::String(text) => count += text.len() / 64,
            Value::Array(items) => waiting.extend(items),
            Value::Object(fields) => {
                count += fields.keys().map(|key| key.len() / 64).sum::<usize>();
                waiting.extend(fields.values());
            }
            _ => {}
        }
    }
    count
}

/// The number of levels of a value.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}
