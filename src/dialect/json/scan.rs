//! JSON read once, from its first byte to its last: is it sound, and where are its members? (Step 4 of the message path.)
//!
//! serde_json does this too, at twice the cost, and remembers the brackets that it is inside of in a vector of its own, so
//! that a message whose content holds an object would cost an allocation. Here that is a bit for each bracket. Must not:
//! turn text into values; that is serde_json's. The grammar is RFC 8259's; that both find the same
//! sound is tested below, and by the dialects' fuzz targets.

use super::Raw;

/// What is wrong with a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dialect) enum Flaw {
    /// It is no JSON.
    Unsound,
    /// Its arrays and objects are nested too deep.
    TooDeep,
}

/// Reads a text that is one JSON value, nested at most `depth_max` levels deep, and hands each member out if it is an
/// object: its name (token) and its value. O(bytes); allocates only beyond 64 levels.
///
/// # Errors
/// What is wrong; some members may have been handed out before.
pub(in crate::dialect) fn scan<'a>(
    text: &'a str,
    depth_max: usize,
    mut member: impl FnMut(&'a str, Raw<'a>),
) -> Result<Raw<'a>, Flaw> {
    let mut scanner = Scanner {
        bytes: text.as_bytes(),
        at: 0,
    };
    scanner.blank();
    let start = scanner.at;
    if scanner.peek() == Some(b'{') {
        let depth_left = depth_max.checked_sub(1).ok_or(Flaw::TooDeep)?;
        scanner.at += 1;
        scanner.blank();
        let mut is_over = scanner.take_if(b'}');
        while !is_over {
            let name = scanner.at;
            let name_end = scanner.name()?;
            let value = scanner.at;
            scanner.value(depth_left)?;
            member(&text[name..name_end], Raw(&text[value..scanner.at]));
            scanner.blank();
            is_over = match scanner.next()? {
                b'}' => true,
                b',' => false,
                _ => return Err(Flaw::Unsound),
            };
            scanner.blank();
        }
    } else {
        scanner.value(depth_max)?;
    }
    let whole = Raw(&text[start..scanner.at]);
    scanner.blank();
    match scanner.at == text.len() {
        true => Ok(Raw(whole.0.trim_end_matches(is_blank))),
        false => Err(Flaw::Unsound),
    }
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Scanner<'_> {
    /// Bytes that are looked at before a string counts as long, in eights.
    const SHORT_EIGHTS: usize = 6;

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn next(&mut self) -> Result<u8, Flaw> {
        let byte = self.peek().ok_or(Flaw::Unsound)?;
        self.at += 1;
        Ok(byte)
    }

    fn take_if(&mut self, wanted: u8) -> bool {
        let is_there = self.peek() == Some(wanted);
        self.at += usize::from(is_there);
        is_there
    }

    fn blank(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// One value with all that is in it.
    fn value(&mut self, depth_max: usize) -> Result<(), Flaw> {
        let mut open = Brackets::default();
        loop {
            match self.peek() {
                Some(b'"') => self.string()?,
                Some(bracket @ (b'{' | b'[')) => {
                    if open.count == depth_max {
                        return Err(Flaw::TooDeep);
                    }
                    self.at += 1;
                    self.blank();
                    let is_object = bracket == b'{';
                    if !self.take_if(if is_object { b'}' } else { b']' }) {
                        open.push(is_object);
                        if is_object {
                            self.name()?;
                        }
                        continue;
                    }
                }
                Some(b'-' | b'0'..=b'9') => self.number()?,
                Some(b't') => self.word(b"true")?,
                Some(b'f') => self.word(b"false")?,
                Some(b'n') => self.word(b"null")?,
                Some(_) | None => return Err(Flaw::Unsound),
            }
            while let Some(is_object) = open.last() {
                self.blank();
                match (self.next()?, is_object) {
                    (b'}', true) | (b']', false) => open.pop(),
                    (b',', _) => {
                        self.blank();
                        if is_object {
                            self.name()?;
                        }
                        break;
                    }
                    _ => return Err(Flaw::Unsound),
                }
            }
            if open.count == 0 {
                return Ok(());
            }
        }
    }

    /// A name and its colon, up to the value; where the name ends.
    fn name(&mut self) -> Result<usize, Flaw> {
        self.string()?;
        let end = self.at;
        self.blank();
        if self.next()? != b':' {
            return Err(Flaw::Unsound);
        }
        self.blank();
        Ok(end)
    }

    fn string(&mut self) -> Result<(), Flaw> {
        if self.next()? != b'"' {
            return Err(Flaw::Unsound);
        }
        loop {
            self.skip_plain();
            match self.next()? {
                b'"' => return Ok(()),
                b'\\' => self.escape()?,
                _control => return Err(Flaw::Unsound),
            }
        }
    }

    /// Goes on to the next byte that means something in a string: a quote, a backslash or a control character. Looks at eight
    /// bytes at once, since most strings are short; in a long one memchr looks at more.
    fn skip_plain(&mut self) {
        for _ in 0..Self::SHORT_EIGHTS {
            let Some(eight) = self.bytes[self.at..].first_chunk() else {
                break;
            };
            let plain_bytes = special_bytes(u64::from_le_bytes(*eight)).trailing_zeros() / 8;
            self.at += plain_bytes as usize;
            if plain_bytes < 8 {
                return;
            }
        }
        let rest = &self.bytes[self.at..];
        let plain_bytes = memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
        let is_control = |byte: &u8| *byte < 0x20;
        // Without an early end the compiler looks at many bytes at a time; that there is one is rare.
        let plain = &rest[..plain_bytes];
        let has_control = plain
            .iter()
            .fold(false, |found, byte| found | is_control(byte));
        self.at += match has_control {
            true => plain.iter().position(is_control).unwrap_or(plain_bytes),
            false => plain_bytes,
        };
    }

    fn escape(&mut self) -> Result<(), Flaw> {
        match self.next()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
            b'u' => {
                for _ in 0..4 {
                    if !self.next()?.is_ascii_hexdigit() {
                        return Err(Flaw::Unsound);
                    }
                }
            }
            _ => return Err(Flaw::Unsound),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), Flaw> {
        self.take_if(b'-');
        if !self.take_if(b'0') {
            self.digits()?;
        }
        if self.take_if(b'.') {
            self.digits()?;
        }
        if self.take_if(b'e') || self.take_if(b'E') {
            let _sign = self.take_if(b'+') || self.take_if(b'-');
            self.digits()?;
        }
        Ok(())
    }

    /// One digit at least.
    fn digits(&mut self) -> Result<(), Flaw> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        match self.at > start {
            true => Ok(()),
            false => Err(Flaw::Unsound),
        }
    }

    fn word(&mut self, word: &[u8]) -> Result<(), Flaw> {
        match self.bytes[self.at..].starts_with(word) {
            true => {
                self.at += word.len();
                Ok(())
            }
            false => Err(Flaw::Unsound),
        }
    }
}

