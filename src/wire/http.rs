//! HTTP/1.1 request heads.
//!
//! Step 3 of the message path before an upgrade. It reads heads and judges what about them is a matter of HTTP (RFC
//! 9110, RFC 9112) and of the WebSocket opening handshake (RFC 6455 section 4.2.1); what a path means is for the rooms
//! `web` and `net` to say. Bodies are not read here: [`Head::content_length`] says how many bytes follow the head.

use std::borrow::Cow;
use std::fmt;

use tungstenite::handshake::derive_accept_key;

use super::response::{Response, write_field};

/// One request head, borrowed from the bytes it was read from.
#[derive(Clone, Debug)]
pub struct Head<'a> {
    /// The method as it came: methods are case-sensitive.
    pub method: &'a str,
    /// The path of the target, percent-encoding untouched. `*` for the asterisk form.
    pub path: &'a str,
    /// What follows the first `?` of the target, if there is one.
    pub query: Option<&'a str>,
    /// The minor version: 0 for HTTP/1.0, 1 for HTTP/1.1.
    pub version: u8,
    headers: Vec<httparse::Header<'a>>,
}

/// What a request says about changing the protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upgrade {
    /// Nothing that concerns us: answer it as plain HTTP.
    No,
    /// A valid opening handshake.
    WebSocket(WebSocketRequest),
    /// An opening handshake that has to be refused.
    Refused(HttpFault),
}

/// A valid WebSocket opening handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSocketRequest {
    /// The value for `Sec-WebSocket-Accept`.
    pub accept: String,
    /// The first sub-protocol offered, which the answer takes up.
    pub protocol: Option<String>,
    /// [`Head::origin`].
    pub origin: Option<String>,
}

/// A request that cannot be served, and how to say so. The connection is to be closed after it, unless it is a
/// [`Upgrade::Refused`] whose head was otherwise sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpFault {
    /// The status code, 400 to 599.
    pub status: u16,
    /// A sentence for the one who made the request.
    pub text: &'static str,
    /// Header fields that the status calls for.
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
}

/// Reads the request head that starts `bytes`: the head and its size in bytes, or `None` while it is incomplete.
///
/// Meant to be called again with more bytes until it is whole: as long as the blank line is missing, a call only looks
/// for that, in O(`bytes`). `max_bytes` bounds the head, blank line included. Empty lines before the request line are
/// skipped (RFC 9112 section 2.2).
///
/// # Errors
/// All the peer's: 431 for a head over `max_bytes` or [`HEADERS_MAX`], 505 for another version than 1.0 and 1.1, 400 for
/// anything malformed, a missing or doubled `Host` among it.
pub fn parse_head(bytes: &[u8], max_bytes: usize) -> Result<Option<(Head<'_>, usize)>, HttpFault> {
    let Some(head_bytes) = find_end(bytes) else {
        return if bytes.len() >= max_bytes {
            Err(HttpFault::new(431, "The request head is too large."))
        } else if begins_no_method(bytes) {
            Err(HttpFault::new(400, "What came is no request of HTTP/1.1."))
        } else {
            Ok(None)
        };
    };
    if head_bytes > max_bytes {
        return Err(HttpFault::new(431, "The request head is too large."));
    }
    let bytes = &bytes[..head_bytes];

    let mut fields = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut fields);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => {
            return Err(HttpFault::new(400, "The request head is malformed."));
        }
        Err(httparse::Error::TooManyHeaders) => {
            return Err(HttpFault::new(
                431,
                "The request has too many header fields.",
            ));
        }
        Err(httparse::Error::Version) if names_a_version(bytes) => {
            return Err(HttpFault::new(
                505,
                "Only HTTP/1.1 and HTTP/1.0 are spoken here.",
            ));
        }
        Err(_) => return Err(HttpFault::new(400, "The request head is malformed.")),
    }
    let (Some(method), Some(target), Some(version)) =
        (request.method, request.path, request.version)
    else {
        return Err(HttpFault::new(400, "The request line is incomplete."));
    };
    let (path, query) = split_target(target).ok_or(HttpFault::new(
        400,
        "The request target is neither a path nor a URL.",
    ))?;
    let head = Head {
        method,
        path,
        query,
        version,
        headers: request.headers.to_vec(),
    };
    let hosts = head.values("host").count();
    if hosts > 1 || hosts == 0 && version == 1 {
        return Err(HttpFault::new(
            400,
            "The request needs exactly one Host header field.",
        ));
    }
    Ok(Some((head, head_bytes)))
}

