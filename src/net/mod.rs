//! Sockets and the loop: the only room with mio, the clock and the random source.
//!
//! A tick is: wait → read → expire → reap → flush. `driver` waits and feeds what has happened to the `Switchboard`,
//! which does the rest and knows neither mio nor the clock, so that simulations run the very same steps over sockets of
//! their own.
//!
//! - `driver` — the loop; `listener` — accepting
//! - `switchboard` — all connections, and the phases of a tick; `floor` — what a message may touch, and how connections end
//! - `turns` — whose turn it is to be read from
//! - `conn` — one connection; `out_queue` — bytes on their way out
//! - `talk` — WebSocket messages in; `lines` — messages in without WebSocket; `request` — plain HTTP
//! - `dialling` — connections that the hub opens itself; `resolver` — names of hosts looked up meanwhile
//! - `fanout` — the hub's events out; `mail` — what the worlds have to say, out
//! - `entropy` — random bytes; `log_limit` — floods in the log

mod conn;
mod dialling;
mod driver;
mod entropy;
mod fanout;
mod floor;
mod lines;
mod listener;
mod log_limit;
mod mail;
mod out_queue;
mod request;
mod resolver;
mod switchboard;
mod talk;
mod turns;

pub use crate::index::ConnKey;
pub use dialling::Dial;
pub use driver::{Ended, Server, StartError, Stopper};
pub use entropy::Entropy;
pub use switchboard::{Census, Now, Readiness, Switchboard};

use crate::hub::Millis;
use socket2::{SockRef, TcpKeepalive};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

/// What the switchboard needs of a socket: non-blocking, and edges are told to it. The only trait at this seam.
pub trait Socket: Read + Write {
    /// Ends our direction: what is written arrives, then the end.
    fn finish(&mut self) -> io::Result<()>;

    /// The port at the other end and the port at ours; 0 if the system does not know any more.
    fn ports(&self) -> (u16, u16);

    /// Has the system find out whether the other end is still there, by a probe after so much silence and a few more, ms.
    /// For what has no pings of its own.
    fn keep_alive(&mut self, silence_ms: Millis);
}

impl Socket for mio::net::TcpStream {
    fn finish(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }

    fn ports(&self) -> (u16, u16) {
        let port = |address: io::Result<SocketAddr>| address.map_or(0, |address| address.port());
        (port(self.peer_addr()), port(self.local_addr()))
    }

    fn keep_alive(&mut self, silence_ms: Millis) {
        let silence = Duration::from_millis(silence_ms).max(Duration::from_secs(1));
        let probes = TcpKeepalive::new()
            .with_time(silence)
            .with_interval(silence)
            .with_retries(2);
        // A socket that refuses has ended.
        let _ = SockRef::from(&*self).set_tcp_keepalive(&probes);
    }
}
