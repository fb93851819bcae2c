//! What Linux knows of a process and of the machine: time used, memory held. And who runs on which CPU.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::fs;
use std::io;
use std::time::Instant;

/// The two CPUs of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cpus {
    pub server: usize,
    pub load: usize,
}

impl Cpus {
    /// The first two that this process may use. `None` if there is only one.
    pub fn find() -> io::Result<Option<Cpus>> {
        let allowed = sched_getaffinity(None)?;
        let mut cpus = (0..CpuSet::MAX_CPU).filter(|&cpu| allowed.is_set(cpu));
        Ok(cpus
            .next()
            .zip(cpus.next())
            .map(|(server, load)| Cpus { server, load }))
    }
}

/// Has this thread, and the processes that it starts from now on, run on one CPU only.
pub fn pin(cpu: usize) -> io::Result<()> {
    let mut only = CpuSet::new();
    only.set(cpu);
    Ok(sched_setaffinity(None, &only)?)
}

/// Raises the number of files that this process, and those that it starts, may open to what the system grants.
pub fn raise_file_limit() -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    Ok(setrlimit(Resource::Nofile, raised)?)
}

/// Processor time at one moment, in microseconds, as the kernel has counted it in ticks of mostly 10 ms.
pub struct Gauge {
    at: Instant,
    server_user: f64,
    server_system: f64,
    own: f64,
    /// Of everybody together, on all CPUs.
    all: f64,
}

/// What was used between two moments.
#[derive(Clone, Copy)]
pub struct Used {
    pub seconds: f64,
    /// Processor time of the server, all its threads, in microseconds.
    pub server: f64,
    /// The part of it that was not the kernel's.
    pub server_user: f64,
    /// Processor time of this program, in microseconds.
    pub load: f64,
    /// Of all others, in microseconds. May come out a little below 0, since the kernel counts it by other ticks.
    pub others: f64,
}

impl Gauge {
    /// Reads what the server `pid`, this program and everybody have used so far.
    ///
    /// # Errors
    /// If the server is gone.
    pub fn read(pid: u32) -> io::Result<Gauge> {
        let (server_user, server_system) = times(pid)?;
        let (own_user, own_system) = times(std::process::id())?;
        Ok(Gauge {
            at: Instant::now(),
            server_user,
            server_system,
            own: own_user + own_system,
            all: busy()?,
        })
    }

    /// What has been used since.
    ///
    /// # Errors
    /// If the server is gone.
    pub fn used(&self, pid: u32) -> io::Result<Used> {
        let now = Gauge::read(pid)?;
        let server_user = now.server_user - self.server_user;
        let server = server_user + now.server_system - self.server_system;
        let load = now.own - self.own;
        Ok(Used {
            seconds: now.at.duration_since(self.at).as_secs_f64(),
            server,
            server_user,
            load,
            others: now.all - self.all - server - load,
        })
    }
}

/// Memory that a process holds, in bytes.
///
/// # Errors
/// If it is gone.
pub fn resident_bytes(pid: u32) -> io::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/statm"))?;
    let pages = text.split(' ').nth(1).and_then(|word| word.parse().ok());
    let pages: u64 = pages.ok_or(io::ErrorKind::InvalidData)?;
    Ok(pages * rustix::param::page_size() as u64)
}

/// User and system time of a process, in microseconds.
fn times(pid: u32) -> io::Result<(f64, f64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name before it, in brackets, may hold anything. After it come state, parent and so on (proc(5)).
    let (_, fields) = text.rsplit_once(") ").ok_or(io::ErrorKind::InvalidData)?;
    let mut fields = fields.split(' ').skip(11);
    let mut next = || fields.next().and_then(|word| word.parse().ok()).map(micros);
    next()
        .zip(next())
        .ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// What all CPUs have worked, in microseconds.
fn busy() -> io::Result<f64> {
    let text = fs::read_to_string("/proc/stat")?;
    let line = text.lines().next().unwrap_or_default();
    let fields: Vec<f64> = line
        .split_whitespace()
        .skip(1)
        .flat_map(str::parse)
        .collect();
    // user, nice, system, idle, waiting for devices, interrupts, soft interrupts.
    let [user, nice, system, _, _, hard, soft, ..] = fields[..] else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    Ok(micros(user + nice + system + hard + soft))
}

fn micros(ticks: f64) -> f64 {
    ticks * 1e6 / rustix::param::clock_ticks_per_second() as f64
}
