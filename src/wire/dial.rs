//! The client's half of the WebSocket opening handshake: where to, what to ask, and whether the answer is one.
//!
//! Beside step 3 of the message path, for connections that the hub itself opens. The rules are those of RFC 6455 section
//! 4.1. Must not: follow redirections, or speak TLS.

use super::http::find_end;
use super::response::write_field;
use std::fmt;
use tungstenite::handshake::derive_accept_key;

/// Where a `ws://` URL leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// A name or an IP address, one of IPv6 without its brackets.
    pub host: Box<str>,
    /// The TCP port.
    pub port: u16,
    /// Path and query.
    path: Box<str>,
}

/// Why a URL leads nowhere, or an answer opens no WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DialFault {
    /// The URL is not one of a WebSocket without TLS.
    Url,
    /// The answer is not HTTP, or its head is too large.
    NotHttp,
    /// The answer has another status than 101.
    Status(u16),
    /// The answer's status is 101, but the rest does not open the WebSocket that was asked for.
    Handshake,
}

/// A URL above this is nobody's.
const URL_BYTES_MAX: usize = 2048;

impl Target {
    /// Reads a URL: `ws://host`, perhaps with a port, a path and a query.
    ///
    /// # Errors
    /// [`DialFault::Url`] for anything else.
    pub fn parse(url: &str) -> Result<Target, DialFault> {
        let rest = url.strip_prefix("ws://").ok_or(DialFault::Url)?;
        let is_plain = rest.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_plain || url.len() > URL_BYTES_MAX {
            return Err(DialFault::Url);
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (host, port) = match authority.strip_prefix('[') {
            Some(bracketed) => {
                let (host, port) = bracketed.split_once(']').ok_or(DialFault::Url)?;
                host.parse::<std::net::Ipv6Addr>()
                    .map_err(|_| DialFault::Url)?;
                (host, port)
            }
            None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        };
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => 80,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().map_err(|_| DialFault::Url)?
            }
            None | Some(_) => return Err(DialFault::Url),
        };
        if host.is_empty() || host.contains(['@', '[', ']']) || port == 0 {
            return Err(DialFault::Url);
        }
        let slash = if path.starts_with('/') { "" } else { "/" };
        Ok(Target {
            host: host.into(),
            port,
            path: format!("{slash}{path}").into(),
        })
    }

    /// Appends the request for a WebSocket. `nonce` must be random.
    pub fn write_request(&self, nonce: [u8; 16], out: &mut Vec<u8>) {
        out.extend_from_slice(b"GET ");
        out.extend_from_slice(self.path.as_bytes());
        out.extend_from_slice(b" HTTP/1.1\r\n");
        let host = match self.host.contains(':') {
            true => format!("[{}]", self.host),
            false => self.host.to_string(),
        };
        match self.port {
            80 => write_field(out, "Host", &host),
            port => write_field(out, "Host", &format!("{host}:{port}")),
        }
        write_field(out, "Upgrade", "websocket");
        write_field(out, "Connection", "Upgrade");
        write_field(out, "Sec-WebSocket-Key", &base64(nonce));
        write_field(out, "Sec-WebSocket-Version", "13");
        out.extend_from_slice(b"\r\n");
    }
}

