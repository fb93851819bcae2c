//! The loop: waits for what happens, hands it to the switchboard, and lets the switchboard do its tick (step 1 of the
//! message path).
//!
//! The only file that polls and reads the clock. Each socket is registered once, for both directions.

use super::alarm::Alarm;
use super::certificates::Certificates;
use super::dialling::Dial;
use super::entropy::Entropy;
use super::keeper::Keeper;
use super::listener::{Accepted, Listener, raise_connection_limit};
use super::log_limit::{LogLimit, limited};
use super::resolver::Resolver;
use super::service::Service;
use super::switchboard::{Census, Now, Readiness, Switchboard};
use super::token_files::KeyFiles;
use crate::config::{Config, plain_words};
use crate::hub::Millis;
use log::{Level, debug, info};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token, Waker};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook_mio::v1_0::Signals;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub use super::listener::StartError;

/// A hub with its sockets: bound, not yet running.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut config = peerhub::Config::default();
/// config.listen = vec!["127.0.0.1:0".parse()?];
/// let server = peerhub::Server::bind(config)?;
/// println!("http://{}/", server.local_addrs()[0]);
/// let stopper = server.stopper();
/// let thread = std::thread::spawn(move || server.run());
/// stopper.stop();
/// thread.join().expect("the hub does not panic")?;
/// # Ok(())
/// # }
/// ```
pub struct Server {
    poll: Poll,
    alarm: Alarm,
    listeners: Vec<Listener>,
    addresses: Vec<SocketAddr>,
    stopper: Stopper,
    signals: Option<Signals>,
    switchboard: Switchboard<TcpStream>,
    resolver: Resolver,
    keeper: Keeper,
    service: Service,
    certificates: Option<Certificates>,
    key_files: Option<KeyFiles>,
    /// Accepting rests until then, for want of descriptors.
    accept_again_at: Option<Millis>,
    accept_log: LogLimit,
    drain_time_ms: Millis,
}

/// How a run has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Everybody has taken leave, or the drain time is over.
    Drained,
    /// It was asked twice, and did not wait any more.
    Forced,
}

/// Stops a running hub from another thread.
#[derive(Clone, Debug)]
pub struct Stopper {
    waker: Arc<Waker>,
    asked: Arc<AtomicU8>,
}

impl Stopper {
    /// Asks the hub to take leave of its peers and end; a second time, to end at once. Does nothing to a hub that has
    /// ended.
    pub fn stop(&self) {
        let _ = self
            .asked
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |asked| {
                asked.checked_add(1)
            });
        // A poll that cannot be woken is no poll that still waits.
        let _ = self.waker.wake();
    }
}

const WAKER: Token = Token(usize::MAX);
const SIGNALS: Token = Token(usize::MAX - 1);
const ALARM: Token = Token(usize::MAX - 2);
/// Listeners have the tokens below; connections count from 0.
const LISTENERS: usize = usize::MAX - 3;

impl Server {
    /// Events that one wait may bring; more wait in the system.
    const EVENTS: usize = 1024;
    /// Connections accepted at one address in one tick, so that a flood of newcomers stalls neither those who are in nor
    /// those at another address.
    const ACCEPTS: usize = 512;
    /// Rest after the system had no descriptor for a newcomer, ms.
    const ACCEPT_REST_MS: Millis = 100;

    /// Checks the settings, binds every address and raises the limit on open files. Port 0 lets the system choose.
    ///
    /// # Errors
    /// All the operator's: a bad setting, an address that cannot be had, a state file that cannot be used. The text is one
    /// line.
    pub fn bind(config: Config) -> Result<Server, StartError> {
        Server::bind_under(Service::default(), config)
    }

