//! Counting: the program starts itself under valgrind, and there does a path's rounds while valgrind counts.
//!
//! Everything before the rounds runs under valgrind too, but uncounted: building the hub, and enough rounds that every
//! buffer has its size.

use crate::paths::{self, Path};
use std::fs;
use std::hint::black_box;
use std::path::PathBuf;
use std::process::Command;

/// What the program is told when it runs under valgrind; the path's name comes next.
pub(crate) const ORDER: &str = "count";

/// Rounds before the count, so that buffers and tables have their size.
pub(crate) const WARM_UP: usize = 20;
/// Rounds that are counted; the count is their mean.
pub(crate) const ROUNDS: usize = 20;

/// How many instructions one unit of this path takes, rounded.
pub(crate) fn run_under_valgrind(path: &Path) -> Result<u64, String> {
    let failed = |why: String| format!("{}: {why}", path.name);
    let profile = profile_of(path.name);
    let program = std::env::current_exe().map_err(|error| failed(error.to_string()))?;
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--collect-atstart=no"])
        .arg(format!("--toggle-collect=*{COUNTED}*"))
        .arg(format!("--callgrind-out-file={}", profile.display()))
        .arg(program)
        .args([ORDER, path.name])
        .output()
        .map_err(|error| {
            failed(format!(
                "valgrind (a Debian package) does not start: {error}"
            ))
        })?;
    if !run.status.success() {
        let said = String::from_utf8_lossy(&run.stderr);
        return Err(failed(format!(
            "valgrind ends with {}:\n{said}",
            run.status
        )));
    }
    let text = fs::read_to_string(&profile).map_err(|error| failed(error.to_string()))?;
    let total: Option<u64> = text
        .lines()
        .find_map(|line| line.strip_prefix("totals: ")?.trim().parse().ok());
    // A function that cannot be found by its name counts nothing, and nothing would never be too much.
    let total = total.filter(|&total| total > 0);
    let total = total.ok_or_else(|| failed("valgrind has counted nothing".to_owned()))?;
    let units = ROUNDS as u64 * path.units;
    Ok((total + units / 2) / units)
}

/// What runs under valgrind: one path, by its name.
///
/// # Panics
/// If a round brings about something else than the one before, or nothing: then what was counted is not what it is
/// called.
pub(crate) fn count(name: &str) {
    let paths = paths::all();
    let path = paths.iter().find(|path| path.name == name);
    let mut round = (path.expect("a path of this name").set_up)();
    let mut outcome = 0;
    for _ in 0..WARM_UP {
        outcome = round();
    }
    assert!(outcome > 0, "{name}: a round brings something about");
    counted_rounds(&mut *round, outcome);
}

/// Where the profile of a path's last run is: `callgrind_annotate` shows what its instructions were spent on.
pub(crate) fn profile_of(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.callgrind"))
}

/// Instructions are counted while this runs. Valgrind finds it by its name, so it must stay a function of its own.
#[inline(never)]
fn counted_rounds(round: &mut dyn FnMut() -> u64, outcome: u64) {
    for _ in 0..ROUNDS {
        assert_eq!(black_box(round()), outcome);
    }
}

const COUNTED: &str = "counted_rounds";
