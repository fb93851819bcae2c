//! Any bytes as the beginning of a connection of a proxy: no panic, the same answer however they are torn, and no more held
//! than the bound; and whatever the bytes say as an address is read back.

use crate::wire::parse_proxy_header;
use crate::wire::proxied::HEADER_BYTES_MAX;
use std::net::{Ipv6Addr, SocketAddr};

/// Reads `data` as it is, piece by piece, and as the address in a header of either version.
pub fn run(data: &[u8]) {
    let data = &data[..data.len().min(2 * HEADER_BYTES_MAX)];
    let whole = parse_proxy_header(data);
    if whole == Ok(None) {
        assert!(
            data.len() < HEADER_BYTES_MAX,
            "what is unfinished has an end"
        );
    }
    let mut settled = None;
    // Every beginning, and of long ones some.
    for cut in (0..data.len()).filter(|cut| *cut < 300 || cut % 97 == 0) {
        let part = parse_proxy_header(&data[..cut]);
        match settled {
            None if part == Ok(None) => {}
            None => settled = Some(part),
            Some(settled) => assert_eq!(part, settled, "what is settled stays so"),
        }
        if let Ok(Some(header)) = part {
            assert!(header.bytes <= cut, "a header ends where it was read to");
        }
    }
    if let Some(settled) = settled {
        assert_eq!(whole, settled, "the whole says what its beginning said");
    }
    let Some((address, rest)) = data.split_first_chunk::<16>() else {
        return;
    };
    let (Some((port, more)), destination) = (rest.split_first_chunk::<2>(), [1, 187]) else {
        return;
    };
    let ip = Ipv6Addr::from(*address);
    let from = SocketAddr::new(ip.into(), u16::from_be_bytes(*port));
    let line = format!("PROXY TCP6 {ip} ::1 {} 443\r\n", from.port()).into_bytes();
    let more = &more[..more.len().min(1_000)];
    let length = (36 + more.len() as u16).to_be_bytes();
    let loopback = Ipv6Addr::LOCALHOST.octets();
    let binary = [
        b"\r\n\r\n\0\r\nQUIT\n\x21\x21",
        &length[..],
        address,
        &loopback,
        port,
        &destination,
        more,
    ]
    .concat();
    for header in [line, binary] {
        let behind = [&header, data].concat();
        let read = parse_proxy_header(&behind)
            .expect("a good header")
            .expect("a whole one");
        let client = read.client.expect("it names somebody");
        assert_eq!((read.bytes, client.from), (header.len(), from));
        assert_eq!(client.dialled.to_string(), "[::1]:443");
    }
}
