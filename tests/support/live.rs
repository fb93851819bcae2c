//! What the tests over real sockets share: a hub on a thread, the program as a process, and clients of both.
//!
//! Nothing here sleeps to wait for something: who waits reads a socket or a pipe, under one generous deadline that only
//! a failure ever reaches.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file is a crate of its own and uses its own part of this"
)]

use peerhub::config::Limits;
use peerhub::{Config, Ended, Server, Stopper};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tungstenite::client::IntoClientRequest;
use tungstenite::http::HeaderValue;
use tungstenite::protocol::CloseFrame;
use tungstenite::{Message, WebSocket};

/// How long anything may take before the test gives up.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Settings for a hub that says nothing unasked, on a port of its own.
pub fn quiet() -> Config {
    Config {
        listen: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
        nudge_interval_ms: 0,
        ping_interval_ms: 0,
        ..Config::default()
    }
}

/// Quiet settings with these bounds.
pub fn bounded(limits: Limits) -> Config {
    Config { limits, ..quiet() }
}

/// A hub on a thread of this process. Stopped when dropped.
pub struct TestHub {
    pub address: SocketAddr,
    pub addresses: Vec<SocketAddr>,
    stopper: Stopper,
    thread: Option<JoinHandle<io::Result<Ended>>>,
}

impl TestHub {
    pub fn start(config: Config) -> TestHub {
        let server = Server::bind(config).expect("the settings are good");
        let addresses = server.local_addrs().to_vec();
        TestHub {
            address: addresses[0],
            addresses,
            stopper: server.stopper(),
            thread: Some(std::thread::spawn(move || server.run())),
        }
    }

    /// Asks it to stop, as often as is said.
    pub fn ask_to_stop(&self) {
        self.stopper.stop();
    }

    /// Waits for the end.
    pub fn ended(mut self) -> Ended {
        let thread = self.thread.take().expect("it is waited for once");
        thread
            .join()
            .expect("the hub does not panic")
            .expect("poll works")
    }
}

impl Drop for TestHub {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else {
            return;
        };
        self.stopper.stop();
        self.stopper.stop();
        let ended = thread.join();
        if !std::thread::panicking() {
            ended.expect("the hub does not panic").expect("poll works");
        }
    }
}

/// A WebSocket client that speaks the hub's own protocol.
pub struct TestPeer {
    pub socket: WebSocket<TcpStream>,
    pub id: String,
    settled: u64,
}

impl TestPeer {
    /// Opens a WebSocket and takes in the hub's `accept`.
    pub fn connect(address: SocketAddr) -> TestPeer {
        TestPeer::over(tcp(address), "/")
    }

    /// The same over a connection that is there already.
    pub fn over(stream: TcpStream, path: &str) -> TestPeer {
        TestPeer::with_fields(stream, path, &[])
    }

    /// The same with these header fields in its request.
    pub fn with_fields(
        stream: TcpStream,
        path: &str,
        fields: &[(&'static str, &'static str)],
    ) -> TestPeer {
        let mut peer = TestPeer {
            socket: websocket_with_fields(stream, path, fields),
            id: String::new(),
            settled: 0,
        };
        let accept = peer.expect("accept");
        peer.id = accept["peer"].as_str().expect("an id").to_owned();
        peer
    }

    /// Connects and joins a linkage as a client of the original's make.
    pub fn join(address: SocketAddr, linkage: &str) -> TestPeer {
        let mut peer = TestPeer::connect(address);
        peer.initiate(linkage, json!({}));
        peer
    }

    /// Connects and joins as one of the hub's own clients, which is told of its faults.
    pub fn join_extended(address: SocketAddr, linkage: &str) -> TestPeer {
        let mut peer = TestPeer::connect(address);
        peer.initiate(linkage, json!({"resume": true}));
        peer
    }

    /// Joins a linkage; `more` is added to the content. Gives the hub's `confirm`.
    pub fn initiate(&mut self, linkage: &str, more: Value) -> Value {
        self.send(initiation(linkage, more));
        let confirm = self.expect("confirm");
        self.id = confirm["peer"].as_str().expect("an id").to_owned();
        confirm
    }