/// Reads the answer to a request with this `nonce`: the size of its head, after which frames follow, or `None` while it is
/// incomplete. `max_bytes` bounds the head.
///
/// # Errors
/// The other side's: it does not open the WebSocket.
pub fn read_answer(
    bytes: &[u8],
    nonce: [u8; 16],
    max_bytes: usize,
) -> Result<Option<usize>, DialFault> {
    let begins_http = bytes
        .iter()
        .zip(b"HTTP/1.")
        .all(|(one, other)| one == other);
    if !begins_http {
        return Err(DialFault::NotHttp);
    }
    let head_bytes = match find_end(bytes) {
        Some(head_bytes) if head_bytes <= max_bytes => head_bytes,
        None if bytes.len() < max_bytes => return Ok(None),
        Some(_) | None => return Err(DialFault::NotHttp),
    };
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut response = httparse::Response::new(&mut fields);
    let Ok(httparse::Status::Complete(_)) = response.parse(&bytes[..head_bytes]) else {
        return Err(DialFault::NotHttp);
    };
    match response.code {
        Some(101) => {}
        Some(status) => return Err(DialFault::Status(status)),
        None => return Err(DialFault::NotHttp),
    }
    let values = |name: &'static str| {
        let fields = response.headers.iter();
        let named = fields.filter(move |field| field.name.eq_ignore_ascii_case(name));
        named.map(|field| field.value.trim_ascii())
    };
    let is_websocket = values("upgrade").any(|value| value.eq_ignore_ascii_case(b"websocket"));
    let is_upgrade = values("connection").any(|value| {
        let mut tokens = value.split(|&byte| byte == b',');
        tokens.any(|token| token.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
    });
    let accept = derive_accept_key(base64(nonce).as_bytes());
    let is_accepted = values("sec-websocket-accept").eq([accept.as_bytes()]);
    // What was not asked for cannot be agreed upon.
    let is_plain = values("sec-websocket-extensions").all(<[u8]>::is_empty)
        && values("sec-websocket-protocol").next().is_none();
    match is_websocket && is_upgrade && is_accepted && is_plain {
        true => Ok(Some(head_bytes)),
        false => Err(DialFault::Handshake),
    }
}

/// Header fields of an answer, at most.
const FIELDS_MAX: usize = 64;

/// Sixteen bytes in Base64 (RFC 4648 section 4): 22 digits of six bits, and two signs that fill up.
fn base64(bytes: [u8; 16]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let number = u128::from_be_bytes(bytes);
    let digit = |shift: u32| char::from(DIGITS[(number >> shift) as usize & 63]);
    let mut text: String = (0..21).map(|place| digit(122 - 6 * place)).collect();
    text.push(char::from(DIGITS[(number << 4) as usize & 63]));
    text.push_str("==");
    text
}

impl fmt::Display for DialFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DialFault::Url => f.write_str("this is no URL of a WebSocket without TLS"),
            DialFault::NotHttp => f.write_str("the answer is not HTTP"),
            DialFault::Status(status) => {
                write!(
                    f,
                    "the answer is HTTP status {status} instead of a WebSocket"
                )
            }
            DialFault::Handshake => f.write_str("the answer to the WebSocket handshake is wrong"),
        }
    }
}

impl std::error::Error for DialFault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        for (url, host, port, path) in [
            ("ws://a.example", "a.example", 80, "/"),
            ("ws://a.example/", "a.example", 80, "/"),
            (
                "ws://10.0.0.1:8000/peer-relay?a=b#c",
                "10.0.0.1",
                8000,
                "/peer-relay?a=b",
            ),
            ("ws://[::1]:3007/x", "::1", 3007, "/x"),
            ("ws://[::1]", "::1", 80, "/"),
            ("ws://a?b", "a", 80, "/?b"),
            ("ws://a#/b", "a", 80, "/"),
        ] {
            let target = Target::parse(url).expect(url);
            assert_eq!(
                (&*target.host, target.port, &*target.path),
                (host, port, path),
                "{url}"
            );
        }
        let long = format!("ws://a/{}", "b".repeat(URL_BYTES_MAX));
        for bad in [
            "",
            "ws://",
            "ws:///",
            "ws://:80/",
            "wss://a/",
            "http://a/",
            "WS//a",
            "ws://a:0/",
            "ws://a:65536/",
            "ws://a:/",
            "ws://a:+1/",
            "ws://a:x/",
            "ws://[::1/",
            "ws://[::g]/",
            "ws://[a]/",
            "ws://[::1]80/",
            "ws://u@a/",
            "ws://a b/",
            "ws://a/\r\nX: y",
            "ws://ä/",
            &long,
        ] {
            assert_eq!(Target::parse(bad), Err(DialFault::Url), "{bad}");
        }
    }

    #[test]
    fn nonces_are_written_in_base64() {
        // The example of RFC 6455 section 1.3.
        assert_eq!(base64(*b"the sample nonce"), "dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(base64([0xff; 16]), "/////////////////////w==");
        assert_eq!(base64([0; 16]), "AAAAAAAAAAAAAAAAAAAAAA==");
    }
}