/// Marks with its highest bit each of eight bytes that means something in a string; above the lowest mark there may be false
/// ones. A byte is below n if taking n from it borrows, and is n if it is below 1 once n is taken out of it bit by bit.
fn special_bytes(eight: u64) -> u64 {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHS: u64 = 0x80 * ONES;
    let below = |bytes: u64, bound: u64| bytes.wrapping_sub(bound * ONES) & !bytes & HIGHS;
    let equal = |byte: u8| below(eight ^ (u64::from(byte) * ONES), 1);
    below(eight, 0x20) | equal(b'"') | equal(b'\\')
}

/// The brackets that are open, a bit for each: whether it is an object's.
#[derive(Default)]
struct Brackets {
    innermost: u64,
    /// Those further out, 64 at a time.
    outer: Vec<u64>,
    count: usize,
}

impl Brackets {
    fn push(&mut self, is_object: bool) {
        if self.count > 0 && self.count.is_multiple_of(64) {
            self.outer.push(self.innermost);
        }
        self.innermost = self.innermost << 1 | u64::from(is_object);
        self.count += 1;
    }

    fn pop(&mut self) {
        self.innermost >>= 1;
        self.count -= 1;
        if self.count.is_multiple_of(64)
            && let Some(outer) = self.outer.pop()
        {
            self.innermost = outer;
        }
    }

