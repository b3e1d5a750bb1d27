//! Searches texts: the files of `ConfigMap`s, scripts, arguments and annotations.
//!
//! A text is not parsed as one format, because a file can be of any, be a template, or be cut. JSON is parsed. Everything
//! else is read line by line: assignments (`name = value`, `name: value`, `"name": "value"`), options of commands, directives
//! (`requirepass value`), and elements of XML. The work is linear in the length of the text.

use serde_json::Value;

use super::arguments;
use super::decision::{Place, Source, by_name};
use super::names::{Name, classify};
use super::{tokens, values, xml};

/// A credential in a text: the number of its line, and what it is.
pub(super) type Found = (usize, &'static str);

/// What a line and its neighbors contribute to each other.
#[derive(Default)]
struct Above<'t> {
    /// The value of the last `name:` or `key:`.
    name: &'t str,
    /// The name of a YAML block scalar that starts on the next line.
    block: Option<&'t str>,
    /// Whether a line of a `.netrc` was found.
    is_netrc: bool,
    /// Whether the text refers to a secret store.
    has_remote_references: bool,
}

/// The kind of text of a file with this name.
pub(super) fn source_of(file: &str, text: &str) -> Source {
    const PROGRAMS: [&str; 17] = [
        "py", "js", "mjs", "ts", "lua", "rb", "go", "java", "groovy", "php", "rego", "cs", "kts", "jsonnet",
        "pl", "md", "html",
    ];
    let extension = file.rsplit_once('.').map_or("", |(_, extension)| extension);
    let interpreter = text
        .strip_prefix("#!")
        .and_then(|rest| rest.lines().next())
        .unwrap_or("");
    if PROGRAMS.contains(&extension)
        || ["python", "node", "ruby", "perl"]
            .iter()
            .any(|name| interpreter.contains(name))
    {
        Source::Program
    } else if ["sh", "bash"].contains(&extension) || !interpreter.is_empty() {
        Source::Shell
    } else {
        Source::Configuration
    }
}

/// The first credential in a text. `file` is the name of its file, if it has one, and `json` searches a parsed text.
pub(super) fn find(
    text: &str,
    file: &str,
    source: Source,
    json: fn(&Value) -> Option<&'static str>,
) -> Option<Found> {
    if is_short_word(text) {
        return None;
    }
    if let Some((position, what)) = tokens::find(text) {
        return Some((line_of(text, position), what));
    }
    if text.trim_start().starts_with(['{', '['])
        && let Ok(value) = serde_json::from_str(text)
    {
        return json(&value).map(|what| (1, what));
    }
    if let Some(what) = xml::find(text) {
        return Some((1, what));
    }
    let mut above = Above {
        has_remote_references: text.contains("remoteRef") || text.contains("objectName"),
        ..Above::default()
    };
    let mut lines = text.lines().enumerate();
    lines.find_map(|(index, line)| Some((index + 1, find_in_line(line, file, source, &mut above)?)))
}

/// Whether a text is a word that is too short for a token and has no separator, such as the name of an object.
fn is_short_word(text: &str) -> bool {
    text.len() < tokens::SHORTEST
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/'))
}

fn line_of(text: &str, position: usize) -> usize {
    text[..position].matches('\n').count() + 1
}

fn find_in_line<'t>(
    line: &'t str,
    file: &str,
    source: Source,
    above: &mut Above<'t>,
) -> Option<&'static str> {
    let line = line.trim();
    if line.is_empty() || is_comment(line) {
        return None;
    }
    let mut rest = line;
    while let Some((before, after)) = around_message(rest) {
        let found = find_in_statement(before, file, source, above);
        if found.is_some() {
            return found;
        }
        rest = after;
    }
    find_in_statement(rest, file, source, above)
}

