//! Sockets and the loop: the only room with mio, the clock and the random source.
//!
//! A tick is: wait → read → expire → reap → flush, and a hub that is being stopped takes leave before it reaps. `driver`
//! waits and feeds what has happened to the `Switchboard`, which does the rest and knows neither mio nor the clock, so that
//! simulations run the very same steps over sockets of their own.
//!
//! - `driver` — the loop; `alarm` — what ends its waits; `listener` — accepting
//! - `switchboard` — all connections, and the phases of a tick; `floor` — what a message may touch, and how connections end
//! - `turns` — whose turn it is to be read from; `leave` — whose turn it is to be told that the hub goes
//! - `watch` — who does more than he may, or less; `rate` — how much that is; `sources` — where connections come from;
//!   `memory` — what waits, in all
//! - `conn` — one connection; `out_queue` — bytes on their way out; `flush` — into the sockets
//! - `proxied` — for whom a proxy comes, said before anything else
//! - `gate` — who is let in by what token, and until when; `token_files` — the keys
//! - `talk` — WebSocket messages in; `lines` — messages in without WebSocket; `request` — plain HTTP
//! - `dialling` — connections that the hub opens itself; `resolver` — names of hosts looked up meanwhile
//! - `fanout` — the hub's events out; `mail` — what the worlds have to say, out
//! - `tls` — what is between a socket and everything else; `certificates` — where its keys come from; `file_watch` — when
//!   files are read again
//! - `keeper` — what survives a restart; `entropy` — random bytes; `log_limit` — floods in the log
//! - `service` — the service manager: sockets that it hands over, what it is told

mod alarm;
mod certificates;
mod conn;
mod dialling;
mod driver;
mod entropy;
mod fanout;
mod file_watch;
mod floor;
mod flush;
mod gate;
mod keeper;
mod leave;
mod lines;
mod listener;
mod log_limit;
mod mail;
mod memory;
mod out_queue;
mod proxied;
mod rate;
mod request;
mod resolver;
mod service;
mod sources;
mod switchboard;
mod talk;
mod tls;
mod token_files;
mod turns;
mod watch;

pub use crate::index::ConnKey;
pub use dialling::Dial;
pub use driver::{Ended, Server, StartError, Stopper};
pub use entropy::Entropy;
pub use service::Service;
pub use switchboard::{Census, Now, Readiness, Switchboard};
pub use token_files::make_token;

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
        let socket = SockRef::from(&*self);
        let probes = TcpKeepalive::new()
            .with_time(silence)
            .with_interval(silence)
            .with_retries(KEEP_ALIVE_PROBES);
        // A socket that refuses has ended.
        let _ = socket.set_tcp_keepalive(&probes);
        // While something waits to be acknowledged there are no probes, and the system would try for a quarter of an hour.
        #[cfg(target_os = "linux")]
        let _ = socket.set_tcp_user_timeout(Some(silence * (1 + KEEP_ALIVE_PROBES)));
    }
}

/// Probes without an answer after which the other end is taken for gone.
const KEEP_ALIVE_PROBES: u32 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_is_asked_to_look_for_the_other_end() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let mut stream = mio::net::TcpStream::connect(address).expect("it listens");
        for (silence_ms, silence_s) in [(10_000, 10), (100, 1)] {
            stream.keep_alive(silence_ms);
            let socket = SockRef::from(&stream);
            assert!(socket.keepalive().expect("an option"));
            let silence = Duration::from_secs(silence_s);
            assert_eq!(socket.tcp_keepalive_time().expect("an option"), silence);
            assert_eq!(socket.tcp_keepalive_interval().expect("an option"), silence);
            assert_eq!(socket.tcp_keepalive_retries().expect("an option"), 2);
            #[cfg(target_os = "linux")]
            assert_eq!(
                socket.tcp_user_timeout().expect("an option"),
                Some(3 * silence)
            );
        }
    }
}
