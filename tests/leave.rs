//! How a hub takes leave of its peers when it is stopped, over false sockets and a false clock: who is told when, and what
//! is still done until then.

mod support;

use peerhub::Config;
use peerhub::config::Stop;
use std::net::IpAddr;
use support::memory_socket::moody;
use support::test_hub::{TestHub, settle};
use support::test_peer::{Heard, TestPeer};
use support::{Dice, for_each_seed};

const ANYWHERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
const WINDOW: usize = 1 << 20;
const STEP_MS: u64 = 10;
/// The longest time that somebody is kept for an answer.
const HOLD_MS: u64 = 250;
/// The time that somebody who has just come has for his first request.
const NEWCOMER_MS: u64 = 500;

/// Settings for a hub that says nothing unasked.
fn quiet() -> Config {
    Config {
        nudge_interval_ms: 0,
        ping_interval_ms: 0,
        ..Config::default()
    }
}

fn connect(hub: &mut TestHub, path: &str) -> TestPeer {
    let wire = hub.connect(ANYWHERE, WINDOW).expect("there is room");
    TestPeer::new(wire, path)
}

/// So many peers, each in a linkage of its own and with an id that is its number.
fn crowd(hub: &mut TestHub, count: usize) -> Vec<TestPeer> {
    let mut peers: Vec<TestPeer> = (0..count).map(|_| connect(hub, "/")).collect();
    settle(hub, &mut peers);
    for (number, peer) in peers.iter_mut().enumerate() {
        let initiate = format!(
            r#"{{"type":"initiate","content":{{"id":"{number}","linkageKey":"{number}"}}}}"#
        );
        peer.say(&initiate);
    }
    settle(hub, &mut peers);
    for peer in &mut peers {
        assert_eq!(peer.pump(usize::MAX).len(), 2, "accept and confirm");
    }
    peers
}

fn closed_with(heard: &[Heard], code: u16) -> bool {
    heard
        .iter()
        .any(|one| matches!(one, Heard::Close(Some(found), _) if *found == code))
}

fn told(heard: &[Heard], part: &str) -> bool {
    heard
        .iter()
        .any(|one| matches!(one, Heard::Text(text) if text.contains(part)))
}

/// Stops a hub with so many peers; how many were told at each step until everybody was gone.
fn stopped(config: Config, count: usize) -> Vec<usize> {
    let drain_time_ms = config.drain_time_ms;
    let mut hub = TestHub::new(config, 1);
    let mut peers = crowd(&mut hub, count);
    let (mut next, mut steps) = (0, Vec::new());
    hub.drain();
    hub.settle(|_| false);
    while hub.census().connections > 0 {
        let mut told_now = 0;
        for (number, peer) in peers.iter_mut().enumerate() {
            let heard = peer.pump(usize::MAX);
            if closed_with(&heard, 1001) {
                assert_eq!(number, next, "in their order, and nobody twice");
                next += 1;
                told_now += 1;
            }
        }
        steps.push(told_now);
        if next < count {
            // Whoever has not been told is served: the last two talk.
            let from = &mut peers[count - 1];
            from.say(&format!(
                r#"{{"type":"notify","peer":"{}","name":"step","content":1}}"#,
                count - 2
            ));
            settle(&mut hub, &mut peers);
            let heard = peers[count - 2].pump(usize::MAX);
            assert!(told(&heard, "step") || next == count - 1, "{heard:?}");
        }
        settle(&mut hub, &mut peers);
        assert!(hub.elapsed_ms() < drain_time_ms, "it does not end");
        hub.advance(STEP_MS, |_| false);
    }
    assert_eq!(next, count);
    assert_eq!(hub.census().peers, 0);
    steps
}

#[test]
fn a_thousand_are_told_one_after_the_other() {
    let steps = stopped(quiet(), 1_000);
    // 500 in a second.
    let begun: Vec<&usize> = steps.iter().take(200).collect();
    assert!(
        begun.iter().all(|count| (4..=6).contains(*count)),
        "{steps:?}"
    );
    assert!((200..=203).contains(&steps.len()), "{}", steps.len());
}