fn find_in_statement<'t>(
    line: &'t str,
    file: &str,
    source: Source,
    above: &mut Above<'t>,
) -> Option<&'static str> {
    if let Some(name) = above.block.take()
        && !line.contains(": ")
        && let Some(what) = by_name(name, line, Place::Value)
    {
        return Some(what);
    }
    let mut is_value_of_name = false;
    for pair in pairs(line) {
        if pair.is_first && ["name", "key"].contains(&pair.name) {
            above.name = pair.value().0;
            continue;
        }
        let is_value = pair.is_first && pair.name == "value";
        is_value_of_name |= is_value;
        let name = if is_value { above.name } else { pair.name };
        let kind = classify(name);
        // The key of an entry that an ExternalSecret writes.
        if above.has_remote_references && name == "secretKey" {
            continue;
        }
        // `registry/token:1.2` is not an assignment.
        if kind == Name::Other || (pair.is_joined && kind != Name::Password) {
            continue;
        }
        let (value, is_quoted) = pair.value();
        if pair.is_first && matches!(value, "|" | "|-" | "|+" | ">" | ">-" | ">+") {
            above.block = Some(name);
        } else if is_literal_in_text(value, is_quoted, source)
            && let Some(what) = by_name(name, value, Place::Value)
        {
            return Some(what);
        }
    }
    if is_value_of_name {
        above.name = "";
    }
    if let Some(what) = call(line) {
        return Some(what);
    }
    if source == Source::Program {
        return None;
    }
    above.is_netrc |= line.starts_with("machine ") || line.starts_with("default login ");
    if is_password_file_line(line, file) {
        return Some("a line of a password file");
    }
    // Most lines are a single word or a pair, and have no options or directives.
    if !line.contains([' ', '\t']) {
        return None;
    }
    let words = arguments::words(line);
    if words
        .iter()
        .any(|word| word.is_quoted && is_password_file_line(&word.text, ""))
    {
        return Some("a line of a password file");
    }
    // A command or a statement can be in the quotes of another one.
    let inner = words
        .iter()
        .filter(|word| word.is_quoted && word.text.contains(' '));
    inner
        .map(|word| arguments::words(&word.text))
        .chain([words.clone()])
        .find_map(|words| arguments::find(&words, source).or_else(|| directive(&words, file, above.is_netrc)))
}

/// What is before and after a message that a script prints: `echo "TOKEN: missing" >&2; exit 1`.
fn around_message(line: &str) -> Option<(&str, &str)> {
    // One search for both: the line is searched again after each message.
    let is_command = |at: &usize| {
        let rest = &line.as_bytes()[*at..];
        rest.starts_with(b"echo ") || rest.starts_with(b"printf ")
    };
    let start = (0..line.len())
        .find(is_command)
        .filter(|start| !line[..*start].ends_with(char::is_alphanumeric))?;
    let rest = &line[start..];
    let bytes = rest.as_bytes();
    let ends = |at: &usize| matches!(bytes[*at], b';' | b'|') || bytes[*at..].starts_with(b"&&");
    let end = (0..bytes.len()).find(ends).unwrap_or(bytes.len());
    let is_piped = rest[end..].starts_with('|') && !rest[end..].starts_with("||");
    // What is written to a file or to another command is more than a message.
    let is_message = !is_piped && !rest[..end].replace(">&2", "").contains('>');
    is_message.then(|| (&line[..start], rest[end..].trim_start_matches([';', '&', '|'])))
}

/// A call with a name and a value: `define('DB_PASSWORD', 'value')`.
fn call(line: &str) -> Option<&'static str> {
    line.match_indices('(').find_map(|(open, _)| {
        let (name, rest) = quoted(line[open + 1..].trim_start())?;
        let (value, rest) = quoted(rest.trim_start().strip_prefix(',')?.trim_start())?;
        let is_end = rest.trim_start().starts_with(')');
        (is_end && classify(value) == Name::Other)
            .then(|| by_name(name, value, Place::Value))
            .flatten()
    })
}

/// A quoted string at the start of a text, and the text after it.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let text = &text[..tokens::floor(text, REACH)];
    let quote = text
        .chars()
        .next()
        .filter(|letter| matches!(letter, '"' | '\''))?;
    text[1..].split_once(quote)
}