impl<'a> Head<'a> {
    /// The value of the first header field called `name`, whatever the case. O(fields).
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.values(name).next()
    }

    /// As [`Head::header`], if the value is UTF-8.
    pub fn header_text(&self, name: &str) -> Option<&'a str> {
        self.header(name)
            .and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The values of all header fields called `name`, whatever the case, in order. O(fields).
    pub fn values<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'a [u8]> + 's {
        self.headers
            .iter()
            .filter(move |field| field.name.eq_ignore_ascii_case(name))
            .map(|field| field.value)
    }

    /// The origin of the page that makes the request, as browsers say it; programs say none. What is no text, or is there
    /// twice, counts as `null`, the origin of those that have none.
    pub fn origin(&self) -> Option<&'a str> {
        self.header("origin")?;
        let origin = one(self.values("origin"));
        Some(
            origin
                .and_then(|origin| std::str::from_utf8(origin).ok())
                .unwrap_or("null"),
        )
    }

    /// Whether the answer must not have a body.
    pub fn is_head(&self) -> bool {
        self.method == "HEAD"
    }

    /// Whether the connection may serve another request after this one (RFC 9112 section 9.3). False for a request whose
    /// body's end cannot be told.
    pub fn keep_alive(&self) -> bool {
        let asked = if self.version == 0 {
            self.has_token("connection", "keep-alive")
        } else {
            true
        };
        asked && !self.has_token("connection", "close") && self.content_length().is_ok()
    }

    /// Whether whoever asks waits for word that his body is welcome (RFC 9110 section 10.1.1).
    pub fn expects_continue(&self) -> bool {
        self.version == 1 && self.has_token("expect", "100-continue")
    }

    /// How many bytes of body follow the head; `None` if the request does not say, which means none.
    ///
    /// # Errors
    /// All the peer's: 411 for any `Transfer-Encoding`, since only bodies of a declared length are taken; 400 for a length
    /// that is no number or is given more than once, the stuff of request smuggling (RFC 9112 section 6.3).
    pub fn content_length(&self) -> Result<Option<u64>, HttpFault> {
        if self.header("transfer-encoding").is_some() {
            return Err(HttpFault::new(
                411,
                "Send the body with a Content-Length and without Transfer-Encoding.",
            ));
        }
        let mut values = self.values("content-length");
        let Some(value) = values.next() else {
            return Ok(None);
        };
        let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
        match std::str::from_utf8(value).map(str::parse) {
            Ok(Ok(length)) if is_number && values.next().is_none() => Ok(Some(length)),
            _ => Err(HttpFault::new(
                400,
                "Content-Length must be one decimal number, given once.",
            )),
        }
    }

    /// Whether the request asks for a WebSocket, and whether it may have it.
    pub fn upgrade(&self) -> Upgrade {
        if !self.has_token("upgrade", "websocket") {
            return Upgrade::No;
        }
        match self.websocket() {
            Ok(request) => Upgrade::WebSocket(request),
            Err(fault) => Upgrade::Refused(fault),
        }
    }

    /// The opening handshake, checked in the order of RFC 6455 section 4.2.1.
    fn websocket(&self) -> Result<WebSocketRequest, HttpFault> {
        if self.method != "GET" || self.version == 0 {
            return Err(HttpFault::new(
                400,
                "A WebSocket handshake is a GET request of HTTP/1.1.",
            ));
        }
        if !self.has_token("connection", "upgrade") {
            return Err(HttpFault::new(
                400,
                "A WebSocket handshake needs the header field Connection: Upgrade.",
            ));
        }
        // Bytes of a body would be taken for frames.
        if self.content_length()?.unwrap_or(0) > 0 {
            return Err(HttpFault::new(400, "A WebSocket handshake has no body."));
        }
        let key = one(self.values("sec-websocket-key"))
            .filter(|key| is_key(key))
            .ok_or(HttpFault::new(
                400,
                "A WebSocket handshake needs one Sec-WebSocket-Key, 16 bytes in Base64.",
            ))?;
        let mut versions = self.values("sec-websocket-version").peekable();
        if versions.peek().is_none() {
            return Err(HttpFault::new(
                400,
                "A WebSocket handshake needs the header field Sec-WebSocket-Version: 13.",
            ));
        }
        if one(versions) != Some(b"13") {
            return Err(HttpFault {
                status: 426,
                text: "Only version 13 of WebSocket is spoken here.",
                headers: vec![
                    ("Sec-WebSocket-Version", "13".into()),
                    ("Upgrade", "websocket".into()),
                ],
            });
        }
        let protocol = match self.header("sec-websocket-protocol") {
            None => None,
            Some(offered) => {
                let first = offered.split(|&byte| byte == b',').next().map(trim);
                let token = first
                    .filter(|token| is_token(token))
                    .and_then(|token| String::from_utf8(token.to_vec()).ok())
                    .ok_or(HttpFault::new(
                        400,
                        "Sec-WebSocket-Protocol must be a list of names.",
                    ))?;
                Some(token)
            }
        };
        Ok(WebSocketRequest {
            accept: derive_accept_key(key),
            protocol,
            origin: self.origin().map(str::to_owned),
        })
    }

    /// Whether a comma-separated list, which may be spread over several fields, has `token` in it, whatever the case.
    fn has_token(&self, name: &str, token: &str) -> bool {
        self.values(name).any(|value| {
            value
                .split(|&byte| byte == b',')
                .any(|item| trim(item).eq_ignore_ascii_case(token.as_bytes()))
        })
    }
}

