//! Single situations of the tick that no random walk is likely to meet, over false sockets and a false clock.

mod support;

use peerhub::Config;
use std::net::IpAddr;
use support::memory_socket::Wire;
use support::test_hub::TestHub;
use support::test_peer::{Heard, TestPeer};

const ANYWHERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
const WINDOW: usize = 1 << 20;

fn connect(hub: &mut TestHub) -> Wire {
    hub.connect(ANYWHERE, WINDOW).expect("there is room")
}

/// A peer that has its id, which is returned too.
fn join(hub: &mut TestHub, initiation: &str) -> (TestPeer, String) {
    let mut peer = TestPeer::new(connect(hub), "/");
    settle(hub, [&mut peer]);
    let texts = texts(&mut peer);
    let (_, rest) = texts[0].split_once(r#""peer":""#).expect("an accept");
    let (id, _) = rest.split_once('"').expect("an id");
    let id = id.to_owned();
    peer.say(&format!(
        r#"{{"type":"initiate","content":{{"linkageKey":"room"{initiation}}}}}"#
    ));
    settle(hub, [&mut peer]);
    (peer, id)
}

/// Lets arrive what the peers have sent, and the hub do what is to be done at this time.
fn settle<'a>(hub: &mut TestHub, peers: impl IntoIterator<Item = &'a mut TestPeer>) {
    for peer in peers {
        peer.wire().arrive(usize::MAX);
    }
    hub.settle(|_| false);
}

fn texts(peer: &mut TestPeer) -> Vec<String> {
    let heard = peer.pump(usize::MAX).into_iter();
    let text = |one| match one {
        Heard::Text(text) => Some(text),
        _ => None,
    };
    heard.filter_map(text).collect()
}

/// Each of those who are let in gets a secret, and one tick may let in very many: the random bytes once ran out.
#[test]
fn a_crowd_of_claimants_is_let_in_at_once() {
    const CROWD: usize = 300;
    let mut hub = TestHub::new(Config::default(), 1);
    let mut holders = Vec::new();
    let mut claimants = Vec::new();
    for _ in 0..CROWD {
        let (mut holder, id) = join(&mut hub, "");
        holder.answers_pings = false;
        holders.push(holder);
        let (claimant, _) = join(&mut hub, &format!(r#","resume":true,"id":"{id}""#));
        claimants.push(claimant);
    }
    hub.advance(Config::default().probe_time_ms + 10, |_| false);
    for mut claimant in claimants {
        let texts = texts(&mut claimant);
        let has_secret = |text: &String| text.contains(r#""resume":""#);
        assert!(texts.iter().any(has_secret), "{texts:?}");
    }
}