/// Whether a line is a comment in one of the usual formats.
fn is_comment(line: &str) -> bool {
    line.starts_with(['#', ';'])
        || ["//", "-- ", "<!--", "* ", "/*"]
            .iter()
            .any(|start| line.starts_with(start))
}

/// `.pgpass`, with five fields, and the user list of `PgBouncer`.
fn is_password_file_line(line: &str, file: &str) -> bool {
    if file.contains("userlist") {
        let words = arguments::words(line);
        return words.len() == 2 && values::is_literal_password(&words[1].text);
    }
    let mut fields: Vec<String> = vec![String::new()];
    let mut is_escaped = false;
    for letter in line.chars() {
        if is_escaped || (letter != ':' && letter != '\\') {
            if let Some(field) = fields.last_mut() {
                field.push(letter);
            }
            is_escaped = false;
        } else if letter == '\\' {
            is_escaped = true;
        } else if fields.len() == 5 {
            return false;
        } else {
            fields.push(String::new());
        }
    }
    let [host, port, database, user, password] = fields.as_slice() else {
        return false;
    };
    let is_port =
        port == "*" || ((4..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit()));
    let is_plain = |field: &String| !field.is_empty() && !field.contains([' ', '"', '\'', '{', '=', '/']);
    is_port && [host, database, user].into_iter().all(is_plain) && values::is_literal_password(password)
}

/// Directives whose value follows after a space.
fn directive(words: &[arguments::Word], file: &str, is_netrc: bool) -> Option<&'static str> {
    #[rustfmt::skip]
    const DIRECTIVES: [&str; 12] = [
        "requirepass", "masterauth", "auth-pass", "auth_pass", "tls-key-file-pass", "tls-client-key-file-pass",
        "bindpw", "rootpw", "authtoken", "insecure-password", "sasl_passwd", "olcrootpw",
    ];
    let is_netrc = is_netrc || file.contains("netrc");
    for (index, word) in words.iter().enumerate() {
        let Some(next) = words.get(index + 1) else { break };
        let value = next.text.trim_end_matches(';');
        let is_last = index + 2 == words.len();
        let name = word.text.as_str();
        let is_statement = (index == 0 || words[index - 1].text == ":")
            && is_last
            && next.is_quoted
            && matches!(classify(name), Name::Password | Name::Secret);
        if is_statement && let Some(what) = by_name(name, value, Place::Value) {
            return Some(what);
        }
        let is_directive =
            (index == 0 && is_last && DIRECTIVES.contains(&name.to_ascii_lowercase().as_str()))
                || (is_netrc && name == "password")
                || name == "insecure-password";
        // `CREATE USER a WITH PASSWORD 'b'` and `IDENTIFIED BY 'b'`.
        let is_sql = next.is_quoted
            && (name.eq_ignore_ascii_case("password")
                || (name.eq_ignore_ascii_case("by")
                    && words[..index]
                        .iter()
                        .rev()
                        .take(3)
                        .any(|word| word.text.eq_ignore_ascii_case("identified"))));
        if (is_directive || is_sql) && values::is_literal_password(value) {
            return by_name("password", value, Place::Value);
        }
        // `auth_token value` with a value that is not a word.
        let is_compound = name.contains(['_', '-', '.']) && !name.starts_with('-') && !is_upstream(name);
        if is_compound
            && ((index == 0 && is_last) || values::is_generated(value))
            && value
                .bytes()
                .any(|byte| !byte.is_ascii_lowercase() && byte != b'-' && byte != b'_')
        {
            let found = by_name(name, value, Place::Value);
            if found.is_some() {
                return found;
            }
        }
        // `proxy_set_header X-Api-Key "value"`.
        if name.ends_with("header") || name == "header_up" {
            let value = words
                .get(index + 2)
                .map_or("", |word| word.text.trim_end_matches(';'));
            let found = by_name(&next.text, value, Place::Value);
            if found.is_some() {
                return found;
            }
        }
    }
    redis(words)
}

/// Whether a directive of nginx names the server that requests are passed to.
fn is_upstream(name: &str) -> bool {
    [
        "proxy_pass",
        "fastcgi_pass",
        "uwsgi_pass",
        "scgi_pass",
        "grpc_pass",
        "memcached_pass",
    ]
    .contains(&name)
}

