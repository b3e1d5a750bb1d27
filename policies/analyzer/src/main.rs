//! The policy pack as a program for Pulumi's engine: `--policy-pack policies`, or `--policy-pack` with the path of this
//! binary.
//!
//! It is an edge: it reads the clock once, to determine which waivers are valid, and serves until the engine is done.
#![expect(
    clippy::disallowed_methods,
    reason = "whether a waiver is valid depends on the current day"
)]

mod pack;
mod profiles;
mod resource;

use std::process::exit;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use pulumi_wire::analyzer::serve;

use crate::pack::ControlsPack;

fn main() {
    let served = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| error.to_string())
        .and_then(|runtime| {
            runtime
                .block_on(serve(ControlsPack::on(today())))
                .map_err(|error| error.to_string())
        });
    if let Err(error) = served {
        eprintln!("the policy pack cannot serve requests: {error}");
        exit(1);
    }
    // Exits without waiting for requests that are still in progress.
    exit(0);
}

/// The current day in UTC.
fn today() -> Date {
    Timestamp::now().to_zoned(TimeZone::UTC).date()
}