    pub fn send(&mut self, message: Value) {
        self.send_text(message.to_string());
    }

    pub fn send_text(&mut self, text: String) {
        self.socket
            .send(Message::text(text))
            .expect("the hub takes messages");
    }

    /// The next message.
    pub fn next(&mut self) -> Value {
        let begun = Instant::now();
        loop {
            // Pings alone do not count.
            assert!(begun.elapsed() < PATIENCE, "no message comes");
            match self.socket.read().expect("a message comes") {
                Message::Text(text) => {
                    return serde_json::from_str(&text).expect("the hub sends JSON");
                }
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("instead of a message came {other:?}"),
            }
        }
    }

    /// The next message, which must be of this type.
    pub fn expect(&mut self, kind: &str) -> Value {
        let message = self.next();
        assert_eq!(message["type"], kind, "{message}");
        message
    }

    /// Everything that the hub had to say to this peer before it read what the peer has sent up to now.
    pub fn settle(&mut self) -> Vec<Value> {
        self.settled += 1;
        let id = format!("settle-{}", self.settled);
        self.send(json!({"type": "retrievePeers", "messageid": id, "content": {}}));
        let mut before = Vec::new();
        loop {
            let message = self.next();
            if message["messageid"] == id {
                return before;
            }
            before.push(message);
        }
    }

    /// The others of its linkage, as the hub lists them.
    pub fn peers(&mut self) -> Vec<Value> {
        self.send(json!({"type": "retrievePeers", "messageid": "peers", "content": {}}));
        let mut answer = self.expect("response");
        serde_json::from_value(answer["content"]["peers"].take()).expect("a list")
    }

    /// Sends a message with a fault; the code of the error that comes back.
    pub fn fault(&mut self, message: Value) -> String {
        self.send(message);
        let error = self.expect("error");
        error["content"]["code"]
            .as_str()
            .expect("a code")
            .to_owned()
    }

    /// Reads until the hub closes; the code and reason, if it gave any. The close is answered.
    pub fn closed(&mut self) -> Option<(u16, String)> {
        closed(&mut self.socket)
    }

    /// Ends the connection without a word, as a process that dies does.
    pub fn vanish(self) {
        drop(self);
    }
}

/// An `initiate` with the options of an ordinary client.
pub fn initiation(linkage: &str, more: Value) -> Value {
    let mut content = json!({
        "userid": "", "linkageKey": linkage, "tags": [], "properties": {}, "startTime": 1,
        "options": {"deboutReceiver": false, "peerInitiationReceiver": true, "peerInitiationSender": true},
    });
    for (name, value) in more.as_object().expect("an object") {
        content[name] = value.clone();
    }
    json!({"type": "initiate", "messageid": "initiate", "content": content})
}

/// Reads until the other side closes; the code and reason, if it gave any. The close is answered, and the end awaited.
pub fn closed(socket: &mut WebSocket<TcpStream>) -> Option<(u16, String)> {
    let mut said = None;
    loop {
        match socket.read() {
            Ok(Message::Close(frame)) => {
                said = frame.map(|CloseFrame { code, reason }| (code.into(), reason.to_string()));
            }
            Ok(_) => {}
            Err(tungstenite::Error::ConnectionClosed) => return said,
            Err(tungstenite::Error::Protocol(_)) if said.is_none() => return None,
            Err(tungstenite::Error::Io(error)) if is_end(&error) => return said,
            Err(error) => panic!("instead of a close came {error}"),
        }
    }
}

/// A TCP connection with the deadline of all tests.
pub fn tcp(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, PATIENCE).expect("the hub listens");
    patient(&stream);
    stream
}

/// A TCP connection from this address of our own.
pub fn tcp_from(source: IpAddr, address: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::new(source, 0).into()).unwrap();
    socket.connect(&address.into()).expect("the hub listens");
    let stream = socket.into();
    patient(&stream);
    stream
}

/// A TCP connection that takes little that is not read.
pub fn tcp_narrow(address: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&address.into()).expect("the hub listens");
    let stream = socket.into();
    patient(&stream);
    stream
}

fn patient(stream: &TcpStream) {
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
}