impl WebSocketRequest {
    /// Appends the answer that opens the WebSocket (RFC 6455 section 4.2.2). Frames follow it at once.
    pub fn answer(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
        );
        write_field(out, "Sec-WebSocket-Accept", &self.accept);
        if let Some(protocol) = &self.protocol {
            write_field(out, "Sec-WebSocket-Protocol", protocol);
        }
        out.extend_from_slice(b"\r\n");
    }
}

impl HttpFault {
    /// A fault without further header fields.
    pub fn new(status: u16, text: &'static str) -> HttpFault {
        HttpFault {
            status,
            text,
            headers: Vec::new(),
        }
    }

    /// The fault as an answer with its text as the body.
    pub fn response(&self) -> Response {
        Response {
            headers: self.headers.clone(),
            ..Response::text(self.status, format!("{}\n", self.text))
        }
    }
}

impl fmt::Display for HttpFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({})", self.text, self.status)
    }
}

impl std::error::Error for HttpFault {}

/// The place after the blank line that ends the head, if it has come. A line ends with LF or CR LF: httparse takes both.
pub(super) fn find_end(bytes: &[u8]) -> Option<usize> {
    let mut at = bytes
        .iter()
        .position(|&byte| byte != b'\r' && byte != b'\n')?;
    loop {
        at += bytes[at..].iter().position(|&byte| byte == b'\n')? + 1;
        match bytes[at..] {
            [b'\n', ..] => return Some(at + 1),
            [b'\r', b'\n', ..] => return Some(at + 2),
            _ => {}
        }
    }
}

