//! What was recorded, what is compared with it, and in which words somebody is told of a difference.

use crate::count::profile_of;
use crate::paths::{self, AT_MOST};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Instructions by path.
pub(crate) type Counts = BTreeMap<String, u64>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    margin_percent: u64,
    stale_percent: u64,
    machine: String,
    compiler: String,
    instructions: Counts,
}

/// Compares what was found with what was recorded.
///
/// # Errors
/// All differences that are too large, for whoever has made them.
pub(crate) fn check(found: &Counts) -> Result<(), String> {
    let record = Record::read()?;
    let (machine, compiler) = (std::env::consts::ARCH, compiler()?);
    // Other machines and compilers make other instructions of the same source.
    let is_comparable = record.machine == machine && record.compiler == compiler;
    let mut complaints = String::new();
    let known = paths::units();
    for name in record.instructions.keys() {
        if !known.contains_key(name.as_str()) {
            complaints += &format!("{name}: is recorded, and no path any more.\n");
        }
    }
    if !read(&place("RECORD.md"))?.contains(&record.table()) {
        complaints += "RECORD.md has another table than recorded.toml.\n";
    }
    for (name, &count) in found.iter().filter(|_| is_comparable) {
        if let Some(complaint) = record.complaint(name, count) {
            complaints += &complaint;
        }
    }
    for (name, other, percent) in AT_MOST {
        if let (Some(&count), Some(&most)) = (found.get(name), found.get(other))
            && count * 100 > most * (100 + percent)
        {
            complaints += &format!(
                "{name}: {count} instructions, more than those of {other}, {most}, and {percent} %.\n"
            );
        }
    }
    if complaints.is_empty() {
        match is_comparable {
            true => println!(
                "All within {} % of what was recorded.",
                record.margin_percent
            ),
            false => println!(
                "Not compared: recorded was {} on {}, and this is {compiler} on {machine}.",
                record.compiler, record.machine
            ),
        }
        return Ok(());
    }
    Err(format!(
        "\nInstruction counts have changed.\n{complaints}If that is as it should be, record anew: {RECORD}"
    ))
}

/// Records what was found, beside what was recorded of other paths.
///
/// # Errors
/// A file cannot be read or written.
pub(crate) fn record(found: &Counts) -> Result<(), String> {
    let mut record = Record::read()?;
    let known = paths::units();
    record.instructions.extend(found.clone());
    record
        .instructions
        .retain(|name, _| known.contains_key(name.as_str()));
    record.machine = std::env::consts::ARCH.to_owned();
    record.compiler = compiler()?;
    write(&place("instructions/recorded.toml"), &record.toml())?;
    let notes = place("RECORD.md");
    let text = read(&notes)?;
    let (before, rest) = text
        .split_once(TABLE_BEGIN)
        .ok_or("RECORD.md has no place for the table")?;
    let (_, after) = rest
        .split_once(TABLE_END)
        .ok_or("RECORD.md has no end of the table")?;
    let table = record.table();
    write(
        &notes,
        &format!("{before}{TABLE_BEGIN}{table}{TABLE_END}{after}"),
    )?;
    println!("Recorded.");
    Ok(())
}

impl Record {
    fn read() -> Result<Record, String> {
        let path = place("instructions/recorded.toml");
        toml::from_str(&read(&path)?).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// What is wrong with this count, if anything.
    fn complaint(&self, name: &str, count: u64) -> Option<String> {
        let Some(&recorded) = self.instructions.get(name) else {
            return Some(format!(
                "{name}: {count} instructions, and none recorded.\n"
            ));
        };
        let percent = count as f64 * 100.0 / recorded as f64 - 100.0;
        if count * 100 > recorded * (100 + self.margin_percent) {
            let profile = profile_of(name);
            let shown = match profile.exists() {
                true => format!(
                    "\n  Where they are spent: callgrind_annotate {}",
                    profile.display()
                ),
                false => String::new(),
            };
            return Some(format!(
                "{name}: {count} instructions, recorded are {recorded}: {percent:+.1} %, allowed are +{} %.{shown}\n",
                self.margin_percent
            ));
        }
        (count * 100 < recorded * (100 - self.stale_percent)).then(|| {
            format!(
                "{name}: {count} instructions, recorded are {recorded}: {percent:+.1} %. Good: record it, or it could be lost again unseen.\n"
            )
        })
    }

    fn toml(&self) -> String {
        let mut text = HEAD.to_owned();
        let Record {
            margin_percent,
            stale_percent,
            machine,
            compiler,
            instructions,
        } = self;
        write!(
            text,
            "# A path may cost so much more than recorded, in percent.\nmargin_percent = {margin_percent}\n\
             # If one costs so much less, its record is to be made anew.\nstale_percent = {stale_percent}\n\
             machine = \"{machine}\"\ncompiler = \"{compiler}\"\n\n[instructions]\n"
        )
        .expect("a string takes everything");
        for (name, count) in instructions {
            writeln!(text, "{name} = {count}").expect("a string takes everything");
        }
        text
    }

    fn table(&self) -> String {
        let mut text = "\n| path | instructions | for |\n|---|---:|---|\n".to_owned();
        let units = paths::units();
        for (name, count) in &self.instructions {
            let unit = units.get(name.as_str()).copied().unwrap_or_default();
            writeln!(text, "| {name} | {} | {unit} |", spaced(*count))
                .expect("a string takes everything");
        }
        text
    }
}

/// A number with a space before every three digits.
fn spaced(number: u64) -> String {
    match number {
        0..1_000 => number.to_string(),
        _ => format!("{} {:03}", spaced(number / 1_000), number % 1_000),
    }
}

/// The compiler, as it calls itself.
fn compiler() -> Result<String, String> {
    let said = Command::new("rustc").arg("--version").output();
    let said = said.map_err(|error| format!("rustc does not start: {error}"))?;
    Ok(String::from_utf8_lossy(&said.stdout).trim().to_owned())
}

/// A file in the folder of the benches.
fn place(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("benches")
        .join(path)
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

const RECORD: &str = "RECORD=1 cargo bench --bench instructions";

const HEAD: &str = "\
# Instructions that each hot path takes, as `cargo bench --bench instructions` last recorded them; CI fails where one takes
# more than the margin above. What the paths are: paths.rs. To record anew, here and in ../RECORD.md:
#
#     RECORD=1 cargo bench --bench instructions
#
# and commit both files together with what has changed the counts, so that the history says why.

";

const TABLE_BEGIN: &str = "<!-- written by RECORD=1 cargo bench --bench instructions -->\n";

const TABLE_END: &str = "\n<!-- up to here -->\n";