/// A WebSocket on this path.
pub fn websocket(stream: TcpStream, path: &str) -> WebSocket<TcpStream> {
    websocket_with_fields(stream, path, &[])
}

fn websocket_with_fields(
    stream: TcpStream,
    path: &str,
    fields: &[(&'static str, &'static str)],
) -> WebSocket<TcpStream> {
    let url = format!("ws://hub.test{path}");
    let mut request = url.into_client_request().expect("a good URL");
    for &(name, value) in fields {
        let value = HeaderValue::from_static(value);
        request.headers_mut().append(name, value);
    }
    match tungstenite::client(request, stream) {
        Ok((socket, _)) => socket,
        Err(error) => panic!("no WebSocket on {path}: {error}"),
    }
}

/// Whether the error is what the end of a connection looks like.
pub fn is_end(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof
    )
}

/// A connection on which bytes are written and read by hand.
pub struct Raw {
    pub stream: TcpStream,
    read: Vec<u8>,
}

/// An HTTP answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Raw {
    pub fn connect(address: SocketAddr) -> Raw {
        Raw::over(tcp(address))
    }

    pub fn over(stream: TcpStream) -> Raw {
        Raw {
            stream,
            read: Vec::new(),
        }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Raw {
        self.stream
            .write_all(bytes.as_ref())
            .expect("the hub takes bytes");
        self
    }

    /// The next answer to a request that is not HEAD.
    pub fn answer(&mut self) -> Answer {
        self.answer_to(false)
    }

    /// The next answer; one to HEAD has no body.
    pub fn answer_to(&mut self, is_head: bool) -> Answer {
        let head_bytes = loop {
            if let Some(at) = find(&self.read, b"\r\n\r\n") {
                break at + 4;
            }
            self.read_more();
        };
        let head = String::from_utf8(self.read.drain(..head_bytes).collect()).unwrap();
        let status = head[9..12].parse().expect("a status");
        let mut answer = Answer {
            status,
            head,
            body: String::new(),
        };
        let body_bytes = match answer.header("content-length") {
            Some(length) if !is_head => length.parse().unwrap(),
            _ => 0,
        };
        answer.body = String::from_utf8(self.take(body_bytes)).unwrap();
        answer
    }

    /// The next so many bytes.
    pub fn take(&mut self, bytes: usize) -> Vec<u8> {
        while self.read.len() < bytes {
            self.read_more();
        }
        self.read.drain(..bytes).collect()
    }

    /// The payload and first byte of the next frame.
    pub fn frame(&mut self) -> (u8, Vec<u8>) {
        let head = self.take(2);
        let length = match head[1] {
            126 => {
                let bytes = self.take(2);
                usize::from(u16::from_be_bytes([bytes[0], bytes[1]]))
            }
            127 => panic!("no test waits for a frame as large as this"),
            length => usize::from(length),
        };
        (head[0], self.take(length))
    }

    /// The code of a close frame, which must come next.
    pub fn close_code(&mut self) -> u16 {
        let (first, payload) = self.frame();
        assert_eq!(first, 0x88, "a close frame comes");
        u16::from_be_bytes([payload[0], payload[1]])
    }

    /// Whatever comes until the connection ends.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut buffer = [0; 16 << 10];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(bytes) => self.read.extend_from_slice(&buffer[..bytes]),
                Err(error) if is_end(&error) => break,
                Err(error) => panic!("the connection does not end: {error}"),
            }
        }
        std::mem::take(&mut self.read)
    }

    fn read_more(&mut self) {
        let mut buffer = [0; 16 << 10];
        let bytes = self.stream.read(&mut buffer).expect("bytes come");
        assert_ne!(
            bytes, 0,
            "the hub ended the connection after {:?}",
            self.read
        );
        self.read.extend_from_slice(&buffer[..bytes]);
    }
}

impl Answer {
    /// A header field's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (field, value) = line.split_once(':')?;
            field.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("the body is JSON")
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}

/// The answer to a GET on a connection of its own.
pub fn get(address: SocketAddr, path: &str) -> Answer {
    Raw::connect(address)
        .send(format!("GET {path} HTTP/1.1\r\nHost: hub\r\n\r\n"))
        .answer()
}

