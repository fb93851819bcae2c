//! Medians of the rounds, as the Markdown tables of `benches/RECORD.md`.
//!
//! The first column of each table is the server, the others are cases. A cell without a result is a dash; why there is none
//! is said below the tables. `benches/RECORD.md` says what the columns mean.

use super::case::{Case, Load};
use super::measure::Figures;
use std::fmt::{self, Display, Write};

/// One measurement.
pub struct Row {
    pub server: String,
    pub case: Case,
    /// The figures, or why there are none.
    pub outcome: Result<Figures, String>,
}

/// All measurements, to be shown.
pub struct Report<'a> {
    pub servers: &'a [String],
    pub cases: &'a [Case],
    pub rows: &'a [Row],
    /// The server that the others are compared with, if it is not each case's floor.
    pub against: Option<&'a str>,
    /// Whether each case gets a table of its own, with all that was measured.
    pub in_detail: bool,
}

/// A cell without a result.
const NONE: &str = "–";

type Cell<'a> = Box<dyn Fn(&str) -> Option<String> + 'a>;
type Column<'a> = (String, Cell<'a>);

impl Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("### CPU of the server, µs per unit (times the floor)\n\n")?;
        self.table(
            f,
            self.columns(is_load, |case| (case.name.clone(), self.micros(case))),
        )?;
        f.write_str("\n### Throughput\n\n")?;
        f.write_str("Thousands per second: deliveries of fan-out and presence, round trips of pairs, connections of connect.\n\n")?;
        self.table(
            f,
            self.columns(is_closed, |case| (case.name.clone(), self.per_second(case))),
        )?;
        f.write_str("\n### Latency and memory\n\n")?;
        f.write_str("Latency is p50 / p99 / p99.9 in ms; memory is what a joined connection adds to the server's RSS, in bytes.\n\n")?;
        let mut columns = self.columns(is_timed, |case| {
            (format!("{}, ms", case.name), self.latency(case))
        });
        for case in self.cases.iter().filter(|case| is_idle(case)) {
            columns.push((format!("{}, bytes each", case.name), self.bytes(case)));
            let idle = self.cell(case, |figures| figures.idle_percent);
            columns.push((format!("{}, CPU %", case.name), idle));
        }
        self.table(f, columns)?;
        f.write_str("\n### CPU of others meanwhile, % of one CPU\n\n")?;
        f.write_str("The most of all rounds: what is far above 10 was disturbed.\n\n")?;
        self.table(
            f,
            self.columns(|_| true, |case| (case.name.clone(), self.others(case))),
        )?;
        self.complaints(f)?;
        if self.in_detail {
            self.details(f)?;
        }
        Ok(())
    }
}

impl<'a> Report<'a> {
    fn columns(
        &'a self,
        which: impl Fn(&Case) -> bool,
        column: impl Fn(&'a Case) -> Column<'a>,
    ) -> Vec<Column<'a>> {
        let cases = self.cases.iter().filter(|case| which(case));
        cases.map(column).collect()
    }

    /// A table with a line for each server that has at least one of the cells.
    fn table(&self, f: &mut fmt::Formatter<'_>, columns: Vec<Column<'_>>) -> fmt::Result {
        if columns.is_empty() {
            return f.write_str("Not measured.\n");
        }
        let heads: Vec<&str> = columns.iter().map(|(head, _)| &**head).collect();
        writeln!(f, "| server | {} |", heads.join(" | "))?;
        writeln!(f, "|---|{}", "---:|".repeat(columns.len()))?;
        for server in self.servers {
            let cells: Vec<Option<String>> = columns.iter().map(|(_, cell)| cell(server)).collect();
            if cells.iter().all(Option::is_none) {
                continue;
            }
            let cells: Vec<&str> = cells
                .iter()
                .map(|cell| cell.as_deref().unwrap_or(NONE))
                .collect();
            writeln!(f, "| {server} | {} |", cells.join(" | "))?;
        }
        Ok(())
    }

