//! What net-peer's members can make the hub hold and do, and what survives a restart. The bounds that a talk alone shows
//! are in `tests/transcripts/netpeer`.

#[path = "support/folder.rs"]
mod folder;
#[path = "support/live.rs"]
mod live;
mod support;

use folder::Folder;
use live::{PATIENCE, Program, TestHub, bounded, get, quiet, tcp, tcp_from};
use peerhub::config::{Limits, NetPeer};
use peerhub::{Config, Ended, Server};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Instant;
use support::test_hub;
use support::test_peer::{Heard, TestPeer};

/// A connection that speaks lines.
struct Member {
    name: String,
    reader: BufReader<TcpStream>,
}

impl Member {
    fn over(stream: TcpStream, name: &str) -> Member {
        Member {
            name: name.to_owned(),
            reader: BufReader::new(stream),
        }
    }

    /// Connects and becomes a member; what it is told of the network.
    fn join(address: SocketAddr, name: &str) -> (Member, Value) {
        let mut member = Member::over(tcp(address), name);
        member.present(true);
        assert_eq!(member.expect("@PRESENTATION")["port"], address.port());
        let network = member.expect("@NETWORK_INFORMATION")["network"].take();
        (member, network)
    }

    fn present(&mut self, needs_information: bool) {
        self.say(
            "@PRESENTATION",
            json!({"port": 5001, "needNetworkInformation": needs_information}),
        );
    }

    fn say(&mut self, kind: &str, content: Value) {
        let message = json!({"senderName": self.name, "type": kind, "content": content});
        let stream = self.reader.get_mut();
        writeln!(stream, "{message}").expect("the hub takes lines");
    }

    fn tell_state(&mut self, state: Value) {
        self.say(
            "@NETWORK_INFORMATION",
            json!({"network": {"hosts": [], "state": state}}),
        );
    }

    /// The content of the next line, which must be of this type.
    fn expect(&mut self, kind: &str) -> Value {
        let mut line = String::new();
        self.reader.read_line(&mut line).expect("a line comes");
        let mut message: Value = serde_json::from_str(&line).expect("the hub sends JSON");
        assert_eq!(message["type"], kind, "{message}");
        message["content"].take()
    }

    /// What the hub knows, after all that was said before.
    fn network(&mut self) -> Value {
        self.say("@REQUEST_NETWORK_INFORMATION", json!({}));
        self.expect("@NETWORK_INFORMATION")["network"].take()
    }

    /// Expects the end of the connection, in order and without another word.
    fn ended(&mut self) {
        let mut rest = String::new();
        let bytes = self
            .reader
            .read_line(&mut rest)
            .expect("the end is no reset");
        assert_eq!((bytes, rest.as_str()), (0, ""));
    }
}

