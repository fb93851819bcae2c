//! Routing allocates nothing: once every buffer has its size, a message passes through the whole hub without a call to
//! the allocator, whatever its kind and however many receive it.
//!
//! One thing is not the hub's: serde_json remembers the brackets that it is inside of, all but the innermost, in a vector
//! of its own for each text that it skips. So an envelope whose content holds arrays or objects of its own costs one
//! small allocation, and a publication whose message does so another; that, too, is the same for any number of receivers.
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
fn brackets_cost_one_allocation_for_each_text() {
    publish(r#"{"text":"hello"}"#, 1);
    publish(r#"{"text":["hello",[["world"]]]}"#, 2);
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
    let (sender, receiver) = (join("a"), join("b"));
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
            hall.tick();
        };
        hall.keep(receiver);
        check(&mut hall, &[receiver], b"\"OFFER\"", allocations, talk);
    }
}

/// Asserts that `talk` reaches each receiver, and allocates so often once it has been done some times.
fn check(
    hall: &mut Hall,
    receivers: &[usize],
    sign: &[u8],
    allocations: u64,
    mut talk: impl FnMut(&mut Hall),
) {
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
    assert_eq!(
        info.count_total,
        allocations * ROUNDS,
        "allocations in {ROUNDS} rounds"
    );
    for ((&receiver, before), bytes) in receivers.iter().zip(before).zip(message_bytes) {
        let heard_bytes = hall.written_bytes(receiver) - before;
        assert_eq!(
            heard_bytes,
            bytes * ROUNDS,
            "{receiver} heard every message"
        );
    }
}

/// More than the rounds that buffers need to grow; time stands still, so no deadline falls due.
const WARM_UP: u64 = 100;

const ROUNDS: u64 = 1_000;
