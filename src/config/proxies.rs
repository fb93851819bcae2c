//! Which addresses are proxies that may say for whom they come.
//!
//! Pure. Read once from the settings `trusted-proxy` and `proxy-protocol`; asked by `net` for every connection. Problems are worded to follow the
//! setting's name, as everywhere in this room.

use super::value::quote;
use ipnet::{IpNet, Ipv4Net};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Ranges of addresses whose word is taken. None by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    ranges: Vec<IpNet>,
}

impl Proxies {
    /// Reads a list of addresses, of ranges (`10.0.0.0/8`, `fd00::/8`), and of the names `loopback` and `private`.
    ///
    /// # Errors
    /// The operator's: what is wrong with the first bad entry and what would be right.
    pub fn new(texts: &[String]) -> Result<Proxies, String> {
        let mut ranges = Vec::new();
        for text in texts {
            match text.as_str() {
                "loopback" => ranges.extend(LOOPBACK.iter().map(|range| built_in(range))),
                "private" => ranges.extend(PRIVATE.iter().map(|range| built_in(range))),
                _ => ranges.push(read_range(text).ok_or_else(|| {
                    let right =
                        "write for example 10.0.0.5, 10.0.0.0/8, fd00::/8, loopback or private";
                    format!(
                        "{} is not an address or a range of addresses: {right}",
                        quote(text)
                    )
                })?),
            }
        }
        Ok(Proxies { ranges })
    }

    /// Whether this address is a trusted proxy's. The loopback addresses of IPv4 and IPv6 count as one. O(list).
    pub fn trust(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let holds = |address: IpAddr| self.ranges.iter().any(|range| range.contains(&address));
        const LOOPBACKS: [IpAddr; 2] = [
            IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(Ipv6Addr::LOCALHOST),
        ];
        holds(address) || LOOPBACKS.contains(&address) && LOOPBACKS.into_iter().any(holds)
    }

    /// Whether whole halves of the internet are trusted.
    pub(super) fn are_too_many(&self) -> bool {
        self.ranges.iter().any(|range| range.prefix_len() <= 1)
    }
}

/// Whether trusted proxies begin their connections by saying for whom they come (PROXY protocol).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProxyProtocol {
    /// They do not.
    #[default]
    Off,
    /// Those who do are heard.
    Accept,
    /// Who does not is closed.
    Require,
}

/// An address or a range; one of IPv4 in IPv6 is the one of IPv4.
fn read_range(text: &str) -> Option<IpNet> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical().into());
    }
    let range: IpNet = text.parse().ok()?;
    match (range.addr().to_canonical(), range.prefix_len()) {
        (IpAddr::V4(address), bits @ 96..) if matches!(range, IpNet::V6(_)) => {
            Ipv4Net::new(address, bits - 96).ok().map(IpNet::V4)
        }
        _ => Some(range),
    }
}

fn built_in(text: &str) -> IpNet {
    text.parse().expect("the ranges below are ranges")
}

const LOOPBACK: [&str; 2] = ["127.0.0.0/8", "::1/128"];
/// RFC 1918 and RFC 4193.
const PRIVATE: [&str; 4] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_whom_they_trust() {
        let cases: [(&str, &[&str], &[&str]); 8] = [
            ("10.0.0.5", &["10.0.0.5", "::ffff:10.0.0.5"], &["10.0.0.6"]),
            (
                "10.1.2.3/8",
                &["10.0.0.0", "10.255.255.255"],
                &["9.255.255.255", "11.0.0.0"],
            ),
            (
                "::ffff:10.0.0.0/104",
                &["10.1.2.3"],
                &["11.0.0.0", "::ffff:11.0.0.0"],
            ),
            ("fd00::/8", &["fd12::1"], &["fe80::1", "10.0.0.1"]),
            ("::1", &["::1", "127.0.0.1"], &["127.0.0.2"]),
            (
                "loopback",
                &["127.0.0.1", "127.9.9.9", "::1"],
                &["128.0.0.1", "::2"],
            ),
            (
                "private",
                &["10.0.0.1", "172.31.0.1", "192.168.1.1", "fd00::1"],
                &["172.32.0.1", "127.0.0.1", "2001:db8::1"],
            ),
            ("0.0.0.0/0", &["192.0.2.1", "127.0.0.1"], &["2001:db8::1"]),
        ];
        for (text, trusted, others) in cases {
            let proxies = Proxies::new(&[text.to_owned()]).unwrap();
            for address in trusted {
                assert!(proxies.trust(address.parse().unwrap()), "{text} {address}");
            }
            for address in others {
                assert!(!proxies.trust(address.parse().unwrap()), "{text} {address}");
            }
        }
        assert!(!Proxies::default().trust(IpAddr::from([127, 0, 0, 1])));
    }

    #[test]
    fn bad_entries_say_what_would_be_right() {
        for text in [
            "",
            "localhost",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10.0.0",
            "10.0.0.5:80",
            "fd00::/129",
            "[::1]",
            "Loopback",
        ] {
            let error = Proxies::new(&[text.to_owned()]).expect_err(text);
            assert!(
                error.starts_with(&quote(text)) && error.contains("10.0.0.0/8"),
                "{error}"
            );
        }
    }
}
