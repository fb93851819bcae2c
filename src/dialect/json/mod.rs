//! JSON as every dialect reads it: no further than it must be understood (step 4 of the message path).
//!
//! What is only forwarded stays a slice of the message ([`Raw`]), and as in JavaScript the last field of a name counts,
//! which serde's derived structs would refuse. `scan` finds out whether a text is sound, once for each message; serde_json
//! turns what must be understood into values. A *token* is a piece of JSON text that is compared: the same thing must
//! always be the same text, though JSON has many texts for one string or number.

mod scan;

pub(super) use scan::{Flaw, scan};

use crate::hub::command::PeerFault;
use scan::Values;
use serde::de::IgnoredAny;
use std::borrow::Cow;

/// A part of a message that is one JSON value, as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raw<'a>(&'a str);

impl<'a> Raw<'a> {
    /// The text.
    pub fn get(self) -> &'a str {
        self.0
    }

    /// The elements, if it is an array.
    pub(super) fn elements(self) -> Option<impl Iterator<Item = Raw<'a>>> {
        self.0.starts_with('[').then(|| Values::inside(self))
    }

    /// The members, if it is an object: their names (tokens) and values.
    pub(super) fn members(self) -> Option<impl Iterator<Item = (Raw<'a>, Raw<'a>)>> {
        let mut values = Values::inside(self);
        let members = std::iter::from_fn(move || Some((values.next()?, values.next()?)));
        self.0.starts_with('{').then_some(members)
    }
}

/// Makes a struct of the fields of a JSON object that a dialect knows, each as it came or absent; others are read over,
/// and of several with one name the last counts.
macro_rules! known_fields {
    ($(#[$doc:meta])* $vis:vis struct $name:ident { $($field:ident: $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        $vis struct $name<'a> {
            $($vis $field: Option<$crate::dialect::json::Raw<'a>>,)+
        }

        impl<'a> $name<'a> {
            fn set(&mut self, name: &str, value: $crate::dialect::json::Raw<'a>) {
                match name {
                    $(concat!("\"", $text, "\"") => self.$field = Some(value),)+
                    _ => {
                        if let Some(plain) = $crate::dialect::json::unescaped(name) {
                            self.set(&plain, value);
                        }
                    }
                }
            }

            /// Reads a message. O(bytes).
            ///
            /// # Errors
            /// The peer's: it is no JSON object, or nested deeper than that.
            #[allow(dead_code, reason = "some are a message and some a part of one")]
            $vis fn read(
                text: &'a str,
                depth_max: usize,
            ) -> Result<Self, $crate::hub::command::PeerFault> {
                let mut fields = $name::default();
                let raw = $crate::dialect::json::scan(text, depth_max, |name, value| {
                    fields.set(name, value);
                });
                $crate::dialect::json::object_or_fault(text, depth_max, raw)?;
                Ok(fields)
            }

            /// The fields of a part of a message; none if it is no object.
            #[allow(dead_code, reason = "some are a message and some a part of one")]
            $vis fn of(raw: $crate::dialect::json::Raw<'a>) -> Option<Self> {
                let mut fields = $name::default();
                for (name, value) in raw.members()? {
                    fields.set(name.get(), value);
                }
                Some(fields)
            }
        }
    };
}
pub(super) use known_fields;

/// A name (token) that is written with escapes without those that it does not need; none if it has none of them.
pub(super) fn unescaped(name: &str) -> Option<String> {
    match canonical(Raw(name)) {
        Some(Cow::Owned(token)) if token != name => Some(token),
        Some(Cow::Owned(_) | Cow::Borrowed(_)) | None => None,
    }
}

/// A JSON object in the order of its fields, their names as tokens; a name may come twice.
pub(super) struct Fields<'a>(pub(super) Vec<(Cow<'a, str>, Raw<'a>)>);

impl<'a> Fields<'a> {
    /// The fields of a part of a message; none if it is no object.
    pub(super) fn of(raw: Raw<'a>) -> Option<Fields<'a>> {
        let token = |name: Raw<'a>| canonical(name).unwrap_or(Cow::Borrowed(name.0));
        let fields = raw.members()?.map(|(name, value)| (token(name), value));
        Some(Fields(fields.collect()))
    }

    /// The field of this name, which needs no escape; as in JavaScript the last one counts. O(fields).
    pub(super) fn last(&self, name: &str) -> Option<Raw<'a>> {
        let named = |field: &&(Cow<'a, str>, _)| field.0[1..field.0.len() - 1] == *name;
        self.0.iter().rev().find(named).map(|field| field.1)
    }
}

/// Whether what a scan has found is an object, and what is wrong if not.
pub(super) fn object_or_fault<'a>(
    text: &str,
    depth_max: usize,
    scanned: Result<Raw<'a>, Flaw>,
) -> Result<Raw<'a>, PeerFault> {
    match scanned {
        Ok(raw) if raw.0.starts_with('{') => Ok(raw),
        Ok(_) => Err(PeerFault::new(
            "E_NOTJSON",
            "no JSON object: it is another kind of value",
        )),
        Err(Flaw::TooDeep) => {
            let text = format!("JSON may be nested {depth_max} levels deep");
            Err(PeerFault::new("E_TOODEEP", text))
        }
        Err(Flaw::Unsound) => {
            // serde_json has words for it.
            let error = serde_json::from_str::<IgnoredAny>(text).err();
            let words = error.map_or_else(String::new, |error| error.to_string());
            Err(PeerFault::new(
                "E_NOTJSON",
                format!("no JSON object: {words}"),
            ))
        }
    }
}

/// The one form of a JSON scalar: a string without needless escapes, a number as JavaScript writes it. A string with a
/// lone surrogate has no other form than its own and stays as it is. None for arrays and objects.
pub(super) fn canonical(Raw(text): Raw<'_>) -> Option<Cow<'_, str>> {
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
pub(super) fn plain(Raw(text): Raw<'_>) -> Option<Cow<'_, str>> {
    match text.as_bytes()[0] {
        b'"' if !text.contains('\\') => Some(Cow::Borrowed(&text[1..text.len() - 1])),
        b'"' => serde_json::from_str(text).ok().map(Cow::Owned),
        b'-' | b'0'..=b'9' => Some(number(text)),
        _ => None,
    }
}

/// Whether JavaScript takes the value for true.
pub(super) fn truthy(raw: Raw<'_>) -> bool {
    match raw.0 {
        "false" | "null" | "\"\"" => false,
        text if text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) => {
            text.parse::<f64>() != Ok(0.0)
        }
        _ => true,
    }
}

/// Whether there is a value: present and not null.
pub(super) fn present(raw: Option<Raw<'_>>) -> Option<Raw<'_>> {
    raw.filter(|raw| raw.0 != "null")
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
            assert_eq!(canonical(Raw(text)).as_deref(), form, "{text}");
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
            assert_eq!(plain(Raw(text)).as_deref(), form, "{text}");
        }
    }

    #[test]
    fn truth_is_that_of_javascript() {
        for text in ["false", "null", "0", "-0", "0.0", "0e5", "1e-999", "\"\""] {
            assert!(!truthy(Raw(text)), "{text}");
        }
        for text in ["true", "1", "-1", "0.1", "\"0\"", "\"false\"", "[]", "{}"] {
            assert!(truthy(Raw(text)), "{text}");
        }
    }
}
