//! The tokens of one YAML 1.1 document, as `kubectl` finds them.
//!
//! `kubectl` reads YAML with a Go translation of libyaml, which differs from newer parsers in what it accepts and where a
//! scalar ends. This scanner makes the same decisions; `kubectl` itself is the test (`tests/live/parity.rs`). Rejected
//! here and not there: directives, escapes in tags, and byte order marks inside a text.
//!
//! Marks of structure are found afterwards: a token that may be a key is remembered, and a later `:` inserts
//! [`Token::Key`] before it.

use std::borrow::Cow;
use std::collections::VecDeque;

use crate::syntax::SyntaxError;

/// A key without `?` may be this long, in characters.
const MAX_SIMPLE_KEY: usize = 1024;

/// A position in the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The line, counted from 0.
    pub(crate) line: usize,
    /// The column, in characters from 0.
    pub(crate) column: usize,
    /// The position in the text, in characters.
    index: usize,
}

impl Mark {
    /// A syntax error at this position.
    pub(crate) fn error(self, message: impl Into<String>) -> SyntaxError {
        SyntaxError {
            message: message.into(),
            hint: None,
            line: self.line + 1,
            column: self.column + 1,
        }
    }
}

/// A token.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token<'t> {
    StreamEnd,
    DocumentStart,
    DocumentEnd,
    BlockSequenceStart,
    BlockMappingStart,
    BlockEnd,
    FlowSequenceStart,
    FlowSequenceEnd,
    FlowMappingStart,
    FlowMappingEnd,
    BlockEntry,
    FlowEntry,
    Key,
    Value,
    Alias(&'t str),
    Anchor(&'t str),
    Tag { handle: &'t str, suffix: &'t str },
    Scalar { text: Cow<'t, str>, is_plain: bool },
}

/// A token that may turn out to be a key.
#[derive(Clone, Copy, Debug, Default)]
struct SimpleKey {
    is_possible: bool,
    /// Whether it is an error if it is no key: it is at the indentation of a block mapping.
    is_required: bool,
    /// The number of the token.
    token: usize,
    mark: Mark,
}

/// Finds the tokens of a text.
pub(crate) struct Scanner<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    mark: Mark,
    tokens: VecDeque<(Token<'t>, Mark)>,
    /// How many tokens were taken from the queue.
    taken: usize,
    is_finished: bool,
    flow_level: usize,
    /// The column of the open block collection; -1 outside of all.
    indent: isize,
    indents: Vec<isize>,
    may_be_key: bool,
    /// One for the block context, and one for each open flow collection.
    simple_keys: Vec<SimpleKey>,
}

impl<'t> Scanner<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Self {
            text,
            bytes: text.as_bytes(),
            at: 0,
            mark: Mark::default(),
            tokens: VecDeque::with_capacity(8),
            taken: 0,
            is_finished: false,
            flow_level: 0,
            indent: -1,
            indents: Vec::new(),
            may_be_key: true,
            simple_keys: vec![SimpleKey::default()],
        }
    }

    /// The next token, which stays in the queue.
    pub(crate) fn peek(&mut self) -> Result<&(Token<'t>, Mark), SyntaxError> {
        while self.tokens.is_empty() || self.first_may_become_key()? {
            self.fetch()?;
        }
        Ok(&self.tokens[0])
    }

    /// Takes the next token.
    pub(crate) fn next(&mut self) -> Result<(Token<'t>, Mark), SyntaxError> {
        self.peek()?;
        self.taken += 1;
        Ok(self.tokens.pop_front().unwrap_or((Token::StreamEnd, self.mark)))
    }

    /// Whether a key token may have to be inserted before the first token.
    fn first_may_become_key(&mut self) -> Result<bool, SyntaxError> {
        let taken = self.taken;
        let level = self
            .simple_keys
            .iter()
            .position(|key| key.is_possible && key.token == taken);
        match level {
            Some(level) => self.is_valid_key(level),
            None => Ok(false),
        }
    }

    /// Whether the key of a flow level can still become one: it is on this line, and not too long.
    fn is_valid_key(&mut self, level: usize) -> Result<bool, SyntaxError> {
        let key = &mut self.simple_keys[level];
        if !key.is_possible {
            return Ok(false);
        }
        if key.mark.line < self.mark.line || key.mark.index + MAX_SIMPLE_KEY < self.mark.index {
            if key.is_required {
                return Err(key.mark.error("a key without `:`"));
            }
            key.is_possible = false;
        }
        Ok(key.is_possible)
    }

    fn save_simple_key(&mut self) -> Result<(), SyntaxError> {
        if !self.may_be_key {
            return Ok(());
        }
        self.remove_simple_key()?;
        let key = SimpleKey {
            is_possible: true,
            is_required: self.flow_level == 0 && self.indent == signed(self.mark.column),
            token: self.taken + self.tokens.len(),
            mark: self.mark,
        };
        self.simple_keys[self.flow_level] = key;
        Ok(())
    }

    fn remove_simple_key(&mut self) -> Result<(), SyntaxError> {
        let key = &mut self.simple_keys[self.flow_level];
        if key.is_possible && key.is_required {
            return Err(key.mark.error("a key without `:`"));
        }
        key.is_possible = false;
        Ok(())
    }

    /// Opens a block collection at a column, if it is deeper than the current one. Its token goes before the token with a
    /// number, or to the end.
    fn roll_indent(&mut self, column: usize, before: Option<usize>, token: Token<'t>, mark: Mark) {
        if self.flow_level > 0 || self.indent >= signed(column) {
            return;
        }
        self.indents.push(self.indent);
        self.indent = signed(column);
        match before {
            Some(number) => self.tokens.insert(number - self.taken, (token, mark)),
            None => self.tokens.push_back((token, mark)),
        }
    }

    /// Closes the block collections that are deeper than a column.
    fn unroll_indent(&mut self, column: isize) {
        while self.flow_level == 0 && self.indent > column {
            self.tokens.push_back((Token::BlockEnd, self.mark));
            self.indent = self.indents.pop().unwrap_or(-1);
        }
    }

    /// Adds the next token, or several, to the queue.
    fn fetch(&mut self) -> Result<(), SyntaxError> {
        if self.is_finished {
            self.tokens.push_back((Token::StreamEnd, self.mark));
            return Ok(());
        }
        self.skip_to_token();
        self.unroll_indent(signed(self.mark.column));
        let first = self.byte(0);
        let is_last_of_word = self.is_blank_or_end(1);
        if self.at == self.bytes.len() {
            return self.fetch_end();
        }
        if self.mark.column == 0 && first == b'%' {
            return Err(self.mark.error("directives such as %YAML are not supported"));
        }
        if self.is_at_document_mark() {
            return self.fetch_document_mark(first);
        }
        match first {
            b'[' => self.fetch_flow_start(Token::FlowSequenceStart),
            b'{' => self.fetch_flow_start(Token::FlowMappingStart),
            b']' => self.fetch_flow_end(Token::FlowSequenceEnd),
            b'}' => self.fetch_flow_end(Token::FlowMappingEnd),
            b',' => {
                self.remove_simple_key()?;
                self.may_be_key = true;
                self.push(Token::FlowEntry, 1);
                Ok(())
            }
            b'-' if is_last_of_word => self.fetch_block_entry(),
            b'?' if self.flow_level > 0 || is_last_of_word => self.fetch_key(),
            b':' if self.flow_level > 0 || is_last_of_word => self.fetch_value(),
            b'*' | b'&' => self.fetch_anchor(first == b'*'),
            b'!' => self.fetch_tag(),
            b'|' | b'>' if self.flow_level == 0 => {
                self.remove_simple_key()?;
                self.may_be_key = true;
                self.fetch_block_scalar(first == b'|')
            }
            b'\'' | b'"' => {
                self.save_simple_key()?;
                self.may_be_key = false;
                self.fetch_quoted_scalar(first)
            }
            b'\t' | b'|' | b'>' | b'%' | b'@' | b'`' => Err(self.unexpected()),
            _ => {
                self.save_simple_key()?;
                self.may_be_key = false;
                self.fetch_plain_scalar()
            }
        }
    }

    fn unexpected(&self) -> SyntaxError {
        let character = self.text[self.at..].chars().next().unwrap_or_default();
        let mut error = self
            .mark
            .error(format!("a value cannot start with {character:?}"));
        error.hint = Some(match character {
            '\t' => "indent with spaces",
            _ => "quote the value",
        });
        error
    }

    fn fetch_end(&mut self) -> Result<(), SyntaxError> {
        if self.mark.column != 0 {
            self.mark.column = 0;
            self.mark.line += 1;
        }
        self.unroll_indent(-1);
        self.remove_simple_key()?;
        self.is_finished = true;
        self.tokens.push_back((Token::StreamEnd, self.mark));
        Ok(())
    }

    fn fetch_document_mark(&mut self, first: u8) -> Result<(), SyntaxError> {
        self.unroll_indent(-1);
        self.remove_simple_key()?;
        self.may_be_key = false;
        let token = if first == b'-' {
            Token::DocumentStart
        } else {
            Token::DocumentEnd
        };
        self.push(token, 3);
        Ok(())
    }

    fn fetch_flow_start(&mut self, token: Token<'t>) -> Result<(), SyntaxError> {
        self.save_simple_key()?;
        self.flow_level += 1;
        self.simple_keys.push(SimpleKey::default());
        self.may_be_key = true;
        self.push(token, 1);
        Ok(())
    }

    fn fetch_flow_end(&mut self, token: Token<'t>) -> Result<(), SyntaxError> {
        self.remove_simple_key()?;
        if self.flow_level > 0 {
            self.flow_level -= 1;
            self.simple_keys.pop();
        }
        self.may_be_key = false;
        self.push(token, 1);
        Ok(())
    }

    fn fetch_block_entry(&mut self) -> Result<(), SyntaxError> {
        if self.flow_level == 0 {
            if !self.may_be_key {
                return Err(self.mark.error("a list item is not allowed here"));
            }
            self.roll_indent(self.mark.column, None, Token::BlockSequenceStart, self.mark);
        }
        self.remove_simple_key()?;
        self.may_be_key = true;
        self.push(Token::BlockEntry, 1);
        Ok(())
    }

    fn fetch_key(&mut self) -> Result<(), SyntaxError> {
        if self.flow_level == 0 {
            if !self.may_be_key {
                return Err(self.mark.error("a key is not allowed here"));
            }
            self.roll_indent(self.mark.column, None, Token::BlockMappingStart, self.mark);
        }
        self.remove_simple_key()?;
        self.may_be_key = self.flow_level == 0;
        self.push(Token::Key, 1);
        Ok(())
    }

    fn fetch_value(&mut self) -> Result<(), SyntaxError> {
        if self.is_valid_key(self.flow_level)? {
            let key = self.simple_keys[self.flow_level];
            self.simple_keys[self.flow_level].is_possible = false;
            self.tokens.insert(key.token - self.taken, (Token::Key, key.mark));
            self.roll_indent(
                key.mark.column,
                Some(key.token),
                Token::BlockMappingStart,
                key.mark,
            );
            self.may_be_key = false;
        } else {
            if self.flow_level == 0 {
                if !self.may_be_key {
                    return Err(self.mark.error("a mapping is not allowed here"));
                }
                self.roll_indent(self.mark.column, None, Token::BlockMappingStart, self.mark);
            }
            self.may_be_key = self.flow_level == 0;
        }
        self.push(Token::Value, 1);
        Ok(())
    }

    fn fetch_anchor(&mut self, is_alias: bool) -> Result<(), SyntaxError> {
        self.save_simple_key()?;
        self.may_be_key = false;
        let mark = self.mark;
        self.skip(1);
        let name = self.word();
        let ends = self.is_blank_or_end(0) || b"?:,]}%@`".contains(&self.byte(0));
        if name.is_empty() || !ends {
            return Err(mark.error("the name of an anchor has letters, digits, `-` and `_` only"));
        }
        let token = if is_alias {
            Token::Alias(name)
        } else {
            Token::Anchor(name)
        };
        self.tokens.push_back((token, mark));
        Ok(())
    }

    /// Letters, digits, `-` and `_`.
    fn word(&mut self) -> &'t str {
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-' || *byte == b'_';
        let length = self.bytes[self.at..]
            .iter()
            .take_while(|byte| is_word(byte))
            .count();
        let word = &self.text[self.at..self.at + length];
        self.skip(length);
        word
    }

    fn fetch_tag(&mut self) -> Result<(), SyntaxError> {
        self.save_simple_key()?;
        self.may_be_key = false;
        let mark = self.mark;
        let start = self.at;
        let token = if self.byte(1) == b'<' {
            self.skip(2);
            let suffix = self.tag_uri();
            if suffix.is_empty() || self.byte(0) != b'>' {
                return Err(mark.error("a tag that begins with `!<` ends with `>`"));
            }
            self.skip(1);
            Token::Tag { handle: "", suffix }
        } else {
            self.skip(1);
            self.word();
            if self.byte(0) == b'!' {
                self.skip(1);
                let handle = &self.text[start..self.at];
                let suffix = self.tag_uri();
                if suffix.is_empty() {
                    return Err(mark.error("a tag without a name"));
                }
                Token::Tag { handle, suffix }
            } else {
                self.tag_uri();
                match &self.text[start + 1..self.at] {
                    "" => Token::Tag {
                        handle: "",
                        suffix: "!",
                    },
                    suffix => Token::Tag { handle: "!", suffix },
                }
            }
        };
        if !self.is_blank_or_end(0) {
            return Err(mark.error("a tag ends with a space"));
        }
        self.tokens.push_back((token, mark));
        Ok(())
    }

    fn tag_uri(&mut self) -> &'t str {
        let is_uri = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_;/?:@&=+$,.!~*'()[]".contains(byte);
        let length = self.bytes[self.at..]
            .iter()
            .take_while(|byte| is_uri(byte))
            .count();
        let uri = &self.text[self.at..self.at + length];
        self.skip(length);
        uri
    }

    fn fetch_block_scalar(&mut self, is_literal: bool) -> Result<(), SyntaxError> {
        let mark = self.mark;
        self.skip(1);
        let (mut chomping, mut increment) = (None, 0);
        for _ in 0..2 {
            match self.byte(0) {
                sign @ (b'+' | b'-') if chomping.is_none() => chomping = Some(sign),
                digit @ b'0'..=b'9' if increment == 0 => {
                    increment = usize::from(digit - b'0');
                    if increment == 0 {
                        return Err(mark.error("the indentation of a block scalar cannot be 0"));
                    }
                }
                _ => break,
            }
            self.skip(1);
        }
        self.skip_blanks();
        if self.byte(0) == b'#' {
            self.skip_to_line_end();
        }
        if !self.is_break_or_end(0) {
            return Err(mark.error("`|` and `>` end their line"));
        }
        self.take_break();

        let base = usize::try_from(self.indent).unwrap_or(0);
        let mut indent = if increment > 0 { base + increment } else { 0 };
        let mut text = String::new();
        let mut breaks = String::new();
        self.block_scalar_breaks(&mut indent, &mut breaks, mark)?;
        let (mut last_break, mut was_blank) = ("", false);
        while self.mark.column == indent && self.at < self.bytes.len() {
            let is_blank = self.is_blank(0);
            let folds = !is_literal && !was_blank && !is_blank && last_break.starts_with('\n');
            if !folds {
                text.push_str(last_break);
            } else if breaks.is_empty() {
                text.push(' ');
            }
            text.push_str(&breaks);
            breaks.clear();
            was_blank = is_blank;
            let begin = self.at;
            self.skip_to_line_end();
            text.push_str(&self.text[begin..self.at]);
            last_break = self.take_break();
            self.block_scalar_breaks(&mut indent, &mut breaks, mark)?;
        }
        if chomping != Some(b'-') {
            text.push_str(last_break);
        }
        if chomping == Some(b'+') {
            text.push_str(&breaks);
        }
        self.push_scalar(Cow::Owned(text), false, mark);
        Ok(())
    }

    /// Skips the indentation and empty lines before a line of a block scalar. Finds the indentation if it is 0.
    fn block_scalar_breaks(
        &mut self,
        indent: &mut usize,
        breaks: &mut String,
        mark: Mark,
    ) -> Result<(), SyntaxError> {
        let mut deepest = 0;
        loop {
            while (*indent == 0 || self.mark.column < *indent) && self.byte(0) == b' ' {
                self.skip(1);
            }
            deepest = deepest.max(self.mark.column);
            if (*indent == 0 || self.mark.column < *indent) && self.byte(0) == b'\t' {
                return Err(mark.error("a block scalar is indented with a tab"));
            }
            if !self.is_break(0) {
                break;
            }
            breaks.push_str(self.take_break());
        }
        if *indent == 0 {
            *indent = deepest.max(usize::try_from(self.indent + 1).unwrap_or(0)).max(1);
        }
        Ok(())
    }

    fn fetch_quoted_scalar(&mut self, quote: u8) -> Result<(), SyntaxError> {
        let mark = self.mark;
        self.skip(1);
        let begin = self.at;
        // What differs from the source is copied; `run` is where the part begins that was not.
        let (mut text, mut run) = (String::new(), begin);
        loop {
            if self.is_at_document_mark() {
                return Err(mark.error("a quoted string contains a line that starts with `---` or `...`"));
            }
            if self.at == self.bytes.len() {
                return Err(mark.error("a quoted string does not end"));
            }
            let mut is_continued = false;
            while !self.is_blank_or_end(0) {
                let (byte, next) = (self.byte(0), self.byte(1));
                if quote == b'\'' && byte == quote && next == quote {
                    text.push_str(&self.text[run..=self.at]);
                    self.skip(2);
                } else if byte == quote {
                    break;
                } else if quote == b'"' && byte == b'\\' {
                    text.push_str(&self.text[run..self.at]);
                    if self.is_break(1) {
                        self.skip(1);
                        self.take_break();
                        is_continued = true;
                        run = self.at;
                        break;
                    }
                    text.push(self.escape(mark)?);
                } else {
                    self.skip_character();
                    continue;
                }
                run = self.at;
            }
            if self.byte(0) == quote {
                break;
            }
            let end_of_line = self.at;
            self.skip_blanks();
            let mut first_break = "";
            if !is_continued {
                if !self.is_break(0) {
                    // Spaces within a line.
                    continue;
                }
                text.push_str(&self.text[run..end_of_line]);
                first_break = self.take_break();
            }
            let mut more_breaks = String::new();
            self.read_empty_lines(&mut more_breaks);
            join_lines(&mut text, first_break, &more_breaks);
            run = self.at;
        }
        let text = if run == begin {
            Cow::Borrowed(&self.text[begin..self.at])
        } else {
            text.push_str(&self.text[run..self.at]);
            Cow::Owned(text)
        };
        self.skip(1);
        self.push_scalar(text, false, mark);
        Ok(())
    }

    /// The character of an escape sequence, which is skipped.
    fn escape(&mut self, mark: Mark) -> Result<char, SyntaxError> {
        let simple = match self.byte(1) {
            b'0' => '\0',
            b'a' => '\u{7}',
            b'b' => '\u{8}',
            b't' | b'\t' => '\t',
            b'n' => '\n',
            b'v' => '\u{b}',
            b'f' => '\u{c}',
            b'r' => '\r',
            b'e' => '\u{1b}',
            b' ' => ' ',
            b'"' => '"',
            b'\'' => '\'',
            b'\\' => '\\',
            b'N' => '\u{85}',
            b'_' => '\u{a0}',
            b'L' => '\u{2028}',
            b'P' => '\u{2029}',
            letter @ (b'x' | b'u' | b'U') => {
                let length = match letter {
                    b'x' => 2,
                    b'u' => 4,
                    _ => 8,
                };
                let digits = self.bytes.get(self.at + 2..self.at + 2 + length);
                let digits = digits.filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
                let code = digits
                    .and_then(|digits| std::str::from_utf8(digits).ok())
                    .and_then(|digits| u32::from_str_radix(digits, 16).ok());
                let Some(character) = code.and_then(char::from_u32) else {
                    return Err(mark.error("a quoted string contains an invalid escape of a character"));
                };
                self.skip(2 + length);
                return Ok(character);
            }
            _ => {
                let mut error = self
                    .mark
                    .error("a string in double quotes contains an unknown escape");
                error.hint = Some("write `\\\\` for a backslash, or use single quotes");
                return Err(error);
            }
        };
        self.skip(2);
        Ok(simple)
    }

    fn fetch_plain_scalar(&mut self) -> Result<(), SyntaxError> {
        let mark = self.mark;
        let deepest = self.indent + 1;
        let (begin, mut end) = (self.at, self.at);
        // Copied only if it has several lines.
        let (mut folded, mut run) = (String::new(), self.at);
        let (mut first_break, mut more_breaks) = ("", String::new());
        while !(self.is_at_document_mark() || self.byte(0) == b'#') {
            let word = self.at;
            while !self.is_blank_or_end(0) && !self.ends_plain_scalar() {
                self.skip_character();
            }
            if self.at > word {
                if !first_break.is_empty() {
                    folded.push_str(&self.text[run..end]);
                    join_lines(&mut folded, first_break, &more_breaks);
                    (first_break, run) = ("", word);
                    more_breaks.clear();
                }
                end = self.at;
            }
            if !(self.is_blank(0) || self.is_break(0)) {
                break;
            }
            loop {
                if self.is_break(0) {
                    if first_break.is_empty() {
                        first_break = self.take_break();
                    } else {
                        more_breaks.push_str(self.take_break());
                    }
                } else if self.is_blank(0) {
                    let indents = !first_break.is_empty() && signed(self.mark.column) < deepest;
                    if indents && self.byte(0) == b'\t' {
                        return Err(mark.error("a line of this value is indented with a tab"));
                    }
                    self.skip(1);
                } else {
                    break;
                }
            }
            if self.flow_level == 0 && signed(self.mark.column) < deepest {
                break;
            }
        }
        if !first_break.is_empty() {
            self.may_be_key = true;
        }
        let text = if run == begin {
            Cow::Borrowed(&self.text[begin..end])
        } else {
            folded.push_str(&self.text[run..end]);
            Cow::Owned(folded)
        };
        self.push_scalar(text, true, mark);
        Ok(())
    }

    fn ends_plain_scalar(&self) -> bool {
        match self.byte(0) {
            b':' => self.is_blank_or_end(1),
            b',' | b'?' | b'[' | b']' | b'{' | b'}' => self.flow_level > 0,
            _ => false,
        }
    }

    /// Skips spaces, comments and line breaks.
    fn skip_to_token(&mut self) {
        loop {
            while self.byte(0) == b' ' || (self.byte(0) == b'\t' && (self.flow_level > 0 || !self.may_be_key))
            {
                self.skip(1);
            }
            if self.byte(0) == b'#' {
                self.skip_to_line_end();
            }
            if self.take_break().is_empty() {
                break;
            }
            if self.flow_level == 0 {
                self.may_be_key = true;
            }
        }
    }

    /// Adds a token of the next few bytes.
    fn push(&mut self, token: Token<'t>, length: usize) {
        self.tokens.push_back((token, self.mark));
        self.skip(length);
    }

    /// The byte at an offset; 0 after the end. The text has no zero bytes.
    fn byte(&self, offset: usize) -> u8 {
        self.bytes.get(self.at + offset).copied().unwrap_or(0)
    }

    fn is_blank(&self, offset: usize) -> bool {
        matches!(self.byte(offset), b' ' | b'\t')
    }

    /// The length of a line break at an offset: LF, CR, CR LF, NEL, LS or PS.
    fn break_length(&self, offset: usize) -> usize {
        match self.byte(offset) {
            b'\n' => 1,
            b'\r' => 1 + usize::from(self.byte(offset + 1) == b'\n'),
            0xc2 if self.byte(offset + 1) == 0x85 => 2,
            0xe2 if self.byte(offset + 1) == 0x80 && matches!(self.byte(offset + 2), 0xa8 | 0xa9) => 3,
            _ => 0,
        }
    }

    fn is_break(&self, offset: usize) -> bool {
        self.break_length(offset) > 0
    }

    fn is_break_or_end(&self, offset: usize) -> bool {
        self.at + offset >= self.bytes.len() || self.is_break(offset)
    }

    fn is_blank_or_end(&self, offset: usize) -> bool {
        self.is_blank(offset) || self.is_break_or_end(offset)
    }

    /// Whether a line begins here with `---` or `...`.
    fn is_at_document_mark(&self) -> bool {
        let mark = self.bytes.get(self.at..self.at + 3);
        self.mark.column == 0
            && mark.is_some_and(|mark| mark == b"---" || mark == b"...")
            && self.is_blank_or_end(3)
    }

    /// Skips ASCII bytes within a line.
    fn skip(&mut self, length: usize) {
        self.at += length;
        self.mark.column += length;
        self.mark.index += length;
    }

    fn skip_character(&mut self) {
        self.at += 1;
        while self.at < self.bytes.len() && !self.text.is_char_boundary(self.at) {
            self.at += 1;
        }
        self.mark.column += 1;
        self.mark.index += 1;
    }

    fn skip_blanks(&mut self) {
        while self.is_blank(0) {
            self.skip(1);
        }
    }

    fn skip_to_line_end(&mut self) {
        while !self.is_break_or_end(0) {
            self.skip_character();
        }
    }

    /// Skips a line break and returns it: LF for all but LS and PS, nothing if there is none.
    fn take_break(&mut self) -> &'t str {
        let length = self.break_length(0);
        let line_break = match length {
            0 => return "",
            3 => &self.text[self.at..self.at + 3],
            _ => "\n",
        };
        self.mark.index += if self.byte(0) == b'\r' { length } else { 1 };
        self.mark.column = 0;
        self.mark.line += 1;
        self.at += length;
        line_break
    }

    /// Skips lines that are empty or blank, and the indentation of the next one.
    fn read_empty_lines(&mut self, breaks: &mut String) {
        self.skip_blanks();
        while self.is_break(0) {
            breaks.push_str(self.take_break());
            self.skip_blanks();
        }
    }

    fn push_scalar(&mut self, text: Cow<'t, str>, is_plain: bool, mark: Mark) {
        self.tokens.push_back((Token::Scalar { text, is_plain }, mark));
    }
}

/// Appends the breaks between two lines of a scalar: a single line break becomes a space.
fn join_lines(text: &mut String, first_break: &str, more_breaks: &str) {
    if !first_break.starts_with('\n') {
        text.push_str(first_break);
    } else if more_breaks.is_empty() {
        text.push(' ');
        return;
    }
    text.push_str(more_breaks);
}

fn signed(column: usize) -> isize {
    isize::try_from(column).unwrap_or(isize::MAX)
}
