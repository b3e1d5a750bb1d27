//! The machine that the figures are from, and its load.

use std::fs;
use std::thread;

use anyhow::{Context as _, Result};

/// The machine and its load during the benchmark.
#[derive(Debug)]
pub struct Machine {
    /// The model name of the processor.
    pub processor: String,
    /// The number of cores available to this process.
    pub cores: usize,
    /// The version of the kernel.
    pub kernel: String,
    /// One-minute load averages: before the first figure and after each section.
    pub loads: Vec<String>,
}

impl Machine {
    /// Describes the machine, before anything is measured.
    pub fn detect() -> Result<Self> {
        let information = fs::read_to_string("/proc/cpuinfo").context("reading /proc/cpuinfo")?;
        let processor = information
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
            .map_or("unknown", |(_, name)| name);
        let kernel =
            fs::read_to_string("/proc/sys/kernel/osrelease").context("reading the kernel version")?;
        Ok(Self {
            processor: processor.to_owned(),
            cores: thread::available_parallelism().map_or(1, usize::from),
            kernel: kernel.trim().to_owned(),
            loads: vec![load()?],
        })
    }

    /// Records the current load.
    pub fn record_load(&mut self) -> Result<()> {
        self.loads.push(load()?);
        Ok(())
    }
}

fn load() -> Result<String> {
    let text = fs::read_to_string("/proc/loadavg").context("reading /proc/loadavg")?;
    Ok(text.split(' ').next().unwrap_or_default().to_owned())
}
