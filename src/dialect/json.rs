//! JSON as every dialect reads it: no further than it must be understood (step 4 of the message path).
//!
//! What is only forwarded stays a slice of the message (`RawValue`), and as in JavaScript the last field of a name counts,
//! which serde's derived structs would refuse. A *token* is a piece of JSON text that is compared: the same thing must
//! always be the same text, though JSON has many texts for one string or number.

use crate::hub::command::PeerFault;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// Makes a struct of the fields of a JSON object that a dialect knows, each as it came or absent; others are read over,
/// and of several with one name the last counts.
macro_rules! known_fields {
    ($(#[$doc:meta])* $vis:vis struct $name:ident { $($field:ident: $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        $vis struct $name<'a> {
            $($vis $field: Option<&'a serde_json::value::RawValue>,)+
        }

        impl<'de: 'a, 'a> serde::Deserialize<'de> for $name<'a> {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                #[derive(serde::Deserialize)]
                #[serde(field_identifier)]
                #[allow(non_camel_case_types)]
                enum Field {
                    $(#[serde(rename = $text)] $field,)+
                    #[serde(other)]
                    Other_,
                }
                struct Fields;
                impl<'de> serde::de::Visitor<'de> for Fields {
                    type Value = $name<'de>;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an object")
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(
                        self,
                        mut map: A,
                    ) -> Result<Self::Value, A::Error> {
                        let mut fields = $name::default();
                        while let Some(field) = map.next_key()? {
                            let place = match field {
                                $(Field::$field => &mut fields.$field,)+
                                Field::Other_ => {
                                    map.next_value::<serde::de::IgnoredAny>()?;
                                    continue;
                                }
                            };
                            *place = Some(map.next_value()?);
                        }
                        Ok(fields)
                    }
                }
                deserializer.deserialize_map(Fields)
            }
        }
    };
}
pub(super) use known_fields;

/// A JSON object in the order of its fields, their names as tokens. An array is none, and a name may come twice: what
/// serde derives for a struct would take the one and refuse the other.
pub(super) struct Fields<'a>(pub(super) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Fields<'a> {
    /// The field of this name, which needs no escape; as in JavaScript the last one counts. O(fields).
    pub(super) fn last(&self, name: &str) -> Option<&'a RawValue> {
        let named = |field: &&(Cow<'a, str>, _)| field.0[1..field.0.len() - 1] == *name;
        self.0.iter().rev().find(named).map(|field| field.1)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(name) = map.next_key::<&RawValue>()? {
                    let name = canonical(name).unwrap_or(Cow::Borrowed(name.get()));
                    fields.push((name, map.next_value()?));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(All)
    }
}

/// The values of the members that have these names (tokens), of several with one name the last, as in JavaScript. What is
/// read was checked when it was read as a part of its message: this only looks for where its members end, which is quick
/// and allocates nothing. None of anything but an object.
pub(super) fn last_members<'a, const N: usize>(
    object: &'a RawValue,
    names: [&str; N],
) -> [Option<&'a str>; N] {
    let mut found = [None; N];
    let mut members = Members(object.get().strip_prefix('{').unwrap_or_default());
    while let Some((name, value)) = members.next_member() {
        let has_name = |wanted: &&str| match name.contains('\\') {
            false => name == *wanted,
            true => canonical_text(name).is_some_and(|name| name == *wanted),
        };
        if let Some(place) = names.iter().position(|wanted| has_name(&wanted)) {
            found[place] = Some(value);
        }
    }
    found
}

/// What is left of an object's text after its bracket or one of its members.
struct Members<'a>(&'a str);

impl<'a> Members<'a> {
    /// The next member's name and value, as they are written.
    fn next_member(&mut self) -> Option<(&'a str, &'a str)> {
        let name = self.next_value()?;
        Some((name, self.next_value()?))
    }

    fn next_value(&mut self) -> Option<&'a str> {
        let is_between = |between: char| matches!(between, ' ' | '\t' | '\r' | '\n' | ',' | ':');
        let rest = self.0.trim_start_matches(is_between);
        let (value, rest) = rest.split_at_checked(value_bytes(rest.as_bytes())?)?;
        self.0 = rest;
        Some(value)
    }
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
                |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n');
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

/// What is wrong, in no more than 200 characters: serde quotes a string that it did not expect, however long it is.
pub(super) fn cut(error: &serde_json::Error) -> String {
    error.to_string().chars().take(200).collect()
}

/// The fault of a text that is no JSON object.
pub(super) fn no_object(error: &serde_json::Error) -> PeerFault {
    PeerFault::new("E_NOTJSON", format!("no JSON object: {}", cut(error)))
}

/// Whether arrays and objects in `text` are nested more than `max` levels deep. Counts openers first, which is quick
/// and settles it for nearly every message.
pub(super) fn nests_deeper(text: &str, max: usize) -> bool {
    if memchr::memchr2_iter(b'{', b'[', text.as_bytes())
        .nth(max)
        .is_none()
    {
        return false;
    }
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > max {
            return true;
        }
    }
    false
}

/// The one form of a JSON scalar: a string without needless escapes, a number as JavaScript writes it. A string with a
/// lone surrogate has no other form than its own and stays as it is. None for arrays and objects.
pub(super) fn canonical(raw: &RawValue) -> Option<Cow<'_, str>> {
    canonical_text(raw.get())
}

