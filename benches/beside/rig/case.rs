//! One load and its numbers, and how a command line names it.
//!
//! A case is named as in [`NAMED`], or told by its numbers: `fanout:n=10000,size=65536,window=512`. Numbers that are left
//! out are those of the kind's first named case.

use std::fmt;

/// A case.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// As it is called in tables.
    pub name: String,
    /// Whether it is about PeerJS, which is spoken to the hub at another path.
    pub is_peerjs: bool,
    pub load: Load,
}

/// What the clients do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Load {
    /// `n` subscribe; `publishers` publish `size` bytes in turn, `window` messages are under way in all.
    Fanout {
        n: usize,
        size: usize,
        window: usize,
        publishers: usize,
    },
    /// `n` subscribe; one publishes `size` bytes so many times a second, come what may.
    Rate {
        n: usize,
        size: usize,
        per_second: usize,
    },
    /// So many pairs ask and answer with `size` bytes, each with one request under way.
    Pairs { pairs: usize, size: usize },
    /// So many clients at once connect, join and go.
    Connect { at_once: usize },
    /// `n` join and do nothing.
    Idle { n: usize },
    /// `n` join one linkage, one after the other.
    Presence { n: usize },
}

/// The cases that have a name, and whether they are measured when none is named.
const NAMED: &[(&str, &str, bool)] = &[
    (
        "fanout-100",
        "fanout:n=100,size=128,window=32,publishers=1",
        true,
    ),
    ("fanout-100-w128", "fanout:window=128", true),
    ("fanout-100-p32", "fanout:publishers=32", true),
    ("fanout-1000", "fanout:n=1000,window=16", true),
    ("fanout-1000-w1", "fanout:n=1000,window=1", true),
    ("fanout-1000-2k", "fanout:n=1000,size=2048,window=8", true),
    ("fanout-10", "fanout:n=10,window=64", true),
    ("fanout-5000", "fanout:n=5000,window=8", true),
    ("rate-1000x60", "rate:n=1000,size=128,per-second=60", true),
    ("rate-1000x20", "rate:per-second=20", false),
    ("pairs-1", "pairs:pairs=1,size=128", true),
    ("pairs-100", "pairs:pairs=100", true),
    ("pairs-1000", "pairs:pairs=1000", true),
    ("connect", "connect:at-once=64", true),
    ("idle-10000", "idle:n=10000", true),
    ("presence-500", "presence:n=500", true),
    ("peerjs-pairs-1000", "peerjs-pairs:pairs=1000", true),
    ("peerjs-connect", "peerjs-connect:", false),
    ("peerjs-idle-10000", "peerjs-idle:n=10000", true),
];

/// What is wrong with the name of a case.
#[derive(Debug, PartialEq, Eq)]
pub struct NoCase(String);

impl fmt::Display for NoCase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = NAMED.iter().map(|(name, ..)| *name).collect();
        write!(f, "{}; there are {}", self.0, names.join(", "))
    }
}

impl std::error::Error for NoCase {}

impl Case {
    /// Those that are measured when none is named.
    pub fn usual() -> Vec<Case> {
        let usual = NAMED.iter().filter(|(.., is_usual)| *is_usual);
        usual
            .map(|(name, ..)| Case::new(name).expect("named cases are cases"))
            .collect()
    }

    /// Reads a list with commas between the cases and between a case's numbers.
    ///
    /// # Errors
    /// What is wrong.
    pub fn list(text: &str) -> Result<Vec<Case>, NoCase> {
        let mut names: Vec<String> = Vec::new();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let is_number = part.contains('=') && !part.contains(':');
            match names.last_mut().filter(|_| is_number) {
                Some(name) => {
                    name.push(',');
                    name.push_str(part);
                }
                None => names.push(part.to_owned()),
            }
        }
        names.iter().map(|name| Case::new(name)).collect()
    }

    /// Reads one case.
    ///
    /// # Errors
    /// What is wrong.
    pub fn new(name: &str) -> Result<Case, NoCase> {
        let named = NAMED.iter().find(|(known, ..)| *known == name);
        let told = named.map_or(name, |(_, told, _)| told);
        let (kind, numbers) = told
            .split_once(':')
            .ok_or_else(|| NoCase(format!("{name} is no case")))?;
        let (kind, is_peerjs) = match kind.strip_prefix("peerjs-") {
            Some(kind) => (kind, true),
            None => (kind, false),
        };
        let mut load = usual_load(kind).ok_or_else(|| NoCase(format!("{name} is no case")))?;
        if is_peerjs
            && !matches!(
                load,
                Load::Pairs { .. } | Load::Connect { .. } | Load::Idle { .. }
            )
        {
            return Err(NoCase(format!("PeerJS has no {kind}")));
        }
        for pair in numbers.split(',').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = value.parse().ok().filter(|&value| value > 0);
            let value = value.ok_or_else(|| NoCase(format!("{name}: {pair} gives no number")))?;
            *load
                .number(key)
                .ok_or_else(|| NoCase(format!("{name}: {kind} has no {key}")))? = value;
        }
        Ok(Case {
            name: name.to_owned(),
            is_peerjs,
            load,
        })
    }
}

fn usual_load(kind: &str) -> Option<Load> {
    Some(match kind {
        "fanout" => Load::Fanout {
            n: 100,
            size: 128,
            window: 32,
            publishers: 1,
        },
        "rate" => Load::Rate {
            n: 1000,
            size: 128,
            per_second: 60,
        },
        "pairs" => Load::Pairs {
            pairs: 1,
            size: 128,
        },
        "connect" => Load::Connect { at_once: 64 },
        "idle" => Load::Idle { n: 10_000 },
        "presence" => Load::Presence { n: 500 },
        _ => return None,
    })
}

impl Load {
    /// The number with this name.
    fn number(&mut self, key: &str) -> Option<&mut usize> {
        match (self, key) {
            (
                Load::Fanout { n, .. }
                | Load::Rate { n, .. }
                | Load::Idle { n }
                | Load::Presence { n },
                "n",
            ) => Some(n),
            (
                Load::Fanout { size, .. } | Load::Rate { size, .. } | Load::Pairs { size, .. },
                "size",
            ) => Some(size),
            (Load::Fanout { window, .. }, "window") => Some(window),
            (Load::Fanout { publishers, .. }, "publishers") => Some(publishers),
            (Load::Rate { per_second, .. }, "per-second") => Some(per_second),
            (Load::Pairs { pairs, .. }, "pairs") => Some(pairs),
            (Load::Connect { at_once }, "at-once") => Some(at_once),
            _ => None,
        }
    }

    /// Clients that are there at a time.
    pub fn client_count(&self) -> usize {
        match *self {
            Load::Fanout { n, publishers, .. } => n + publishers,
            Load::Rate { n, .. } => n + 1,
            Load::Pairs { pairs, .. } => 2 * pairs,
            Load::Connect { at_once } => at_once,
            Load::Idle { n } => n + 1,
            Load::Presence { n } => n,
        }
    }
}
