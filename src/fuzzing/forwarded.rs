//! Any bytes as what a client says of those for whom it comes: no panic, and nothing of it counts once a trusted proxy has
//! added the client's own address.

use crate::wire::{client_address, parse_head};
use std::net::IpAddr;

/// What a proxy adds, and the address in it.
type Added<'a> = (&'a [u8], [u8; 4]);

/// Reads `data` as the value of `Forwarded` and of `X-Forwarded-For`, alone and before what a proxy adds.
pub fn run(data: &[u8]) {
    let data = &data[..data.len().min(1_024)];
    let proxy = IpAddr::from([10, 0, 0, 1]);
    let is_trusted = |address: IpAddr| address == proxy;
    let ask = |field: &str, parts: &[&[u8]]| {
        let begin = format!("GET / HTTP/1.1\r\nHost: hub\r\n{field}: ");
        let request = [&[begin.as_bytes()], parts, &[b"\r\n\r\n"]]
            .concat()
            .concat();
        let (head, _) = parse_head(&request, 4_096).ok()??;
        Some(client_address(&head, proxy, is_trusted))
    };
    let fields: [(&str, &[Added<'_>]); 2] = [
        (
            "Forwarded",
            &[
                (b"for=192.0.2.7", [192, 0, 2, 7]),
                (
                    b"proto=https;for=\"192.0.2.8:_a\";host=\"a,b;c\"",
                    [192, 0, 2, 8],
                ),
            ],
        ),
        (
            "X-Forwarded-For",
            &[
                (b"192.0.2.7", [192, 0, 2, 7]),
                (b"192.0.2.8:80", [192, 0, 2, 8]),
            ],
        ),
    ];
    for (field, added) in fields {
        // Line breaks make other fields, the same one among them: what comes after them is the proxy's.
        if ask(field, &[data]).is_none() || data.contains(&b'\n') {
            continue;
        }
        for (part, address) in added {
            let appended = ask(field, &[data, b", ", part]);
            assert_eq!(appended, Some(IpAddr::from(*address)), "on the same line");
            let line = format!("\r\n{field}: ");
            let on_its_own = ask(field, &[data, line.as_bytes(), part]);
            assert_eq!(
                on_its_own,
                Some(IpAddr::from(*address)),
                "on a line of its own"
            );
            let through = ask(field, &[data, b", ", part, b", ", &own(field)]);
            assert_eq!(
                through,
                Some(IpAddr::from(*address)),
                "through the proxy itself"
            );
        }
    }
}

/// What the proxy writes of itself.
fn own(field: &str) -> Vec<u8> {
    let name = if field == "Forwarded" { "for=" } else { "" };
    format!("{name}10.0.0.1").into_bytes()
}