    fn last(&self) -> Option<bool> {
        (self.count > 0).then_some(self.innermost & 1 == 1)
    }
}

/// Finds the values that stand one after the other in a text that was scanned before: members' names and values, or
/// elements. It only looks for where they end.
pub(super) struct Values<'a>(&'a str);

impl<'a> Values<'a> {
    /// Those inside the brackets of this value; none if it has none.
    pub(super) fn inside(raw: Raw<'a>) -> Values<'a> {
        Values(raw.0.strip_prefix(['{', '[']).unwrap_or_default())
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = Raw<'a>;

    fn next(&mut self) -> Option<Raw<'a>> {
        let is_between = |between| is_blank(between) || matches!(between, ',' | ':');
        let rest = self.0.trim_start_matches(is_between);
        let (value, rest) = rest.split_at_checked(value_bytes(rest.as_bytes())?)?;
        self.0 = rest;
        Some(Raw(value))
    }
}

fn is_blank(char: char) -> bool {
    matches!(char, ' ' | '\t' | '\n' | '\r')
}

/// How many bytes the value has that starts `text`. None if none starts there.
fn value_bytes(text: &[u8]) -> Option<usize> {
    match text.first()? {
        b'"' => string_bytes(text),
        b'{' | b'[' => {
            let (mut depth, mut at) = (0_usize, 0);
            loop {
                match text.get(at)? {
                    b'"' => {
                        at += string_bytes(&text[at..])?;
                        continue;
                    }
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' if depth == 1 => return Some(at + 1),
                    b'}' | b']' => depth -= 1,
                    _ => {}
                }
                at += 1;
            }
        }
        b'}' | b']' => None,
        _ => {
            let ends =
                |byte: &u8| is_blank(char::from(*byte)) || matches!(byte, b',' | b'}' | b']');
            Some(text.iter().position(ends).unwrap_or(text.len()))
        }
    }
}

/// How many bytes the string has that starts `text`, its quotes included.
fn string_bytes(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        match text[at] {
            b'"' => return Some(at + 1),
            _escape => at += 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::de::IgnoredAny;

    /// Sound and unsound texts of every kind.
    const TEXTS: &[&str] = &[
        "",
        " ",
        "{}",
        "[]",
        "{ }",
        "[ ]",
        "{]",
        "[}",
        "{",
        "}",
        "[",
        "]",
        "[1]",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1,2]",
        r#"{"a":1}"#,
        r#"{"a":1,}"#,
        r#"{,"a":1}"#,
        r#"{"a"}"#,
        r#"{"a":}"#,
        r#"{"a" 1}"#,
        r#"{a:1}"#,
        r#"{1:1}"#,
        r#"{"a":1 "b":2}"#,
        r#"{"a":1,"b":2}"#,
        r#" { "a" : [ { } , [ ] ] } "#,
        r#"{"a":{"b":[{"c":null}]}}"#,
        r#"{"a":1}x"#,
        r#"{"a":1}{"#,
        "nul",
        "null",
        "nulll",
        "true",
        "tru",
        "false",
        "fals",
        "True",
        "NaN",
        "0",
        "-0",
        "00",
        "01",
        "-",
        "-1",
        "+1",
        "1.",
        ".5",
        "1.5",
        "1e5",
        "1E+5",
        "1e-5",
        "1e",
        "1e+",
        "1.e5",
        "0e0",
        "1.5.5",
        "1-1",
        "0x1",
        r#""""#,
        r#"""#,
        r#""a"#,
        r#""\"#,
        r#""\""#,
        r#""\\""#,
        r#""\"""#,
        r#""\x""#,
        r#""\u""#,
        r#""\u12""#,
        r#""\u123g""#,
        r#""\ud800""#,
        r#""\u00e9é""#,
        r#""\/\b\f\n\r\t""#,
        "\"\t\"",
        "\"\u{7f}\"",
        "\"\u{0}\"",
        "\u{b}1",
        "\u{a0}1",
        "1\u{c}",
        "'a'",
        "[\"a\",\"b\\\"\",{\"c\":\"]\"}]",
        "{\"a\":1\n,\r\"b\"\t:2}",
        "[[[[[[[[]]]]]]]]",
        "[[[[[[[[]]]]]]]",
        "{\"a\":[}",
        "{\"a\":{\"b\":1]}",
        "//x",
        "1//x",
    ];

    #[test]
    fn the_same_is_sound_as_for_serde() {
        let check = |text: &str| {
            let sound = serde_json::from_str::<IgnoredAny>(text).is_ok();
            let scanned = scan(text, usize::MAX, |_, _| {});
            assert_eq!(scanned.is_ok(), sound, "{text:?}");
            if let Ok(raw) = scanned {
                assert_eq!(raw.get(), text.trim(), "{text:?}");
            }
        };
        for outer in TEXTS {
            check(outer);
            for inner in TEXTS {
                check(&format!("[{outer},{inner}]"));
                check(&format!("{{\"a\":{outer},\"b\":{inner}}}"));
                check(&format!("{outer}{inner}"));
            }
        }
        // One byte of a sound text at a time is another.
        let text = r#"{"a":[1.5e-3,{"b":"\u00e9\n"},true],"c":{},"d":null}"#;
        for at in 0..text.len() {
            for byte in 0..128_u8 {
                let mut bytes = text.as_bytes().to_vec();
                bytes[at] = byte;
                check(std::str::from_utf8(&bytes).expect("ASCII"));
            }
        }
    }

    #[test]
    fn the_first_byte_that_means_something_is_found() {
        for at in 0..100 {
            for length in at + 1..at + 20 {
                for byte in 0..=255_u8 {
                    let mut bytes = vec![b'a'; length];
                    bytes[at] = byte;
                    let mut scanner = Scanner {
                        bytes: &bytes,
                        at: 0,
                    };
                    scanner.skip_plain();
                    let is_special = byte < 0x20 || byte == b'"' || byte == b'\\';
                    assert_eq!(scanner.at, if is_special { at } else { length }, "{byte}");
                }
            }
        }
    }

    #[test]
    fn members_are_handed_out_as_they_are_written() {
        let text = r#" {"a": [1, {"x":2}] , "\u0062":"é\"}" ,"a":null}"#;
        let mut members = Vec::new();
        let raw = scan(text, 3, |name, value| members.push((name, value.get()))).expect("sound");
        let expected = [
            (r#""a""#, r#"[1, {"x":2}]"#),
            (r#""\u0062""#, r#""é\"}""#),
            (r#""a""#, "null"),
        ];
        assert_eq!(members, expected);
        let values: Vec<&str> = Values::inside(raw).map(Raw::get).collect();
        let flat = expected.map(|(name, value)| [name, value]).concat();
        assert_eq!(values, flat, "the second look finds the same");
    }

    #[test]
    fn depth_is_bounded_and_brackets_are_told_apart_at_any() {
        for depth in [1, 2, 63, 64, 65, 66, 127, 128, 129, 200] {
            let kinds: Vec<bool> = (0..depth).map(|level| level % 3 == 0).collect();
            let opening = |&is_object: &bool| if is_object { r#"{"a":"# } else { "[" };
            let closing = |&is_object: &bool| if is_object { '}' } else { ']' };
            let mut text: String = kinds.iter().map(opening).collect();
            text.push('5');
            text.extend(kinds.iter().rev().map(closing));
            assert!(scan(&text, depth, |_, _| {}).is_ok(), "{depth}");
            assert_eq!(scan(&text, depth - 1, |_, _| {}).err(), Some(Flaw::TooDeep));
            for level in 0..depth {
                let mut other = text.clone().into_bytes();
                let at = other.len() - 1 - level;
                other[at] = if other[at] == b'}' { b']' } else { b'}' };
                let other = String::from_utf8(other).expect("ASCII");
                assert_eq!(scan(&other, depth, |_, _| {}).err(), Some(Flaw::Unsound));
            }
        }
    }
}
