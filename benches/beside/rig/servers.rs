//! Who can be measured, where it comes from, and its process.
//!
//! What is not ours comes from npm (`npm ci` in `benches/beside/servers`), from Debian (`mosquitto`, `nats-server`) or from
//! a checkout (the original ok-peerhub, named by `OK_PEERHUB_DIR`). Each server gets its port as an argument or in a file,
//! and is ready when it can be connected to.

use super::case::{Case, Load};
use super::floor::{self, Sends};
use super::gauge;
use super::load::Door;
use super::speech::Speech;
use rustix::process::{Pid, Signal, kill_process};
use socket2::{Domain, Protocol, Socket, Type};
use std::fmt;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A server that can be measured.
#[derive(Clone)]
pub struct Server {
    pub name: String,
    make: Make,
}

/// What kind of server it is.
#[derive(Clone)]
enum Make {
    Floor(Sends),
    Peerhub(PathBuf),
    /// The same with TLS.
    SealedPeerhub(PathBuf),
    /// One of our scripts, under Node or under Bun.
    NodeWs,
    Bun,
    PeerServer,
    Original,
    Mosquitto,
    Nats,
}

/// Tells the program to be a floor instead: then come the way of sending and the address.
const FLOOR: &str = "--be-a-floor";
const EACH: &str = "each";
const BATCHED: &str = "batched";
/// Names the checkout of the original.
const ORIGINAL_DIR: &str = "OK_PEERHUB_DIR";
/// More clients than this the original does not get through: it compares each with each four times a second.
const ORIGINAL_CLIENTS_MOST: usize = 2_000;
/// The first port that is tried.
const PORTS_FROM: u16 = 20_000;
const START_PATIENCE: Duration = Duration::from_secs(20);
const STOP_PATIENCE: Duration = Duration::from_secs(3);

/// If this process was started to be a floor, is one, until it is ended.
pub fn be_a_floor_if_told() -> Option<ExitCode> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, first, sends, address] = &arguments[..] else {
        return None;
    };
    if first != FLOOR {
        return None;
    }
    let sends = if sends == BATCHED {
        Sends::Batched
    } else {
        Sends::Each
    };
    let address = address.parse().expect("the parent gives an address");
    let served =
        mio::net::TcpListener::bind(address).and_then(|listener| floor::serve(listener, sends));
    Some(match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    })
}

/// All servers, in the order of the tables.
pub fn all(peerhub: &Path) -> Vec<Server> {
    let named = |name: &str, make| Server {
        name: name.to_owned(),
        make,
    };
    vec![
        named("limit", Make::Floor(Sends::Each)),
        named("limit-batch", Make::Floor(Sends::Batched)),
        named("peerhub", Make::Peerhub(peerhub.to_owned())),
        named("peerhub-tls", Make::SealedPeerhub(peerhub.to_owned())),
        named("bun", Make::Bun),
        named("node-ws", Make::NodeWs),
        named("ok-peerhub", Make::Original),
        named("peerserver", Make::PeerServer),
        named("mosquitto", Make::Mosquitto),
        named("nats-server", Make::Nats),
    ]
}

/// A peerhub of another build.
pub fn another_peerhub(name: &str, path: &Path) -> Server {
    Server {
        name: name.to_owned(),
        make: Make::Peerhub(path.to_owned()),
    }
}

impl Server {
    /// How the clients of a case speak to it; `None` if it has nothing to do with the case.
    pub fn speech(&self, case: &Case) -> Option<Speech> {
        match &self.make {
            // Where messages are routed to one receiver each, there is nothing to batch.
            Make::Floor(Sends::Batched) => match case.load {
                Load::Fanout { .. } | Load::Rate { .. } | Load::Presence { .. } => {
                    Some(Speech::Floor)
                }
                Load::Pairs { .. } | Load::Connect { .. } | Load::Idle { .. } => None,
            },
            Make::Floor(Sends::Each) => Some(Speech::Floor),
            Make::Peerhub(_) | Make::SealedPeerhub(_) if case.is_peerjs => Some(Speech::PeerJs),
            Make::PeerServer => case.is_peerjs.then_some(Speech::PeerJs),
            _ if case.is_peerjs => None,
            Make::Peerhub(_) | Make::SealedPeerhub(_) | Make::NodeWs | Make::Bun => {
                Some(Speech::Ok)
            }
            Make::Original => {
                let count = self.load(case).client_count();
                (count <= 1 + ORIGINAL_CLIENTS_MOST).then_some(Speech::Ok)
            }
            Make::Mosquitto | Make::Nats if matches!(case.load, Load::Presence { .. }) => None,
            Make::Mosquitto => Some(Speech::Mqtt),
            Make::Nats => Some(Speech::Nats),
        }
    }

