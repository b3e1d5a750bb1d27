//! One run of one command, measured from outside: wall time, CPU time, memory.
//!
//! The command is started by a second, small process of this program ([`child`]): on Linux the peak memory of a child
//! starts at that of its parent, and this process holds a corpus in memory. A measurement covers the whole process. For a
//! tree of processes, CPU time and the sum of memory are sampled.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};
use wait4::Wait4 as _;

/// The first argument that makes this program measure one command.
pub const CHILD: &str = "measure-one";

/// The interval for sampling a tree of processes. A sample takes about two milliseconds.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(50);

/// The figures of one run.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Figures {
    /// Wall time in seconds.
    pub wall: f64,
    /// CPU time in seconds, user and system, of all its processes.
    pub cpu: f64,
    /// The peak resident memory of its largest process, in MiB.
    pub largest: f64,
    /// The peak sum of the resident memory of all its processes, in MiB; zero if the tree was not sampled. Shared pages
    /// are counted for each process.
    pub tree: f64,
}

/// A command to be measured.
#[derive(Clone, Debug)]
pub struct Run {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// The file that is its stdin.
    pub stdin: PathBuf,
    /// Its working directory.
    pub directory: PathBuf,
    /// Environment variables in addition to those of this process.
    pub environment: BTreeMap<&'static str, OsString>,
    /// Whether its child processes are sampled.
    pub tree: bool,
    /// The exit codes of a successful run: a policy tool may report findings.
    pub expected_codes: &'static [i32],
}

impl Run {
    /// Runs the command without measuring it and returns its stdout.
    pub fn output(&self) -> Result<Vec<u8>> {
        let output = self
            .prepare(Command::new(&self.program))
            .args(&self.arguments)
            .stdin(File::open(&self.stdin).with_context(|| format!("reading {}", self.stdin.display()))?)
            .output()
            .with_context(|| format!("running {}", self.display()))?;
        if !output
            .status
            .code()
            .is_some_and(|code| self.expected_codes.contains(&code))
        {
            let printed = [output.stdout, output.stderr].concat();
            bail!(
                "{} failed: {}",
                self.display(),
                String::from_utf8_lossy(&printed).trim()
            );
        }
        Ok(output.stdout)
    }

    /// Measures one run.
    pub fn measure(&self) -> Result<Figures> {
        let own = std::env::current_exe().context("finding the path of this program")?;
        let mut command = self.prepare(Command::new(own));
        command
            .arg(CHILD)
            .arg(if self.tree { "tree" } else { "alone" })
            .arg(
                self.expected_codes
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(","),
            )
            .args([&self.stdin, &self.program])
            .args(&self.arguments);
        let output = command
            .output()
            .with_context(|| format!("measuring {}", self.display()))?;
        if !output.status.success() {
            let printed = String::from_utf8_lossy(&output.stderr).into_owned();
            bail!(
                "{} failed while being measured: {}",
                self.display(),
                printed.trim()
            );
        }
        serde_json::from_slice(&output.stdout).context("parsing the figures of a run")
    }

    fn prepare(&self, mut command: Command) -> Command {
        command.current_dir(&self.directory);
        for (name, _) in std::env::vars_os() {
            // Neither the user's Pulumi settings nor those of the cargo that started this program may have an effect.
            if name
                .to_str()
                .is_some_and(|name| name.starts_with("PULUMI_") || name.starts_with("CARGO"))
            {
                command.env_remove(name);
            }
        }
        command.envs(&self.environment);
        command
    }

    fn display(&self) -> String {
        let words: Vec<_> = self.arguments.iter().map(|word| word.to_string_lossy()).collect();
        format!("{} {}", self.program.display(), words.join(" "))
    }
}

