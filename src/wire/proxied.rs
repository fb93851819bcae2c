//! For whom a proxy comes that says so before anything else: the PROXY protocol, versions 1 and 2.
//!
//! Before step 3 of the message path: asked once, at the very beginning of a connection. Pure. Whom to ask, and what to
//! make of the answer, is for the caller. The header itself is read by the crate `proxy-header`, which is given exactly
//! one header: where it ends, and that it stays within bounds, is settled here first.
//! Source: `doc/proxy-protocol.txt` of HAProxy.

use proxy_header::{ParseConfig, ProxyHeader as Decoded};
use std::fmt;
use std::net::SocketAddr;

/// A whole header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyHeader {
    /// Its bytes; what follows them is the connection's own.
    pub bytes: usize,
    /// For whom the proxy comes. None if for itself (`LOCAL`), or for somebody whom it cannot name (`UNKNOWN`).
    pub client: Option<Client>,
}

/// Both ends of the connection that the proxy has accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// Where it comes from.
    pub from: SocketAddr,
    /// What it has dialled.
    pub dialled: SocketAddr,
}

/// Why the first bytes of a connection are no header; the proxy's doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyFault {
    /// No header begins like this.
    Missing,
    /// It begins like one and cannot be read.
    Broken,
    /// It says that it has more than [`HEADER_BYTES_MAX`].
    TooLong,
}

/// Bytes of a header at most. Version 1 has 107; in version 2 the rest is for what proxies add, such as names of TLS.
pub const HEADER_BYTES_MAX: usize = 4 << 10;

/// Bytes that are held back at most before it shows that they begin no header.
pub const UNDECIDED_BYTES_MAX: usize = SIGNATURE.len() - 1;

/// Reads the header that `bytes` begin with. `Ok(None)` says that it is not all there, and is only said of fewer than
/// [`HEADER_BYTES_MAX`] bytes. O(header).
///
/// # Errors
/// [`ProxyFault`], for these bytes and all that begin with them.
///
/// ```
/// use peerhub::wire::{ProxyFault, parse_proxy_header};
/// let header = parse_proxy_header(b"PROXY TCP4 192.0.2.1 10.0.0.1 4711 443\r\nGET /").unwrap().unwrap();
/// assert_eq!(header.bytes, 40);
/// assert_eq!(header.client.unwrap().from.to_string(), "192.0.2.1:4711");
/// assert_eq!(parse_proxy_header(b"PROXY TC"), Ok(None));
/// assert_eq!(parse_proxy_header(b"GET / HTTP/1.1"), Err(ProxyFault::Missing));
/// ```
pub fn parse_proxy_header(bytes: &[u8]) -> Result<Option<ProxyHeader>, ProxyFault> {
    if bytes.starts_with(WORD) {
        let line = &bytes[..bytes.len().min(LINE_BYTES_MAX)];
        return match line.iter().position(|&byte| byte == b'\n') {
            Some(end) => decode(&line[..=end]).map(Some),
            None if line.len() < LINE_BYTES_MAX => Ok(None),
            None => Err(ProxyFault::Broken),
        };
    }
    if let Some(rest) = bytes.strip_prefix(SIGNATURE) {
        let Some(&[command, _, high, low]) = rest.first_chunk() else {
            return Ok(None);
        };
        let header_bytes = SIGNATURE.len() + 4 + usize::from(u16::from_be_bytes([high, low]));
        if header_bytes > HEADER_BYTES_MAX {
            return Err(ProxyFault::TooLong);
        }
        return match bytes.get(..header_bytes) {
            None => Ok(None),
            // Whatever a proxy says of a connection of its own is to be read over.
            Some(_) if command == LOCAL => Ok(Some(ProxyHeader {
                bytes: header_bytes,
                client: None,
            })),
            Some(header) => decode(header).map(Some),
        };
    }
    match WORD.starts_with(bytes) || SIGNATURE.starts_with(bytes) {
        true => Ok(None),
        false => Err(ProxyFault::Missing),
    }
}

/// Reads a header that is these bytes and no others.
fn decode(bytes: &[u8]) -> Result<ProxyHeader, ProxyFault> {
    let addresses_alone = ParseConfig {
        include_tlvs: false,
        ..ParseConfig::default()
    };
    match Decoded::parse(bytes, addresses_alone) {
        Ok((header, header_bytes)) if header_bytes == bytes.len() => Ok(ProxyHeader {
            bytes: header_bytes,
            client: header.proxied_address().map(|address| Client {
                from: address.source,
                dialled: address.destination,
            }),
        }),
        Ok(_) | Err(_) => Err(ProxyFault::Broken),
    }
}

impl fmt::Display for ProxyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProxyFault::Missing => f.write_str("it begins with no PROXY header"),
            ProxyFault::Broken => f.write_str("its PROXY header cannot be read"),
            ProxyFault::TooLong => {
                write!(f, "its PROXY header has more than {HEADER_BYTES_MAX} bytes")
            }
        }
    }
}

/// How a header of version 1 begins, and one of version 2.
const WORD: &[u8] = b"PROXY ";
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Version 2, of a connection that the proxy has made for itself.
const LOCAL: u8 = 0x20;
/// The longest header of version 1, with its line's end.
const LINE_BYTES_MAX: usize = 107;

#[cfg(test)]
mod tests {
    use super::*;

