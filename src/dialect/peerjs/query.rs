//! What the URL of a PeerJS client says: its query, read as browsers write forms, and the parts of its path.
//!
//! Never fails: what is no proper escape stands for itself, and bytes that are no UTF-8 become U+FFFD, as with the
//! `URLSearchParams` of PeerServer.

use std::borrow::Cow;

/// What a client asks for when it opens its WebSocket. What is empty counts as missing.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Asked<'a> {
    /// The id it wants.
    pub id: Option<Cow<'a, str>>,
    /// The secret by which it is known again.
    pub token: Option<Cow<'a, str>>,
    /// The key of its world.
    pub key: Option<Cow<'a, str>>,
}

impl<'a> Asked<'a> {
    /// Reads a query; of several parameters with one name the last counts. O(bytes).
    pub fn read(query: &'a str) -> Asked<'a> {
        let mut asked = Asked::default();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let place = match &*decode_form(name) {
                "id" => &mut asked.id,
                "token" => &mut asked.token,
                "key" => &mut asked.key,
                _ => continue,
            };
            *place = Some(decode_form(value)).filter(|value| !value.is_empty());
        }
        asked
    }
}

/// Undoes the escapes of a form's name or value, in which `+` is a space.
pub fn decode_form(text: &str) -> Cow<'_, str> {
    unescape(text, true)
}

/// Undoes the escapes of a part of a path.
pub fn decode_part(text: &str) -> Cow<'_, str> {
    unescape(text, false)
}

fn unescape(text: &str, plus_is_space: bool) -> Cow<'_, str> {
    let is_special = |byte: u8| byte == b'%' || plus_is_space && byte == b'+';
    if !text.bytes().any(is_special) {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = match (first, after) {
            (b'%', [high, low, ..]) => digit(*high).zip(digit(*low)),
            _ => None,
        };
        rest = after;
        match escaped {
            Some((high, low)) => {
                bytes.push(high << 4 | low);
                rest = &after[2..];
            }
            None if first == b'+' && plus_is_space => bytes.push(b' '),
            None => bytes.push(first),
        }
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries() {
        let cases: [(&str, [Option<&str>; 3]); 10] = [
            ("", [None, None, None]),
            (
                "key=k&id=a&token=t&version=1.5.5",
                [Some("a"), Some("t"), Some("k")],
            ),
            ("id=a&id=b", [Some("b"), None, None]),
            ("id=a&id=", [None, None, None]),
            ("id=a&id", [None, None, None]),
            ("id=a+b%20c", [Some("a b c"), None, None]),
            ("i%64=%C3%a4%", [Some("\u{e4}%"), None, None]),
            ("id=%zz%f", [Some("%zz%f"), None, None]),
            ("id=%ff&&token==", [Some("\u{fffd}"), Some("="), None]),
            ("ID=a&key=%00", [None, None, Some("\0")]),
        ];
        for (query, expected) in cases {
            let asked = Asked::read(query);
            let found = [&asked.id, &asked.token, &asked.key].map(Option::as_deref);
            assert_eq!(found, expected, "{query}");
        }
    }

    #[test]
    fn a_plus_in_a_path_is_a_plus() {
        assert_eq!(decode_part("a+b%2fc"), "a+b/c");
        assert_eq!(decode_form("a+b%2Fc"), "a b/c");
    }
}
