//! HTTP/1.1 request heads and answers.
//!
//! Step 3 of the message path before an upgrade. It reads heads and judges what about them is a matter of HTTP (RFC
//! 9110, RFC 9112) and of the WebSocket opening handshake (RFC 6455 section 4.2.1); what a path means is for the rooms
//! `web` and `net` to say. Bodies are not read here: [`Head::content_length`] says how many bytes follow the head.

use std::borrow::Cow;
use std::fmt;
use std::io::Write;

use tungstenite::handshake::derive_accept_key;

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
    /// The page that opens the connection, as browsers say it.
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

/// An answer, whole but for what depends on the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The value of `Content-Type`; not written when there is no body.
    pub content_type: &'static str,
    /// Further header fields. `Content-Length`, `Connection` and `Date` are written by [`Response::write`].
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
    /// The body.
    pub body: Cow<'static, [u8]>,
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
            origin: self.header_text("origin").map(str::to_owned),
        })
    }

    /// The values of all header fields called `name`, in order.
    fn values<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'a [u8]> + 's {
        self.headers
            .iter()
            .filter(move |field| field.name.eq_ignore_ascii_case(name))
            .map(|field| field.value)
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

impl Response {
    /// An answer in plain text, without further header fields.
    pub fn text(status: u16, body: impl Into<Cow<'static, str>>) -> Response {
        let body = match body.into() {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        };
        Response {
            status,
            content_type: "text/plain; charset=utf-8",
            headers: Vec::new(),
            body,
        }
    }

    /// Appends the answer to `out`. With `head_only`, as the answer to HEAD, it says the body's length and leaves the body
    /// out. 204 and 304 never have one. `date` is the time in the form that [`http_date`] gives. O(body).
    pub fn write(&self, out: &mut Vec<u8>, head_only: bool, keep_alive: bool, date: Option<&str>) {
        let has_body = !matches!(self.status, 100..=199 | 204 | 304);
        let body: &[u8] = if has_body { &self.body } else { &[] };
        out.reserve(512 + if head_only { 0 } else { body.len() });

        let status = self.status;
        write_to(
            out,
            format_args!("HTTP/1.1 {status} {}\r\n", phrase(status)),
        );
        if let Some(date) = date {
            write_field(out, "Date", date);
        }
        if has_body {
            write_field(out, "Content-Type", self.content_type);
            write_to(out, format_args!("Content-Length: {}\r\n", body.len()));
            // Nothing that the port serves is to be taken for something else than it says it is.
            write_field(out, "X-Content-Type-Options", "nosniff");
        }
        for (name, value) in &self.headers {
            // A refused upgrade names the protocol it would take, which makes Upgrade a connection option.
            if name.eq_ignore_ascii_case("upgrade") {
                write_field(out, "Connection", "upgrade");
            }
            write_field(out, name, value);
        }
        write_field(
            out,
            "Connection",
            if keep_alive { "keep-alive" } else { "close" },
        );
        out.extend_from_slice(b"\r\n");
        if !head_only {
            out.extend_from_slice(body);
        }
    }
}

/// The time `unix_s`, seconds since 1970, as `Date` has it (RFC 9110 section 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`.
pub fn http_date(unix_s: u64) -> String {
    const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = [
        "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Jan", "Feb",
    ];
    let days = unix_s / 86_400;
    let second_of_day = unix_s % 86_400;
    // Counted from 1 March of year 0, leap days come last in their year, and 400 years always have 146,097 days.
    // 719,468 days lie between that day and 1 January 1970.
    let day_count = days + 719_468;
    let era = day_count / 146_097;
    let day_of_era = day_count % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // The months from March on have 31, 30, 31, 30, 31 days over and over: 153 days in five months.
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let year = era * 400 + year_of_era + u64::from(month_index >= 10);
    format!(
        "{}, {day:02} {} {year:04} {:02}:{:02}:{:02} GMT",
        WEEKDAYS[(days % 7) as usize],
        MONTHS[month_index as usize],
        second_of_day / 3_600,
        second_of_day / 60 % 60,
        second_of_day % 60,
    )
}

/// The place after the blank line that ends the head, if it has come. A line ends with LF or CR LF: httparse takes both.
fn find_end(bytes: &[u8]) -> Option<usize> {
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

/// Appends one header field.
fn write_field(out: &mut Vec<u8>, name: &str, value: &str) {
    debug_assert!(
        !value.contains(['\r', '\n']),
        "a header value is one line, or it could end the head"
    );
    for part in [name, ": ", value, "\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
}

/// Appends formatted text.
fn write_to(out: &mut Vec<u8>, text: fmt::Arguments<'_>) {
    out.write_fmt(text)
        .expect("formatting numbers and strings into a Vec cannot fail");
}

/// The reason phrase of the statuses that the port uses.
fn phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        411 => "Length Required",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        // The phrase may be empty (RFC 9112 section 4).
        _ => "",
    }
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
    fn dates() {
        let cases = [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (951_868_800, "Wed, 01 Mar 2000 00:00:00 GMT"),
            (1_735_689_599, "Tue, 31 Dec 2024 23:59:59 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
        ];
        for (unix_s, date) in cases {
            assert_eq!(http_date(unix_s), date);
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
