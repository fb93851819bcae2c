//! What do the others notice of one bad neighbour?
//!
//!     cargo bench --bench neighbours
//!
//! 200 subscribers of a channel get 60 publications a second, come what may. Beside them, in turn: nobody; one who
//! publishes to nobody as fast as the hub takes it; one who sends pings so; one who says nonsense so; one who is
//! subscribed to a busy channel and reads nothing, cut off and there again; and one who connects as fast as the hub lets
//! him in. The figures are times from when a publication was due until a subscriber had it, and how they compare with those
//! of the same round without a neighbour. The hub has its default settings: no rates.
//!
//! The hub has one CPU and the load the other. The neighbour shares the load's, at the least priority, so that what it takes
//! from the load is not taken for what it takes from the hub.

#[path = "beside/rig/mod.rs"]
mod rig;

use rig::gauge::{self, Cpus};
use rig::load::{LoadError, Room};
use rig::servers::{self, Server};
use rig::speech::Speech;
use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::protocol::frame::{Frame, FrameHeader};

const SUBSCRIBERS: usize = 200;
const PER_SECOND: f64 = 60.0;
const SIZE: usize = 128;
/// Bursts of 64 KiB in a while: more in all than the hub lets wait for one reader.
const BURSTS: usize = 400;

/// Who is beside the others.
#[derive(Clone, Copy, Debug)]
enum Neighbour {
    Nobody,
    Publishes,
    Pings,
    TalksNonsense,
    ReadsNothing,
    Connects,
}

const NEIGHBOURS: [Neighbour; 6] = [
    Neighbour::Nobody,
    Neighbour::Publishes,
    Neighbour::Pings,
    Neighbour::TalksNonsense,
    Neighbour::ReadsNothing,
    Neighbour::Connects,
];

fn main() -> ExitCode {
    if let Some(ended) = servers::be_a_floor_if_told() {
        return ended;
    }
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    match compare(is_bench) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("neighbours: {error}");
            ExitCode::FAILURE
        }
    }
}

fn compare(is_bench: bool) -> Result<(), Box<dyn Error>> {
    let (rounds, seconds) = if is_bench { (5, 4) } else { (1, 1) };
    let cpus = match Cpus::find()? {
        None if is_bench => return Err("this takes two CPUs".into()),
        found => found,
    };
    gauge::raise_file_limit()?;
    let all = servers::all(Path::new(env!("CARGO_BIN_EXE_peerhub")));
    let hub = all.iter().find(|server| server.name == "peerhub");
    let hub = hub.ok_or("peerhub is no server here")?;
    let mut rounds_of: Vec<Vec<[f64; 3]>> = vec![Vec::new(); NEIGHBOURS.len()];
    let mut done = [0; NEIGHBOURS.len()];
    for _ in 0..rounds {
        for (place, &neighbour) in NEIGHBOURS.iter().enumerate() {
            let (times, count) = one(hub, cpus, neighbour, seconds)?;
            rounds_of[place].push(times);
            done[place] += count;
        }
    }
    println!(
        "| Beside the others is one who … | p50, ms | p99, ms | p99.9, ms | p99 × | did so, a second |"
    );
    println!("|---|---:|---:|---:|---:|---:|");
    for (place, neighbour) in NEIGHBOURS.iter().enumerate() {
        let of = |quantile: usize| {
            median(
                rounds_of[place]
                    .iter()
                    .map(|times| times[quantile])
                    .collect(),
            )
        };
        let paired = rounds_of[place].iter().zip(&rounds_of[0]);
        let ratio = median(paired.map(|(with, without)| with[1] / without[1]).collect());
        let a_second = done[place] / (rounds * seconds);
        println!(
            "| {} | {:.2} | {:.2} | {:.2} | {ratio:.2} | {a_second} |",
            neighbour.words(),
            of(0),
            of(1),
            of(2)
        );
    }
    Ok(())
}

/// The half, 99 % and 99.9 % of the times in milliseconds, and how often the neighbour has done what it does.
fn one(
    hub: &Server,
    cpus: Option<Cpus>,
    neighbour: Neighbour,
    seconds: u64,
) -> Result<([f64; 3], u64), Box<dyn Error>> {
    let running = hub.start(cpus).map_err(|error| error.to_string())?;
    let mut room = Room::open(running.door.clone(), Speech::Ok, (SUBSCRIBERS, 1), SIZE, 1)
        .map_err(|error| error.to_string())?;
    let over = Arc::new(AtomicBool::new(false));
    let count = Arc::new(AtomicU64::new(0));
    let beside = {
        let (over, count, address) = (over.clone(), count.clone(), running.door.address);
        thread::spawn(move || neighbour.live(address, &over, &count))
    };
    let measured = measure(&mut room, seconds, &count);
    over.store(true, Ordering::Relaxed);
    drop(running);
    beside.join().map_err(|_| "the neighbour panicked")?;
    Ok(measured.map_err(|error| error.to_string())?)
}