fn with_state_file(path: &str) -> Config {
    Config {
        netpeer: NetPeer {
            state: Some(r#""configured""#.to_owned()),
            state_file: Some(path.to_owned()),
            ..NetPeer::default()
        },
        ..quiet()
    }
}

#[test]
fn who_finds_no_place_just_ends() {
    let hub = TestHub::start(bounded(Limits {
        connections: 2,
        ..Limits::default()
    }));
    let (_one, _) = Member::join(hub.address, "one");
    let (mut two, _) = Member::join(hub.address, "two");
    for _ in 0..40 {
        let mut third = Member::over(tcp(hub.address), "third");
        third.present(true);
        third.ended();
    }
    assert_eq!(two.network()["hosts"].as_array().map(Vec::len), Some(1));
}

#[test]
fn places_of_one_address() {
    let hub = TestHub::start(bounded(Limits {
        connections_per_address: 1,
        ..Limits::default()
    }));
    let from = |last: u8| tcp_from(IpAddr::from([127, 0, 0, last]), hub.address);
    let mut one = Member::over(from(2), "one");
    one.present(false);
    one.expect("@PRESENTATION");
    let mut two = Member::over(from(2), "two");
    two.present(false);
    two.ended();
    let mut three = Member::over(from(3), "three");
    three.present(false);
    three.expect("@PRESENTATION");
    let hosts = three.network()["hosts"].take();
    assert_eq!(hosts[0]["ip"], "127.0.0.2");
    assert_eq!(hosts.as_array().map(Vec::len), Some(1));
}

#[test]
fn when_the_hub_stops_its_members_see_the_end() {
    let hub = TestHub::start(quiet());
    let (mut one, _) = Member::join(hub.address, "one");
    let mut silent = Member::over(tcp(hub.address), "silent");
    silent.say("chat", json!(1));
    one.network();
    hub.ask_to_stop();
    one.ended();
    silent.ended();
    drop((one, silent));
    assert_eq!(hub.ended(), Ended::Drained);
}

#[test]
fn who_does_not_read_is_cut_off_alone() {
    let hub = TestHub::start(Config {
        netpeer: NetPeer {
            state: Some(format!("\"{}\"", "x".repeat(100_000))),
            ..NetPeer::default()
        },
        ..bounded(Limits {
            queue_bytes: 1 << 20,
            ..Limits::default()
        })
    });
    let (mut witness, _) = Member::join(hub.address, "witness");
    let mut deaf = Member::over(live::tcp_narrow(hub.address), "deaf");
    deaf.present(false);
    let question = b"{\"type\":\"@REQUEST_NETWORK_INFORMATION\"}\n".repeat(100);
    let begun = Instant::now();
    // What the hub cannot say to it any more ends its connection, sooner or later.
    while deaf.reader.get_mut().write_all(&question).is_ok() {
        assert!(begun.elapsed() < PATIENCE, "it is not cut off");
    }
    assert_eq!(witness.network()["hosts"], json!([]));
}

#[test]
fn the_counters_are_where_people_look() {
    let hub = TestHub::start(quiet());
    let (mut one, _) = Member::join(hub.address, "one");
    for _ in 0..3 {
        one.say("chat", json!("hello"));
    }
    one.network();
    assert_eq!(
        get(hub.address, "/healthz").json()["netpeer"],
        json!({"members": 1, "messages": 3})
    );
    let off = TestHub::start(Config {
        netpeer: NetPeer {
            on: false,
            ..NetPeer::default()
        },
        ..quiet()
    });
    assert_eq!(get(off.address, "/healthz").json().get("netpeer"), None);
    // Without net-peer a brace begins nothing that the hub understands.
    let mut nobody = live::Raw::connect(off.address);
    nobody.send("{\"type\":\"@PRESENTATION\"}\r\n\r\n");
    assert_eq!(nobody.answer().status, 400);
}

#[test]
fn the_last_state_survives_a_restart() {
    let folder = Folder::new("netpeer-state");
    let path = folder.0.join("state.json");
    let path = path.to_str().expect("a plain path");

    let hub = TestHub::start(with_state_file(path));
    let (mut one, network) = Member::join(hub.address, "one");
    assert_eq!(network["state"], "configured");
    assert!(!std::fs::exists(path).unwrap(), "nothing was told yet");
    for turn in 0..100 {
        one.tell_state(json!({"turn": turn}));
    }
    assert_eq!(one.network()["state"], json!({"turn": 99}));
    hub.ask_to_stop();
    drop(one);
    assert_eq!(hub.ended(), Ended::Drained);
    assert_eq!(std::fs::read_to_string(path).unwrap(), "{\"turn\":99}\n");

    let hub = TestHub::start(with_state_file(path));
    let (mut two, network) = Member::join(hub.address, "two");
    assert_eq!(network["state"], json!({"turn": 99}));
    two.tell_state(json!("by two"));
    two.network();
    // A second demand to stop ends the hub at once, but not before the file is written.
    hub.ask_to_stop();
    hub.ask_to_stop();
    hub.ended();
    assert_eq!(std::fs::read_to_string(path).unwrap(), "\"by two\"\n");
    assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 1);
}

