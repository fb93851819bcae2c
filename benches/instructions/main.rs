//! How many instructions does a message cost? Checked against recorded counts, since instructions, unlike time, do not
//! depend on what else the machine does.
//!
//!     cargo bench --bench instructions                  counts every path, fails if one costs more than recorded
//!     cargo bench --bench instructions -- publish       only the paths whose name has this in it
//!     RECORD=1 cargo bench --bench instructions         records anew: recorded.toml, and the table in RECORD.md
//!
//! Needs valgrind (Debian's package of that name). Without an order to count, the program starts itself under valgrind
//! once for each path, and compares what that says; `count` is what it runs there.
//! - `paths` — what is counted · `count` — how · `record` — what was recorded, and what is compared with it
//!
//! Not gungraun, though it does the first half of this: its limits are upper ones and stand in the source, so that
//! recording anew and finding a record that has gone stale would still be ours to write, beside a runner that takes
//! minutes to build and must be of the crate's own version.

mod count;
mod paths;
mod record;
#[path = "../support/mod.rs"]
mod support;

use record::Counts;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    // Cargo adds it to what it runs as a bench, and only that was compiled as what is recorded.
    let is_bench = words.iter().any(|word| word == "--bench");
    words.retain(|word| word != "--bench");
    if let [order, name] = &words[..]
        && order == count::ORDER
    {
        count::count(name);
        return ExitCode::SUCCESS;
    }
    if !is_bench {
        println!("counts nothing: only `cargo bench` compiles what was recorded");
        return ExitCode::SUCCESS;
    }
    match compare(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(complaint) => {
            eprintln!("{complaint}");
            ExitCode::FAILURE
        }
    }
}

/// Counts the paths whose name has one of the words in it, all without words, and compares or records them.
fn compare(words: &[String]) -> Result<(), String> {
    let mut found = Counts::new();
    for path in paths::all() {
        if words.is_empty() || words.iter().any(|word| path.name.contains(word.as_str())) {
            let count = count::run_under_valgrind(&path)?;
            println!("{:<34} {count:>9}  for {}", path.name, path.unit);
            found.insert(path.name.to_owned(), count);
        }
    }
    if found.is_empty() {
        return Err(format!("no path has a name with one of {words:?} in it"));
    }
    for (name, count) in paths::further(&found) {
        println!("{name:<34} {count:>9}  for each further one");
        found.insert(name.to_owned(), count);
    }
    match std::env::var_os("RECORD") {
        Some(_) => record::record(&found),
        None => record::check(&found),
    }
}