    /// What it is put under in a case: of clients that do nothing, as many as it gets through at most.
    pub fn load(&self, case: &Case) -> Load {
        match (&self.make, case.load) {
            (Make::Original, Load::Idle { n }) => Load::Idle {
                n: n.min(ORIGINAL_CLIENTS_MOST),
            },
            (_, load) => load,
        }
    }

    /// What must be done before it can be measured; `None` if it is there.
    pub fn missing(&self) -> Option<String> {
        let npm = |path: &str| {
            let is_there = modules().join(path).exists() && on_path("node").is_some();
            (!is_there).then(|| "`npm ci` in benches/beside/servers, and Node".to_owned())
        };
        let debian = |name: &str| {
            let is_there = on_path(name).is_some();
            (!is_there).then(|| format!("the Debian package {name}"))
        };
        match &self.make {
            Make::Floor(_) => None,
            Make::Peerhub(path) | Make::SealedPeerhub(path) => {
                (!path.exists()).then(|| format!("{}", path.display()))
            }
            Make::NodeWs => npm("ws"),
            Make::Bun => match bun() {
                Some(_) => None,
                None => Some("`npm ci` in benches/beside/servers".to_owned()),
            },
            Make::PeerServer => npm("peer"),
            Make::Original => match std::env::var_os(ORIGINAL_DIR) {
                Some(_) => None,
                None => Some(format!("{ORIGINAL_DIR}, a checkout with its packages")),
            },
            Make::Mosquitto => debian("mosquitto"),
            Make::Nats => debian("nats-server"),
        }
    }

    /// What it is exactly; `None` if it is of this program.
    pub fn version(&self) -> Option<String> {
        let node = |package: &str| {
            let text = fs::read_to_string(modules().join(package).join("package.json")).ok()?;
            let told: serde_json::Value = serde_json::from_str(&text).ok()?;
            let version = told["version"].as_str()?;
            Some(format!(
                "{package} {version} on Node {}",
                said(Path::new("node"), "--version")?
            ))
        };
        match &self.make {
            Make::Floor(_) => None,
            Make::Peerhub(path) | Make::SealedPeerhub(path) => said(path, "--version"),
            Make::NodeWs => node("ws"),
            Make::Bun => Some(format!("Bun {}", said(&bun()?, "--version")?)),
            Make::PeerServer => node("peer"),
            Make::Original => Some("ok-peerhub from its checkout".to_owned()),
            Make::Mosquitto => said(Path::new("mosquitto"), "-h"),
            Make::Nats => said(Path::new("nats-server"), "--version"),
        }
    }

    /// Starts it, on a CPU of its own if one is named, and waits until it can be connected to.
    ///
    /// # Errors
    /// What the system, or the server itself, says.
    pub fn start(&self, cpus: Option<gauge::Cpus>) -> Result<Running, StartError> {
        let address = free_address()?;
        let folder = Folder::new(address.port())?;
        let mut command = self.command(address, &folder)?;
        let words = folder.0.join("said");
        let said = File::create(&words)?;
        command
            .stdin(Stdio::null())
            .stdout(said.try_clone()?)
            .stderr(said);
        if let Some(cpus) = cpus {
            gauge::pin(cpus.server)?;
        }
        let child = command.spawn();
        if let Some(cpus) = cpus {
            gauge::pin(cpus.load)?;
        }
        let mut running = Running {
            child: child?,
            door: match self.make {
                Make::SealedPeerhub(_) => Door::sealed(address),
                _ => Door::plain(address),
            },
            _folder: folder,
        };
        let begun = Instant::now();
        while !is_open(address) {
            if running.child.try_wait()?.is_some() || begun.elapsed() > START_PATIENCE {
                let said = fs::read_to_string(&words).unwrap_or_default();
                let last = said.lines().last().unwrap_or("it says nothing");
                return Err(StartError(last.to_owned()));
            }
            thread::sleep(Duration::from_millis(20));
        }
        // Some go on with their own start after they have begun to listen.
        thread::sleep(Duration::from_millis(200));
        Ok(running)
    }

