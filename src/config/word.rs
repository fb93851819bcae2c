//! Text ↔ values, for texts: what a setting that is a word, a name, a path or a URL may look like.
//!
//! Problems are worded to follow the setting's name, as everywhere in this room.

use super::origin::{Origins, read_host, read_port};
use super::proxies::Proxies;
use super::value::quote;

/// What one text of a setting looks like.
#[derive(Clone, Copy, Debug)]
pub struct Word {
    /// What stands for it in the help.
    pub placeholder: &'static str,
    /// The one form of the many in which a person may write the same.
    pub read: fn(&str) -> String,
    /// Says what is wrong with a text and what would be right.
    pub check: fn(&str) -> Result<(), String>,
}

/// A key of PeerJS: it stands in paths, and in queries, into which clients write it as it is. PeerServer takes any text.
pub(super) const KEY: Word = Word {
    placeholder: "KEY",
    read: trimmed,
    check: |text| match !matches!(text, "" | "." | "..") && text.bytes().all(is_path_byte) {
        true => Ok(()),
        false => Err(format!(
            "{} is not a key: write letters, digits and - _ . ~ ! $ ' ( ) * ; : @ =",
            quote(text)
        )),
    },
};

/// The path below which a dialect lies. PeerServer takes one with a slash at its end too.
pub(super) const PATH: Word = Word {
    placeholder: "PATH",
    read: |text| match text.trim() {
        "" => String::new(),
        text => format!("/{}", text.trim_start_matches('/').trim_end_matches('/')),
    },
    check: |text| {
        let parts = text.strip_prefix('/');
        let is_path = |parts: &str| {
            parts.is_empty()
                || parts.split('/').all(|part| {
                    !part.is_empty()
                        && part != "."
                        && part != ".."
                        && part.bytes().all(is_path_byte)
                })
        };
        match parts.is_some_and(is_path) {
            true => Ok(()),
            false => Err(format!("{} is not a path: write / or /myapp", quote(text))),
        }
    },
};

/// The name of a member of a mesh.
pub(super) const NAME: Word = Word {
    placeholder: "NAME",
    read: trimmed,
    check: |text| match text.trim().is_empty() {
        false => Ok(()),
        true => Err("is empty: write a name such as hub".to_owned()),
    },
};

/// A file that may not be there yet.
pub(super) const FILE: Word = Word {
    placeholder: "FILE",
    read: str::to_owned,
    check: |text| match text.is_empty() {
        false => Ok(()),
        true => Err("is empty: write the path of a file, or leave it out".to_owned()),
    },
};

/// What may be dropped first for a slow reader.
pub(super) const DROPPABLE: Word = Word {
    placeholder: "KIND",
    read: |text| text.trim().to_ascii_lowercase(),
    check: |text| match matches!(
        text,
        "nudges" | "debout" | "messages" | "notifies" | "relayed" | "none"
    ) {
        true => Ok(()),
        false => Err(format!(
            "{} may not be dropped: write nudges, debout, messages, notifies, relayed or none",
            quote(text)
        )),
    },
};

/// What a claim of a token must be.
pub(super) const CLAIM: Word = Word {
    placeholder: "TEXT",
    read: trimmed,
    check: |text| match text.is_empty() {
        false => Ok(()),
        true => Err("is empty: write what the claim must be, or leave it out".to_owned()),
    },
};

/// A JSON text on one line, since it goes out as part of one. In JSON, line breaks stand only where spaces may.
pub(super) const JSON: Word = Word {
    placeholder: "JSON",
    read: |text| match is_json(text) {
        Ok(()) => text.trim().replace(['\r', '\n'], " "),
        Err(_) => text.to_owned(),
    },
    check: |text| match is_json(text) {
        Ok(()) if text.contains(['\r', '\n']) => {
            Err("has a line break: write the JSON on one line".to_owned())
        }
        Ok(()) => Ok(()),
        Err(error) => Err(format!(
            "{} is not JSON: {error}: write for example {{\"round\":1}}",
            quote(text)
        )),
    },
};

/// The id of a relay node.
pub(super) const NODE_ID: Word = Word {
    placeholder: "HEX",
    read: |text| text.trim().to_ascii_lowercase(),
    check: |text| match text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => Ok(()),
        false => Err(format!(
            "{} is not a node's id: write 40 hexadecimal digits",
            quote(text)
        )),
    },
};

/// The URL of a WebSocket that others reach, by TLS or not.
pub(super) const PUBLIC_URL: Word = Word {
    placeholder: "URL",
    read: trimmed,
    check: |text| match is_url(text, &["ws://", "wss://"]) {
        true => Ok(()),
        false => Err(format!(
            "{} is not the URL of a WebSocket: write for example ws://hub.example.org:3007/peer-relay",
            quote(text)
        )),
    },
};

/// The URL of a WebSocket that the hub itself connects to.
pub(super) const NODE_URL: Word = Word {
    placeholder: "URL",
    read: trimmed,
    check: |text| match is_url(text, &["ws://"]) {
        true => Ok(()),
        false => Err(format!(
            "{} is not the URL of a WebSocket without TLS: write for example ws://relay.example.org:8000/",
            quote(text)
        )),
    },
};

/// An origin of pages, or those of all subdomains.
pub(super) const ORIGIN: Word = Word {
    placeholder: "ORIGIN",
    read: trimmed,
    check: |text| Origins::new(&[text.to_owned()]).map(drop),
};

