//! Searches XML: elements and attributes that are named like a credential.

use super::decision::{Place, by_name};

/// What the first credential in a text with XML is.
///
/// Read are `<password>value</password>`, `<property name="password" value="…"/>`, `<entry key="password">value</entry>` and
/// `<name>a.password</name><value>…</value>`. Attributes such as `password="…"` are assignments, which every text has.
pub(super) fn find(text: &str) -> Option<&'static str> {
    if !text.contains("</") && !text.contains("/>") {
        return None;
    }
    let mut name_before = "";
    for part in text.split('<').skip(1) {
        let Some((tag, content)) = part.split_once('>') else {
            continue;
        };
        if tag.starts_with(['/', '!', '?']) {
            continue;
        }
        // A sentence is a label.
        let content = Some(content.trim())
            .filter(|content| !content.contains(char::is_whitespace))
            .unwrap_or_default();
        let element = tag.split([' ', '\t', '\n', '/']).next().unwrap_or_default();
        let element = element.rsplit(':').next().unwrap_or(element);
        let attribute = ["name", "key"].iter().find_map(|name| attribute(tag, name));
        let found = match (attribute, element) {
            (Some(name), _) => by_name(name, attribute_value(tag).unwrap_or(content), Place::Value),
            (None, "name" | "key") => {
                name_before = content;
                None
            }
            (None, "value") => by_name(std::mem::take(&mut name_before), content, Place::Value),
            (None, element) => by_name(element, content, Place::Value),
        };
        if found.is_some() {
            return found;
        }
    }
    None
}

fn attribute_value(tag: &str) -> Option<&str> {
    attribute(tag, "value")
}

/// The value of an attribute in a tag.
fn attribute<'t>(tag: &'t str, name: &str) -> Option<&'t str> {
    tag.match_indices(name).find_map(|(start, _)| {
        if !tag[..start].ends_with(char::is_whitespace) {
            return None;
        }
        let rest = tag[start + name.len()..].strip_prefix('=')?;
        let quote = rest
            .chars()
            .next()
            .filter(|letter| matches!(letter, '"' | '\''))?;
        rest[1..].split(quote).next()
    })
}
