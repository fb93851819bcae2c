//! Listening: sockets that accept, and how many connections the system lets us have.

use crate::config::plain_words;
use mio::net::{TcpListener, TcpStream};
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit, setrlimit};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// A socket that accepts.
#[derive(Debug)]
pub(super) struct Listener {
    socket: TcpListener,
    pub(super) address: SocketAddr,
    /// It stays open elsewhere when it is closed here.
    pub(super) is_adopted: bool,
    /// There may be connections waiting.
    pub(super) ready: bool,
}

/// What accepting came to.
pub(super) enum Accepted {
    /// A connection.
    Stream(TcpStream, SocketAddr),
    /// Nobody waits.
    Nobody,
    /// Somebody waits, but the system has no descriptor or memory for the connection.
    NoMeans(io::Error),
}

/// Why the hub could not start. The operator's matter: an address, a setting, the system.
#[derive(Debug)]
pub struct StartError(pub(super) String);

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StartError {}

impl Listener {
    /// Connections that may wait to be accepted; the system may allow fewer (`net.core.somaxconn`).
    const BACKLOG: i32 = 4096;

    /// Listens on `address`. `only_v6` keeps IPv4 out of an IPv6 address that stands for all of the machine's; otherwise, on a
    /// machine without IPv6, all its IPv4 addresses are all that there are.
    pub(super) fn bind(address: SocketAddr, only_v6: bool) -> Result<Listener, StartError> {
        let bound = |address: SocketAddr| -> io::Result<Listener> {
            let domain = Domain::for_address(address);
            let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
            if address.is_ipv6() {
                socket.set_only_v6(only_v6)?;
            }
            // A restarted hub takes its address at once, while old connections are still in TIME-WAIT.
            socket.set_reuse_address(true)?;
            socket.set_nonblocking(true)?;
            bound_unsent(&socket);
            socket.bind(&address.into())?;
            socket.listen(Self::BACKLOG)?;
            let socket = TcpListener::from_std(socket.into());
            let address = socket.local_addr()?;
            Ok(Listener {
                socket,
                address,
                is_adopted: false,
                ready: false,
            })
        };
        let listener = match bound(address) {
            Err(error) if !only_v6 && has_no_ipv6(&error) && is_everywhere(address) => {
                bound((Ipv4Addr::UNSPECIFIED, address.port()).into())
            }
            other => other,
        };
        listener.map_err(|error| {
            StartError(format!(
                "cannot listen on {address}: {}",
                plain_words(&error)
            ))
        })
    }

    /// Takes over a socket that listens already. It is somebody else's too, who keeps it open when the hub closes it.
    pub(super) fn adopt(socket: std::net::TcpListener) -> io::Result<Listener> {
        socket.set_nonblocking(true)?;
        bound_unsent(&SockRef::from(&socket));
        let address = socket.local_addr()?;
        Ok(Listener {
            socket: TcpListener::from_std(socket),
            address,
            is_adopted: true,
            ready: false,
        })
    }

    /// Whether this address is taken by this listener: it is the same, or both are all of the machine's.
    pub(super) fn covers(&self, address: SocketAddr) -> bool {
        let everywhere = self.address.ip().is_unspecified() && address.ip().is_unspecified();
        self.address == address || everywhere && self.address.port() == address.port()
    }

    pub(super) fn source(&mut self) -> &mut TcpListener {
        &mut self.socket
    }

    /// Accepts one connection.
    pub(super) fn accept(&self) -> Accepted {
        loop {
            match self.socket.accept() {
                Ok((stream, address)) => return Accepted::Stream(stream, address),
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => return Accepted::Nobody,
                    // The client gave up while it waited; the next may be there.
                    ErrorKind::ConnectionAborted
                    | ErrorKind::ConnectionReset
                    | ErrorKind::Interrupted => {}
                    _ => return Accepted::NoMeans(error),
                },
            }
        }
    }
}

/// Has the system keep no more of what the others do not read than this, for each connection that is accepted here: a
/// thousand who never read would else take all of the memory that it has for sockets, and everybody's writes would
/// stall. What it does not take waits in the hub, where it is counted. Enough is left for the fast.
fn bound_unsent(socket: &Socket) {
    const UNSENT_BYTES: u32 = 64 << 10;
    // A system that has no such bound does without.
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_notsent_lowat(UNSENT_BYTES);
}

/// Whether this address is all of the machine's, IPv4 and IPv6.
fn is_everywhere(address: SocketAddr) -> bool {
    address.ip() == Ipv6Addr::UNSPECIFIED
}

/// Whether this is what the system says that knows no IPv6, or has it turned off.
fn has_no_ipv6(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(code, Some(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL))
}

/// Raises our limit on open files to what we are allowed; how many connections that leaves room for.
pub(super) fn raise_connection_limit() -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Refused, the old limit stays in force.
    let _ = setrlimit(Resource::Nofile, limit);
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    connections_within(files)
}

/// Connections that so many descriptors leave room for. Where they are few, half of them: to run out of descriptors is
/// only a rest, to have no place for anybody would be the end.
fn connections_within(files: u64) -> usize {
    /// Descriptors for everything that is no connection: standard streams, poll, listeners, signals, files being read,
    /// and newcomers that stay to be told that there is no place.
    const OTHERS: u64 = 64;
    usize::try_from(files.saturating_sub(OTHERS).max(files / 2)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_ipv6_is_noticed() {
        let says = |errno: Errno| has_no_ipv6(&io::Error::from(errno));
        assert!(says(Errno::AFNOSUPPORT) && says(Errno::ADDRNOTAVAIL));
        assert!(!says(Errno::ADDRINUSE) && !says(Errno::ACCESS));
        let is_all = |address: &str| is_everywhere(address.parse().unwrap());
        assert!(is_all("[::]:9000"));
        assert!(!is_all("[::1]:9000") && !is_all("0.0.0.0:9000"));
    }

    #[test]
    fn few_descriptors_still_leave_places() {
        let cases = [(20_000, 19_936), (128, 64), (100, 50), (40, 20), (2, 1)];
        for (files, connections) in cases {
            assert_eq!(connections_within(files), connections, "{files}");
        }
    }
}