/// `user name on >password` and `sentinel auth-pass name password` of Redis and Valkey.
fn redis(words: &[arguments::Word]) -> Option<&'static str> {
    let first = words.first()?.text.as_str();
    let password = match first {
        "user"
            if words
                .iter()
                .any(|word| word.text == "on" || word.text.starts_with(['+', '~'])) =>
        {
            words
                .iter()
                .skip(2)
                .find_map(|word| word.text.strip_prefix('>'))?
        }
        "sentinel" if words.get(1)?.text == "auth-pass" => words.get(3)?.text.as_str(),
        _ => return None,
    };
    by_name("password", password, Place::Value)
}

/// An assignment in a line.
#[derive(Clone, Copy, Debug)]
struct Pair<'t> {
    line: &'t str,
    name: &'t str,
    /// The position of the separator.
    at: usize,
    /// Whether the line starts with it.
    is_first: bool,
    /// Whether it is a colon without a space or a quote, as in `image:tag`.
    is_joined: bool,
}

/// The longest part of a line that is read for one assignment, so that long lines are read in linear time.
const REACH: usize = 400;

/// The assignments of a line.
fn pairs(line: &str) -> impl Iterator<Item = Pair<'_>> {
    let bytes = line.as_bytes();
    (0..bytes.len()).filter_map(move |at| match bytes[at] {
        b'=' | b':' => pair(line, at),
        _ => None,
    })
}

fn pair(line: &str, at: usize) -> Option<Pair<'_>> {
    let bytes = line.as_bytes();
    let separator = bytes[at];
    let after = bytes.get(at + 1).copied();
    // Comparisons, and `:=`, which counts once.
    if matches!(
        (separator, after),
        (b'=', Some(b'=' | b'~')) | (b':', Some(b'=' | b':'))
    ) || (at > 0 && matches!(bytes[at - 1], b'=' | b'!' | b'<' | b'>' | b'~'))
    {
        return None;
    }
    let limit = at.saturating_sub(REACH);
    let back = |mut end: usize, is_part: fn(u8) -> bool| {
        while end > limit && is_part(bytes[end - 1]) {
            end -= 1;
        }
        end
    };
    let end = back(at, |byte| {
        matches!(byte, b' ' | b'\t' | b':' | b'+' | b'?' | b']')
    });
    let is_quoted_name = end > 0 && matches!(bytes[end - 1], b'"' | b'\'');
    let end = back(end, |byte| matches!(byte, b'"' | b'\'' | b'\\'));
    let start = back(end, |byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
    });
    let name = line[start..end].trim_start_matches(['-', '.']);
    if name.is_empty() {
        return None;
    }
    let open = back(start, |byte| {
        matches!(byte, b'"' | b'\'' | b' ' | b'-' | b'{' | b'[' | b'$')
    });
    let is_first =
        open == 0 || ["export", "set", "env", "ENV", "declare -x", "local", "setx"].contains(&&line[..open]);
    // A comparison with a variable: `[ "$TOKEN" = "" ]`.
    if !is_first && start > 0 && bytes[start - 1] == b'$' {
        return None;
    }
    let is_joined = separator == b':' && !matches!(after, None | Some(b' ' | b'\t')) && !is_quoted_name;
    // In a sentence, the word before a colon is not a name.
    let is_sentence = separator == b':' && !is_first && !is_quoted_name && {
        let before = back(start, |byte| matches!(byte, b' ' | b'\t'));
        before > 0 && !b"{[(,;\"'-".contains(&bytes[before - 1])
    };
    if (is_joined && !is_first) || is_sentence || is_label(line, limit, start) {
        return None;
    }
    Some(Pair {
        line,
        name,
        at,
        is_first,
        is_joined,
    })
}