/// An address, or a range of addresses.
pub(super) const NETWORK: Word = Word {
    placeholder: "ADDR|RANGE",
    read: trimmed,
    check: |text| Proxies::new(&[text.to_owned()]).map(drop),
};

fn trimmed(text: &str) -> String {
    text.trim().to_owned()
}

fn is_json(text: &str) -> Result<(), serde_json::Error> {
    serde_json::from_str::<serde::de::IgnoredAny>(text).map(drop)
}

/// Whether this is an absolute URL of one of these schemes: a host, perhaps a port, and what may follow but for a fragment,
/// which WebSockets have none of. Without commas, which part the URLs of a list, and without what must be escaped.
fn is_url(text: &str, schemes: &[&str]) -> bool {
    let rest = schemes.iter().find_map(|scheme| text.strip_prefix(scheme));
    rest.is_some_and(|rest| {
        let place_end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (place, target) = rest.split_at(place_end);
        let port_start = place
            .rfind(':')
            .filter(|colon| !place[*colon..].contains(']'));
        let (host, port) = place.split_at(port_start.unwrap_or(place.len()));
        let is_letter = |byte: u8| byte.is_ascii_graphic() && !b"#,\"\\<>^`{|}".contains(&byte);
        read_host(host).is_some()
            && (port.is_empty() || read_port(&port[1..]).is_some())
            && target.bytes().all(is_letter)
    })
}

/// Whether a byte stands for itself in the parts of a path (RFC 3986, `pchar`) and in the value of a query: so not `%`, `&`
/// and `+`. Nor the comma, which in variables stands between several texts.
fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.~!$'()*;:@=".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A word, texts with what is read of them, and texts that are refused.
    type Case<'a> = (&'a Word, &'a [(&'a str, &'a str)], &'a [&'a str]);

    #[test]
    fn words_and_what_they_refuse() {
        let cases: [Case<'_>; 9] = [
            (
                &KEY,
                &[
                    ("peerjs", "peerjs"),
                    (" a-B_9 ", "a-B_9"),
                    ("v1.2~x", "v1.2~x"),
                    ("!$'()*;:@=", "!$'()*;:@="),
                ],
                &[
                    "", "a b", "a/b", "ä", "a%20b", ".", "..", "a&b", "a+b", "a,b", "a\"b", "{a}",
                ],
            ),
            (
                &PATH,
                &[
                    ("/", "/"),
                    ("//", "/"),
                    ("/myapp", "/myapp"),
                    ("/myapp/", "/myapp"),
                    ("myapp", "/myapp"),
                    ("/my/app.v1", "/my/app.v1"),
                    ("/~ann/@my:app", "/~ann/@my:app"),
                ],
                &["", " ", "/a//b", "/a/../b", "/.", "/a b", "/a?b", "/ä"],
            ),
            (&NAME, &[(" hub ", "hub"), ("ä b", "ä b")], &["", "  "]),
            (&FILE, &[("/a b/c", "/a b/c")], &[""]),
            (
                &DROPPABLE,
                &[
                    ("nudges", "nudges"),
                    (" Debout", "debout"),
                    ("none", "none"),
                ],
                &["", "presence", "nudges debout"],
            ),
            (
                &JSON,
                &[
                    ("{\"a\":1}", "{\"a\":1}"),
                    ("{\n\t\"a\":\r\n[]}\n", "{ \t\"a\":  []}"),
                    ("0", "0"),
                ],
                &["", "{", "{} {}", "\"a\nb\"", "undefined"],
            ),
            (
                &NODE_ID,
                &[(
                    "0123456789ABCDEF0123456789abcdef01234567",
                    "0123456789abcdef0123456789abcdef01234567",
                )],
                &["", "0123", "g123456789abcdef0123456789abcdef01234567"],
            ),
            (
                &PUBLIC_URL,
                &[
                    ("wss://hub.example.org", "wss://hub.example.org"),
                    (
                        "ws://[::1]:80/peer-relay?a=b",
                        "ws://[::1]:80/peer-relay?a=b",
                    ),
                ],
                &["http://hub.example.org", "hub.example.org", "wss://"],
            ),
            (
                &NODE_URL,
                &[
                    (
                        "ws://relay.example.org:8000/",
                        "ws://relay.example.org:8000/",
                    ),
                    ("ws://192.0.2.1", "ws://192.0.2.1"),
                    ("ws://[2001:db8::1]/", "ws://[2001:db8::1]/"),
                ],
                &[
                    "wss://relay.example.org/",
                    "ws:///",
                    "ws://relay.example.org:0/",
                    "ws://relay.example.org:65536/",
                    "ws://relay.example.org:/",
                    "ws://relay.example.org:http/",
                    "ws://user@relay.example.org/",
                    "ws://2001:db8::1/",
                    "ws://[2001:db8::1/",
                    "ws://relay.example.org/#top",
                    "ws://relay.example.org/a,b",
                    "ws://relay.example.org/\"",
                    "ws://relay.example.org/\\",
                    "ws://relay.example.org/a b",
                ],
            ),
        ];
        for (word, good, bad) in cases {
            for (text, read) in good {
                assert_eq!((word.read)(text), *read, "{text:?}");
                assert_eq!((word.check)(read), Ok(()), "{text:?}");
            }
            for text in bad {
                let problem = (word.check)(&(word.read)(text)).expect_err(text);
                assert!(
                    problem.contains("write") && !problem.contains('\n'),
                    "{problem}"
                );
            }
        }
    }
}
