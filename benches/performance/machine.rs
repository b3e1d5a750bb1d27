//! The machine that the figures come from, and what else it was doing.

use std::fs;
use std::thread;

use anyhow::{Context as _, Result};

/// Where and how undisturbed it was measured.
#[derive(Debug)]
pub struct Machine {
    /// The processor, as it calls itself.
    pub processor: String,
    /// How many of its cores we may use.
    pub cores: usize,
    /// The kernel.
    pub kernel: String,
    /// The load averages of the last minute: before the first figure, and after each room.
    pub loads: Vec<String>,
}

impl Machine {
    /// Looks at the machine, before anything is measured.
    pub fn look() -> Result<Self> {
        let information = fs::read_to_string("/proc/cpuinfo").context("reading what the processor is")?;
        let processor = information
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
            .map_or("unknown", |(_, name)| name);
        let kernel =
            fs::read_to_string("/proc/sys/kernel/osrelease").context("reading the kernel's version")?;
        Ok(Self {
            processor: processor.to_owned(),
            cores: thread::available_parallelism().map_or(1, usize::from),
            kernel: kernel.trim().to_owned(),
            loads: vec![load()?],
        })
    }

    /// Notes how busy it was meanwhile.
    pub fn look_again(&mut self) -> Result<()> {
        self.loads.push(load()?);
        Ok(())
    }
}

fn load() -> Result<String> {
    let text = fs::read_to_string("/proc/loadavg").context("reading the load")?;
    Ok(text.split(' ').next().unwrap_or_default().to_owned())
}
