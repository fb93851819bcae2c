//! Routing allocates nothing: once every buffer has its size, a message passes through the whole hub without a call to
//! the allocator, whatever its kind and however many receive it.
//!
//! One thing is not the hub's: serde_json remembers the brackets that it is inside of, all but the innermost, in a vector
//! of its own for each text that it skips. So an envelope whose content holds arrays or objects of its own costs one
//! small allocation; that, too, is the same for any number of receivers.
//!
//! What changes the hub's state may allocate, a change of properties or a request that fails; that, too, does not depend on
//! how many hear of it.
//!
//! The counting allocator counts those of this thread only, so the tests may run side by side.

#[path = "../benches/support/mod.rs"]
mod support;

use support::{Hall, contains, frame};

#[test]
fn the_count_sees_allocations() {
    let info = allocation_counter::measure(|| drop(std::hint::black_box(vec![0_u8; 10])));
    assert_eq!(info.count_total, 1);
}

#[test]
fn publish_allocates_nothing() {
    publish(r#""hello""#, 0);
}

#[test]
fn brackets_cost_one_allocation() {
    publish(r#"{"text":"hello"}"#, 1);
    publish(r#"{"text":["hello",[["world"]]]}"#, 1);
}

fn publish(message: &str, allocations: u64) {
    let mut hall = Hall::new(peerhub::Config::default());
    let publisher = hall.join("room");
    let subscribe = frame(r#"{"type":"subscribe","content":{"channels":["news"]}}"#);
    let subscribers: Vec<usize> = (0..20).map(|_| hall.join("room")).collect();
    for &subscriber in &subscribers {
        hall.send(subscriber, &subscribe);
    }
    hall.tick();
    let publish = frame(&format!(
        r#"{{"type":"publish","messageid":"a1b2c3d-k7vsj2og","content":{{"channel":"news","message":{message}}}}}"#
    ));
    let talk = |hall: &mut Hall| {
        hall.send(publisher, &publish);
        hall.tick();
    };
    check(&mut hall, &subscribers, b"\"message\"", allocations, talk);
}

#[test]
fn notify_allocates_nothing() {
    let mut hall = Hall::new(peerhub::Config::default());
    let (sender, receiver) = (hall.join("room"), hall.join("room"));
    let notify = frame(
        r#"{"type":"notify","messageid":"a1b2c3d-k7vsj2og","peer":"client-1","name":"n","content":[1,2,3]}"#,
    );
    let talk = |hall: &mut Hall| {
        hall.send(sender, &notify);
        hall.tick();
    };
    check(&mut hall, &[receiver], b"\"notify\"", 0, talk);
}

#[test]
fn request_and_response_allocate_nothing() {
    let mut hall = Hall::new(peerhub::Config::default());
    let (requester, responder) = (hall.join("room"), hall.join("room"));
    let request = frame(
        r#"{"type":"request","messageid":"a1b2c3d-k7vsj2og","peer":"client-1","name":"ask","content":{"q":1}}"#,
    );
    let response = frame(
        r#"{"type":"response","messageid":"a1b2c3d-k7vsj2og","peer":"client-0","name":"ask","content":{"a":1}}"#,
    );
    let talk = |hall: &mut Hall| {
        hall.send(requester, &request);
        hall.tick();
        hall.send(responder, &response);
        hall.tick();
    };
    check(&mut hall, &[requester], b"\"response\"", 0, talk);
}

#[test]
fn signalling_of_peerjs_allocates_nothing() {
    let mut hall = Hall::new(peerhub::Config::default());
    let mut join = |id| hall.connect_to(&format!("/peerjs?key=peerjs&id={id}&token=t"));
    let (sender, receiver, other) = (join("a"), join("b"), join("c"));
    let candidate = frame(r#"{"type":"CANDIDATE","payload":"v=0","dst":"b"}"#);
    let offer = |payload| {
        frame(&format!(
            r#"{{"type":"OFFER","payload":{payload},"dst":"b"}}"#
        ))
    };
    let heartbeat = frame(r#"{"type":"HEARTBEAT"}"#);
    for (payload, allocations) in [(r#""v=0""#, 0), (r#"{"sdp":{"sdp":"v=0"}}"#, 1)] {
        let offer = offer(payload);
        let talk = |hall: &mut Hall| {
            hall.send(sender, &heartbeat);
            hall.send(sender, &offer);
            hall.send(other, &candidate);
            hall.tick();
        };
        hall.keep(receiver);
        check(&mut hall, &[receiver], b"\"OFFER\"", allocations, talk);
    }
}

#[test]
fn relaying_for_nodes_allocates_nothing() {
    let mut config = peerhub::Config::default();
    // So few that the memory of what was here is full before the count begins.
    config.relay.nonces = 8;
    let mut hall = Hall::new(config);
    let (near, far) = ("a1".repeat(20), "b2".repeat(20));
    let mut join = |id: &str| {
        let client = hall.connect_to("/peer-relay");
        hall.send(client, &frame(&format!("\"{id}\"")));
        hall.tick();
        client
    };
    let (sender, receiver) = (join(&near), join(&far));
    hall.take(receiver);
    let messages: Vec<Vec<u8>> = (0..=WARM_UP + ROUNDS)
        .map(|number| {
            frame(&format!(
                r#"{{"to":"{far}","from":"{near}","path":["{near}"],"nonce":"{number:015}","data":"user"}}"#
            ))
        })
        .collect();
    let mut turn = 0;
    let talk = |hall: &mut Hall| {
        hall.send(sender, &messages[turn]);
        turn += 1;
        hall.tick();
    };
    check(&mut hall, &[receiver], b"\"user\"", 0, talk);
}

#[test]
fn signals_of_peero_allocate_nothing() {
    let mut hall = Hall::new(peerhub::Config::default());
    let visitors: Vec<usize> = (0..5).map(|_| hall.connect_to("/peero")).collect();
    for &visitor in &visitors {
        hall.take(visitor);
    }
    let offer = frame(r#"{"type":"offer","signal":"v=0"}"#);
    let talk = |hall: &mut Hall| {
        hall.send(visitors[0], &offer);
        hall.tick();
    };
    check(&mut hall, &visitors[1..], b"\"offer\"", 0, talk);
}

#[test]
fn what_a_host_of_net_peer_says_and_asks_allocates_nothing() {
    let mut hall = Hall::new(peerhub::Config::default());
    let host = hall.admit();
    hall.send(
        host,
        b"{\"senderName\":\"ann\",\"type\":\"@PRESENTATION\",\"content\":{\"port\":1,\"needNetworkInformation\":false}}\n",
    );
    hall.tick();
    hall.take(host);
    let lines = b"{\"senderName\":\"ann\",\"type\":\"chat\",\"content\":\"hello\"}\n\
        {\"senderName\":\"ann\",\"type\":\"@REQUEST_NETWORK_INFORMATION\",\"content\":null}\n";
    let talk = |hall: &mut Hall| {
        hall.send(host, lines);
        hall.tick();
    };
    check(&mut hall, &[host], b"@NETWORK_INFORMATION", 0, talk);
}

#[test]
fn a_change_of_properties_allocates_as_much_for_many_as_for_few() {
    let [few, many] = [1, 50].map(|receiver_count| {
        let mut hall = Hall::new(peerhub::Config::default());
        let initiate = frame(
            r#"{"type":"initiate","content":{"linkageKey":"room","options":{"peerInitiationReceiver":true,"peerInitiationSender":true}}}"#,
        );
        let members: Vec<usize> = (0..=receiver_count)
            .map(|_| {
                let member = hall.connect();
                hall.send(member, &initiate);
                hall.tick();
                member
            })
            .collect();
        for &member in &members {
            hall.take(member);
        }
        let change = frame(r#"{"type":"setProperties","content":{"place":"here"}}"#);
        let talk = |hall: &mut Hall| {
            hall.send(members[0], &change);
            hall.tick();
        };
        count(&mut hall, &members[1..], b"\"alter\"", talk)
    });
    assert_eq!(few, many);
    // What was sent is read into a list, and the properties are sorted, checked and packed into a new piece: whoever changes
    // something pays for it, and not each who hears of it.
    assert!(few <= 6 * ROUNDS, "{few} in {ROUNDS} rounds");
}

/// The failure keeps what the request was, since the request itself is over.
#[test]
fn a_request_that_nobody_answers_costs_one_allocation_when_it_fails() {
    let config = peerhub::Config {
        ping_interval_ms: 0,
        nudge_interval_ms: 0,
        ..peerhub::Config::default()
    };
    let timeout_ms = config.request_timeout_ms;
    let mut hall = Hall::new(config);
    let (requester, responder) = (hall.join("room"), hall.join("room"));
    let request = frame(
        r#"{"type":"request","messageid":"a1b2c3d-k7vsj2og","peer":"client-1","name":"ask","content":{"q":1}}"#,
    );
    let talk = |hall: &mut Hall| {
        hall.send(requester, &request);
        hall.tick();
        hall.pass(timeout_ms + 100);
        hall.tick();
    };
    check(&mut hall, &[requester, responder], b"\"request", 1, talk);
}

/// Asserts that `talk` reaches each receiver, and allocates so often once it has been done some times.
fn check(
    hall: &mut Hall,
    receivers: &[usize],
    sign: &[u8],
    allocations: u64,
    talk: impl FnMut(&mut Hall),
) {
    let found = count(hall, receivers, sign, talk);
    assert_eq!(
        found,
        allocations * ROUNDS,
        "allocations in {ROUNDS} rounds"
    );
}

/// Asserts that `talk` reaches each receiver. How often it allocates in all rounds, once it has been done some times.
fn count(
    hall: &mut Hall,
    receivers: &[usize],
    sign: &[u8],
    mut talk: impl FnMut(&mut Hall),
) -> u64 {
    talk(hall);
    let mut message_bytes = Vec::new();
    for &receiver in receivers {
        let heard = hall.take(receiver);
        assert!(contains(&heard, sign), "{receiver} heard {heard:?}");
        message_bytes.push(heard.len() as u64);
    }
    (0..hall.client_count()).for_each(|client| hall.discard(client));
    (0..WARM_UP).for_each(|_| talk(hall));
    let before: Vec<u64> = receivers
        .iter()
        .map(|&one| hall.written_bytes(one))
        .collect();
    let info = allocation_counter::measure(|| (0..ROUNDS).for_each(|_| talk(hall)));
    for ((&receiver, before), bytes) in receivers.iter().zip(before).zip(message_bytes) {
        let heard_bytes = hall.written_bytes(receiver) - before;
        assert_eq!(
            heard_bytes,
            bytes * ROUNDS,
            "{receiver} heard every message"
        );
    }
    info.count_total
}

/// More than the rounds that buffers need to grow; time stands still, so no deadline falls due.
const WARM_UP: u64 = 100;

const ROUNDS: u64 = 1_000;
