//! The table of settings: the only place where a setting has a name, a range and a help text.
//!
//! Flags, environment variables, keys of the file, `--help`, `--print-config`, the README's table and
//! [`Config::check`](super::Config::check) are all made from [`SETTINGS`]; a new setting is one field of
//! [`Config`](super::Config) or of a part of it and one entry in one of the files beside this. Defaults are those of
//! `Config::default`. A range keeps out what cannot work, not what is merely unwise.

mod bounds;
mod dialects;
mod serving;
mod times;

use super::settings::Setting;

/// Every setting, in the order of the help.
pub const SETTINGS: &[Setting] = &joined();

const PARTS: [&[Setting]; 4] = [
    serving::SETTINGS,
    dialects::SETTINGS,
    times::SETTINGS,
    bounds::SETTINGS,
];

const COUNT: usize = {
    let (mut count, mut part) = (0, 0);
    while part < PARTS.len() {
        count += PARTS[part].len();
        part += 1;
    }
    count
};

/// The parts in a row. Constants are made without iterators.
const fn joined() -> [Setting; COUNT] {
    let mut all = [PARTS[0][0]; COUNT];
    let (mut count, mut part) = (0, 0);
    while part < PARTS.len() {
        let mut place = 0;
        while place < PARTS[part].len() {
            all[count] = PARTS[part][place];
            count += 1;
            place += 1;
        }
        part += 1;
    }
    all
}

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
/// The most for sizes: fits `usize` on every target, and the sum of three still fits 32 bits.
const GIB: u64 = 1 << 30;
/// What no machine has, though a few may come near.
const TIB: u64 = 1 << 40;
/// One each nanosecond: finer than anything is counted.
const RATE_MOST: u64 = 1_000_000_000;
/// Below `Hub::CAPACITY`, 2^22, and beyond what one machine's memory holds.
const CONNECTIONS_MOST: u64 = 4_000_000;
/// Small enough that 32 bits count them, and beyond what a sound network leaves waiting.
const WAITING_MOST: u64 = 10_000_000;
/// Half of the keys that one arena has.
const REMEMBERED_MOST: u64 = 1 << 23;
/// The ids that the hub makes, and the name of the debout channel, are 16 bytes long and must themselves fit.
const ID_BYTES: u64 = 16;
/// `initiate` nests its options two levels below the envelope: 3 levels; a level of content must fit beside them.
const ENVELOPE_DEPTH: u64 = 4;

#[cfg(test)]
mod tests {
    /// Reads the sources, since the compiler cannot count fields.
    #[test]
    fn every_field_has_one_setting() {
        let structs = concat!(
            include_str!("../mod.rs"),
            include_str!("../dialects.rs"),
            include_str!("../rates.rs"),
            include_str!("../stop.rs"),
            include_str!("../tls.rs"),
            include_str!("../tokens.rs"),
        );
        let table = concat!(
            include_str!("serving.rs"),
            include_str!("dialects.rs"),
            include_str!("times.rs"),
            include_str!("bounds.rs"),
        );
        for (opening, prefix) in [
            ("pub struct Config {", "config."),
            ("pub struct Limits {", "config.limits."),
            ("pub struct Rates {", "config.rates."),
            ("pub struct PeerJs {", "config.peerjs."),
            ("pub struct Relay {", "config.relay."),
            ("pub struct NetPeer {", "config.netpeer."),
            ("pub struct Peero {", "config.peero."),
            ("pub struct Stop {", "config.stop."),
            ("pub struct Tls {", "config.tls."),
            ("pub struct Tokens {", "config.tokens."),
        ] {
            let (_, body) = structs
                .split_once(opening)
                .expect("the struct is in mod.rs");
            let (body, _) = body.split_once("\n}").expect("the struct ends");
            let fields: Vec<&str> = body
                .lines()
                .filter_map(|line| Some(line.strip_prefix("    pub ")?.split_once(':')?.0))
                .collect();
            assert!(fields.len() > 1, "{fields:?}");
            let parts = [
                "limits", "rates", "peerjs", "relay", "netpeer", "peero", "stop", "tls", "tokens",
            ];
            for field in fields.into_iter().filter(|field| !parts.contains(field)) {
                let place = format!("&mut {prefix}{field}");
                let count = table
                    .split(place.as_str())
                    .skip(1)
                    .filter(|rest| rest.starts_with([',', ')']))
                    .count();
                assert_eq!(count, 1, "entries of the table that place {field}");
            }
        }
    }
}