fn measure(room: &mut Room, seconds: u64, count: &AtomicU64) -> Result<([f64; 3], u64), LoadError> {
    let pace = room.pace(PER_SECOND);
    let publications = |seconds: u64| (seconds as f64 * PER_SECOND) as u64;
    room.run_at(pace, publications(1))?;
    room.forget_times();
    let before = count.load(Ordering::Relaxed);
    room.run_at(pace, publications(seconds))?;
    let done = count.load(Ordering::Relaxed) - before;
    let faults = room.finish()?;
    assert!(faults.is_none(), "{faults}");
    let at = |quantile| room.latency().value_at_quantile(quantile) as f64 / 1e6;
    Ok(([at(0.5), at(0.99), at(0.999)], done))
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

impl Neighbour {
    fn words(self) -> &'static str {
        match self {
            Neighbour::Nobody => "is not there",
            Neighbour::Publishes => "publishes to nobody",
            Neighbour::Pings => "sends pings",
            Neighbour::TalksNonsense => "says nonsense",
            Neighbour::ReadsNothing => "reads nothing of 2 KiB messages",
            Neighbour::Connects => "connects and goes",
        }
    }

    /// Does what it does until it is over; whatever ends its connection, it comes again.
    fn live(self, address: SocketAddr, over: &AtomicBool, count: &AtomicU64) {
        // Refused, it only disturbs the load more.
        let _ = rustix::process::nice(19);
        while !over.load(Ordering::Relaxed) && !matches!(self, Neighbour::Nobody) {
            // The hub may have cut it off, which is what some of them are there for.
            let _ = self.live_once(address, over, count);
        }
    }

    fn live_once(
        self,
        address: SocketAddr,
        over: &AtomicBool,
        count: &AtomicU64,
    ) -> io::Result<()> {
        let text = |payload: &str| frame(OpCode::Data(Data::Text), payload);
        let burst = match self {
            Neighbour::Nobody => return Ok(()),
            Neighbour::Connects => {
                connect(address)?;
                count.fetch_add(1, Ordering::Relaxed);
                return Ok(());
            }
            Neighbour::Publishes => {
                text(r#"{"type":"publish","content":{"channel":"nobody","message":1}}"#)
            }
            Neighbour::Pings => ping(),
            Neighbour::TalksNonsense => text("{]"),
            Neighbour::ReadsNothing => text(&format!(
                r#"{{"type":"publish","content":{{"channel":"busy","message":"{}"}}}}"#,
                "x".repeat(2048)
            )),
        };
        let mut deaf = connect(address)?;
        if matches!(self, Neighbour::ReadsNothing) {
            let subscription = r#"{"type":"subscribe","content":{"channels":["busy"]}}"#;
            deaf.write_all(&text(subscription))?;
        }
        flood(address, burst, over, count)
    }
}

/// Sends a frame as fast as the hub takes it, for a while, and throws away what the hub says.
fn flood(
    address: SocketAddr,
    frame: Vec<u8>,
    over: &AtomicBool,
    count: &AtomicU64,
) -> io::Result<()> {
    let mut stream = connect(address)?;
    let copies = (64 << 10) / frame.len();
    let burst = frame.repeat(copies);
    let mut discarded = vec![0; 64 << 10];
    stream.set_nonblocking(true)?;
    let mut sent = 0;
    let mut bursts = 0;
    while !over.load(Ordering::Relaxed) && bursts < BURSTS {
        match stream.read(&mut discarded) {
            Ok(0) => return Ok(()),
            Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
            Ok(_) | Err(_) => {}
        }
        match stream.write(&burst[sent..]) {
            Ok(bytes) => sent += bytes,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                thread::sleep(Duration::from_micros(100));
            }
            Err(error) => return Err(error),
        }
        if sent == burst.len() {
            sent = 0;
            bursts += 1;
            count.fetch_add(copies as u64, Ordering::Relaxed);
        }
    }
    Ok(())
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let (socket, _) = tungstenite::client(format!("ws://{address}/"), stream)
        .map_err(|error| io::Error::other(error.to_string()))?;
    Ok(socket.into_inner())
}

fn ping() -> Vec<u8> {
    frame(
        OpCode::Control(tungstenite::protocol::frame::coding::Control::Ping),
        "",
    )
}

/// A frame as clients send it.
fn frame(opcode: OpCode, payload: &str) -> Vec<u8> {
    let header = FrameHeader {
        opcode,
        mask: Some([0; 4]),
        ..FrameHeader::default()
    };
    let mut bytes = Vec::new();
    Frame::from_payload(header, payload.to_owned().into())
        .format(&mut bytes)
        .expect("a vector takes all that is written");
    bytes
}