    fn command(&self, address: SocketAddr, folder: &Folder) -> io::Result<Command> {
        let port = address.port().to_string();
        let mut command;
        match &self.make {
            Make::Floor(sends) => {
                command = Command::new(std::env::current_exe()?);
                let sends = if *sends == Sends::Batched {
                    BATCHED
                } else {
                    EACH
                };
                command.args([FLOOR, sends, &address.to_string()]);
            }
            Make::Peerhub(path) | Make::SealedPeerhub(path) => {
                command = Command::new(path);
                command.args(["--listen", &address.to_string()]);
                command.args(["--peerjs-concurrent-limit", "100000"]);
                if matches!(self.make, Make::SealedPeerhub(_)) {
                    command.arg("--tls-self-signed");
                }
            }
            Make::NodeWs => {
                command = Command::new("node");
                command.arg(scripts().join("node-ws.mjs")).arg(port);
            }
            Make::Bun => {
                command = Command::new(bun().ok_or(ErrorKind::NotFound)?);
                command.arg(scripts().join("bun.mjs")).arg(port);
            }
            Make::Original => {
                command = Command::new("node");
                command.arg(scripts().join("ok-peerhub.mjs")).arg(port);
            }
            Make::PeerServer => {
                command = Command::new("node");
                command.arg(modules().join("peer/dist/bin/peerjs.js"));
                command.args(["--port", &port, "--host", "127.0.0.1"]);
                command.args(["--concurrent_limit", "100000"]);
            }
            Make::Mosquitto => {
                // It does not start without a listener for plain MQTT.
                let other_port = free_address()?.port();
                let settings = format!(
                    "listener {other_port} 127.0.0.1\nlistener {port} 127.0.0.1\nprotocol websockets\n\
                     allow_anonymous true\nmax_connections -1\nmax_queued_messages 0\n\
                     persistence false\nuser root\nlog_type error\n"
                );
                let file = folder.file("mosquitto.conf", &settings)?;
                command = Command::new("mosquitto");
                command.arg("-c").arg(file);
            }
            Make::Nats => {
                let other_port = free_address()?.port();
                let settings = format!(
                    "host: 127.0.0.1\nport: {other_port}\nmax_connections: 100000\n\
                     websocket {{\n  host: 127.0.0.1\n  port: {port}\n  no_tls: true\n}}\n"
                );
                let file = folder.file("nats.conf", &settings)?;
                command = Command::new("nats-server");
                command.arg("-c").arg(file);
            }
        }
        Ok(command)
    }
}

/// Why a server does not run.
#[derive(Debug)]
pub struct StartError(String);

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "does not start: {}", self.0)
    }
}

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> StartError {
        StartError(error.to_string())
    }
}

/// A server that runs. Ended when dropped.
pub struct Running {
    child: Child,
    pub door: Door,
    _folder: Folder,
}

impl Running {
    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It is our child, so that its number is nobody else's until it has been waited for.
        if let Some(pid) = Pid::from_raw(self.child.id().cast_signed()) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let begun = Instant::now();
        while begun.elapsed() < STOP_PATIENCE {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder of one server's own. Removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(port: u16) -> io::Result<Folder> {
        let name = format!("peerhub-beside-{}-{port}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path)?;
        Ok(Folder(path))
    }

    fn file(&self, name: &str, text: &str) -> io::Result<PathBuf> {
        let path = self.0.join(name);
        fs::write(&path, text)?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// An address that nobody listens on, as far as can be known. Its port is below those that the system gives to clients,
/// which would be in the way of a server that binds to every address; and it is another one each time, since connections
/// that are over hold theirs for a while.
fn free_address() -> io::Result<SocketAddr> {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")?;
    let clients_from = range
        .split_whitespace()
        .next()
        .and_then(|port| port.parse().ok());
    let below: u16 = clients_from.unwrap_or(PORTS_FROM);
    let ports: Vec<u16> = (PORTS_FROM..below).collect();
    if ports.is_empty() {
        return TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr();
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let first = now.map_or(0, |now| now.subsec_micros() as usize) % ports.len();
    let mut tried = ports.iter().cycle().skip(first).take(ports.len());
    let bind = |&port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok();
    let listener = tried.find_map(bind).ok_or(ErrorKind::AddrInUse)?;
    listener.local_addr()
}

/// Whether somebody listens there. Asked from another address: from the same one, a connection could meet itself.
fn is_open(address: SocketAddr) -> bool {
    let source = SocketAddr::from(([127, 0, 0, 2], 0));
    let connect = || {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        socket.bind(&source.into())?;
        socket.connect(&address.into())
    };
    connect().is_ok()
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/beside/servers")
}

fn modules() -> PathBuf {
    scripts().join("node_modules")
}

/// Bun's program, in the package of this platform.
fn bun() -> Option<PathBuf> {
    let packages = fs::read_dir(modules().join("@oven")).ok()?;
    let programs = packages
        .flatten()
        .map(|package| package.path().join("bin/bun"));
    programs.filter(|program| program.exists()).min()
}

/// The first line that a program answers with.
fn said(program: &Path, argument: &str) -> Option<String> {
    let output = Command::new(program).arg(argument).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.lines().next()?.trim().to_owned())
}

fn on_path(program: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}
