//! Text ↔ values: what a person may write for a time, a size, a count, a switch or an address, and how each is shown.
//!
//! Used by the table alone. Everything shown can be read back. Problems are worded to follow the setting's name, quote
//! what was written and say what would be right; they never hold a line break. Ranges are the table's business.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};

const TIME_UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// The binary units come first: they are the ones in which sizes are shown.
const SIZE_UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];

/// Reads a time as milliseconds: `250ms`, `10s`, `2m`, `1h`, or a bare number of milliseconds.
pub(super) fn read_time(text: &str) -> Result<u64, String> {
    read_units(text, &TIME_UNITS).ok_or_else(|| {
        let right = "write whole 250ms, 10s, 2m or 1h, or a bare number of milliseconds";
        format!("{} is not a time: {right}", quote(text))
    })
}

/// Reads a size as bytes: `65536`, `64KiB`, `1MiB`, `1MB`; upper and lower case are alike.
pub(super) fn read_size(text: &str) -> Result<u64, String> {
    read_units(text, &SIZE_UNITS).ok_or_else(|| {
        let right = "write a whole number of bytes, or a unit as in 64KiB, 1MiB or 1MB";
        format!("{} is not a size: {right}", quote(text))
    })
}

/// Reads a count: decimal digits.
pub(super) fn read_count(text: &str) -> Result<u64, String> {
    read_units(text, &[]).ok_or_else(|| {
        format!(
            "{} is not a count: write a whole number such as 100",
            quote(text)
        )
    })
}

/// Reads a switch: true, yes, on, 1 or false, no, off, 0; upper and lower case are alike.
pub(super) fn read_switch(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err(format!(
            "{} is not a switch: write true or false",
            quote(text)
        )),
    }
}

/// Reads addresses: `127.0.0.1:3007`, `[::1]:3007`, `localhost:3007`, `:3007` (every IPv4 address), `3007` (loopback).
/// A name is looked up in the system and stands for its first IPv4 address, or else for its first address.
pub(super) fn read_addresses<'a>(
    texts: impl IntoIterator<Item = &'a str>,
) -> Result<Vec<SocketAddr>, String> {
    let pieces = texts.into_iter().flat_map(|text| text.split(','));
    pieces.map(|piece| read_address(piece.trim())).collect()
}

fn read_address(text: &str) -> Result<SocketAddr, String> {
    const RIGHT: &str =
        "write ADDR:PORT such as 127.0.0.1:3007, [::1]:3007, localhost:3007, :3007 or 3007";
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    if let Ok(ip) = text.parse::<IpAddr>() {
        let whole = SocketAddr::new(ip, 3007);
        return Err(format!(
            "{} has no port: write for example {whole}",
            quote(text)
        ));
    }
    let (host, port) = text.rsplit_once(':').unwrap_or(("127.0.0.1", text));
    if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!(
            "{} is not an address with a port: {RIGHT}",
            quote(text)
        ));
    }
    let port: u16 = port
        .parse()
        .map_err(|_| format!("{} is not a port: write 0 to 65535", quote(port)))?;
    if host.is_empty() {
        return Ok((Ipv4Addr::UNSPECIFIED, port).into());
    }
    if host.contains([':', '[', ']']) {
        return Err(format!(
            "{} is not an address with a port: {RIGHT}",
            quote(text)
        ));
    }
    let mut first = None;
    for address in (host, port).to_socket_addrs().into_iter().flatten() {
        if address.is_ipv4() {
            return Ok(address);
        }
        first = first.or(Some(address));
    }
    first.ok_or_else(|| format!("the system finds no address for {}: {RIGHT}", quote(host)))
}

/// A number and one of the units; a bare number counts in ones. `None` for anything else and for what exceeds 64 bits.
fn read_units(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let unit = unit.trim_start();
    if unit.is_empty() {
        return Some(number);
    }
    let (_, factor) = units
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
    number.checked_mul(*factor)
}

/// A time in the largest unit that divides it.
pub(super) fn show_time(time_ms: u64) -> String {
    show_units(time_ms, &TIME_UNITS)
}

/// A size in the largest binary unit that divides it, else as a bare number of bytes.
pub(super) fn show_size(bytes: u64) -> String {
    show_units(bytes, &SIZE_UNITS[..3])
}

fn show_units(number: u64, units: &[(&str, u64)]) -> String {
    let fits = |(_, factor): &&(&str, u64)| number != 0 && number.is_multiple_of(*factor);
    match units.iter().find(fits) {
        Some((unit, factor)) => format!("{}{unit}", number / factor),
        None => number.to_string(),
    }
}

/// What was written, in quotation marks, on one line and not longer than a line can bear.
pub(super) fn quote(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("{:?}…", &text[..cut]),
        None => format!("{text:?}"),
    }
}