    /// The figures of all rounds; none if one of them failed or had a fault.
    fn figures(&self, server: &str, case: &Case) -> Option<Vec<&'a Figures>> {
        let rounds = self.rounds(server, case);
        let figures = rounds.map(|outcome| match outcome {
            Ok(figures) if figures.faults.is_none() => Some(figures),
            Ok(_) | Err(_) => None,
        });
        figures
            .collect::<Option<Vec<_>>>()
            .filter(|figures| !figures.is_empty())
    }

    fn rounds<'b>(
        &self,
        server: &'b str,
        case: &'b Case,
    ) -> impl Iterator<Item = &'a Result<Figures, String>> + use<'a, 'b> {
        let rows = self.rows.iter();
        rows.filter(move |row| row.server == server && row.case.name == case.name)
            .map(|row| &row.outcome)
    }

    fn median(
        &self,
        server: &str,
        case: &Case,
        figure: impl Fn(&Figures) -> Option<f64>,
    ) -> Option<f64> {
        let figures = self.figures(server, case)?;
        median(figures.into_iter().filter_map(figure).collect())
    }

    fn cell(&'a self, case: &'a Case, figure: fn(&Figures) -> Option<f64>) -> Cell<'a> {
        Box::new(move |server| self.median(server, case, figure).map(short))
    }

    fn micros(&'a self, case: &'a Case) -> Cell<'a> {
        let micros = |figures: &Figures| figures.micros;
        let floor = self.against.unwrap_or_else(|| floor_of(case));
        let floor = self
            .median(floor, case, micros)
            .filter(|&floor| floor > 0.0);
        Box::new(move |server| {
            let micros = self.median(server, case, micros)?;
            Some(match floor {
                Some(floor) => format!("{} ({:.2})", short(micros), micros / floor),
                None => short(micros),
            })
        })
    }

    fn per_second(&'a self, case: &'a Case) -> Cell<'a> {
        self.cell(case, |figures| Some(figures.per_second? / 1e3))
    }

    fn latency(&'a self, case: &'a Case) -> Cell<'a> {
        Box::new(move |server| {
            let at = |index: usize| {
                let latency = |figures: &Figures| Some(figures.latency_ms?[index]);
                self.median(server, case, latency).map(short)
            };
            Some(format!("{} / {} / {}", at(0)?, at(1)?, at(2)?))
        })
    }

    /// Says of how many connections, if those were not as many as the case says.
    fn bytes(&'a self, case: &'a Case) -> Cell<'a> {
        Box::new(move |server| {
            let bytes = short(self.median(server, case, |figures| figures.bytes_each)?);
            let connections = self.figures(server, case)?[0].connections?;
            Some(match case.load {
                Load::Idle { n } if n != connections => {
                    format!("{bytes} ({} connections)", short(connections as f64))
                }
                _ => bytes,
            })
        })
    }

    fn others(&'a self, case: &'a Case) -> Cell<'a> {
        Box::new(move |server| {
            let rounds = self.rounds(server, case).flatten();
            let most = rounds
                .map(|figures| figures.others_percent)
                .reduce(f64::max)?;
            Some(format!("{:.0}", most.max(0.0)))
        })
    }

    /// Says why there is no result where there is none.
    fn complaints(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut complaints = String::new();
        for row in self.rows {
            let why: &dyn Display = match &row.outcome {
                Ok(figures) if figures.faults.is_none() => continue,
                Ok(figures) => &figures.faults,
                Err(why) => why,
            };
            writeln!(complaints, "- {} in {}: {why}", row.server, row.case.name)?;
        }
        if complaints.is_empty() {
            return Ok(());
        }
        write!(
            f,
            "\nNo result, because of one round or more:\n\n{complaints}"
        )
    }

    fn details(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for case in self.cases {
            writeln!(f, "\n#### {}\n", case.name)?;
            let of = |figure| self.cell(case, figure);
            let spread = move |server: &str| {
                let figures = self.figures(server, case)?;
                let all = figures.iter().filter_map(|figures| figures.per_second);
                let (least, most) = (all.clone().reduce(f64::min)?, all.reduce(f64::max)?);
                Some(format!("{} – {}", short(least), short(most)))
            };
            let columns: Vec<Column<'_>> = vec![
                ("per second".to_owned(), of(|figures| figures.per_second)),
                ("least – most".to_owned(), Box::new(spread)),
                ("µs per unit".to_owned(), of(|figures| figures.micros)),
                ("user µs".to_owned(), of(|figures| figures.user_micros)),
                ("p50 / p99 / p99.9, ms".to_owned(), self.latency(case)),
                ("bytes each".to_owned(), self.bytes(case)),
                ("bytes empty".to_owned(), of(|figures| figures.empty_bytes)),
                (
                    "server %".to_owned(),
                    of(|figures| Some(figures.server_percent)),
                ),
                (
                    "load %".to_owned(),
                    of(|figures| Some(figures.load_percent)),
                ),
                ("others %".to_owned(), self.others(case)),
            ];
            self.table(f, columns)?;
        }
        Ok(())
    }
}

/// The floor of a case: of those that can batch, the batched one.
fn floor_of(case: &Case) -> &'static str {
    match case.load {
        Load::Fanout { .. } | Load::Rate { .. } => "limit-batch",
        Load::Pairs { .. } | Load::Connect { .. } | Load::Idle { .. } | Load::Presence { .. } => {
            "limit"
        }
    }
}

fn is_idle(case: &Case) -> bool {
    matches!(case.load, Load::Idle { .. })
}

fn is_load(case: &Case) -> bool {
    !is_idle(case)
}

fn is_closed(case: &Case) -> bool {
    is_load(case) && !matches!(case.load, Load::Rate { .. })
}

fn is_timed(case: &Case) -> bool {
    matches!(case.load, Load::Rate { .. } | Load::Pairs { .. })
}

/// The one in the middle, or what lies between the two there.
fn median(mut all: Vec<f64>) -> Option<f64> {
    all.sort_by(f64::total_cmp);
    let middle = all.len() / 2;
    let above = *all.get(middle)?;
    Some(if all.len() % 2 == 1 {
        above
    } else {
        (all[middle - 1] + above) / 2.0
    })
}

/// Three digits or more, thousands apart.
pub fn short(value: f64) -> String {
    match value.abs() {
        0.0..1.0 => format!("{value:.3}"),
        1.0..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => {
            let digits = format!("{value:.0}");
            let mut text = String::new();
            for (at, digit) in digits.chars().enumerate() {
                let left = digits.len() - at;
                if at > 0 && left % 3 == 0 && !text.ends_with('-') {
                    text.push(',');
                }
                text.push(digit);
            }
            text
        }
    }
}
