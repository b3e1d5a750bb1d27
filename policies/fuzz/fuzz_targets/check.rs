//! Everything that `phoenix check --file` does with the bytes of a file: no input may make it panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use phoenix_manifests::Manifests;
use phoenix_policies::{Settings, evaluate};
use phoenix_report::{NotEvaluated, PolicyRun, json as report_json, sarif, text};
use serde_json::json;

fuzz_target!(|bytes: &[u8]| {
    let mut manifests = Manifests::new();
    manifests.read_bytes("a.yaml", bytes.to_vec());
    let today = phoenix_policies::waiver::parse_day("2026-01-01").expect("it is a day");
    let settings = Settings::read(&json!({}), today).expect("the defaults are good");
    let run = PolicyRun {
        name: "fuzzed".to_owned(),
        objects: manifests.graph.len(),
        report: evaluate(&manifests.graph, &settings),
        settings,
        not_evaluated: NotEvaluated::default(),
        places: Box::new(manifests.places()),
    };
    text::report(&run);
    report_json::report(&run);
    sarif::log(std::slice::from_ref(&run));
});
