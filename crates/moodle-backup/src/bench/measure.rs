//! Wall time, CPU time and peak memory of a command with all it starts.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use serde::Serialize;

use crate::error::{Error, Kind, Result};

/// How often memory is looked at.
const INTERVAL: Duration = Duration::from_millis(10);

/// What a command took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Usage {
    /// Seconds from start to end.
    pub wall: f64,
    /// Seconds of user and system time, of the command and all it waited for.
    pub cpu: f64,
    /// The most memory in bytes that it and its children had resident at once.
    pub peak: u64,
}

/// Runs `command` and returns what it took, with what it wrote to standard output.
///
/// # Errors
/// It can't be started, or it fails: the error has the last lines that it wrote.
pub(crate) fn measured(command: &mut Command) -> Result<(Usage, String)> {
    let name = command.get_program().to_string_lossy().into_owned();
    let failed = |what: String| Error::new(Kind::Local, format!("{name}: {what}"), "run it by hand to see why");
    let output = tempfile::tempfile().map_err(|error| failed(error.to_string()))?;
    let errors = tempfile::tempfile().map_err(|error| failed(error.to_string()))?;
    let copy = |file: &fs::File| file.try_clone().map(Stdio::from).map_err(|error| failed(error.to_string()));
    command.stdin(Stdio::null()).stdout(copy(&output)?).stderr(copy(&errors)?);
    let begun = Instant::now();
    let child = command.spawn().map_err(|error| failed(error.to_string()))?;
    let (peak, ended) = (AtomicU64::new(0), AtomicBool::new(false));
    let (wall, ticks) = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                peak.fetch_max(resident(child.id()), Ordering::Relaxed);
                std::thread::sleep(INTERVAL);
            }
        });
        let found = wait(&child);
        ended.store(true, Ordering::Relaxed);
        found.map(|ticks| (begun.elapsed().as_secs_f64(), ticks)).map_err(|error| failed(error.to_string()))
    })?;
    let status = { child }.wait().map_err(|error| failed(error.to_string()))?;
    let text = |file: fs::File| {
        use std::io::{Read, Seek};
        let mut file = file;
        let mut bytes = Vec::new();
        let read = file.rewind().and_then(|()| file.read_to_end(&mut bytes));
        read.map(|_| String::from_utf8_lossy(&bytes).into_owned()).map_err(|error| failed(error.to_string()))
    };
    let (output, errors) = (text(output)?, text(errors)?);
    if !status.success() {
        let last: Vec<_> = errors.lines().rev().take(4).collect();
        return Err(failed(format!("{status}: {}", last.into_iter().rev().collect::<Vec<_>>().join(" | "))));
    }
    let cpu = ticks as f64 / rustix::param::clock_ticks_per_second() as f64;
    Ok((Usage { wall, cpu, peak: peak.into_inner() }, output))
}

/// Waits for the end of `child` and returns its CPU time in clock ticks, children's included; it is left to be reaped.
fn wait(child: &Child) -> std::io::Result<u64> {
    let id = Pid::from_child(child);
    waitid(WaitId::Pid(id), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)?;
    let stat = fs::read_to_string(format!("/proc/{}/stat", child.id()))?;
    // The name in parentheses may hold spaces; utime, stime, cutime and cstime are the 14th to 17th field.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
    Ok(fields.skip(11).take(4).filter_map(|field| field.parse::<u64>().ok()).sum())
}

/// Returns the resident memory in bytes of a process and all below it; what is gone meanwhile counts nothing.
fn resident(process: u32) -> u64 {
    let own = fs::read_to_string(format!("/proc/{process}/statm")).unwrap_or_default();
    let pages: u64 = own.split_whitespace().nth(1).and_then(|field| field.parse().ok()).unwrap_or(0);
    let children = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let below = children.map(|task| {
        let listed = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        listed.split_whitespace().filter_map(|id| id.parse().ok()).map(resident).sum::<u64>()
    });
    pages * rustix::param::page_size() as u64 + below.sum::<u64>()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

    use super::*;

    #[test]
    fn what_children_of_a_command_take_counts() {
        let script = "head -c 80000000 /dev/zero | sha512sum; x=$(head -c 30000000 /dev/zero | tr '\\0' a); echo ${#x}";
        let (usage, output) = measured(Command::new("bash").args(["-c", script])).unwrap();
        assert!(output.ends_with("30000000\n"), "{output}");
        assert!(usage.cpu > 0.02, "{usage:?}");
        assert!(usage.peak > 30_000_000, "{usage:?}");
    }

    #[test]
    fn a_command_that_fails_is_an_error_with_its_last_words() {
        let error = measured(Command::new("sh").args(["-c", "echo no such pool >&2; exit 3"])).unwrap_err();
        assert!(error.to_string().contains("no such pool"), "{error}");
    }
}
