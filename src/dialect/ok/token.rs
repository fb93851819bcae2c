//! JSON texts as the hub's tokens: the same thing must always be the same text.
//!
//! JSON has many texts for one string or number; clients read a text and write their own for it. Only what the hub
//! compares is brought into one form (tags, channel and property names, message ids); contents stay as they came.

use serde_json::value::RawValue;
use std::borrow::Cow;

/// The one form of a JSON scalar: a string without needless escapes, a number as JavaScript writes it. A string with a
/// lone surrogate has no other form than its own and stays as it is. None for arrays and objects.
pub(super) fn canonical(raw: &RawValue) -> Option<Cow<'_, str>> {
    let text = raw.get();
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
        // Nothing but a number can be read as one, so all else is no zero.
        text => text.parse::<f64>() != Ok(0.0),
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