/// The candidate most like `written`, if one is like enough to be what was meant. O(length² · candidates).
pub(super) fn nearest<'a>(
    written: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let distances = candidates.map(|candidate| (distance(written, candidate), candidate));
    let (distance, candidate) = distances.min_by_key(|(distance, _)| *distance)?;
    (distance <= candidate.len().div_ceil(4)).then_some(candidate)
}

/// Insertions, deletions and replacements that lead from one text to the other (Levenshtein, one row at a time). Texts
/// too long to be a slip are not measured, so that the work stays bounded.
fn distance(from: &str, to: &str) -> usize {
    if from.len() > 2 * to.len() {
        return from.len();
    }
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, left) in from.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, right) in to.bytes().enumerate() {
            let replaced = diagonal + usize::from(!left.eq_ignore_ascii_case(&right));
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let cases = [
            ("0", Some(0)),
            ("250", Some(250)),
            ("250ms", Some(250)),
            ("10s", Some(10_000)),
            (" 10 s ", Some(10_000)),
            ("2M", Some(120_000)),
            ("1h", Some(3_600_000)),
            ("", None),
            ("s", None),
            ("-1", None),
            ("+1", None),
            ("1.5s", None),
            ("1e3", None),
            ("10 parsecs", None),
            ("1m30s", None),
            ("99999999999999999999", None),
            ("18446744073709551615h", None),
        ];
        for (text, expected) in cases {
            assert_eq!(read_time(text).ok(), expected, "{text:?}");
        }
        for (time_ms, text) in [
            (0, "0"),
            (1, "1ms"),
            (1_500, "1500ms"),
            (10_000, "10s"),
            (90_000, "90s"),
            (7_200_000, "2h"),
        ] {
            assert_eq!(show_time(time_ms), text);
            assert_eq!(read_time(text), Ok(time_ms));
        }
    }

    #[test]
    fn sizes() {
        let cases = [
            ("0", Some(0)),
            ("1000", Some(1_000)),
            ("1000B", Some(1_000)),
            ("64KiB", Some(65_536)),
            ("64 kib", Some(65_536)),
            ("1kB", Some(1_000)),
            ("1MB", Some(1_000_000)),
            ("1MiB", Some(1_048_576)),
            ("2GiB", Some(2_147_483_648)),
            ("3GB", Some(3_000_000_000)),
            ("64K", None),
            ("KiB", None),
            ("-1", None),
            ("0x10", None),
            ("17179869184GiB", None),
        ];
        for (text, expected) in cases {
            assert_eq!(read_size(text).ok(), expected, "{text:?}");
        }
        for (bytes, text) in [
            (0, "0"),
            (1_000, "1000"),
            (65_536, "64KiB"),
            (1 << 20, "1MiB"),
            (3 << 30, "3GiB"),
            (1_025, "1025"),
        ] {
            assert_eq!(show_size(bytes), text);
            assert_eq!(read_size(text), Ok(bytes));
        }
    }

    #[test]
    fn addresses() {
        let cases = [
            ("127.0.0.1:3007", Some("127.0.0.1:3007")),
            ("3007", Some("127.0.0.1:3007")),
            (":3007", Some("0.0.0.0:3007")),
            ("[::]:3007", Some("[::]:3007")),
            ("[::1]:0", Some("[::1]:0")),
            ("[fe80::1%2]:80", Some("[fe80::1%2]:80")),
            ("localhost:3007", Some("127.0.0.1:3007")),
            ("", None),
            (":", None),
            ("::1", None),
            ("127.0.0.1", None),
            ("localhost", None),
            ("127.0.0.1:65536", None),
            ("127.0.0.1:+1", None),
            ("[::1:3007", None),
            ("a:b:3007", None),
            ("http://localhost:3007", None),
        ];
        for (text, expected) in cases {
            let read = read_addresses([text]).map(|addresses| addresses[0].to_string());
            assert_eq!(read.as_deref().ok(), expected, "{text:?}");
        }
        let both = read_addresses(["3007, [::1]:3007", ":1"]).unwrap();
        assert_eq!(both.len(), 3);
    }

    #[test]
    fn near_words() {
        let names = ["debout", "drain-time", "max-tags"];
        let cases = [
            ("deobut", Some("debout")),
            ("drain_time", Some("drain-time")),
            ("MAX-TAGS", Some("max-tags")),
            ("maxtags", Some("max-tags")),
            ("port", None),
            ("", None),
        ];
        for (written, expected) in cases {
            assert_eq!(nearest(written, names.into_iter()), expected, "{written:?}");
        }
    }

    #[test]
    fn quotes_stay_on_one_short_line() {
        assert_eq!(quote("a\nb"), r#""a\nb""#);
        assert!(quote(&"é".repeat(1_000)).chars().count() < 70);
    }
}
