//! The policy pack as Pulumi's engine starts it, natively: `--policy-pack policies`, or `--policy-pack` and this binary.
//!
//! It is an edge: it looks at the clock once, for the waivers, and serves until the engine is done.
#![expect(
    clippy::disallowed_methods,
    reason = "the day that waivers are held against is the world's"
)]

mod analyzer;
mod resource;

use std::process::exit;
use std::time::{SystemTime, UNIX_EPOCH};

use phoenix_policies::Date;
use pulumi_wire::analyzer::serve;

use crate::analyzer::Controls;

fn main() {
    let served = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| error.to_string())
        .and_then(|runtime| {
            runtime
                .block_on(serve(Controls::on(today())))
                .map_err(|error| error.to_string())
        });
    if let Err(error) = served {
        eprintln!("the policy pack cannot serve: {error}");
        exit(1);
    }
    // Without waiting for anything that is still under way.
    exit(0);
}

fn today() -> Date {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Date::from_days_since_1970(u32::try_from(since_1970.as_secs() / 86_400).unwrap_or(u32::MAX))
}