    /// A header of version 2.
    fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = (rest.len() as u16).to_be_bytes();
        [SIGNATURE, &[command, family], &length, rest].concat()
    }

    fn v4(more: usize) -> Vec<u8> {
        let addresses = [192, 0, 2, 1, 10, 0, 0, 1, 0x12, 0x67, 1, 0xbb];
        binary(0x21, 0x11, &[&addresses[..], &vec![7; more]].concat())
    }

    fn v6() -> Vec<u8> {
        let address = |last: u8| [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last];
        let ports = [0x12, 0x67, 1, 0xbb];
        binary(0x21, 0x21, &[&address(1)[..], &address(2), &ports].concat())
    }

    #[test]
    fn headers_torn_anywhere_and_with_anything_behind() {
        let longest = format!("PROXY UNKNOWN {}\r\n", "x".repeat(91));
        assert_eq!(longest.len(), LINE_BYTES_MAX);
        let two = Some(("192.0.2.1:4711", "10.0.0.1:443"));
        let cases: [(&[u8], _); 14] = [
            (b"PROXY TCP4 192.0.2.1 10.0.0.1 4711 443\r\n", two),
            (
                b"PROXY TCP6 2001:db8::1 2001:db8::2 4711 443\r\n",
                Some(("[2001:db8::1]:4711", "[2001:db8::2]:443")),
            ),
            (
                b"PROXY TCP6 ::ffff:192.0.2.1 ::1 0 65535\r\n",
                Some(("[::ffff:192.0.2.1]:0", "[::1]:65535")),
            ),
            (b"PROXY UNKNOWN\r\n", None),
            (b"PROXY UNKNOWN 192.0.2.1 10.0.0.1 1 2\r\n", None),
            (longest.as_bytes(), None),
            (&v4(0), two),
            (&v4(HEADER_BYTES_MAX - 28), two),
            (&v6(), Some(("[2001:db8::1]:4711", "[2001:db8::2]:443"))),
            (&binary(0x20, 0, b""), None),
            // The family of a connection of the proxy's own is not looked at.
            (&binary(0x20, 0x11, b""), None),
            (&binary(0x20, 0xff, b"abc"), None),
            (&binary(0x21, 0, b"abc"), None),
            (&binary(0x21, 0x31, &[0; 216]), None),
        ];
        for (bytes, named) in cases {
            for cut in 0..bytes.len() {
                assert_eq!(parse_proxy_header(&bytes[..cut]), Ok(None), "{cut}");
            }
            let client = named.map(|(from, dialled)| Client {
                from: from.parse().unwrap(),
                dialled: dialled.parse().unwrap(),
            });
            let header = ProxyHeader {
                bytes: bytes.len(),
                client,
            };
            for behind in [&b""[..], b"GET / HTTP/1.1\r\n", b"\r\n", &[0; 70_000]] {
                let all = [bytes, behind].concat();
                assert_eq!(parse_proxy_header(&all), Ok(Some(header)), "{all:?}");
            }
        }
    }

    #[test]
    fn what_is_none() {
        let longer = format!("PROXY UNKNOWN {}\r\n", "x".repeat(92));
        let cases: [(&[u8], ProxyFault); 21] = [
            (b"GET / HTTP/1.1\r\n", ProxyFault::Missing),
            (b"POST / HTTP/1.1\r\n", ProxyFault::Missing),
            (b"{", ProxyFault::Missing),
            (b"\x16\x03\x01", ProxyFault::Missing),
            (b"PROXYTCP4 ", ProxyFault::Missing),
            (b"proxy TCP4 ", ProxyFault::Missing),
            (b"\r\n\r\n\0\r\nQUIT\r", ProxyFault::Missing),
            (b"PROXY \n", ProxyFault::Broken),
            (b"PROXY UNKNOWN\n", ProxyFault::Broken),
            (longer.as_bytes(), ProxyFault::Broken),
            (b"PROXY TCP5 192.0.2.1 10.0.0.1 1 2\r\n", ProxyFault::Broken),
            (b"PROXY TCP4 192.0.2 10.0.0.1 1 2\r\n", ProxyFault::Broken),
            (b"PROXY TCP4 ::1 ::1 1 2\r\n", ProxyFault::Broken),
            (
                b"PROXY TCP4 192.0.2.1 10.0.0.1 1 65536\r\n",
                ProxyFault::Broken,
            ),
            (
                b"PROXY TCP4 192.0.2.1 10.0.0.1 1 2 3\r\n",
                ProxyFault::Broken,
            ),
            (&binary(0x11, 0x11, &[0; 12]), ProxyFault::Broken),
            (&binary(0x22, 0x11, &[0; 12]), ProxyFault::Broken),
            (&binary(0x21, 0x11, &[0; 11]), ProxyFault::Broken),
            (&binary(0x21, 0x21, &[0; 35]), ProxyFault::Broken),
            (&binary(0x21, 0x41, &[0; 216]), ProxyFault::Broken),
            (&v4(HEADER_BYTES_MAX - 27), ProxyFault::TooLong),
        ];
        for (bytes, fault) in cases {
            for behind in [&b""[..], &[b'\n'; 300]] {
                let all = [bytes, behind].concat();
                assert_eq!(parse_proxy_header(&all), Err(fault), "{all:?}");
            }
        }
        // A length is enough to know.
        let head = [SIGNATURE, &[0x21, 0x11, 0xff, 0xff]].concat();
        assert_eq!(parse_proxy_header(&head), Err(ProxyFault::TooLong));
        // At most so many bytes leave it open whether there is a header.
        assert_eq!(
            parse_proxy_header(&SIGNATURE[..UNDECIDED_BYTES_MAX]),
            Ok(None)
        );
    }
}