fn canonical_text(text: &str) -> Option<Cow<'_, str>> {
    match text.as_bytes()[0] {
        b'"' if !text.contains('\\') => Some(Cow::Borrowed(text)),
        b'"' => Some(match serde_json::from_str::<String>(text) {
            Ok(string) => Cow::Owned(quote(&string)),
            Err(_lone_surrogate) => Cow::Borrowed(text),
        }),
        b'{' | b'[' => None,
        b't' | b'f' | b'n' => Some(Cow::Borrowed(text)),
        _ => Some(number(text)),
    }
}

/// Appends `text` as a JSON string. Nearly every id and key needs no escape.
pub(super) fn write_string(text: &str, out: &mut Vec<u8>) {
    let needs_escape = |byte: u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
    if text.bytes().any(needs_escape) {
        serde_json::to_writer(out, text).expect("a vector takes all that is written");
    } else {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    }
}

/// `text` as a JSON string.
pub(super) fn quote(text: &str) -> String {
    serde_json::to_string(text).expect("a string can be written as JSON")
}

/// A plain text: a string as it reads, a number as its decimal text. None for anything else, and for a string that is no
/// Unicode text (a lone surrogate).
pub(super) fn plain(raw: &RawValue) -> Option<Cow<'_, str>> {
    let text = raw.get();
    match text.as_bytes()[0] {
        b'"' if !text.contains('\\') => Some(Cow::Borrowed(&text[1..text.len() - 1])),
        b'"' => serde_json::from_str(text).ok().map(Cow::Owned),
        b'-' | b'0'..=b'9' => Some(number(text)),
        _ => None,
    }
}

/// Whether JavaScript takes the value for true.
pub(super) fn truthy(raw: &RawValue) -> bool {
    match raw.get() {
        "false" | "null" | "\"\"" => false,
        text if text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) => {
            text.parse::<f64>() != Ok(0.0)
        }
        _ => true,
    }
}

/// Whether there is a value: present and not null.
pub(super) fn present(raw: Option<&RawValue>) -> Option<&RawValue> {
    raw.filter(|raw| raw.get() != "null")
}

fn number(text: &str) -> Cow<'_, str> {
    // Below 2^53 the digits of an integer are its only form without exponent.
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.len() <= 15 && digits != "0" && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Cow::Borrowed(text);
    }
    match text.parse::<f64>() {
        Ok(0.0) => Cow::Borrowed("0"),
        Ok(number) if number.is_finite() => Cow::Owned(format!("{number}")),
        _ => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.into()).expect("JSON")
    }

    #[test]
    fn one_thing_has_one_form() {
        for (text, form) in [
            (r#""a""#, Some(r#""a""#)),
            (r#""\u0061""#, Some(r#""a""#)),
            (r#""\/""#, Some(r#""/""#)),
            (r#""\n""#, Some(r#""\n""#)),
            (r#""\ud800""#, Some(r#""\ud800""#)),
            ("5", Some("5")),
            ("5.0", Some("5")),
            ("5e0", Some("5")),
            ("-0", Some("0")),
            ("0.10", Some("0.1")),
            ("true", Some("true")),
            ("[]", None),
            ("{}", None),
        ] {
            assert_eq!(canonical(&raw(text)).as_deref(), form, "{text}");
        }
    }

    #[test]
    fn members_are_found_as_serde_finds_them() {
        let values = [
            r#""a""#,
            r#""\\""#,
            r#""\"}""#,
            r#""{[""#,
            "5",
            "-1.5e3",
            "true",
            "null",
            "{}",
            "[]",
            r#"{"channel":"inner","x":["]}",{"message":1}]}"#,
            r#"[[],{"a":[1,"\\\""]}]"#,
        ];
        let names = ["channel", "message", r"\u0063hannel", "x", "", r#"\""#];
        for (round, value) in values.iter().enumerate() {
            for (nth, name) in names.iter().enumerate() {
                let other = values[(round + 5 * nth + 1) % values.len()];
                let more = names[(round + nth) % names.len()];
                for text in [
                    format!(r#"{{"{name}":{value}}}"#),
                    format!("{{ \"{name}\"\t:\r\n{value} ,\n\"{more}\" : {other}\n}}"),
                    format!(r#"{{"{more}":{other},"{name}":{value},"channel":"last"}}"#),
                ] {
                    let object = raw(&text);
                    let fields: Fields<'_> = serde_json::from_str(&text).expect("an object");
                    let expected = ["channel", "message"].map(|name| fields.last(name));
                    let found = last_members(&object, [r#""channel""#, r#""message""#]);
                    assert_eq!(
                        found,
                        expected.map(|value| value.map(RawValue::get)),
                        "{text}"
                    );
                }
            }
        }
        for text in [r#"["channel",1]"#, r#""channel""#, "5", "null", "{}"] {
            assert_eq!(last_members(&raw(text), [r#""channel""#]), [None], "{text}");
        }
    }

    #[test]
    fn ids_are_strings_and_numbers_read_as_text() {
        for (text, form) in [
            (r#""a""#, Some("a")),
            (r#""\u0061""#, Some("a")),
            (r#""\ud800""#, None),
            ("5", Some("5")),
            ("5.0", Some("5")),
            ("true", None),
            ("{}", None),
            ("null", None),
        ] {
            assert_eq!(plain(&raw(text)).as_deref(), form, "{text}");
        }
    }

    #[test]
    fn truth_is_that_of_javascript() {
        for text in ["false", "null", "0", "-0", "0.0", "0e5", "1e-999", "\"\""] {
            assert!(!truthy(&raw(text)), "{text}");
        }
        for text in ["true", "1", "-1", "0.1", "\"0\"", "\"false\"", "[]", "{}"] {
            assert!(truthy(&raw(text)), "{text}");
        }
    }
}
