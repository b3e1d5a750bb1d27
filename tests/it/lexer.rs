//! Splits Rust sources into code, comments, strings and tests.

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Token {
    Doc,
    Comment,
    String,
    Character,
}

pub struct Piece {
    pub kind: Token,
    pub start: usize,
    pub end: usize,
}

/// Comments, strings and characters.
pub fn tokens(text: &[u8]) -> Vec<Piece> {
    let mut tokens = Vec::new();
    let mut place = 0;
    let find = |from: usize, what: &[u8]| {
        text[from.min(text.len())..]
            .windows(what.len())
            .position(|window| window == what)
            .map_or(text.len(), |offset| from + offset)
    };
    while place < text.len() {
        let rest = &text[place..];
        let is_start = place == 0 || !(text[place - 1].is_ascii_alphanumeric() || text[place - 1] == b'_');
        let (kind, end) = if rest.starts_with(b"//") {
            let is_doc = rest.starts_with(b"//!") || rest.starts_with(b"///") && !rest.starts_with(b"////");
            (
                if is_doc { Token::Doc } else { Token::Comment },
                find(place, b"\n"),
            )
        } else if rest.starts_with(b"/*") {
            (Token::Comment, (find(place + 2, b"*/") + 2).min(text.len()))
        } else if is_start && (rest.starts_with(b"r\"") || rest.starts_with(b"r#") || rest.starts_with(b"br"))
        {
            let hashes = rest
                .iter()
                .skip_while(|byte| matches!(byte, b'b' | b'r'))
                .take_while(|byte| **byte == b'#')
                .count();
            let open = rest.iter().position(|byte| *byte == b'"').unwrap_or(usize::MAX);
            if open > hashes + 2 {
                place += 1;
                continue;
            }
            let closing = [&b"\""[..], &b"#".repeat(hashes)].concat();
            (
                Token::String,
                (find(place + open + 1, &closing) + closing.len()).min(text.len()),
            )
        } else if rest[0] == b'"' {
            let mut end = place + 1;
            while end < text.len() && text[end] != b'"' {
                end += if text[end] == b'\\' { 2 } else { 1 };
            }
            (Token::String, (end + 1).min(text.len()))
        } else if rest[0] == b'\'' {
            // A character, unless it is a lifetime.
            let end = if rest.get(1) == Some(&b'\\') {
                find(place + 3, b"'") + 1
            } else {
                let width = rest.iter().skip(2).take(4).position(|byte| *byte == b'\'');
                let is_character = width.is_some_and(|width| {
                    std::str::from_utf8(&rest[1..2 + width]).is_ok_and(|text| text.chars().count() == 1)
                });
                if !is_character {
                    place += 1;
                    continue;
                }
                place + 3 + width.unwrap_or(0)
            };
            (Token::Character, end.min(text.len()))
        } else {
            place += 1;
            continue;
        };
        tokens.push(Piece {
            kind,
            start: place,
            end,
        });
        place = end.max(place + 1);
    }
    tokens
}

/// Where the items marked `#[cfg(test)]` and `#[test]` are.
pub fn tests(text: &[u8], tokens: &[Piece]) -> Vec<std::ops::Range<usize>> {
    let mut code = text.to_vec();
    for token in tokens {
        code[token.start..token.end].fill(b' ');
    }
    let mut ranges = Vec::new();
    let mut place = 0;
    while place < code.len() {
        let is_mark = [&b"#[cfg(test)]"[..], b"#[test]", b"#[cfg(any(test"]
            .iter()
            .any(|mark| code[place..].starts_with(mark));
        if !is_mark {
            place += 1;
            continue;
        }
        let mut depth = 0_i32;
        let mut end = place;
        while end < code.len() {
            match code[end] {
                b'{' => depth += 1,
                b'}' => {
                    depth -= 1;
                    if depth == 0 {
                        break;
                    }
                }
                b';' if depth == 0 => break,
                _ => {}
            }
            end += 1;
        }
        ranges.push(place..end + 1);
        place = end + 1;
    }
    ranges
}

/// The code outside of tests; comments, strings and characters are blank.
pub fn code(text: &str) -> String {
    let bytes = text.as_bytes();
    let tokens = tokens(bytes);
    let mut kept = bytes.to_vec();
    let mut blank = |start: usize, end: usize| {
        for byte in &mut kept[start..end.min(bytes.len())] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
    };
    for token in &tokens {
        blank(token.start, token.end);
    }
    for test in tests(bytes, &tokens) {
        blank(test.start, test.end);
    }
    String::from_utf8_lossy(&kept).into_owned()
}
