//! What `phoenix check --file` reads of the bytes of a file is what `kubectl` would apply, or an error.
//!
//! One helper runs `kubectl`'s code for all inputs. `KUBECTL_READER` is its path; `policies/fuzz/run` builds it.
#![no_main]

use std::cell::RefCell;
use std::path::Path;

use kubectl::Kubectl;
use libfuzzer_sys::fuzz_target;

#[path = "../../../tests/live/parity/kubectl.rs"]
mod kubectl;

thread_local! {
    static KUBECTL: RefCell<Kubectl> = RefCell::new({
        let program = std::env::var_os("KUBECTL_READER").expect("policies/fuzz/run sets it");
        Kubectl::start(Path::new(&program))
    });
}

fuzz_target!(|bytes: &[u8]| {
    if let Some(difference) = KUBECTL.with_borrow_mut(|kubectl| kubectl.difference(bytes)) {
        panic!("{difference}");
    }
});