#[test]
fn the_state_is_written_while_the_hub_runs() {
    let folder = Folder::new("netpeer-state-soon");
    let path = folder.0.join("state.json");
    let hub = TestHub::start(with_state_file(path.to_str().expect("a plain path")));
    let (mut one, _) = Member::join(hub.address, "one");
    for state in ["first", "second"] {
        one.tell_state(json!(state));
        let begun = Instant::now();
        let expected = format!("\"{state}\"\n");
        while std::fs::read_to_string(&path).ok().as_ref() != Some(&expected) {
            assert!(begun.elapsed() < PATIENCE, "the file does not come");
            std::thread::yield_now();
        }
    }
}

#[test]
fn a_state_file_by_hand_may_have_line_breaks() {
    let folder = Folder::new("netpeer-state-broken-lines");
    let path = folder.file("state.json", "{\r\n  \"a\":\n  [1, 2]\n}\n");
    let hub = TestHub::start(with_state_file(&path));
    let (_one, network) = Member::join(hub.address, "one");
    assert_eq!(network["state"], json!({"a": [1, 2]}));
}

#[test]
fn a_state_file_that_cannot_be_used_is_said_at_the_start() {
    let folder = Folder::new("netpeer-bad-state");
    let limits = Limits {
        message_bytes: 64,
        ..Limits::default()
    };
    let longest = format!("\"{}\"", "x".repeat(62));
    for (bytes, problem) in [
        (&b"{\"a\":"[..], "it is not JSON: EOF while parsing"),
        (b"", "it is not JSON: EOF while parsing"),
        (b"1 2", "it is not JSON: trailing characters"),
        (b"\"\xff\"", "it is no UTF-8 text"),
        (
            format!("{longest}\n").as_bytes(),
            "it has more than 64 bytes (max-message-bytes)",
        ),
    ] {
        let path = folder.file("state.json", bytes);
        let config = Config {
            limits: limits.clone(),
            ..with_state_file(&path)
        };
        let error = Server::bind(config)
            .expect_err("the file is bad")
            .to_string();
        let begin = format!("netpeer-state-file: {path}: {problem}");
        assert!(error.starts_with(&begin), "{error}");
        assert_eq!(error.lines().count(), 1);
    }
    let path = folder.file("state.json", longest);
    let config = Config {
        limits,
        ..with_state_file(&path)
    };
    assert!(Server::bind(config).is_ok(), "just within the bound");
    let folder_path = folder.0.to_str().expect("a plain path");
    let error = Server::bind(with_state_file(folder_path)).expect_err("a folder is no file");
    assert!(error.to_string().contains("is a directory"), "{error}");
    // A hub that does not speak net-peer does not look.
    let mut config = with_state_file(folder_path);
    config.netpeer.on = false;
    assert!(Server::bind(config).is_ok());
}

#[test]
fn a_state_file_that_cannot_be_written_is_no_more_than_said() {
    let path = "/nonexistent/of/peerhub/state.json";
    let mut program = Program::start(&["--netpeer-state-file", path]);
    let (mut one, _) = Member::join(program.address(), "one");
    one.tell_state(json!(1));
    let line = program.wait_for("cannot write");
    assert!(line.contains(path) && line.contains("ERROR"), "{line}");
    assert_eq!(one.network()["state"], 1);
}

#[cfg(target_os = "linux")]
#[test]
fn the_system_watches_over_members() {
    let hub = TestHub::start(Config {
        ping_interval_ms: 10_000,
        ..quiet()
    });
    let (mut one, _) = Member::join(hub.address, "one");
    one.network();
    let own_port = one.reader.get_ref().local_addr().unwrap().port();
    // The hub's end: its port is the local one. A timer that begins with 02 is that of a keepalive probe; until what was
    // said is acknowledged it is another one.
    let ends = (hub.address.port(), own_port);
    let begun = Instant::now();
    loop {
        assert!(begun.elapsed() < PATIENCE, "no probe is planned");
        if timer_of(ends).starts_with("02:") {
            break;
        }
        std::thread::yield_now();
    }
}

