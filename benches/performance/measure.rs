//! One run of one command, seen from outside: wall time, processor time, memory.
//!
//! A command is started by this program once more, as a small process of its own ([`inside`]): on Linux the peak memory
//! of a child begins with its parent's, and the harness itself has a corpus in memory. It promises the whole process, from
//! the start to the last word; of a tree of processes the processor time and the sum of memory are sampled.

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

/// The first argument under which this program measures one command.
pub const INSIDE: &str = "measure-one";

/// How often a tree of processes is looked at. Looking takes about two milliseconds.
const LOOK: Duration = Duration::from_millis(50);

/// What one run took.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Figures {
    /// Seconds from the start to the end.
    pub wall: f64,
    /// Seconds of processor time, user and system, of all its processes.
    pub cpu: f64,
    /// The most memory of its largest process, in MiB.
    pub largest: f64,
    /// The most memory of all its processes at once, in MiB; zero where the tree was not looked at. Pages that they share
    /// count for each.
    pub tree: f64,
}

/// A command to be measured, again and again.
#[derive(Clone, Debug)]
pub struct Run {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// The file it reads as its stdin.
    pub stdin: PathBuf,
    /// The folder it works in.
    pub directory: PathBuf,
    /// Variables besides our own.
    pub environment: BTreeMap<&'static str, OsString>,
    /// Whether the processes it starts count.
    pub tree: bool,
    /// The codes with which it ends when all went well: what judges may find something.
    pub ends_with: &'static [i32],
}

impl Run {
    /// The command itself, unmeasured, with its output kept: to see what it does.
    pub fn output(&self) -> Result<Vec<u8>> {
        let output = self
            .prepare(Command::new(&self.program))
            .args(&self.arguments)
            .stdin(File::open(&self.stdin).with_context(|| format!("reading {}", self.stdin.display()))?)
            .output()
            .with_context(|| format!("running {}", self.shown()))?;
        if !output
            .status
            .code()
            .is_some_and(|code| self.ends_with.contains(&code))
        {
            let said = [output.stdout, output.stderr].concat();
            bail!(
                "{} failed: {}",
                self.shown(),
                String::from_utf8_lossy(&said).trim()
            );
        }
        Ok(output.stdout)
    }

    /// Runs it once and tells what that took.
    pub fn measure(&self) -> Result<Figures> {
        let own = std::env::current_exe().context("finding this program's own file")?;
        let mut command = self.prepare(Command::new(own));
        command
            .arg(INSIDE)
            .arg(if self.tree { "tree" } else { "alone" })
            .arg(
                self.ends_with
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(","),
            )
            .args([&self.stdin, &self.program])
            .args(&self.arguments);
        let output = command
            .output()
            .with_context(|| format!("measuring {}", self.shown()))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            bail!("{} failed while it was measured: {}", self.shown(), said.trim());
        }
        serde_json::from_slice(&output.stdout).context("reading what a run took")
    }

    fn prepare(&self, mut command: Command) -> Command {
        command.current_dir(&self.directory);
        for (name, _) in std::env::vars_os() {
            // Neither the person's own Pulumi nor the cargo that started us has a part in it.
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

    fn shown(&self) -> String {
        let words: Vec<_> = self.arguments.iter().map(|word| word.to_string_lossy()).collect();
        format!("{} {}", self.program.display(), words.join(" "))
    }
}

/// The other half of [`Run::measure`]: `tree` or `alone`, the codes that it may end with, the file for stdin, the
/// program, its arguments.
pub fn inside(words: impl Iterator<Item = OsString>) -> ExitCode {
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
        bail!("{INSIDE} needs `tree` or `alone`, codes, a file and a program; it is not meant to be typed");
    };
    let stdin = File::open(stdin).context("opening its stdin")?;
    let mut command = Command::new(program);
    command.args(words).stdin(stdin).stdout(Stdio::null());
    let start = Instant::now();
    let child = command.spawn().context("starting it")?;
    let watched = (tree == "tree").then(|| child.id());
    let (used, seen) = watch(watched, || wait(child))?;
    let wall = start.elapsed().as_secs_f64();
    let code = used.status.code().map(|code| code.to_string());
    let codes = codes.to_string_lossy();
    if !code.is_some_and(|code| codes.split(',').any(|known| known == code)) {
        bail!("it ended with {}", used.status);
    }
    let waited_for = used.rusage.utime + used.rusage.stime;
    Ok(Figures {
        wall,
        // A child that its parent has killed and not waited for is only among those that were seen.
        cpu: waited_for.as_secs_f64().max(seen.cpu),
        largest: mebibytes(used.rusage.maxrss),
        tree: mebibytes(seen.memory),
    })
}

fn wait(child: Child) -> Result<wait4::ResUse> {
    child.wait4().context("waiting for it")
}

/// What was seen of a tree of processes.
#[derive(Default)]
struct Seen {
    /// The most memory at once, in bytes.
    memory: u64,
    /// Processor time of all that were seen, in seconds.
    cpu: f64,
}

/// Does the work, and meanwhile looks at a process and all below it.
fn watch<T>(root: Option<u32>, work: impl FnOnce() -> Result<T>) -> Result<(T, Seen)> {
    let Some(root) = root else {
        return Ok((work()?, Seen::default()));
    };
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut memory = 0;
            let mut cpu = BTreeMap::new();
            while !done.load(Ordering::Relaxed) {
                let tree = below(root);
                memory = memory.max(tree.iter().map(|process| process.memory).sum());
                cpu.extend(tree.iter().map(|process| (process.id, process.cpu)));
                thread::sleep(LOOK);
            }
            let cpu = cpu.values().sum();
            Seen { memory, cpu }
        });
        let result = work();
        done.store(true, Ordering::Relaxed);
        let seen = watcher.join().expect("looking at processes never panics");
        Ok((result?, seen))
    })
}

/// One process, at one moment.
struct Process {
    id: u32,
    parent: u32,
    memory: u64,
    cpu: f64,
}

/// A process and everything it has started that still lives.
fn below(root: u32) -> Vec<Process> {
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

/// What `/proc` tells of a process; nothing when it has just ended.
fn process(id: u32) -> Option<Process> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name stands in parentheses and may hold anything; after it, fields are numbers.
    let fields: Vec<&str> = text.rsplit_once(") ")?.1.split(' ').collect();
    let number = |field: usize| fields.get(field)?.parse::<u64>().ok();
    #[expect(
        clippy::cast_precision_loss,
        reason = "no process has run for millions of years"
    )]
    let seconds = |ticks: u64| ticks as f64 / rustix::param::clock_ticks_per_second() as f64;
    Some(Process {
        id,
        parent: fields.get(1)?.parse().ok()?,
        memory: number(21)? * rustix::param::page_size() as u64,
        cpu: seconds(number(11)? + number(12)?),
    })
}

#[expect(clippy::cast_precision_loss, reason = "a tenth of a MiB is precise enough")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