    /// The same under a service manager: the sockets that it hands over are served too, and it is told how this goes. An
    /// address in the settings that one of them has is not bound again.
    ///
    /// # Errors
    /// As of `bind`.
    pub fn bind_under(mut service: Service, mut config: Config) -> Result<Server, StartError> {
        config
            .check()
            .map_err(|error| StartError(error.to_string()))?;
        let key_files = KeyFiles::of(&config);
        let checker = key_files.as_ref().map(KeyFiles::read).transpose();
        let checker = checker.map_err(StartError)?;
        let keeper = Keeper::open(&mut config)?;
        let certificates = Certificates::open(&config)?;
        let poll = Poll::new().map_err(no_poll)?;
        let mut listeners = Vec::new();
        let (sockets, are_all) = service.take_sockets();
        for socket in sockets {
            let adopted = Listener::adopt(socket).map_err(|error| {
                StartError(format!(
                    "cannot listen on a socket of the service manager: {}",
                    plain_words(&error)
                ))
            });
            listeners.push(adopted?);
        }
        let adopted_count = listeners.len();
        for &address in &config.listen {
            let mut adopted = listeners[..adopted_count].iter();
            if are_all || adopted.any(|listener| listener.covers(address)) {
                continue;
            }
            // Beside an IPv4 address with the same port, IPv6 keeps to itself.
            let only_v6 = config
                .listen
                .iter()
                .any(|other| other.is_ipv4() && other.port() == address.port());
            listeners.push(Listener::bind(address, only_v6)?);
        }
        for (number, listener) in listeners.iter_mut().enumerate() {
            poll.registry()
                .register(
                    listener.source(),
                    Token(LISTENERS - number),
                    Interest::READABLE,
                )
                .map_err(no_poll)?;
        }
        let waker = Arc::new(Waker::new(poll.registry(), WAKER).map_err(no_poll)?);
        let alarm = Alarm::new(poll.registry(), ALARM);
        let drain_time_ms = config.drain_time_ms;
        let mut switchboard = Switchboard::new(
            config,
            raise_connection_limit(),
            Entropy::System,
            now(),
            monotonic_ms,
        );
        if let Some(certificates) = &certificates {
            switchboard.secure(certificates.current());
        }
        if let Some(checker) = checker {
            switchboard.check_tokens(checker);
        }
        Ok(Server {
            addresses: listeners.iter().map(|listener| listener.address).collect(),
            listeners,
            alarm,
            resolver: Resolver::new(waker.clone()),
            stopper: Stopper {
                waker,
                asked: Arc::default(),
            },
            signals: None,
            accept_again_at: None,
            accept_log: LogLimit::default(),
            drain_time_ms,
            keeper,
            service,
            certificates,
            key_files,
            switchboard,
            poll,
        })
    }

    /// From now on SIGINT and SIGTERM stop this hub, as `Stopper::stop` does, and SIGHUP has it read its certificate and the
    /// keys of tokens again, if there are files of either.
    ///
    /// # Errors
    /// The system's, if it takes no handler.
    pub fn stop_on_signals(&mut self) -> io::Result<()> {
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        // Without a file to read, SIGHUP is what it is to any program: the terminal is gone.
        let certificates = self.certificates.as_ref();
        if certificates.is_some_and(Certificates::are_from_files) || self.key_files.is_some() {
            signals.add_signal(SIGHUP)?;
        }
        let readable = Interest::READABLE;
        self.poll
            .registry()
            .register(&mut signals, SIGNALS, readable)?;
        self.signals = Some(signals);
        Ok(())
    }

    /// The addresses that the hub listens on, in the order of the settings.
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// A handle that stops the hub from another thread.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Serves until stopped, on this thread.
    ///
    /// # Errors
    /// Only those of poll itself; a socket's errors end that socket.
    pub fn run(mut self) -> io::Result<Ended> {
        let ended = self.serve();
        self.keeper.write(monotonic_ms());
        ended
    }

    fn serve(&mut self) -> io::Result<Ended> {
        let mut events = Events::with_capacity(Self::EVENTS);
        let mut drain_ends: Option<Millis> = None;
        self.service.tell_ready();
        loop {
            self.wait(&mut events, drain_ends)?;
            let now = now();
            self.switchboard.set_now(now);
            self.sort(&events);
            match (self.stopper.asked.load(Ordering::Acquire), drain_ends) {
                (0, _) => self.accept(now),
                (1, None) => {
                    drain_ends = Some(now.monotonic_ms + self.drain_time_ms);
                    self.begin_drain(now);
                }
                (1, Some(_)) => {}
                (2.., _) => return Ok(Ended::Forced),
            }
            self.switchboard.tick();
            self.dial();
            if let Some(state) = self.switchboard.take_kept() {
                self.keeper.keep(state);
            }
            self.keeper.write_due(now.monotonic_ms);
            self.service.sign(now.monotonic_ms);
            self.look_at_files(now.monotonic_ms);
            if let Some(end) = drain_ends {
                let left = self.switchboard.census().connections;
                if left == 0 || now.monotonic_ms >= end {
                    return Ok(self.farewell(left));
                }
            }
        }
    }