#[test]
fn a_few_are_told_at_once() {
    let steps = stopped(quiet(), 4);
    assert_eq!(steps[0], 4, "{steps:?}");
}

#[test]
fn everybody_is_told_in_half_of_the_drain_time() {
    let config = Config {
        drain_time_ms: 1_000,
        stop: Stop {
            rate: 1,
            ..Stop::default()
        },
        ..quiet()
    };
    let steps = stopped(config, 100);
    assert!((50..=52).contains(&steps.len()), "{steps:?}");
    assert!(steps.iter().all(|&count| count <= 2), "{steps:?}");
}

#[test]
fn a_hub_that_comes_back_says_so() {
    let config = Config {
        stop: Stop {
            returns: true,
            ..Stop::default()
        },
        ..quiet()
    };
    let mut hub = TestHub::new(config, 1);
    let mut peers = crowd(&mut hub, 2);
    hub.drain();
    hub.settle(|_| false);
    for peer in &mut peers {
        let reason = "the hub is being restarted".to_owned();
        assert_eq!(peer.pump(usize::MAX), [Heard::Close(Some(1012), reason)]);
    }
}

/// Whoever was told to leave was once heard no more, although his messages had been sent before he could know.
#[test]
fn what_was_sent_before_the_close_frame_is_heard() {
    let config = Config {
        stop: Stop {
            rate: 1,
            ..Stop::default()
        },
        ..quiet()
    };
    let mut hub = TestHub::new(config, 1);
    let mut peers = crowd(&mut hub, 2);
    let [first, last] = &mut peers[..] else {
        unreachable!("there are two")
    };
    hub.drain();
    hub.settle(|_| false);
    let notify =
        |name: &str| format!(r#"{{"type":"notify","peer":"1","name":"{name}","content":1}}"#);
    first.say(&notify("late"));
    settle(&mut hub, [&mut *first]);
    assert!(closed_with(&first.pump(usize::MAX), 1001));
    // The answer to the close frame is under way; nothing counts that comes after it.
    first.say(&notify("too late"));
    settle(&mut hub, [&mut *first]);
    let heard = last.pump(usize::MAX);
    assert!(
        told(&heard, "\"late\"") && !told(&heard, "too late"),
        "{heard:?}"
    );
    assert_eq!(hub.census().peers, 1);
}

#[test]
fn who_waits_for_an_answer_is_told_after_it() {
    let mut hub = TestHub::new(quiet(), 1);
    let mut peers = crowd(&mut hub, 3);
    for (peer, id) in [(0, "answered"), (1, "unanswered")] {
        peers[peer].say(&format!(
            r#"{{"type":"request","peer":"2","messageid":"{id}","content":1}}"#
        ));
    }
    settle(&mut hub, &mut peers);
    hub.drain();
    hub.settle(|_| false);
    let begun_ms = hub.elapsed_ms();
    // The one who is asked is told, and answers before his own close frame.
    let response =
        r#"{"type":"response","peer":"0","messageid":"answered","content":"the answer"}"#;
    peers[2].say(response);
    settle(&mut hub, &mut peers);
    assert!(closed_with(&peers[2].pump(usize::MAX), 1001));
    let heard = peers[0].pump(usize::MAX);
    assert!(told(&heard, "the answer") && !closed_with(&heard, 1001));
    hub.advance(STEP_MS, |_| false);
    assert!(closed_with(&peers[0].pump(usize::MAX), 1001));
    // He who has gone answers no more, which ends the waiting.
    settle(&mut hub, &mut peers);
    let heard = peers[1].pump(usize::MAX);
    assert!(told(&heard, "E_PEERLEFT") || heard.is_empty(), "{heard:?}");
    hub.advance(HOLD_MS, |_| false);
    assert!(closed_with(&peers[1].pump(usize::MAX), 1001));
    settle(&mut hub, &mut peers);
    assert_eq!(hub.census().connections, 0);
    assert!(hub.elapsed_ms() <= begun_ms + HOLD_MS + 2 * STEP_MS);
}

#[test]
fn nobody_is_kept_long_for_an_answer() {
    let mut hub = TestHub::new(quiet(), 1);
    let mut peers = crowd(&mut hub, 1);
    // One who asks himself and never answers.
    peers[0].say(r#"{"type":"request","peer":"0","messageid":"m","content":1}"#);
    settle(&mut hub, &mut peers);
    assert!(told(&peers[0].pump(usize::MAX), "request"));
    hub.drain();
    hub.advance(HOLD_MS - 1, |_| false);
    assert_eq!(peers[0].pump(usize::MAX), []);
    hub.advance(1, |_| false);
    assert!(closed_with(&peers[0].pump(usize::MAX), 1001));
}

/// Whoever had been let in, and asked a moment after the hub had begun to take leave, was once cut off without a word.
#[test]
fn who_has_just_come_is_answered() {
    let mut hub = TestHub::new(quiet(), 1);
    let mut connect = || hub.connect(ANYWHERE, WINDOW).expect("there is room");
    let (late, upgrade, silent) = (connect(), connect(), connect());
    hub.settle(|_| false);
    hub.drain();
    let begun_ms = hub.elapsed_ms();
    hub.advance(NEWCOMER_MS - 1, |_| false);
    let mut late = TestPeer::of_request(late, "GET", "/healthz", "");
    let mut upgrade = TestPeer::new(upgrade, "/");
    settle(&mut hub, [&mut late, &mut upgrade]);
    let heard = late.pump(usize::MAX);
    assert!(
        matches!(&heard[..], [Heard::Answer(503, body)] if body.contains("draining")),
        "{heard:?}"
    );
    // A WebSocket opens, and learns that it has to go again.
    let heard = upgrade.pump(usize::MAX);
    assert!(
        told(&heard, "accept") && closed_with(&heard, 1001),
        "{heard:?}"
    );
    assert!(!silent.is_over());
    hub.advance(STEP_MS, |_| false);
    assert!(silent.is_over());
    assert!(hub.elapsed_ms() <= begun_ms + NEWCOMER_MS + STEP_MS);
}

/// Who reads slowly, but reads, gets everything that waits for him, and then the close frame.
#[test]
fn queues_are_written_before_the_end() {
    let config = quiet();
    let wait_ms = config.close_timeout_ms - STEP_MS;
    let mut hub = TestHub::new(config, 1);
    let mut peers = crowd(&mut hub, 1);
    let wire = hub.connect(ANYWHERE, 10_000).expect("there is room");
    let mut slow = TestPeer::new(wire, "/");
    settle(&mut hub, [&mut slow]);
    slow.say(r#"{"type":"initiate","content":{"id":"slow","linkageKey":"slow"}}"#);
    settle(&mut hub, [&mut slow]);
    assert_eq!(slow.pump(usize::MAX).len(), 2);
    let content = "x".repeat(5_000);
    for _ in 0..10 {
        peers[0].say(&format!(
            r#"{{"type":"notify","peer":"slow","content":"{content}"}}"#
        ));
    }
    settle(&mut hub, &mut peers);
    hub.drain();
    hub.settle(|_| false);
    let mut heard = Vec::new();
    while !heard.contains(&Heard::Close(
        Some(1001),
        "the hub is shutting down".to_owned(),
    )) {
        hub.advance(wait_ms, |_| false);
        assert!(
            hub.census().connections > 0,
            "cut off after {}",
            heard.len()
        );
        heard.extend(slow.pump(usize::MAX));
    }
    assert_eq!(heard.len(), 11);
}

#[test]
fn the_other_dialects_take_leave_too() {
    let mut hub = TestHub::new(quiet(), 1);
    let node = format!("\"{}\"", "a".repeat(40));
    let paths = ["/peerjs?key=peerjs&id=a&token=b", "/peer-relay", "/peero"];
    let mut peers: Vec<TestPeer> = paths.map(|path| connect(&mut hub, path)).into();
    settle(&mut hub, &mut peers);
    peers[1].say(&node);
    let wire = hub.connect(ANYWHERE, WINDOW).expect("there is room");
    let mut line = TestPeer::of_lines(wire);
    line.say(r#"{"senderName":"ann","type":"@PRESENTATION","content":{"port":1}}"#);
    settle(&mut hub, peers.iter_mut().chain([&mut line]));
    for peer in &mut peers {
        peer.pump(usize::MAX);
    }
    hub.drain();
    hub.advance(STEP_MS, |_| false);
    for peer in &mut peers {
        let heard = peer.pump(usize::MAX);
        let reason = "the hub is shutting down".to_owned();
        assert_eq!(heard.last(), Some(&Heard::Close(Some(1001), reason)));
    }
    let heard = line.pump(usize::MAX);
    assert_eq!(
        heard.last(),
        Some(&Heard::Gone),
        "a line has no word for it"
    );
    line.wire().end();
    settle(&mut hub, peers.iter_mut().chain([&mut line]));
    assert_eq!(hub.census().connections, 0);
}

/// Whatever the network and the peers do, everybody is gone when the drain time is over, and each had his close frame who
/// read at all.
#[test]
fn no_mood_keeps_a_hub_from_ending() {
    for_each_seed(40, |dice| {
        let config = quiet();
        let drain_time_ms = config.drain_time_ms;
        let mut hub = TestHub::new(config, dice.below(u64::MAX));
        let count = 2 + dice.below(30) as usize;
        let mut peers = crowd(&mut hub, count);
        let stalled: Vec<bool> = peers.iter().map(|_| dice.chance(20)).collect();
        let mut closed = vec![false; count];
        for (peer, &stalled) in peers.iter_mut().zip(&stalled) {
            peer.reads = !stalled;
        }
        talk(&mut peers, dice);
        hub.drain();
        let begun_ms = hub.elapsed_ms();
        while hub.census().connections > 0 {
            if dice.chance(20) {
                talk(&mut peers, dice);
            }
            for (peer, closed) in peers.iter_mut().zip(&mut closed) {
                peer.wire().arrive(moody(dice));
                let heard = peer.pump(moody(dice));
                *closed |= closed_with(&heard, 1001);
            }
            hub.moody_tick(dice);
            hub.jump(dice.below(20));
            assert!(
                hub.elapsed_ms() - begun_ms < drain_time_ms,
                "it does not end"
            );
        }
        for ((peer, closed), stalled) in peers.iter_mut().zip(closed).zip(stalled) {
            let heard = peer.pump(usize::MAX);
            assert!(closed || stalled || closed_with(&heard, 1001));
        }
        assert_eq!(hub.census().peers, 0);
    });
}

/// Some say something to others: notify, ask, or answer what nobody has asked.
fn talk(peers: &mut [TestPeer], dice: &mut Dice) {
    let count = peers.len() as u64;
    for peer in peers.iter_mut().filter(|peer| peer.is_open()) {
        let kind = ["notify", "request", "response"][dice.below(3) as usize];
        let to = dice.below(count);
        let content = "x".repeat(dice.below(300) as usize);
        peer.say(&format!(
            r#"{{"type":"{kind}","peer":"{to}","messageid":"m","content":"{content}"}}"#
        ));
    }
}

/// What an echo heard while it took leave once came back after its close frame.
#[test]
fn an_echo_says_nothing_after_its_close_frame() {
    let config = Config {
        echo: true,
        ..quiet()
    };
    let mut hub = TestHub::new(config, 1);
    let mut peer = connect(&mut hub, "/echo");
    settle(&mut hub, [&mut peer]);
    assert!(peer.pump(usize::MAX).is_empty());
    hub.drain();
    settle(&mut hub, [&mut peer]);
    peer.say("late");
    peer.say_binary(b"later");
    settle(&mut hub, [&mut peer]);
    // `TestPeer` lets nothing follow a close frame.
    assert!(closed_with(&peer.pump(usize::MAX), 1001));
}