/// Whether the first byte that counts cannot begin a method (a token, RFC 9110 section 5.6.2): somebody speaks TLS or
/// something else, and would wait for an answer to half of it.
fn begins_no_method(bytes: &[u8]) -> bool {
    let mut bytes = bytes.iter();
    let first = bytes.find(|&&byte| byte != b'\r' && byte != b'\n');
    first
        .is_some_and(|first| !(first.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(first)))
}

/// Whether the request line ends in `HTTP/` and a version, so that the version and not the line is what is wrong.
fn names_a_version(bytes: &[u8]) -> bool {
    let line = bytes
        .split(|&byte| byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .find(|line| !line.is_empty())
        .unwrap_or_default();
    let version = line.rsplit(|&byte| byte == b' ').next();
    match version.and_then(|version| version.strip_prefix(b"HTTP/")) {
        Some([major, b'.', minor]) => major.is_ascii_digit() && minor.is_ascii_digit(),
        Some(_) | None => false,
    }
}

/// Path and query of a request target in origin, absolute or asterisk form (RFC 9112 section 3.2).
fn split_target(target: &str) -> Option<(&str, Option<&str>)> {
    let from_path = if target.starts_with('/') || target == "*" {
        target
    } else {
        let (scheme, rest) = target.split_once("://")?;
        if !["http", "https", "ws", "wss"].contains(&scheme.to_ascii_lowercase().as_str()) {
            return None;
        }
        match rest.find(['/', '?']) {
            Some(end_of_host) => &rest[end_of_host..],
            None => "/",
        }
    };
    let (path, query) = match from_path.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (from_path, None),
    };
    Some((if path.is_empty() { "/" } else { path }, query))
}

/// The item of an iterator that has just one.
fn one<T>(mut items: impl Iterator<Item = T>) -> Option<T> {
    let first = items.next();
    if items.next().is_some() { None } else { first }
}

/// Whether `key` is Base64 of 16 bytes: 22 digits and two signs of padding. The last digit's four spare bits are not
/// looked at: clients that set them have always been let in elsewhere.
fn is_key(key: &[u8]) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    key.len() == 24 && key[..22].iter().all(is_digit) && &key[22..] == b"=="
}

/// Whether `bytes` is a token (RFC 9110 section 5.6.2).
fn is_token(bytes: &[u8]) -> bool {
    let is_token_byte =
        |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !bytes.is_empty() && bytes.iter().all(is_token_byte)
}

/// `bytes` without the spaces and tabs around them.
fn trim(bytes: &[u8]) -> &[u8] {
    bytes.trim_ascii()
}

/// The most header fields in one request. Browsers send about 20, and proxies add a handful.
pub const HEADERS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        let cases = [
            ("/", Some(("/", None))),
            ("/a%20b?x=1?y", Some(("/a%20b", Some("x=1?y")))),
            ("/?", Some(("/", Some("")))),
            ("*", Some(("*", None))),
            ("http://host:1/a?b", Some(("/a", Some("b")))),
            ("HTTP://host", Some(("/", None))),
            ("http://host?b", Some(("/", Some("b")))),
            ("ftp://host/", None),
            ("host:443", None),
            ("a", None),
        ];
        for (target, split) in cases {
            assert_eq!(split_target(target), split, "{target}");
        }
    }

    #[test]
    fn keys() {
        let cases: [(&[u8], bool); 6] = [
            (b"dGhlIHNhbXBsZSBub25jZQ==", true),
            (b"AAAAAAAAAAAAAAAAAAAAAB==", true),
            (b"dGhlIHNhbXBsZSBub25jZQ=", false),
            (b"dGhlIHNhbXBsZSBub25jZQAA", false),
            (b"dGhlIHNhbXBsZSBub25j-Q==", false),
            (b"", false),
        ];
        for (key, is_valid) in cases {
            assert_eq!(is_key(key), is_valid, "{}", key.escape_ascii());
        }
    }
}
