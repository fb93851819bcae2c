//! Faults that fuzzing has found, each as a plain test.

use peerhub::config::{Limits, Scope};
use peerhub::dialect::ok::Reader;
use peerhub::hub::command::{Command, Initiation, Routed, Targets};
use peerhub::hub::event::{Event, Outbox};
use peerhub::hub::id::FreshIds;
use peerhub::hub::{Hub, Rules};
use peerhub::index::PeerKey;
use std::hash::RandomState;
use std::net::IpAddr;

/// A `leave` once named no linkage, since the peer had left it before the message was written.
#[test]
fn who_leaves_is_told_with_its_linkage() {
    let mut room = Room::new();
    let (one, other) = (room.connect(), room.connect());
    room.say(one, Room::initiation(None, &[]));
    room.say(other, Room::initiation(None, &[]));
    let mut out = Outbox::default();
    room.hub.depart(other, &mut room.ids, &mut out);
    let [Event::Leave { peer, linkage_key }] = out.events() else {
        panic!("one leave: {:?}", out.events());
    };
    assert_eq!((*peer, linkage_key.as_str()), (other, "room"));
    assert_eq!(out.deliveries().len(), 1);
    assert_eq!(out.deliveries()[0].to, one);
}

/// A claimant's initiation was checked when it came; what the claimant added until it was let in was not counted.
#[test]
fn a_claimant_cannot_outgrow_its_bounds() {
    let mut room = Room::new();
    let (holder, claimant) = (room.connect(), room.connect());
    room.say(holder, Room::initiation(Some("me"), &[]));
    room.say(claimant, Room::initiation(Some("me"), &["1", "2"]));
    room.say(claimant, Command::AddTags(vec!["3".into()]));
    room.hub
        .depart(holder, &mut room.ids, &mut Outbox::default());
    room.hub.check();
    let card = room.hub.peer(claimant).card();
    assert_eq!(card.id, "me");
    assert_eq!(card.tags.iter().collect::<Vec<_>>(), ["3"]);
}

/// Whoever claims an id that its holder gives up gets it at once; it once waited for the holder to go, and then got an id
/// that somebody else had taken meanwhile.
#[test]
fn an_id_that_is_given_up_goes_to_its_claimant() {
    let mut room = Room::new();
    let (holder, claimant, third) = (room.connect(), room.connect(), room.connect());
    room.say(holder, Room::initiation(Some("me"), &[]));
    room.say(claimant, Room::initiation(Some("me"), &[]));
    room.say(holder, Room::initiation(Some("somebody else"), &[]));
    assert_eq!(room.hub.peer(claimant).card().id, "me");
    room.say(third, Room::initiation(Some("me"), &[]));
    assert!(room.hub.is_challenged(claimant));
    room.hub
        .depart(holder, &mut room.ids, &mut Outbox::default());
    room.hub.check();
    assert_ne!(room.hub.peer(third).card().id, "me");
}

/// Contents that are read into a struct were taken from arrays too, and refused if a field came twice.
#[test]
fn contents_are_objects_whose_last_field_of_a_name_counts() {
    let reader = Reader::new(Limits::default(), None);
    for text in [
        r#"{"type":"initiate","content":["me","","",null,null,"room"]}"#,
        r#"{"type":"initiate","content":{"options":[true,true]}}"#,
        r#"{"type":"subscribe","content":[["a"]]}"#,
    ] {
        let inbound = reader.read(text).expect("an object");
        assert!(inbound.command.is_err(), "{text}");
    }
    let text = r#"{"type":"subscribe","content":{"channels":["a"],"channels":["b"]}}"#;
    let inbound = reader.read(text).expect("an object");
    let expected = Command::Subscribe(vec!["\"b\"".into()]);
    assert_eq!(inbound.command, Ok(expected));
}

/// Requests of one peer to another with the same message id once ended in any order, as the hash table had them.
#[test]
fn an_answer_is_for_the_oldest_of_equal_requests() {
    const NAMES: [&str; 12] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"];
    const ANSWERED: usize = 5;
    let mut room = Room::new();
    let (requester, responder) = (room.connect(), room.connect());
    room.say(requester, Room::initiation(Some("ann"), &[]));
    room.say(responder, Room::initiation(Some("bob"), &[]));
    let message = |name| Routed {
        message_id: Some("\"m\"".into()),
        name,
        content: None,
    };
    for name in NAMES {
        let (to, message) = (Targets::One("bob".into()), message(Some(name)));
        let timeout_ms = None;
        room.say(
            requester,
            Command::Request {
                to,
                message,
                timeout_ms,
            },
        );
    }
    for _ in 0..ANSWERED {
        let (to, message) = ("ann".into(), message(None));
        room.say(responder, Command::Response { to, message });
    }
    let mut out = Outbox::default();
    room.hub.depart(responder, &mut room.ids, &mut out);
    let failed = out.events().iter().filter_map(|event| match event {
        Event::RequestFailed(failed) => failed.name.as_deref(),
        _ => None,
    });
    let failed: Vec<&str> = failed.collect();
    assert_eq!(failed, NAMES[ANSWERED..]);
}

/// A hub with low bounds.
struct Room {
    hub: Hub,
    ids: FreshIds,
}

impl Room {
    fn new() -> Room {
        let rules = Rules {
            scope: Scope::Hub,
            debout: false,
            debout_channel: "\"debout\"".into(),
            nudge_interval_ms: 0,
            probe_time_ms: 40,
            request_timeout_ms: 120,
            request_timeout_max_ms: 300,
            tags_max: 2,
            properties_bytes_max: 24,
            channels_max: 3,
            pending_requests_max: 12,
        };
        let mut ids = FreshIds::default();
        ids.top_up(0, |stock| {
            for (place, byte) in stock.iter_mut().enumerate() {
                *byte = (place * 151 % 251) as u8;
            }
        });
        Room {
            hub: Hub::new(rules, RandomState::new(), 0),
            ids,
        }
    }

    fn connect(&mut self) -> PeerKey {
        let remote = IpAddr::from([192, 0, 2, 1]);
        let mut out = Outbox::default();
        self.hub.connect(0, 0, remote, &mut self.ids, &mut out)
    }

    fn initiation(id: Option<&'static str>, tags: &[&'static str]) -> Command<'static> {
        Command::Initiate(Box::new(Initiation {
            id: id.map(Into::into),
            linkage_key: "room".into(),
            tags: tags.iter().map(|&tag| tag.into()).collect(),
            peer_initiation_receiver: Some(true),
            peer_initiation_sender: Some(true),
            ..Initiation::default()
        }))
    }

    fn say(&mut self, peer: PeerKey, command: Command<'static>) {
        let mut out = Outbox::default();
        self.hub
            .handle(0, peer, command, &mut self.ids, &mut out)
            .expect("within the bounds");
    }
}
