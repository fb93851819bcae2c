//! One client: its socket, what it has not read whole yet, and what it has not written yet.

use super::stream::Stream;
use super::{Door, frame};
use crate::rig::speech::Newcomer;
use mio::net::TcpStream;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io::{self, ErrorKind, Write};
use std::net::SocketAddr;

/// How far a client has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Connecting,
    Upgrading,
    Joining,
    Joined,
    /// It has said that it closes.
    Leaving,
}

pub(super) struct Client {
    pub(super) stream: Stream,
    pub(super) stage: Stage,
    pub(super) newcomer: Newcomer,
    /// The beginning of a frame.
    pub(super) half_frame: Vec<u8>,
    /// The beginning of a packet, where packets are a stream.
    pub(super) half_packet: Vec<u8>,
    pub(super) out: Vec<u8>,
    /// Waits for its turn to be flushed.
    pub(super) unflushed: bool,
    /// Waits for the writable edge.
    blocked: bool,
}

/// Connections at a time from one source address: as many as there are ports, less some.
const CONNECTIONS_PER_ADDRESS: usize = 20_000;

impl Client {
    /// Begins to connect; `place` is among those that are there.
    pub(super) fn new(door: &Door, place: usize, newcomer: Newcomer) -> io::Result<Client> {
        let socket = Socket::new(
            Domain::IPV4,
            Type::STREAM.nonblocking(),
            Some(Protocol::TCP),
        )?;
        socket.set_tcp_nodelay(true)?;
        // The usual address is not named, since naming one makes the system look long for a port.
        let host = place / CONNECTIONS_PER_ADDRESS;
        if host > 0 {
            let [.., high, low] = (1 + host).to_be_bytes();
            let source = SocketAddr::from(([127, 0, high, low], 0));
            socket.bind(&SockAddr::from(source))?;
        }
        match socket.connect(&SockAddr::from(door.address)) {
            Err(error) if error.raw_os_error() != Some(IN_PROGRESS) => return Err(error),
            _ => {}
        }
        Ok(Client {
            stream: Stream::new(TcpStream::from_std(socket.into()), door.tls.as_ref()),
            stage: Stage::Connecting,
            newcomer,
            half_frame: Vec::new(),
            half_packet: Vec::new(),
            out: Vec::new(),
            unflushed: false,
            blocked: true,
        })
    }

    /// Sees to the writable edge: the connection is there, or what waited can go on.
    pub(super) fn writable(&mut self) -> io::Result<()> {
        self.blocked = false;
        self.flush()
    }

    /// Frames a message; it goes out with the next flush.
    pub(super) fn say(&mut self, kind: u8, message: &[u8]) {
        frame::append(kind, message, &mut self.out);
    }

    /// Sends what the socket takes.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if !self.blocked {
            self.blocked = !self.stream.send()?;
        }
        while !self.out.is_empty() && !self.blocked {
            match self.stream.write(&self.out) {
                Ok(count) if count == self.out.len() => self.out.clear(),
                Ok(count) => drop(self.out.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.blocked = true,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// What connecting without waiting says when all is well.
const IN_PROGRESS: i32 = rustix::io::Errno::INPROGRESS.raw_os_error();