    /// Waits until something happens or is due.
    fn wait(&mut self, events: &mut Events, drain_ends: Option<Millis>) -> io::Result<()> {
        let accepting = self.listeners.iter().any(|listener| listener.ready);
        let accept_at = if accepting && drain_ends.is_none() {
            Some(self.accept_again_at.unwrap_or_default())
        } else {
            None
        };
        let times = [
            self.switchboard.next_tick(),
            self.keeper.next_deadline(),
            self.service.next_deadline(),
            self.certificates
                .as_ref()
                .and_then(Certificates::next_deadline),
            self.key_files.as_ref().map(KeyFiles::next_deadline),
            accept_at,
            drain_ends,
        ];
        // A started millisecond is waited for whole, or the loop would spin through its rest.
        let first = times.into_iter().flatten().min();
        let timeout = self.alarm.timeout(monotonic_ms(), first);
        match self.poll.poll(events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                events.clear();
                Ok(())
            }
            other => other,
        }
    }

    /// Notes what each event says.
    fn sort(&mut self, events: &Events) {
        for event in events {
            match event.token() {
                WAKER => {}
                ALARM => self.alarm.rang(),
                SIGNALS => {
                    let signals = self.signals.as_mut().map(Signals::pending);
                    let mut reads_again = false;
                    for signal in signals.into_iter().flatten() {
                        match signal {
                            SIGHUP => reads_again = true,
                            _ => self.stopper.stop(),
                        }
                    }
                    if reads_again {
                        self.read_files_again();
                    }
                }
                Token(token) if LISTENERS - token < self.addresses.len() => {
                    // A closed listener may have said something last.
                    if let Some(listener) = self.listeners.get_mut(LISTENERS - token) {
                        listener.ready = true;
                    }
                }
                Token(index) => self.switchboard.note(
                    super::ConnKey::at(index),
                    Readiness {
                        readable: event.is_readable(),
                        writable: event.is_writable(),
                        read_closed: event.is_read_closed() || event.is_error(),
                    },
                ),
            }
        }
    }

    /// Looks whether certificate or keys have changed in their files.
    fn look_at_files(&mut self, now: Millis) {
        let certificates = self.certificates.as_mut();
        if let Some(tls) = certificates.and_then(|files| files.look(now)) {
            self.switchboard.secure(tls);
        }
        let key_files = self.key_files.as_mut();
        if let Some(checker) = key_files.and_then(|files| files.look(now)) {
            self.switchboard.check_tokens(checker);
        }
    }

    /// Reads certificate and keys again, changed or not.
    fn read_files_again(&mut self) {
        if let Some(tls) = self.certificates.as_mut().and_then(Certificates::reload) {
            self.switchboard.secure(tls);
        }
        if let Some(checker) = self.key_files.as_mut().and_then(KeyFiles::reload) {
            self.switchboard.check_tokens(checker);
        }
    }

    fn accept(&mut self, now: Now) {
        if self
            .accept_again_at
            .is_some_and(|again| now.monotonic_ms < again)
        {
            return;
        }
        self.accept_again_at = None;
        for place in 0..self.listeners.len() {
            let mut left = Self::ACCEPTS;
            while left > 0 && self.listeners[place].ready {
                left -= 1;
                let rest = match self.listeners[place].accept() {
                    Accepted::Stream(stream, address) => self.admit(stream, address).err(),
                    Accepted::Nobody => {
                        self.listeners[place].ready = false;
                        None
                    }
                    Accepted::NoMeans(error) => Some(error),
                };
                if let Some(error) = rest {
                    limited!(
                        self.accept_log,
                        now.monotonic_ms,
                        Level::Error,
                        "cannot accept a connection: {}",
                        plain_words(&error)
                    );
                    self.accept_again_at = Some(now.monotonic_ms + Self::ACCEPT_REST_MS);
                    return;
                }
            }
        }
    }

    /// Takes a new connection in; without room it is dropped, which its client sees as a reset.
    fn admit(&mut self, mut stream: TcpStream, address: SocketAddr) -> io::Result<()> {
        if !self.switchboard.has_room(address.ip()) {
            return Ok(());
        }
        if let Err(error) = stream.set_nodelay(true) {
            // The client has gone already.
            debug!("connection from {address}: {error}");
            return Ok(());
        }
        let key = self.switchboard.vacant_key();
        let both = Interest::READABLE | Interest::WRITABLE;
        self.poll
            .registry()
            .register(&mut stream, Token(key.index()), both)?;
        self.switchboard.admit(stream, address.ip());
        Ok(())
    }

    /// Connects to whom the worlds wish to be connected to.
    fn dial(&mut self) {
        while let Some(dial) = self.switchboard.next_dial() {
            if dial.unknown_host().is_none() {
                self.connect(dial);
            } else if let Err((dial, error)) = self.resolver.look_up(dial) {
                self.switchboard.miss(dial, &plain_words(&error));
            }
        }
        while let Some((mut dial, addresses)) = self.resolver.looked_up() {
            match addresses {
                Ok(addresses) => {
                    dial.found(addresses);
                    self.connect(dial);
                }
                Err(error) => self.switchboard.miss(dial, &plain_words(&error)),
            }
        }
    }

    /// Begins to connect to the first address that the system takes.
    fn connect(&mut self, mut dial: Dial) {
        let mut why = io::Error::other("its name has no address");
        while let Some(address) = dial.next_address() {
            match self.begin_to_connect(address) {
                Ok(stream) => {
                    self.switchboard.admit_dialled(dial, stream, address.ip());
                    return;
                }
                Err(error) => why = error,
            }
        }
        self.switchboard.miss(dial, &plain_words(&why));
    }

    /// A registered socket that connects; the switchboard admits it next.
    fn begin_to_connect(&mut self, address: SocketAddr) -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let key = self.switchboard.vacant_key();
        let both = Interest::READABLE | Interest::WRITABLE;
        self.poll
            .registry()
            .register(&mut stream, Token(key.index()), both)?;
        Ok(stream)
    }

    fn begin_drain(&mut self, now: Now) {
        info!(
            "stopping; connections: {}; they have {} ms to take leave",
            self.switchboard.census().connections,
            self.drain_time_ms
        );
        self.service.tell_stopping(self.drain_time_ms);
        // An adopted socket stays open with whoever handed it over, and whoever waits there waits for our successor. Poll
        // must forget it, or it would go on telling of newcomers.
        for listener in &mut self.listeners {
            if listener.is_adopted {
                let _ = self.poll.registry().deregister(listener.source());
            }
        }
        self.listeners.retain(|listener| !listener.is_adopted);
        // Whoever has been let into the queue of one of ours is answered; after that they refuse.
        self.accept(now);
        self.listeners.clear();
        self.switchboard.drain();
    }

    fn farewell(&self, left: usize) -> Ended {
        let Census {
            faults,
            refused,
            slow_readers,
            ..
        } = self.switchboard.census();
        info!(
            "stopped; did not take leave in time: {left}; since the start: bad messages {faults}, refused connections \
             {refused}, slow readers {slow_readers}"
        );
        Ended::Drained
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("addresses", &self.addresses)
            .field("census", &self.switchboard.census())
            .finish_non_exhaustive()
    }
}

fn no_poll(error: io::Error) -> StartError {
    StartError(format!("cannot wait for sockets: {}", plain_words(&error)))
}

/// Milliseconds since the program first asked.
fn monotonic_ms() -> Millis {
    static START: OnceLock<Instant> = OnceLock::new();
    millis(START.get_or_init(Instant::now).elapsed())
}

/// The present.
pub(super) fn now() -> Now {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    Now {
        monotonic_ms: monotonic_ms(),
        unix_ms: millis(since_1970.unwrap_or_default()),
    }
}

pub(super) fn millis(duration: Duration) -> Millis {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
