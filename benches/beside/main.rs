//! What does each unit of work cost, with peerhub, with the servers that anybody can install, and with the two floors?
//!
//!     cargo bench --bench beside
//!     cargo bench --bench beside -- --servers peerhub,bun --cases pairs-100,fanout:n=10000,window=512 --rounds 5
//!
//! Each server runs alone on one CPU, this program loads it from another; in each round each case is measured with one
//! server after the other, each time with a fresh process. `benches/RECORD.md` says how to install the servers, and what
//! the tables mean.

mod rig;

use clap::builder::ArgPredicate;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use rig::case::Case;
use rig::gauge::{self, Cpus};
use rig::measure::{Figures, Spans, measure};
use rig::report::{Report, Row, short};
use rig::servers::{self, Server};
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    if let Some(ended) = servers::be_a_floor_if_told() {
        return ended;
    }
    match compare(&arguments().get_matches()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("beside: {error}");
            ExitCode::FAILURE
        }
    }
}

fn arguments() -> Command {
    let given = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    // What is run other than by `cargo bench` only shows that it works.
    let usually = |argument: Arg, usual: &'static str, hurried: &'static str| {
        argument.default_value(hurried).default_value_if(
            "bench",
            ArgPredicate::Equals("true".into()),
            usual,
        )
    };
    let flag = |name: &'static str, help: &'static str| {
        Arg::new(name)
            .long(name)
            .action(ArgAction::SetTrue)
            .help(help)
    };
    let seconds = || value_parser!(f64);
    Command::new("beside")
        .about("Measures peerhub side by side with other servers and with what the kernel allows")
        .arg(flag("bench", "Given by cargo bench").hide(true))
        .arg(given("servers", "A,B", "Servers, by the names in the tables").value_delimiter(','))
        .arg(given(
            "cases",
            "A,B",
            "Cases by name, or by numbers as in fanout:n=5000,window=8",
        ))
        .arg(
            given(
                "also",
                "NAME=PATH",
                "A peerhub of another build beside the rest",
            )
            .action(ArgAction::Append),
        )
        .arg(given(
            "against",
            "NAME",
            "Server to compare with instead of the floors",
        ))
        .arg(usually(given("rounds", "COUNT", "Rounds"), "3", "1").value_parser(value_parser!(u32)))
        .arg(
            usually(
                given(
                    "seconds",
                    "S",
                    "Time measured for each figure; ten times that where clients do nothing",
                ),
                "2",
                "0.2",
            )
            .value_parser(seconds()),
        )
        .arg(usually(given("warm-up", "S", "Time before that"), "1", "0.1").value_parser(seconds()))
        .arg(flag(
            "details",
            "A table for each case, with all that was measured",
        ))
        .arg(flag(
            "unpinned",
            "Nobody gets a CPU of its own: for trying out",
        ))
}

fn compare(arguments: &ArgMatches) -> Result<(), Box<dyn Error>> {
    let is_bench = arguments.get_flag("bench");
    let cases = match arguments.get_one::<String>("cases") {
        Some(cases) => Case::list(cases)?,
        None if is_bench => Case::usual(),
        None => Case::list("fanout:n=5,pairs-1")?,
    };
    let servers = chosen(arguments)?;
    let cpus = match Cpus::find()? {
        _ if arguments.get_flag("unpinned") => None,
        None if is_bench => return Err("this takes two CPUs, one for the server and one for the load; --unpinned only tries it out".into()),
        found => found,
    };
    gauge::raise_file_limit()?;
    let spans = Spans {
        warm_up: span(arguments, "warm-up")?,
        measured: span(arguments, "seconds")?,
        still: span(arguments, "warm-up")?,
    };
    let rounds = *arguments
        .get_one::<u32>("rounds")
        .expect("it has a default");
    let mut rows = Vec::new();
    for round in 1..=rounds {
        for case in &cases {
            for server in &servers {
                let Some(outcome) = one(server, case, cpus, spans) else {
                    continue;
                };
                eprintln!(
                    "{round}/{rounds} {:18} {:12} {}",
                    case.name,
                    server.name,
                    brief(&outcome)
                );
                rows.push(Row {
                    server: server.name.clone(),
                    case: case.clone(),
                    outcome,
                });
            }
        }
    }
    let names: Vec<String> = servers.iter().map(|server| server.name.clone()).collect();
    let report = Report {
        servers: &names,
        cases: &cases,
        rows: &rows,
        against: arguments.get_one::<String>("against").map(String::as_str),
        in_detail: arguments.get_flag("details"),
    };
    println!("{}\n", machine());
    let versions: Vec<String> = servers.iter().filter_map(Server::version).collect();
    println!("Versions: {}.\n", versions.join(", "));
    print!("{report}");
    Ok(())
}

