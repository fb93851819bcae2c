//! For whom a proxy comes: `Forwarded` (RFC 7239) and `X-Forwarded-For`.
//!
//! Beside step 3 of the message path: asked once, when a connection upgrades. Pure; whom to trust is for the caller to say.
//! Proxies append, and what stands before their word is whatever they were told. So both fields are read from the right,
//! each part before anything to its left has been looked at: nothing that a client writes changes what a proxy has added.

use super::http::Head;
use std::net::IpAddr;

/// The address of the one for whom `proxy`, whose word is taken, has made this request: of those that the request names,
/// the last one that `is_trusted` does not hold for. Where the trail ends or makes no sense, the last that made sense, be
/// it the proxy's own. `X-Forwarded-For` counts if it is there at all, else `Forwarded`: most proxies know the first alone,
/// and pass on whatever a client has written into the other. O(fields).
pub fn client_address(
    head: &Head<'_>,
    proxy: IpAddr,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> IpAddr {
    let forwarded = head.header("x-forwarded-for").is_none();
    let name = if forwarded {
        "forwarded"
    } else {
        "x-forwarded-for"
    };
    let lines: Vec<&[u8]> = head.values(name).collect();
    let mut client = proxy;
    for line in lines.into_iter().rev() {
        let mut rest = Some(line);
        while let Some(line) = rest {
            let (before, part) = split_last(line, forwarded);
            rest = before;
            if part.is_empty() {
                continue;
            }
            let node = if forwarded {
                node_of_element(part)
            } else {
                std::str::from_utf8(part).ok()
            };
            let Some(address) = node.and_then(address_of_node) else {
                return client;
            };
            client = address;
            if !is_trusted(address) {
                return client;
            }
        }
    }
    client
}

/// The part after the last comma, and what is before that comma, if there is one. In quotes a comma is none.
fn split_last(line: &[u8], has_quotes: bool) -> (Option<&[u8]>, &[u8]) {
    let mut quoted = false;
    for (at, byte) in line.iter().enumerate().rev() {
        match byte {
            b'"' if has_quotes && !(quoted && is_escaped(line, at)) => quoted = !quoted,
            b',' if !quoted => return (Some(&line[..at]), line[at + 1..].trim_ascii()),
            _ => {}
        }
    }
    (None, line.trim_ascii())
}

/// Whether the backslashes before this place take its meaning away.
fn is_escaped(line: &[u8], at: usize) -> bool {
    let backslashes = line[..at].iter().rev().take_while(|&&byte| byte == b'\\');
    backslashes.count() % 2 == 1
}

/// The node that one element of `Forwarded` names by its one `for`: `for="[2001:db8::1]:4711";proto=https`.
fn node_of_element(element: &[u8]) -> Option<&str> {
    let element = std::str::from_utf8(element).ok()?;
    let mut node = None;
    let (mut quoted, mut escaped) = (false, false);
    // A proxy may quote what a client has written, such as its Host: there, a semicolon separates nothing.
    let pairs = element.split(|letter| {
        let separates = letter == ';' && !quoted;
        quoted ^= letter == '"' && !escaped;
        escaped = quoted && letter == '\\' && !escaped;
        separates
    });
    for pair in pairs {
        let Some((name, value)) = pair.split_once('=') else {
            continue;
        };
        if name.trim_ascii().eq_ignore_ascii_case("for") && node.replace(value).is_some() {
            return None;
        }
    }
    let node = node?.trim_ascii();
    match node.strip_prefix('"') {
        Some(quoted) => quoted.strip_suffix('"'),
        None => Some(node),
    }
}

/// The address of a node: `192.0.2.1`, `192.0.2.1:80`, `[2001:db8::1]`, `[2001:db8::1]:_port`; without brackets only if
/// there is no port. None for names that hide it: `unknown`, `_hidden`. IPv4 in IPv6 is IPv4.
fn address_of_node(node: &str) -> Option<IpAddr> {
    let node = node.trim_ascii();
    if let Ok(address) = node.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    let (address, port): (IpAddr, &str) = match node.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            let address: std::net::Ipv6Addr = address.parse().ok()?;
            if port.is_empty() {
                return Some(IpAddr::from(address).to_canonical());
            }
            (address.into(), port.strip_prefix(':')?)
        }
        None => {
            let (address, port) = node.split_once(':')?;
            let address: std::net::Ipv4Addr = address.parse().ok()?;
            (address.into(), port)
        }
    };
    is_port(port).then(|| address.to_canonical())
}