/// The kernel's timer for the connection between these ports of 127.0.0.1.
#[cfg(target_os = "linux")]
fn timer_of((local, remote): (u16, u16)) -> String {
    let table = std::fs::read_to_string("/proc/net/tcp").expect("Linux has it");
    let ends = format!(" 0100007F:{local:04X} 0100007F:{remote:04X} ");
    let line = table.lines().find(|line| line.contains(&ends));
    let fields = line.expect("the connection is open").split_whitespace();
    fields.into_iter().nth(5).expect("a timer").to_owned()
}

/// A member of a hub in memory.
fn line_speaker(hub: &mut test_hub::TestHub, first: &str) -> TestPeer {
    let wire = hub
        .connect(IpAddr::from([192, 0, 2, 1]), usize::MAX)
        .expect("there is room");
    let mut peer = TestPeer::of_lines(wire);
    peer.say(first);
    peer.wire().arrive(usize::MAX);
    peer
}

fn presentation(name: &str, needs_information: bool) -> String {
    json!({
        "senderName": name, "type": "@PRESENTATION",
        "content": {"port": 5001, "needNetworkInformation": needs_information},
    })
    .to_string()
}

fn types(peer: &mut TestPeer) -> Vec<String> {
    let heard = peer.pump(usize::MAX).into_iter();
    heard
        .map(|one| match one {
            Heard::Text(text) => {
                let message: Value = serde_json::from_str(&text).expect("JSON");
                message["type"].as_str().expect("a type").to_owned()
            }
            other => format!("{other:?}"),
        })
        .collect()
}

/// Settings for a hub in memory with a state of so many bytes.
fn large_state(bytes: usize) -> Config {
    Config {
        netpeer: NetPeer {
            state: Some(format!("\"{}\"", "x".repeat(bytes))),
            ..NetPeer::default()
        },
        ..quiet()
    }
}

#[test]
fn one_who_asks_much_does_not_keep_the_others_waiting() {
    const QUESTIONS: usize = 3_000;
    let mut config = large_state(10_000);
    config.limits.queue_bytes = 1 << 30;
    let mut hub = test_hub::TestHub::new(config, 1);
    let mut loud = line_speaker(&mut hub, &presentation("loud", false));
    hub.settle(|_| false);
    assert_eq!(types(&mut loud), ["@PRESENTATION"]);
    let question = "{\"type\":\"@REQUEST_NETWORK_INFORMATION\"}\n";
    loud.wire().send(question.repeat(QUESTIONS).as_bytes());
    loud.wire().arrive(usize::MAX);
    let mut other = line_speaker(&mut hub, &presentation("other", false));
    hub.tick();
    hub.tick();
    assert_eq!(types(&mut other), ["@PRESENTATION"]);
    let mut answers = types(&mut loud).len();
    assert!(0 < answers && answers < QUESTIONS, "{answers} in two ticks");
    hub.settle(|_| false);
    answers += types(&mut loud).len();
    assert_eq!(answers, QUESTIONS);
}

#[test]
fn a_crowd_that_waits_for_a_large_state_is_answered_in_turns() {
    const CROWD: usize = 30;
    let mut hub = test_hub::TestHub::new(large_state(200_000), 1);
    let mut first = line_speaker(&mut hub, &presentation("first", false));
    hub.settle(|_| false);
    let mut crowd: Vec<TestPeer> = (0..CROWD)
        .map(|number| line_speaker(&mut hub, &presentation(&format!("peer {number}"), true)))
        .collect();
    hub.settle(|_| false);
    assert_eq!(
        types(&mut first),
        ["@PRESENTATION", "@REQUEST_NETWORK_INFORMATION"]
    );
    for peer in &mut crowd {
        assert_eq!(types(peer), ["@PRESENTATION"]);
    }
    // No state of its own: the large one stays.
    first.say("{\"type\":\"@NETWORK_INFORMATION\"}");
    first.wire().arrive(usize::MAX);
    hub.tick();
    let answered = |crowd: &mut [TestPeer]| {
        let told = crowd.iter_mut().map(|peer| types(peer).len());
        told.sum::<usize>()
    };
    let mut sum = answered(&mut crowd);
    assert!(0 < sum && sum < CROWD, "{sum} in one tick");
    hub.settle(|_| false);
    sum += answered(&mut crowd);
    assert_eq!(sum, CROWD);
}