/// The servers that are wanted, without those that are not there, which are named.
fn chosen(arguments: &ArgMatches) -> Result<Vec<Server>, Box<dyn Error>> {
    let mut all = servers::all(Path::new(env!("CARGO_BIN_EXE_peerhub")));
    for also in arguments.get_many::<String>("also").unwrap_or_default() {
        let (name, path) = also.split_once('=').ok_or("--also takes NAME=PATH")?;
        all.push(servers::another_peerhub(name, Path::new(path)));
    }
    if let Some(wanted) = arguments.get_many::<String>("servers") {
        let wanted: Vec<&String> = wanted.collect();
        let is_unknown = |name: &&&String| all.iter().all(|server| server.name != ***name);
        if let Some(name) = wanted.iter().find(is_unknown) {
            return Err(format!("there is no server {name}").into());
        }
        let also: Vec<&String> = arguments.get_many("also").unwrap_or_default().collect();
        let is_also = |name: &str| also.iter().any(|also| also.split('=').next() == Some(name));
        all.retain(|server| wanted.contains(&&server.name) || is_also(&server.name));
    }
    all.retain(|server| match server.missing() {
        None => true,
        Some(what) => {
            eprintln!("{} is skipped: it takes {what}", server.name);
            false
        }
    });
    if all.is_empty() {
        return Err("none of these servers is there".into());
    }
    Ok(all)
}

/// One measurement, of a fresh process. `None` if the case is not for this server.
fn one(
    server: &Server,
    case: &Case,
    cpus: Option<Cpus>,
    spans: Spans,
) -> Option<Result<Figures, String>> {
    let speech = server.speech(case)?;
    let running = match server.start(cpus) {
        Ok(running) => running,
        Err(error) => return Some(Err(error.to_string())),
    };
    let figures = measure(
        running.door.clone(),
        running.pid(),
        speech,
        server.load(case),
        spans,
    );
    Some(figures.map_err(|error| error.to_string()))
}

fn brief(outcome: &Result<Figures, String>) -> String {
    let figures = match outcome {
        Ok(figures) => figures,
        Err(why) => return why.clone(),
    };
    let mut parts = Vec::new();
    let mut say = |figure: Option<f64>, unit: &str| {
        parts.extend(figure.map(|figure| format!("{} {unit}", short(figure))));
    };
    say(figures.per_second, "/s");
    say(figures.micros, "µs");
    say(figures.latency_ms.map(|[half, ..]| half), "ms");
    say(figures.bytes_each, "bytes each");
    say(Some(figures.load_percent), "% load");
    say(Some(figures.others_percent), "% others");
    if !figures.faults.is_none() {
        parts.push(figures.faults.to_string());
    }
    parts.join(", ")
}

/// What all this was measured on.
fn machine() -> String {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let processor = read("/proc/cpuinfo");
    let model = processor
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown processors", |(_, model)| model.trim());
    let processors = processor
        .lines()
        .filter(|line| line.starts_with("processor"));
    let cpus = processors.count();
    let kernel = read("/proc/sys/kernel/osrelease");
    format!("Machine: {cpus} CPUs, {model}, Linux {}.", kernel.trim())
}

fn span(arguments: &ArgMatches, name: &str) -> Result<Duration, Box<dyn Error>> {
    let seconds = *arguments.get_one::<f64>(name).expect("it has a default");
    Ok(Duration::try_from_secs_f64(seconds)?)
}