/// Whether the text before a name is the start of a selector of a metric: `requests_total{a="b",`.
fn is_label(line: &str, limit: usize, start: usize) -> bool {
    let before = &line.as_bytes()[limit..start];
    let open = before.iter().rposition(|byte| *byte == b'{');
    open.is_some_and(|open| {
        open > 0
            && (before[open - 1].is_ascii_alphanumeric() || before[open - 1] == b'_')
            && !before[open..].contains(&b'}')
            && !before[open..].contains(&b':')
    })
}

impl<'t> Pair<'t> {
    /// The value, and whether it is quoted.
    fn value(&self) -> (&'t str, bool) {
        let rest = &self.line[self.at + 1..];
        let rest = &rest[..tokens::floor(rest, REACH)];
        let rest = rest.trim_start_matches('>').trim_start();
        let anchored = || rest.strip_prefix('&')?.split_once(' ').map(|(_, value)| value);
        let rest = rest.strip_prefix("!!str ").or_else(anchored).unwrap_or(rest);
        let unescaped = rest.strip_prefix('\\').unwrap_or(rest);
        if let Some(quote) = unescaped
            .chars()
            .next()
            .filter(|letter| matches!(letter, '"' | '\''))
        {
            let body = &unescaped[1..];
            let end = body.find(quote).unwrap_or(body.len());
            return (body[..end].trim_end_matches('\\'), true);
        }
        // The pair can be in a quoted string, which ends before the line.
        let start = tokens::floor(self.line, self.at.saturating_sub(REACH));
        let before = &self.line[start..self.at];
        let rest = ['"', '\''].into_iter().fold(rest, |rest, quote| {
            let is_open = before.matches(quote).count() % 2 == 1;
            let end = rest.find(quote).filter(|_| is_open);
            &rest[..end.unwrap_or(rest.len())]
        });
        let is_assignment = self.line.as_bytes()[self.at] == b'=';
        // A parameter, or an entry in braces.
        let is_inner = !self.is_first && !is_assignment;
        let closing = rest
            .find([',', ')', '}'])
            .filter(|end| is_inner && !rest[..*end].contains(['{', '(']));
        let rest = &rest[..closing.unwrap_or(rest.len())];
        let end = if self.is_first || !is_assignment {
            let comment = rest.find(" #").unwrap_or(rest.len());
            // `A=b C=d command`, `a=b;c=d`.
            let next = rest
                .find([' ', ';', '&'])
                .filter(|_| is_assignment && rest.contains('='));
            next.map_or(comment, |next| next.min(comment))
        } else {
            rest.find(|letter: char| letter.is_whitespace() || ";&,\"'<>|`".contains(letter))
                .unwrap_or(rest.len())
        };
        (rest[..end].trim().trim_end_matches([',', ';']), false)
    }
}

/// Whether the value of an assignment is a literal in its text and not an expression, a pattern or a sentence.
fn is_literal_in_text(value: &str, is_quoted: bool, source: Source) -> bool {
    let is_variable = value.starts_with("$(")
        || value.starts_with("${") && !value.contains(":-")
        || value.starts_with('`')
        || value
            .strip_prefix('$')
            .and_then(|rest| rest.bytes().next())
            .is_some_and(|byte| {
                byte.is_ascii_digit()
                    || b"@*?#".contains(&byte)
                    || (source != Source::Configuration && (byte.is_ascii_alphabetic() || byte == b'_'))
            });
    let is_pattern = ["[^", "\\S", "\\w", "\\s", "\\d", ".*", ".+", "(?"]
        .iter()
        .any(|part| value.contains(part));
    if is_variable || is_pattern || value == "\\" {
        return false;
    }
    is_quoted || (source != Source::Program && !values::is_expression(value) && !is_sentence(value))
}

/// Whether a value is a part of a sentence.
fn is_sentence(value: &str) -> bool {
    const COMMON: [&str; 26] = [
        "the", "is", "are", "must", "to", "from", "be", "in", "of", "for", "with", "and", "or", "not",
        "your", "if", "an", "it", "by", "should", "can", "will", "this", "has", "was", "when",
    ];
    value.split_whitespace().count() > 2
        && value
            .split_whitespace()
            .any(|word| COMMON.contains(&word.to_ascii_lowercase().as_str()))
}
