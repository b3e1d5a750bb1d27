//! Version numbers as programs print them.

/// The first word of a line that is a version number.
pub fn number_in(line: &str) -> Option<String> {
    line.split_whitespace()
        .map(|word| word.trim_start_matches('v'))
        .find(|word| word.starts_with(|first: char| first.is_ascii_digit()) && word.contains('.'))
        .map(str::to_owned)
}

/// The first three components of a version, as numbers that can be compared.
pub fn numbers(version: &str) -> Vec<u64> {
    let digits = |part: &str| {
        part.chars()
            .take_while(char::is_ascii_digit)
            .collect::<String>()
            .parse()
            .unwrap_or(0)
    };
    version.split('.').take(3).map(digits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_the_output_of_programs_and_compared_by_number() {
        assert_eq!(number_in("git version 2.39.5"), Some("2.39.5".to_owned()));
        assert_eq!(number_in("v3.259.0"), Some("3.259.0".to_owned()));
        assert_eq!(
            number_in("rustc 1.95.0 (59807616e 2026-04-14)"),
            Some("1.95.0".to_owned())
        );
        assert!(numbers("3.259.0") > numbers("3.255.0"));
        assert!(numbers("3.99.0") < numbers("3.255.0"));
        assert!(numbers("3.255.0-alpha.1") >= numbers("3.255"));
    }
}
