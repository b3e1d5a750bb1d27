//! Whether output is colored, and the styles of `phoenix-style`.
//!
//! Styles always add escape sequences; [`output::print`](crate::output::print) and
//! [`output::message`](crate::output::message) remove them where they are not wanted.

use anstream::ColorChoice;

pub use phoenix_style::{bold, dim, escape_control, escape_line, green, red, sanitize, yellow};

/// Sets for the whole process whether output is colored. [`ColorChoice::Auto`] colors terminals, and follows
/// `NO_COLOR`, `CLICOLOR`, `CLICOLOR_FORCE` and `TERM=dumb`.
pub fn set_color(choice: ColorChoice) {
    choice.write_global();
}

/// Text without its escape sequences.
pub fn strip(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn styles_are_removed_completely() {
        assert_eq!(strip(&bold(&red("a"))), "a");
    }
}
