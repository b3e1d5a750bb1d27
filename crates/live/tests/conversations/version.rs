//! `phoenix` and `phoenix-live` have to have the same version.

use crate::support::Checkout;

#[test]
fn another_version_of_phoenix_is_an_error() {
    let checkout = Checkout::bare();
    let answer = checkout.phoenix(&["--started-by-phoenix=0.0.1", "doctor"]);
    assert_eq!(answer.code, 1, "{answer}");
    assert!(answer.err.contains("but phoenix has version 0.0.1"), "{answer}");
    assert!(
        answer
            .err
            .contains("hint: install both programs from the same release"),
        "{answer}"
    );
    let own = concat!("--started-by-phoenix=", env!("CARGO_PKG_VERSION"));
    assert!(checkout.phoenix(&[own, "--version"]).out.starts_with("phoenix "));
}