/// The other half of [`Run::measure`]. Arguments: `tree` or `alone`, the expected exit codes, the file for stdin, the
/// program, its arguments.
pub fn child(words: impl Iterator<Item = OsString>) -> ExitCode {
    match measure_one(words) {
        Ok(figures) => {
            println!("{}", serde_json::json!(figures));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure_one(mut words: impl Iterator<Item = OsString>) -> Result<Figures> {
    let (Some(tree), Some(codes), Some(stdin), Some(program)) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        bail!("{CHILD} requires `tree` or `alone`, exit codes, a file and a program; it is for internal use");
    };
    let stdin = File::open(stdin).context("opening the file for stdin")?;
    let mut command = Command::new(program);
    command.args(words).stdin(stdin).stdout(Stdio::null());
    let start = Instant::now();
    let child = command.spawn().context("starting the command")?;
    let sampled = (tree == "tree").then(|| child.id());
    let (used, totals) = run_sampled(sampled, || wait(child))?;
    let wall = start.elapsed().as_secs_f64();
    let code = used.status.code().map(|code| code.to_string());
    let codes = codes.to_string_lossy();
    if !code.is_some_and(|code| codes.split(',').any(|known| known == code)) {
        bail!("unexpected {}", used.status);
    }
    let waited_for = used.rusage.utime + used.rusage.stime;
    Ok(Figures {
        wall,
        // The samples include children that were killed and not waited for.
        cpu: waited_for.as_secs_f64().max(totals.cpu),
        largest: mebibytes(used.rusage.maxrss),
        tree: mebibytes(totals.memory),
    })
}

fn wait(child: Child) -> Result<wait4::ResUse> {
    child.wait4().context("waiting for the command")
}

/// What the samples of a tree of processes add up to.
#[derive(Default)]
struct Samples {
    /// The peak sum of memory, in bytes.
    memory: u64,
    /// CPU time of all sampled processes, in seconds.
    cpu: f64,
}

/// Runs `work` and meanwhile samples a process and its descendants.
fn run_sampled<T>(root: Option<u32>, work: impl FnOnce() -> Result<T>) -> Result<(T, Samples)> {
    let Some(root) = root else {
        return Ok((work()?, Samples::default()));
    };
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let sampler = scope.spawn(|| {
            let mut memory = 0;
            let mut cpu = BTreeMap::new();
            while !done.load(Ordering::Relaxed) {
                let tree = tree_of(root);
                memory = memory.max(tree.iter().map(|process| process.memory).sum());
                cpu.extend(tree.iter().map(|process| (process.id, process.cpu)));
                thread::sleep(SAMPLE_INTERVAL);
            }
            let cpu = cpu.values().sum();
            Samples { memory, cpu }
        });
        let result = work();
        done.store(true, Ordering::Relaxed);
        let totals = sampler.join().expect("sampling never panics");
        Ok((result?, totals))
    })
}

/// A sample of one process.
struct Process {
    id: u32,
    parent: u32,
    memory: u64,
    cpu: f64,
}

/// A process and its running descendants.
fn tree_of(root: u32) -> Vec<Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut others: Vec<Process> = entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(process)
        .collect();
    let mut tree = Vec::new();
    let mut ahead = vec![root];
    while let Some(next) = ahead.pop() {
        let (found, rest): (Vec<_>, Vec<_>) = others
            .into_iter()
            .partition(|process| process.id == next || process.parent == next);
        others = rest;
        for process in found {
            if process.id != next {
                ahead.push(process.id);
            }
            tree.push(process);
        }
    }
    tree
}

/// Reads a process from `/proc`. `None` if it has ended.
fn process(id: u32) -> Option<Process> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name is in parentheses and may contain any character; the fields after it are numbers.
    let fields: Vec<&str> = text.rsplit_once(") ")?.1.split(' ').collect();
    let number = |field: usize| fields.get(field)?.parse::<u64>().ok();
    #[expect(
        clippy::cast_precision_loss,
        reason = "clock ticks of a process are far below 2^52"
    )]
    let seconds = |ticks: u64| ticks as f64 / rustix::param::clock_ticks_per_second() as f64;
    Some(Process {
        id,
        parent: fields.get(1)?.parse().ok()?,
        memory: number(21)? * rustix::param::page_size() as u64,
        cpu: seconds(number(11)? + number(12)?),
    })
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a precision of a tenth of a MiB is enough"
)]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
