//! Finds the known name that is most similar to a mistyped one, for hints such as `did you mean qdrant?`.
//!
//! Comparison ignores case. Similarity is the normalized Damerau-Levenshtein distance: 1 for equal words, 0 for words
//! with nothing in common.

/// Names less similar than this are not suggested.
const MIN_SIMILARITY: f64 = 0.6;

/// Longer input cannot be a mistyped name, and comparing it would only take time.
const MAX_BYTES: usize = 100;

/// The most similar of the known names, if one is similar enough to suggest.
///
/// ```
/// use phoenix_suggest::nearest;
///
/// assert_eq!(nearest("qdrnat", ["redis", "qdrant"]), Some("qdrant"));
/// assert_eq!(nearest("mongodb", ["redis", "qdrant"]), None);
/// ```
pub fn nearest<'n>(word: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    nearest_by(word, known, similarity)
}

/// Like [`nearest`], for paths: the last segment may match on its own, so that `replica` suggests `qdrant.replicas`.
/// Segments are separated by `.` or `/`.
///
/// ```
/// use phoenix_suggest::nearest_path;
///
/// assert_eq!(nearest_path("replica", ["qdrant.mode", "qdrant.replicas"]), Some("qdrant.replicas"));
/// ```
pub fn nearest_path<'n>(word: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    nearest_by(word, known, |word, path| {
        let last = path.rsplit(['.', '/']).next().unwrap_or(path);
        // A match of the whole path wins over an equally good match of its last segment.
        similarity(word, path).max(similarity(word, last) * 0.95)
    })
}

/// Whether a word is probably a misspelling of the name.
pub fn is_similar(word: &str, name: &str) -> bool {
    nearest(word, [name]).is_some()
}

fn nearest_by<'n>(
    word: &str,
    known: impl IntoIterator<Item = &'n str>,
    similarity: impl Fn(&str, &str) -> f64,
) -> Option<&'n str> {
    if word.len() > MAX_BYTES {
        return None;
    }
    let word = word.to_lowercase();
    known
        .into_iter()
        .map(|name| (similarity(&word, &name.to_lowercase()), name))
        .filter(|(similarity, _)| *similarity >= MIN_SIMILARITY)
        .max_by(|(left, _), (right, _)| left.total_cmp(right))
        .map(|(_, name)| name)
}

fn similarity(left: &str, right: &str) -> f64 {
    strsim::normalized_damerau_levenshtein(left, right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_is_ignored() {
        assert_eq!(nearest("EsoMode", ["esoMode", "mode"]), Some("esoMode"));
    }

    #[test]
    fn very_long_input_has_no_suggestion() {
        let word = "a".repeat(MAX_BYTES + 1);
        assert_eq!(nearest(&word, [word.as_str()]), None);
    }

    #[test]
    fn a_whole_path_wins_over_a_last_segment() {
        assert_eq!(nearest_path("mode", ["qdrant.mode", "mode"]), Some("mode"));
    }
}