/// Whether this is a port, or a name that hides one.
fn is_port(text: &str) -> bool {
    let is_name = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    match text.strip_prefix('_') {
        Some(name) => is_name(name),
        None => text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::parse_head;

    /// The proxy is 10.0.0.1; all of 10.0.0.0/8 and fd00::/8 is trusted.
    fn client(fields: &str) -> String {
        let request = format!("GET / HTTP/1.1\r\nHost: hub\r\n{fields}\r\n");
        let (head, _) = parse_head(request.as_bytes(), 4096)
            .expect("a sound head")
            .expect("a whole head");
        let is_trusted = |address: IpAddr| match address {
            IpAddr::V4(address) => address.octets()[0] == 10,
            IpAddr::V6(address) => address.segments()[0] == 0xfd00,
        };
        client_address(&head, IpAddr::from([10, 0, 0, 1]), is_trusted).to_string()
    }

    #[test]
    fn x_forwarded_for() {
        let cases = [
            ("192.0.2.1", "192.0.2.1"),
            (" 192.0.2.1 ", "192.0.2.1"),
            ("192.0.2.1:4711", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:4711", "2001:db8::1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("[::ffff:192.0.2.1]:80", "192.0.2.1"),
            // What the client claimed does not count, whatever it is.
            ("198.51.100.9, 192.0.2.1", "192.0.2.1"),
            ("127.0.0.1,10.0.0.2,192.0.2.1", "192.0.2.1"),
            ("\", 192.0.2.1", "192.0.2.1"),
            ("x y z,,192.0.2.1,", "192.0.2.1"),
            // Trusted proxies in between are passed over.
            (
                "198.51.100.9, 192.0.2.1, 10.0.0.3, fd00::3, 10.0.0.2",
                "192.0.2.1",
            ),
            ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
            // The trail breaks.
            ("192.0.2.1, unknown", "10.0.0.1"),
            ("192.0.2.1, unknown, 10.0.0.2", "10.0.0.2"),
            ("192.0.2.1, 10.0.0.2:x", "10.0.0.1"),
            ("300.0.2.1", "10.0.0.1"),
            ("192.0.2.1:65536", "10.0.0.1"),
            ("[2001:db8::1", "10.0.0.1"),
            ("[192.0.2.1]", "10.0.0.1"),
            ("fe80::1%eth0", "10.0.0.1"),
            ("\u{fc}", "10.0.0.1"),
            ("", "10.0.0.1"),
            (", ,", "10.0.0.1"),
        ];
        for (value, expected) in cases {
            let found = client(&format!("X-Forwarded-For: {value}\r\n"));
            assert_eq!(found, expected, "{value:?}");
        }
        let lines = "X-Forwarded-For: 198.51.100.9\r\nx-forwarded-for: 192.0.2.1\r\nX-FORWARDED-FOR: 10.0.0.2\r\n";
        assert_eq!(client(lines), "192.0.2.1");
        assert_eq!(client(""), "10.0.0.1");
        assert_eq!(client("X-Real-IP: 192.0.2.1\r\n"), "10.0.0.1");
    }

    #[test]
    fn forwarded() {
        let cases = [
            ("for=192.0.2.1", "192.0.2.1"),
            ("For=\"192.0.2.1\";Proto=https;By=10.0.0.1", "192.0.2.1"),
            ("proto=http; for=192.0.2.1 ;host=\"a\"", "192.0.2.1"),
            ("for=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
            ("for=\"[2001:db8:cafe::17]\"", "2001:db8:cafe::17"),
            ("for=\"192.0.2.1:_hidden-port\"", "192.0.2.1"),
            ("for=198.51.100.9, for=192.0.2.1;proto=https", "192.0.2.1"),
            ("for=192.0.2.1;host=\"a,b\", for=10.0.0.2", "192.0.2.1"),
            (
                "for=192.0.2.1;host=\"a\\\",\\\"b\", for=10.0.0.2",
                "192.0.2.1",
            ),
            (r#"host="a;for=198.51.100.9";for=192.0.2.1"#, "192.0.2.1"),
            (r#"host="a\";for=198.51.100.9";for=192.0.2.1"#, "192.0.2.1"),
            (
                "for=192.0.2.1, for=\"[fd00::2]:80\", for=10.0.0.2",
                "192.0.2.1",
            ),
            // A quotation mark that the client never closes swallows nothing.
            ("for=\", for=192.0.2.1", "192.0.2.1"),
            ("for=\"\\, for=\"[2001:db8::1]:80\"", "2001:db8::1"),
            // The trail breaks.
            ("for=192.0.2.1, for=unknown", "10.0.0.1"),
            ("for=192.0.2.1, for=_hidden, for=10.0.0.2", "10.0.0.2"),
            ("for=192.0.2.1, by=10.0.0.2", "10.0.0.1"),
            ("for=192.0.2.1, for=10.0.0.2;for=10.0.0.3", "10.0.0.1"),
            ("for=192.0.2.1, for=\"10.0.0.2", "10.0.0.1"),
            ("for=\"192.0.2.1", "10.0.0.1"),
            ("192.0.2.1", "10.0.0.1"),
            ("for=", "10.0.0.1"),
            ("", "10.0.0.1"),
        ];
        for (value, expected) in cases {
            let found = client(&format!("Forwarded: {value}\r\n"));
            assert_eq!(found, expected, "{value:?}");
        }
        let both = "X-Forwarded-For: 198.51.100.9\r\nForwarded: for=192.0.2.1\r\n";
        assert_eq!(client(both), "198.51.100.9");
        let lines = "Forwarded: for=192.0.2.1\r\nForwarded: for=10.0.0.2\r\n";
        assert_eq!(client(lines), "192.0.2.1");
    }
}
