//! Answers to HTTP requests, and their bytes.
//!
//! Beside the message path: whatever is not a WebSocket is answered by one of these. What to answer is for the rooms `web`
//! and `net` to say; here it gets the framing of RFC 9112, so that the other side can always tell where it ends.

use std::borrow::Cow;
use std::fmt;
use std::io::Write;

/// The word that a body is welcome, before the answer itself (RFC 9110 section 15.2.1).
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

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

/// Appends one header field.
pub(super) fn write_field(out: &mut Vec<u8>, name: &str, value: &str) {
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
        426 => "Upgrade Required",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        // The phrase may be empty (RFC 9112 section 4).
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
