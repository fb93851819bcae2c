//! What is told → a line, without its end (step 8 of the message path).
//!
//! The order of the fields is that of the original. Source: `PROTOCOLS.md` section 4.

use crate::dialect::json::write_string;
use std::io::Write;
use std::net::SocketAddr;

/// A host as newcomers are told of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct HostLine<'a> {
    pub(super) name: &'a str,
    /// Where its connection comes from.
    pub(super) remote: SocketAddr,
    /// Where it listens.
    pub(super) main_port: u16,
}

/// Who the hub is. It never needs to be told anything: who has come to it says what there is to know.
pub(super) fn presentation(own_name: &str, port: u16, out: &mut Vec<u8>) {
    open(own_name, "@PRESENTATION", out);
    write!(out, r#"{{"port":{port},"needNetworkInformation":false}}}}"#).expect(TAKES_ALL);
}

/// Asks a member what it knows of the network.
pub(super) fn information_request(own_name: &str, out: &mut Vec<u8>) {
    open(own_name, "@REQUEST_NETWORK_INFORMATION", out);
    out.extend_from_slice(b"{}}");
}

/// What is known of the network. `state` is JSON text without a line break.
pub(super) fn information<'a>(
    own_name: &str,
    hosts: impl Iterator<Item = HostLine<'a>>,
    state: &str,
    out: &mut Vec<u8>,
) {
    open(own_name, "@NETWORK_INFORMATION", out);
    out.extend_from_slice(br#"{"network":{"hosts":["#);
    for (place, host) in hosts.enumerate() {
        if place > 0 {
            out.push(b',');
        }
        out.extend_from_slice(br#"{"name":"#);
        write_string(host.name, out);
        let (ip, remote_port, main_port) = (host.remote.ip(), host.remote.port(), host.main_port);
        write!(
            out,
            r#","ip":"{ip}","remotePort":{remote_port},"mainPort":{main_port}}}"#
        )
        .expect(TAKES_ALL);
    }
    out.extend_from_slice(br#"],"state":"#);
    out.extend_from_slice(state.as_bytes());
    out.extend_from_slice(b"}}}");
}

/// Why the hub ends the connection.
pub(super) fn closed(own_name: &str, message: &str, out: &mut Vec<u8>) {
    open(own_name, "@CONNECTION_CLOSED", out);
    out.extend_from_slice(br#"{"message":"#);
    write_string(message, out);
    out.extend_from_slice(b"}}");
}

fn open(own_name: &str, kind: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"senderName":"#);
    write_string(own_name, out);
    write!(out, r#","type":"{kind}","content":"#).expect(TAKES_ALL);
}

const TAKES_ALL: &str = "a vector takes all that is written";