/// Once late is not silent for ever: the state would be an old one for all who come later.
#[test]
fn a_member_that_was_late_is_asked_again() {
    const PRESENTED: &str = "@PRESENTATION";
    const ASKED: &str = "@REQUEST_NETWORK_INFORMATION";
    const TOLD: &str = "@NETWORK_INFORMATION";
    let config = quiet();
    let state_time_ms = config.netpeer.state_time_ms;
    let mut hub = test_hub::TestHub::new(config, 1);
    let mut slow = line_speaker(&mut hub, &presentation("slow", false));
    let mut second = line_speaker(&mut hub, &presentation("second", true));
    hub.settle(|_| false);
    assert_eq!(types(&mut slow), [PRESENTED, ASKED]);
    hub.advance(state_time_ms, |_| false);
    assert_eq!(types(&mut second), [PRESENTED, TOLD]);
    slow.say(r#"{"type":"@NETWORK_INFORMATION","content":{"network":{"hosts":[],"state":1}}}"#);
    slow.wire().arrive(usize::MAX);
    second.wire().reset();
    second.wire().arrive(usize::MAX);
    hub.settle(|_| false);
    let _third = line_speaker(&mut hub, &presentation("third", true));
    hub.settle(|_| false);
    assert_eq!(types(&mut slow), [ASKED]);
}

#[test]
fn a_silent_crowd_is_ended_in_turns() {
    const CROWD: usize = 1_500;
    let mut hub = test_hub::TestHub::new(quiet(), 1);
    let mut crowd: Vec<TestPeer> = (0..CROWD).map(|_| line_speaker(&mut hub, "{}")).collect();
    hub.settle(|_| false);
    assert_eq!(hub.census().faults, CROWD as u64);
    hub.advance(Config::default().handshake_timeout_ms, |_| false);
    for peer in &mut crowd {
        assert_eq!(types(peer), ["@CONNECTION_CLOSED", "Gone"]);
        peer.wire().end();
        peer.wire().arrive(usize::MAX);
    }
    hub.settle(|_| false);
    assert_eq!(hub.census().connections, 0);
}

/// The beginning of a line was once kept for as long as its sender liked.
#[test]
fn a_line_that_has_begun_ends_in_time() {
    let config = Config::default();
    let timeout_ms = config.message_timeout_ms;
    let mut hub = test_hub::TestHub::new(config, 1);
    let mut slow = line_speaker(&mut hub, &presentation("slow", false));
    let mut brisk = line_speaker(&mut hub, &presentation("brisk", false));
    hub.settle(|_| false);
    assert_eq!(types(&mut slow), ["@PRESENTATION"]);
    assert_eq!(types(&mut brisk), ["@PRESENTATION"]);
    for _ in 0..5 {
        // The one ends a line and begins the next with each piece, the other goes on with the same.
        brisk.wire().send(b"\"}\n{\"type\":\"news");
        slow.wire().send(b"{");
        for peer in [&brisk, &slow] {
            peer.wire().arrive(usize::MAX);
        }
        hub.advance(timeout_ms / 4, |_| false);
    }
    assert_eq!(types(&mut brisk), [""; 0]);
    assert_eq!(types(&mut slow), ["@CONNECTION_CLOSED", "Gone"]);
    assert!(!brisk.wire().is_released());
    // Whoever is silent between two lines may be so for as long as he likes.
    brisk.wire().send(b"\"}\n");
    brisk.wire().arrive(usize::MAX);
    hub.advance(10 * timeout_ms, |_| false);
    assert!(!brisk.wire().is_released());
}
