//! Text ↔ values, for texts: what a setting that is a word, a name, a path or a URL may look like.
//!
//! Problems are worded to follow the setting's name, as everywhere in this room.

use super::value::quote;

/// What one text of a setting looks like.
#[derive(Debug)]
pub struct Word {
    /// What stands for it in the help.
    pub placeholder: &'static str,
    /// Says what is wrong with a text and what would be right.
    pub check: fn(&str) -> Result<(), String>,
}

/// A key of PeerJS: it stands in paths.
pub(super) const KEY: Word = Word {
    placeholder: "KEY",
    check: |text| match !text.is_empty() && text.bytes().all(is_plain) {
        true => Ok(()),
        false => Err(format!(
            "{} is not a key: write letters, digits, - and _",
            quote(text)
        )),
    },
};

/// The path below which a dialect lies.
pub(super) const PATH: Word = Word {
    placeholder: "PATH",
    check: |text| {
        let parts = text.strip_prefix('/');
        let is_path = |parts: &str| {
            parts.is_empty()
                || parts.split('/').all(|part| {
                    !part.is_empty()
                        && part != "."
                        && part != ".."
                        && part.bytes().all(|byte| is_plain(byte) || byte == b'.')
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
    check: |text| match text.trim().is_empty() {
        false => Ok(()),
        true => Err("is empty: write a name such as hub".to_owned()),
    },
};

/// A file that may not be there yet.
pub(super) const FILE: Word = Word {
    placeholder: "FILE",
    check: |text| match text.is_empty() {
        false => Ok(()),
        true => Err("is empty: write the path of a file, or leave it out".to_owned()),
    },
};

/// A JSON text.
pub(super) const JSON: Word = Word {
    placeholder: "JSON",
    check: |text| match serde_json::from_str::<serde::de::IgnoredAny>(text) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("{} is not JSON: {error}", quote(text))),
    },
};

/// The id of a relay node.
pub(super) const NODE_ID: Word = Word {
    placeholder: "HEX",
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
    check: |text| match is_url(text, &["ws://"]) {
        true => Ok(()),
        false => Err(format!(
            "{} is not the URL of a WebSocket without TLS: write for example ws://relay.example.org:8000/",
            quote(text)
        )),
    },
};

fn is_url(text: &str, schemes: &[&str]) -> bool {
    let rest = schemes.iter().find_map(|scheme| text.strip_prefix(scheme));
    rest.is_some_and(|rest| {
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        !host.is_empty() && rest.bytes().all(|byte| byte.is_ascii_graphic())
    })
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}