/// A good WebSocket handshake for this path.
pub fn handshake(path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: hub\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

/// The head of a client's frame with a mask of zeros, which leaves the payload as it is.
pub fn frame_head(first: u8, payload_bytes: usize) -> Vec<u8> {
    let mut head = vec![first];
    match payload_bytes {
        0..126 => head.push(0x80 | payload_bytes as u8),
        126..65_536 => {
            head.push(0x80 | 126);
            head.extend((payload_bytes as u16).to_be_bytes());
        }
        _ => {
            head.push(0x80 | 127);
            head.extend((payload_bytes as u64).to_be_bytes());
        }
    }
    head.extend([0; 4]);
    head
}

/// A client's frame.
pub fn client_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    [frame_head(first, payload.len()), payload.to_vec()].concat()
}

/// The program as a process of its own. Killed when dropped.
pub struct Program {
    child: Child,
    lines: Receiver<String>,
    /// Every line of standard error up to the last that was waited for.
    pub log: Vec<String>,
    pub addresses: Vec<SocketAddr>,
}

/// The program with no setting from this process's environment.
pub fn command() -> Command {
    without_settings(Command::new(env!("CARGO_BIN_EXE_peerhub")))
}

/// A command that starts the program by way of a shell; the program is its `$0`.
pub fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_peerhub")]);
    without_settings(command)
}

fn without_settings(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("PEERHUB_") || text == "RUST_LOG" {
            command.env_remove(name);
        }
    }
    command
}

impl Program {
    /// Starts it with these arguments on a free port and waits until it listens. It says nothing unasked: a client that
    /// only writes would not answer its pings.
    pub fn start(arguments: &[&str]) -> Program {
        let mut command = command();
        command.args(["--listen", "127.0.0.1:0"]).args(arguments);
        command.args(["--nudge-interval", "0", "--ping-interval", "0"]);
        Program::run(command)
    }

    /// Starts a command and waits until it listens.
    pub fn run(command: Command) -> Program {
        Program::run_with(command, Stdio::null())
    }

    /// The same with this as its standard input.
    pub fn run_with(mut command: Command, input: Stdio) -> Program {
        let mut child = command
            .stdin(input)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let (sender, lines) = channel();
        let errors = BufReader::new(child.stderr.take().expect("it is piped"));
        std::thread::spawn(move || {
            for line in errors.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    // The test is over, but a program whose log nobody reads would stand still.
                }
            }
        });
        let mut program = Program {
            child,
            lines,
            log: Vec::new(),
            addresses: Vec::new(),
        };
        // The line about the browser follows each address; cautions, of which there is always one, come after all.
        program.wait_for("WARN");
        program.addresses = program
            .log
            .iter()
            .filter_map(|line| line.split_once("listening on ")?.1.parse().ok())
            .collect();
        program
    }

    pub fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Reads the log up to a line with this text; that line.
    pub fn wait_for(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    self.log.push(line);
                    let line = self.log.last().expect("it was pushed");
                    if line.contains(text) {
                        return line.clone();
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("the log never says {text:?}: {:#?}", self.log)
                }
            }
        }
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("it still runs");
    }

    /// Waits for the end of the process and of its log.
    pub fn exit(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self
                .lines
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(line) => self.log.push(line),
                // The pipe is closed by the end of the process.
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it does not end: {:#?}", self.log),
            }
        }
        self.child.wait().expect("it can be waited for")
    }

    /// Processor time that it has used since its start.
    pub fn cpu_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        // The second field, the name, may hold spaces; user and system time are the 14th and the 15th.
        let after_name = stat.rsplit_once(')').expect("a name").1;
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        // Linux counts in hundredths of a second here, whatever its own clock does.
        Duration::from_millis(ticks * 10)
    }

    /// The most memory that it has had resident, bytes.
    pub fn peak_memory_bytes(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .expect("Linux says it");
        let kib = line.trim().trim_end_matches(" kB");
        kib.parse::<usize>().unwrap() << 10
    }

    /// Its open descriptors.
    pub fn descriptor_count(&self) -> usize {
        let open = std::fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap();
        open.count()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
