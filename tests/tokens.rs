//! Tokens over real sockets: every way to bring one, every claim, and that none is ever shown.

#[path = "support/folder.rs"]
mod folder;
#[path = "support/live.rs"]
mod live;
#[path = "support/tokens.rs"]
mod tokens;

use folder::Folder;
use live::{Answer, Program, Raw, TestHub, TestPeer, handshake, quiet, tcp};
use peerhub::Config;
use peerhub::access::{SigningKey, Wanted};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::net::SocketAddr;
use tokens::{FAR, HS256, SECRET, key, key_file, signed, token, token_of};
use tungstenite::Message;

/// A hub whose tokens are signed with the secret of the tests.
fn start(test: &str, change: impl FnOnce(&mut Config)) -> (TestHub, Folder) {
    let folder = Folder::new(&format!("tokens-{test}"));
    let mut config = quiet();
    config.tokens.secret_file = Some(folder.file("secret", format!("{SECRET}\n")));
    config.echo = true;
    change(&mut config);
    (TestHub::start(config), folder)
}

/// The answer to a handshake with these header fields, each with its line's end.
fn upgrade(address: SocketAddr, path: &str, fields: &str) -> (Answer, Raw) {
    let mut raw = Raw::connect(address);
    raw.send(handshake(path).replace("\r\n\r\n", &format!("\r\n{fields}\r\n")));
    (raw.answer(), raw)
}

fn status(address: SocketAddr, path: &str, fields: &str) -> u16 {
    upgrade(address, path, fields).0.status
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

/// A peer with this token, not yet initiated.
fn connect(address: SocketAddr, token: &str) -> TestPeer {
    TestPeer::over(tcp(address), &format!("/?token={token}"))
}

/// A peer with this token that has joined as one of the hub's own clients.
fn join(address: SocketAddr, token: &str, linkage: &str) -> TestPeer {
    let mut peer = connect(address, token);
    peer.initiate(linkage, json!({"resume": true}));
    peer
}

fn ask(address: SocketAddr, line: &str, fields: &str, body: &str) -> Answer {
    let length = body.len();
    Raw::connect(address)
        .send(format!(
            "{line} HTTP/1.1\r\nHost: hub\r\n{fields}Content-Length: {length}\r\n\r\n{body}"
        ))
        .answer()
}

#[test]
fn a_token_comes_in_the_query_the_header_or_the_sub_protocol() {
    let (hub, _folder) = start("ways", |_| {});
    let good = token_of("ann", json!({}));
    let bad = signed(
        HS256,
        r#"{"exp":4102444800}"#,
        b"another secret, longer than 32 bytes",
    );
    let ways = |token: &str| {
        [
            (format!("/?token={token}"), String::new()),
            (format!("/?a=b&token={token}&c"), String::new()),
            ("/".to_owned(), bearer(token)),
            (
                "/".to_owned(),
                format!("authorization:  bearer  {token} \r\n"),
            ),
            (
                "/".to_owned(),
                format!("Sec-WebSocket-Protocol: bearer, {token}\r\n"),
            ),
            (
                "/".to_owned(),
                format!("Sec-WebSocket-Protocol: chat,bearer,{token}\r\n"),
            ),
            (
                "/".to_owned(),
                format!("Sec-WebSocket-Protocol: bearer\r\nSec-WebSocket-Protocol: {token}\r\n"),
            ),
        ]
    };
    for (path, fields) in ways(&good) {
        let (answer, _) = upgrade(hub.address, &path, &fields);
        assert_eq!(answer.status, 101, "{path} {fields}");
        let protocol = answer.header("sec-websocket-protocol");
        let expected = fields.contains("bearer,").then_some("bearer");
        let expected = expected.or(fields.contains("bearer\r\n").then_some("bearer"));
        assert_eq!(protocol, expected, "{fields}");
        assert!(!answer.head.contains(&good), "{}", answer.head);
    }
    for (path, fields) in ways(&bad) {
        let (answer, _) = upgrade(hub.address, &path, &fields);
        assert_eq!(answer.status, 401, "{path} {fields}");
        let challenge = answer.header("www-authenticate").expect("a challenge");
        assert!(challenge.starts_with("Bearer ") && challenge.contains("invalid_token"));
        assert!(answer.body.contains("signature") && !answer.body.contains(&bad));
        assert!(!answer.head.contains(&bad), "{}", answer.head);
    }
    for fields in [
        "",
        "Authorization: Basic YTpi\r\n",
        "Sec-WebSocket-Protocol: bearer\r\n",
    ] {
        let (answer, _) = upgrade(hub.address, "/", fields);
        assert_eq!(answer.status, 401, "{fields}");
        let challenge = answer.header("www-authenticate");
        assert_eq!(challenge, Some("Bearer realm=\"peerhub\""), "{fields}");
        assert!(answer.body.contains("A token is needed"), "{}", answer.body);
    }
    // Of two header fields nobody knows which one a proxy has looked at.
    for (first, second) in [(&good, &good), (&good, &bad), (&bad, &good)] {
        let both = bearer(first) + &bearer(second);
        assert_eq!(status(hub.address, "/", &both), 401);
        let both = format!("{}Authorization: Basic YTpi\r\n", bearer(first));
        assert_eq!(status(hub.address, "/", &both), 401);
    }
    // Of two in the URL the last counts, as PeerJS has it.
    for (first, second, expected) in [(&good, &bad, 401), (&bad, &good, 101)] {
        let path = format!("/?token={first}&token={second}");
        assert_eq!(status(hub.address, &path, ""), expected);
    }
    // What a header field says counts more than what the URL says.
    let both = format!("/?token={bad}");
    assert_eq!(status(hub.address, &both, &bearer(&good)), 101);
    assert_eq!(
        status(hub.address, &format!("/?token={good}"), &bearer(&bad)),
        401
    );
}

#[test]
fn every_dialect_asks_for_a_token_that_names_it() {
    let (hub, _folder) = start("dialects", |config| config.peerjs.allow_discovery = true);
    let paths = [
        ("ok", "/"),
        ("echo", "/echo"),
        ("peer-relay", "/peer-relay"),
        ("peero", "/peero"),
        ("peerjs", "/peerjs?key=peerjs&id=ann&token=x&version=1"),
    ];
    for (name, path) in paths {
        assert_eq!(status(hub.address, path, ""), 401, "{name}");
        let any = bearer(&token_of("ann", json!({})));
        assert_eq!(status(hub.address, path, &any), 101, "{name}");
        for (dialects, expected) in [
            (json!([name]), 101),
            (json!(["*"]), 101),
            (json!([format!("{}*", &name[..2])]), 101),
            (json!([]), 403),
            (json!(["other", &name[1..]]), 403),
        ] {
            let one = token_of("ann", json!({"dialects": dialects}));
            let (answer, _) = upgrade(hub.address, path, &bearer(&one));
            assert_eq!(answer.status, expected, "{name} {dialects}");
            if expected == 403 {
                assert!(answer.body.contains("does not allow"), "{}", answer.body);
                assert!(
                    answer
                        .header("www-authenticate")
                        .unwrap()
                        .contains("insufficient_scope")
                );
            }
        }
    }
}

#[test]
fn peerjs_brings_its_token_as_the_option_of_that_name() {
    let (hub, _folder) = start("peerjs", |config| config.peerjs.allow_discovery = true);
    let address = hub.address;
    let good = token_of("ann", json!({}));
    let bound = token_of("ann", json!({"peer": "ann"}));
    let path = |id: &str, token: &str| format!("/peerjs?key=peerjs&id={id}&token={token}");
    assert_eq!(status(address, &path("a", &good), ""), 101);
    assert_eq!(status(address, &path("a", "k3j2h4"), ""), 401);
    assert_eq!(status(address, &path("ann", &bound), ""), 101);
    assert_eq!(status(address, &path("bob", &bound), ""), 403);
    // It stays the secret by which an id is taken over.
    let open = |token: &str| {
        let (answer, mut raw) = upgrade(address, &path("held", token), "");
        assert_eq!(answer.status, 101);
        String::from_utf8(raw.frame().1).unwrap()
    };
    let (_, _held) = upgrade(address, &path("held", &good), "");
    assert!(open(&bound_to_nobody()).contains("ID-TAKEN"));
    assert!(open(&good).contains("OPEN"));
    // An id is nobody's secret; the list of ids, and what is posted in somebody's name, is for those who may come in.
    assert_eq!(ask(address, "GET /peerjs/id", "", "").status, 200);
    assert_eq!(ask(address, "GET /peerjs/peers", "", "").status, 401);
    assert_eq!(
        ask(address, "GET /peerjs/peers", &bearer(&good), "").status,
        200
    );
    let listed = ask(address, &format!("GET /peerjs/peers?token={good}"), "", "");
    assert_eq!(listed.status, 200);
    assert_eq!(ask(address, "OPTIONS /peerjs/peers", "", "").status, 204);
    let offer = r#"{"type":"OFFER","dst":"b","payload":{}}"#;
    let post = |id: &str, token: &str| {
        ask(
            address,
            &format!("POST /peerjs/{id}/{token}/offer"),
            "",
            offer,
        )
        .status
    };
    assert_eq!(post("a", &good), 200);
    assert_eq!(post("a", "k3j2h4"), 401);
    assert_eq!(post("bob", &bound), 403);
    let elsewhere = token_of("ann", json!({"dialects": ["ok"]}));
    assert_eq!(post("a", &elsewhere), 403);
    for path in ["/", "/healthz", "/ok-peerconnection.js"] {
        assert_eq!(
            ask(address, &format!("GET {path}"), "", "").status,
            200,
            "{path}"
        );
    }
}

#[test]
fn an_id_of_peerjs_that_a_token_fixes_is_its_holders() {
    let (hub, _folder) = start("own", |_| {});
    let open = |fields: &str, token: &str| {
        let path = format!("/peerjs?key=peerjs&id=ann&token={token}");
        let (answer, mut raw) = upgrade(hub.address, &path, fields);
        assert_eq!(answer.status, 101);
        (String::from_utf8(raw.frame().1).unwrap(), raw)
    };
    let bob = token_of("bob", json!({}));
    let owned = token_of("ann", json!({"peer": "ann"}));
    let (said, mut squatter) = open("", &bob);
    assert!(said.contains("OPEN"), "nobody has it: {said}");
    let (said, mut first) = open("", &owned);
    assert!(said.contains("OPEN"), "it is ann's: {said}");
    assert_eq!(squatter.frame().0, 0x88);
    let (said, _) = open("", &bob);
    assert!(said.contains("ID-TAKEN"), "it is not bob's: {said}");
    // A fresh token is another text, and the header field counts before what PeerJS calls its token.
    let fresh = token_of("ann", json!({"peer": "ann", "admin": true}));
    let (said, mut second) = open("", &fresh);
    assert!(said.contains("OPEN"), "ann comes back: {said}");
    assert_eq!(first.frame().0, 0x88);
    let (said, _third) = open(&bearer(&owned), "k3j2h4");
    assert!(said.contains("OPEN"), "ann comes back: {said}");
    assert_eq!(second.frame().0, 0x88);
}

/// An honest token that is another text than the others.
fn bound_to_nobody() -> String {
    token_of("bob", json!({"admin": true}))
}

#[test]
fn the_user_id_is_that_of_the_token() {
    for key in [None, Some("a passphrase".to_owned())] {
        let is_hidden = key.is_some();
        let (hub, _folder) = start("sub", |config| config.encryption_key = key);
        let address = hub.address;
        let mut ann = connect(address, &token_of("ann", json!({})));
        let confirm = ann.initiate("room", json!({"userid": "bob", "resume": true}));
        let shown = confirm["content"]["userid"].clone();
        assert_eq!(shown == "ann", !is_hidden, "{confirm}");
        assert_eq!(confirm["content"]["expires"], FAR * 1_000);
        let mut other = join(address, &token_of("cid", json!({})), "room");
        assert_eq!(other.peers()[0]["userid"], shown);
        let again = connect(address, &token_of("ann", json!({}))).initiate("room", json!({}));
        assert_eq!(again["content"]["userid"], shown, "the same user");
        // The user id of somebody else, as he is shown, is nobody's name.
        let as_shown = token_of(shown.as_str().unwrap(), json!({}));
        let expected = if is_hidden { 401 } else { 101 };
        assert_eq!(status(address, "/", &bearer(&as_shown)), expected);
        let nobody = token(&json!({"exp": FAR}));
        let confirm = connect(address, &nobody).initiate("room", json!({"userid": "ann"}));
        assert_eq!(confirm["content"]["userid"], "");
    }
}

#[test]
fn the_peer_id_is_the_one_that_the_token_fixes() {
    let (hub, _folder) = start("peer", |_| {});
    let bound = token_of("ann", json!({"peer": "ann-1"}));
    let mut first = connect(hub.address, &bound);
    let accepted = first.id.clone();
    first.send(live::initiation(
        "room",
        json!({"id": "bob-1", "resume": true}),
    ));
    assert_eq!(first.expect("error")["content"]["code"], "E_FORBIDDEN");
    let confirm = first.initiate("room", json!({"resume": true}));
    assert_eq!(confirm["peer"], "ann-1");
    let again = first.initiate("room", json!({"id": "ann-1", "resume": true}));
    assert_eq!(again["peer"], "ann-1");
    let secret = again["content"]["resume"].clone();
    let mut second = connect(hub.address, &bound);
    let own = second.id.clone();
    assert_ne!(own, accepted);
    let confirm = second.initiate("room", json!({"id": own, "resume": secret}));
    assert_eq!(confirm["peer"], "ann-1", "it has come back");
    assert_eq!(first.closed().map(|(code, _)| code), Some(4410));
}

/// So that an answer is one for its title, and not for how long somebody was silent.
fn for_ever(config: &mut Config) {
    config.probe_time_ms = 60_000;
}

#[test]
fn an_id_that_a_token_fixes_is_nobody_elses() {
    let (hub, _folder) = start("titles", for_ever);
    let address = hub.address;
    let bob = || connect(address, &token_of("bob", json!({})));
    let mut squatter = bob();
    let confirm = squatter.initiate("room", json!({"id": "ann-1", "resume": true}));
    assert_eq!(confirm["peer"], "ann-1", "nobody has it");
    let mut ann = connect(address, &token_of("ann", json!({"peer": "ann-1"})));
    let confirm = ann.initiate("room", json!({"resume": true}));
    assert_eq!(confirm["peer"], "ann-1");
    assert_eq!(squatter.closed().map(|(code, _)| code), Some(4410));
    for resume in [json!(true), confirm["content"]["resume"].clone()] {
        let mut bob = bob();
        bob.send(live::initiation(
            "room",
            json!({"id": "ann-1", "resume": resume}),
        ));
        assert_eq!(bob.closed().map(|(code, _)| code), Some(4409), "{resume}");
    }
    assert_eq!(ann.peers(), Vec::<Value>::new());
}

#[test]
fn a_resume_secret_counts_only_from_the_user_whose_it_is() {
    let (hub, _folder) = start("resume", for_ever);
    let address = hub.address;
    let ann = |more: Value| connect(address, &token_of("ann", more));
    let mut first = ann(json!({}));
    let confirm = first.initiate("room", json!({"id": "the-id", "resume": true}));
    let claim = json!({"id": "the-id", "resume": confirm["content"]["resume"]});
    for other in [token_of("bob", json!({})), token(&json!({"exp": FAR}))] {
        let mut other = connect(address, &other);
        other.send(live::initiation("room", claim.clone()));
        other.settle();
        // The holder has been asked for a sign of life and gives it.
        assert_eq!(first.settle(), Vec::<Value>::new());
        assert_eq!(other.closed().map(|(code, _)| code), Some(4409));
    }
    let confirm = ann(json!({"debout": true})).initiate("room", claim);
    assert_eq!(confirm["peer"], "the-id");
    assert_eq!(first.closed().map(|(code, _)| code), Some(4410));
}

#[test]
fn operators_are_told_how_the_hub_fares() {
    let (hub, _folder) = start("operators", |_| {});
    let health =
        |query: &str, fields: &str| ask(hub.address, &format!("GET /healthz{query}"), fields, "");
    let operator = token_of("eve", json!({"admin": true}));
    let (other, bad) = (token_of("ann", json!({})), token(&json!({"exp": 1})));
    assert_eq!(status(hub.address, "/", ""), 401);
    for fields in [
        String::new(),
        bearer(&other),
        "Authorization: Basic YTpi\r\n".to_owned(),
    ] {
        let answer = health("", &fields);
        assert_eq!(
            (answer.status, &answer.json()["counters"]),
            (200, &Value::Null)
        );
        assert_eq!(answer.json()["status"], "ok");
    }
    for (query, fields) in [
        (String::new(), bearer(&operator)),
        (format!("?token={operator}"), String::new()),
    ] {
        let counters = health(&query, &fields).json()["counters"].clone();
        assert_eq!(counters["refusedConnections"], 1, "{counters}");
        assert_eq!(counters["badMessages"], 0, "{counters}");
        assert_eq!(counters["waitingBytes"], 0, "{counters}");
    }
    assert_eq!(health("", &bearer(&bad)).status, 401);
    // Where no tokens are looked at, nobody is an operator.
    let open = TestHub::start(quiet());
    let answer = ask(open.address, "GET /healthz", &bearer(&operator), "");
    assert_eq!(
        (answer.status, &answer.json()["counters"]),
        (200, &Value::Null)
    );
}

#[test]
fn keys_are_read_again_on_a_signal() {
    const NEW: &str = "the next secret of tests, longer than 32 bytes";
    let folder = Folder::new("tokens-signal");
    let secret = folder.file("secret", SECRET);
    let mut program = Program::start(&["--token-secret-file", &secret]);
    let address = program.address();
    let by_old = token_of("ann", json!({}));
    let payload = json!({"sub": "ann", "exp": FAR}).to_string();
    let by_new = signed(HS256, &payload, NEW.as_bytes());
    let mut ann = join(address, &by_old, "room");
    folder.file("secret", "too short");
    program.signal(Signal::HUP);
    let told = program.wait_for("stay as they were");
    assert!(
        told.contains("holds 9 bytes") && !told.contains("too short"),
        "{told}"
    );
    assert_eq!(status(address, "/", &bearer(&by_old)), 101);
    folder.file("secret", NEW);
    program.signal(Signal::HUP);
    program.wait_for("keys that tokens are checked with: 1");
    assert_eq!(status(address, "/", &bearer(&by_old)), 401);
    assert_eq!(status(address, "/", &bearer(&by_new)), 101);
    // Who is in stays in, and goes on with a token of the new key.
    assert_eq!(ann.peers(), Vec::<Value>::new());
    let show = |token: &str| json!({"type": "authenticate", "content": {"token": token}});
    assert_eq!(ann.fault(show(&by_old)), "E_BADTOKEN");
    ann.send(show(&by_new));
    ann.expect("authenticated");
    program.signal(Signal::TERM);
    ann.vanish();
    assert!(program.exit().success());
    let told = program
        .log
        .iter()
        .filter(|line| line.contains("stay as they were"));
    assert_eq!(told.count(), 1, "{:?}", program.log);
}

#[test]
fn keys_are_read_again_when_they_have_changed() {
    let folder = Folder::new("tokens-change");
    let public = folder.file("public.pem", key("ed25519-public.pem"));
    let set = folder.file("jwks.json", key("jwks.json"));
    let mut program = Program::start(&["--token-public-key", &public, "--token-jwks", &set]);
    let address = program.address();
    let minted = |private: &str| {
        let signing = SigningKey::from_pem(&key(private)).expect("a private key");
        let wanted = Wanted {
            exp: FAR,
            ..Wanted::default()
        };
        bearer(&signing.sign(&wanted).expect("it signs"))
    };
    let (old, new) = (minted("ed25519.pem"), minted("p256.pem"));
    assert_eq!(status(address, "/", &old), 101);
    assert_eq!(
        status(address, "/", &new),
        401,
        "those of the set are chosen by name"
    );
    // One bad file of two, and both stay as they were.
    folder.file("jwks.json", "{}");
    let told = program.wait_for("stay as they were");
    assert!(told.contains("token-jwks"), "{told}");
    folder.file("public.pem", key("p256-public.pem"));
    program.wait_for("stay as they were");
    assert_eq!(status(address, "/", &old), 101);
    folder.file("jwks.json", key("jwks.json"));
    program.wait_for("keys that tokens are checked with");
    assert_eq!(status(address, "/", &old), 401);
    assert_eq!(status(address, "/", &new), 101);
}

#[test]
fn linkages_and_channels_are_those_of_the_token() {
    let (hub, _folder) = start("channels", |config| config.debout = true);
    let narrow = token_of(
        "ann",
        json!({"linkages": ["room-*", "lobby"], "publish": ["news", "chat-*"], "subscribe": ["news"]}),
    );
    let mut ann = connect(hub.address, &narrow);
    for linkage in ["room", "Room-1", "lobby2", ""] {
        ann.send(live::initiation(linkage, json!({"resume": true})));
        assert_eq!(
            ann.expect("error")["content"]["code"],
            "E_FORBIDDEN",
            "{linkage}"
        );
    }
    ann.initiate("room-1", json!({"resume": true}));
    ann.initiate("lobby", json!({"resume": true}));
    let publish = |channel: Value| json!({"type": "publish", "messageid": "m", "content": {"channel": channel, "message": "x"}});
    let subscribe = |channels: Value| json!({"type": "subscribe", "messageid": "s", "content": {"channels": channels}});
    for channel in [
        json!("chat"),
        json!("new"),
        json!("news "),
        json!("Chat-1"),
        json!(5),
    ] {
        assert_eq!(
            ann.fault(publish(channel.clone())),
            "E_FORBIDDEN",
            "{channel}"
        );
    }
    for channels in [json!(["chat-1"]), json!(["news", "other"]), json!([5])] {
        assert_eq!(
            ann.fault(subscribe(channels.clone())),
            "E_FORBIDDEN",
            "{channels}"
        );
    }
    // Of a list with one bad name in it nothing was taken.
    ann.send(publish(json!("news")));
    assert_eq!(ann.settle(), Vec::<Value>::new());
    // A name is the same however it is written.
    ann.send_text(r#"{"type":"subscribe","content":{"channels":["n\u0065ws"]}}"#.to_owned());
    ann.send(publish(json!("news")));
    assert_eq!(ann.expect("message")["content"]["channel"], "news");
    ann.send(publish(json!("chat-7")));
    assert_eq!(ann.settle(), Vec::<Value>::new());
    let mut wide = join(hub.address, &token_of("bob", json!({})), "anywhere");
    wide.send(subscribe(json!(["anything", 5])));
    wide.send(publish(json!(5)));
    assert_eq!(wide.expect("message")["content"]["channel"], 5);
}

#[test]
fn the_debug_stream_is_for_those_whose_token_says_so() {
    let (hub, _folder) = start("debout", |config| config.debout = true);
    let subscribe = json!({"type": "subscribe", "content": {"channels": ["w2dutnc-k7vsj2og"]}});
    let select =
        json!({"type": "deboutSelection", "content": {"client2hub": true, "hub2client": true}});
    let mut ann = join(
        hub.address,
        &token_of("ann", json!({"subscribe": ["*"]})),
        "room",
    );
    assert_eq!(ann.fault(subscribe.clone()), "E_FORBIDDEN");
    assert_eq!(ann.fault(select.clone()), "E_FORBIDDEN");
    let mut watcher = join(
        hub.address,
        &token_of("eve", json!({"debout": true, "subscribe": []})),
        "watch",
    );
    watcher.send(select);
    watcher.send(subscribe);
    watcher.settle();
    let fresh = token_of("ann", json!({"exp": FAR - 1}));
    ann.send(json!({"type": "authenticate", "messageid": "a", "content": {"token": fresh}}));
    let answer = ann.expect("authenticated");
    assert_eq!(answer["messageid"], "a");
    assert_eq!(answer["content"], json!({"expires": (FAR - 1) * 1_000}));
    ann.send(json!({"type": "authenticate", "content": {"token": [fresh]}}));
    assert_eq!(ann.expect("error")["content"]["code"], "E_BADCONTENT");
    ann.send(json!({"type": "publish", "content": {"channel": "c", "message": "the end"}}));
    let mut seen = String::new();
    while !seen.contains("the end") {
        seen = format!("{seen}\n{}", watcher.next());
    }
    assert!(seen.contains("authenticated"), "{seen}");
    assert!(
        !seen.contains(&fresh) && !seen.contains("authenticate\""),
        "{seen}"
    );
}

#[test]
fn a_fresh_token_takes_the_place_of_the_first() {
    let (hub, _folder) = start("fresh", |_| {});
    let mut ann = join(hub.address, &token_of("ann", json!({})), "room");
    let show = |ann: &mut TestPeer, token: &str| {
        ann.send(json!({"type": "authenticate", "messageid": "a", "content": {"token": token}}));
        let answer = ann.next();
        let code = answer["content"]["code"].as_str().map(str::to_owned);
        (answer["type"].as_str().unwrap().to_owned(), code)
    };
    let error = |code: &str| ("error".to_owned(), Some(code.to_owned()));
    let done = ("authenticated".to_owned(), None);
    let subscribe = json!({"type": "subscribe", "content": {"channels": ["a", "b"]}});
    ann.send(subscribe.clone());
    let expired = token(&json!({"sub": "ann", "exp": 1}));
    assert_eq!(show(&mut ann, &expired), error("E_BADTOKEN"));
    assert_eq!(show(&mut ann, "nonsense"), error("E_BADTOKEN"));
    assert_eq!(
        show(&mut ann, &token_of("bob", json!({}))),
        error("E_FORBIDDEN")
    );
    assert_eq!(
        show(&mut ann, &token_of("ann", json!({"peer": "x"}))),
        error("E_FORBIDDEN")
    );
    assert_eq!(
        show(&mut ann, &token_of("ann", json!({"linkages": ["other"]}))),
        error("E_FORBIDDEN")
    );
    assert_eq!(
        show(&mut ann, &token_of("ann", json!({"dialects": ["peerjs"]}))),
        error("E_FORBIDDEN")
    );
    // None of these has changed anything; a narrower one does.
    ann.send(json!({"type": "publish", "content": {"channel": "a", "message": 1}}));
    ann.expect("message");
    assert_eq!(
        show(&mut ann, &token_of("ann", json!({"subscribe": ["b"]}))),
        done
    );
    assert_eq!(ann.fault(subscribe), "E_FORBIDDEN");
    for channel in ["a", "b"] {
        ann.send(json!({"type": "publish", "content": {"channel": channel, "message": 1}}));
    }
    assert_eq!(ann.expect("message")["content"]["channel"], "b");
    // A client of the original's make is answered, too: only its own kind sends this.
    let mut plain = connect(hub.address, &token_of("ann", json!({})));
    plain.initiate("room", json!({}));
    assert_eq!(
        show(&mut plain, &token_of("bob", json!({}))),
        error("E_FORBIDDEN")
    );
    let (open, _) = (TestHub::start(quiet()), ());
    let mut without = TestPeer::join_extended(open.address, "room");
    assert_eq!(
        show(&mut without, &token_of("ann", json!({}))),
        error("E_BADTOKEN")
    );
}

#[test]
fn a_hub_that_needs_no_token_refuses_bad_ones() {
    let (hub, _folder) = start("optional", |config| {
        config.tokens.required = false;
        config.peerjs.allow_discovery = true;
    });
    let address = hub.address;
    let mut anybody = TestPeer::join_extended(address, "room");
    assert_eq!(anybody.peers(), Vec::<Value>::new());
    let expired = token(&json!({"exp": 1}));
    for path in ["/", "/echo", "/peer-relay", "/peero"] {
        assert_eq!(status(address, path, ""), 101, "{path}");
        assert_eq!(status(address, path, &bearer(&expired)), 401, "{path}");
        assert_eq!(
            status(address, &format!("{path}?token=x"), ""),
            401,
            "{path}"
        );
    }
    // PeerJS makes up a token by itself.
    let peerjs = |token: &str| format!("/peerjs?key=peerjs&id=a&token={token}");
    assert_eq!(status(address, &peerjs("k3j2h4"), ""), 101);
    assert_eq!(status(address, &peerjs(&expired), ""), 401);
    let offer = r#"{"type":"OFFER","dst":"b","payload":{}}"#;
    let post =
        |token: &str| ask(address, &format!("POST /peerjs/a/{token}/offer"), "", offer).status;
    assert_eq!((post("k3j2h4"), post(&expired)), (200, 401));
    assert_eq!(ask(address, "GET /peerjs/peers", "", "").status, 200);
    // Who has one is bound by it.
    let mut ann = join(
        address,
        &token_of("ann", json!({"subscribe": []})),
        "elsewhere",
    );
    let subscribe = json!({"type": "subscribe", "content": {"channels": ["a"]}});
    assert_eq!(ann.fault(subscribe), "E_FORBIDDEN");
    let fresh = token_of("ann", json!({}));
    let show = json!({"type": "authenticate", "content": {"token": fresh}});
    assert_eq!(
        anybody.fault(show),
        "E_FORBIDDEN",
        "it came without a token"
    );
}

#[test]
fn net_peer_has_no_tokens_but_addresses() {
    let presentation = "{\"senderName\":\"ann\",\"type\":\"@PRESENTATION\",\"content\":{\"port\":1,\"needNetworkInformation\":false}}\n";
    let answer = |hub: &TestHub| {
        let mut raw = Raw::connect(hub.address);
        raw.send(presentation);
        let mut line = raw.take(1);
        while line.last() != Some(&b'\n') {
            line.extend(raw.take(1));
        }
        String::from_utf8(line).unwrap()
    };
    for (ranges, required, is_let_in) in [
        (&[][..], true, false),
        (&["10.0.0.0/8"][..], true, false),
        (&["10.0.0.0/8"][..], false, false),
        (&["loopback"][..], true, true),
        (&["127.0.0.1", "10.0.0.0/8"][..], false, true),
        (&[][..], false, true),
    ] {
        let (hub, _folder) = start("netpeer", |config| {
            config.tokens.required = required;
            config.tokens.netpeer_allowed = ranges.iter().map(|text| (*text).to_owned()).collect();
        });
        let line = answer(&hub);
        assert_eq!(
            line.contains("@PRESENTATION"),
            is_let_in,
            "{ranges:?} {line}"
        );
        assert_eq!(
            line.contains("@CONNECTION_CLOSED"),
            !is_let_in,
            "{ranges:?} {line}"
        );
    }
    // The ranges hold without tokens, too.
    let mut config = quiet();
    config.tokens.netpeer_allowed = vec!["10.0.0.0/8".to_owned()];
    let line = answer(&TestHub::start(config));
    assert!(line.contains("@CONNECTION_CLOSED"), "{line}");
}

#[test]
fn tokens_are_in_no_log_and_no_answer() {
    let folder = Folder::new("tokens-log");
    let secret = folder.file("secret", SECRET);
    let mut command = live::command();
    command.args(["--listen", "127.0.0.1:0", "--token-secret-file", &secret]);
    command.args(["--debout", "--peerjs-allow-discovery"]);
    command.env("RUST_LOG", "trace");
    let mut program = Program::run(command);
    let address = program.address();
    let mut shown = String::new();
    let watching = token_of("eve", json!({"debout": true}));
    let mut watcher = join(address, &watching, "watch");
    watcher.send(json!({"type": "subscribe", "content": {"channels": ["w2dutnc-k7vsj2og"]}}));
    watcher.send(json!({"type": "deboutSelection", "content": {
        "client2hub": true, "hub2client": true, "connected": true, "terminate": true, "clientdebout": true,
    }}));
    watcher.settle();
    let (good, fresh) = (
        token_of("ann", json!({})),
        token_of("ann", json!({"admin": true})),
    );
    let bad = token(&json!({"exp": 1}));
    for token in [&good, &bad] {
        for (path, fields) in [
            (format!("/?token={token}"), String::new()),
            ("/".to_owned(), bearer(token)),
            (
                "/".to_owned(),
                format!("Sec-WebSocket-Protocol: bearer, {token}\r\n"),
            ),
            (
                format!("/peerjs?key=peerjs&id=a&token={token}"),
                String::new(),
            ),
            (
                format!("/peerjs?key=other&id=a&token={token}"),
                String::new(),
            ),
            (
                format!("/wrong/peerjs?key=peerjs&id=a&token={token}"),
                String::new(),
            ),
            (format!("/peer-relay?token={token}"), String::new()),
        ] {
            let (answer, mut raw) = upgrade(address, &path, &fields);
            shown += &(answer.head + &answer.body);
            // What a world says first, be it why somebody cannot come in.
            if answer.status == 101 && path.contains("peerjs") {
                shown += &String::from_utf8_lossy(&raw.frame().1);
            }
        }
        for line in [
            format!("GET /nothing?token={token}"),
            format!("GET /healthz?token={token}"),
            format!("GET /peerjs/peers?token={token}"),
            format!("PUT /peerjs/a/{token}/offer"),
            format!("POST /peerjs/a/{token}/offer"),
            format!("POST /peerjs/a/{token}/other"),
            format!("POST /wrong/peerjs/a/{token}/offer"),
            format!("OPTIONS /peerjs/a/{token}/offer"),
        ] {
            let answer = ask(address, &line, &bearer(token), "x");
            shown += &(answer.head + &answer.body);
        }
    }
    let mut ann = join(address, &good, "room");
    for (token, answer) in [(&fresh, "authenticated"), (&bad, "error")] {
        ann.send(json!({"type": "authenticate", "content": {"token": token}}));
        shown += &ann.expect(answer).to_string();
    }
    ann.send_text(format!(
        "{{\"type\":\"authenticate\",\"content\":{{\"token\":\"{fresh}"
    ));
    shown += &ann.expect("error").to_string();
    let stream = watcher.settle();
    assert!(stream.len() > 10, "{stream:?}");
    shown += &Value::from(stream).to_string();
    program.signal(Signal::TERM);
    assert!(program.exit().success());
    let log = program.log.join("\n");
    assert!(
        log.contains("is turned away") && log.contains("bad message"),
        "{log}"
    );
    for token in [&good, &fresh, &bad, &watching] {
        let (message, signature) = token.rsplit_once('.').unwrap();
        for text in [&log, &shown] {
            assert!(
                !text.contains(message) && !text.contains(signature),
                "{text}"
            );
        }
    }
    assert!(!log.contains(SECRET) && !shown.contains(SECRET));
}

#[test]
fn files_that_hold_no_keys_stop_the_start() {
    let folder = Folder::new("tokens-files");
    let short = folder.file("short", "too short");
    let nowhere = folder.0.join("nowhere").to_str().unwrap().to_owned();
    let cases = [
        (["--token-secret-file", &short], "holds 9 bytes"),
        (["--token-secret-file", &nowhere], "no such file"),
        (["--token-secret-file", "/dev/zero"], "longer than 1MiB"),
        (
            ["--token-public-key", &key_file("ed25519.pem")],
            "a private key",
        ),
        (
            ["--token-public-key", &key_file("rsa1024-public.pem")],
            "fewer bits",
        ),
        (["--token-jwks", &short], "no JWKS"),
    ];
    for (flags, problem) in cases {
        let mut command = live::command();
        command.args(["--listen", "127.0.0.1:0"]).args(flags);
        let output = command.output().expect("it runs");
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{flags:?} {text}");
        assert!(
            text.contains(problem) && text.lines().count() == 1,
            "{text}"
        );
        assert!(
            text.contains(&flags[0][2..]) && text.contains(flags[1]),
            "{text}"
        );
        assert!(!text.contains("too short"), "{text}");
    }
}

#[test]
fn the_command_makes_tokens_that_count() {
    let folder = Folder::new("tokens-command");
    let run = |arguments: &[&str], variable: Option<&str>| {
        let mut command = live::command();
        command.arg("token").args(arguments);
        command.envs(variable.map(|file| ("PEERHUB_TOKEN_SECRET_FILE", file)));
        let output = command.output().expect("it runs");
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (
            output.status.code(),
            text(output.stdout),
            text(output.stderr),
        )
    };
    let (code, secret, _) = run(&["--new-secret"], None);
    assert_eq!((code, secret.trim().len()), (Some(0), 64));
    assert_ne!(run(&["--new-secret"], None).1, secret);
    let secret = folder.file("secret", secret);
    let mut config = quiet();
    config.tokens.secret_file = Some(secret.clone());
    for name in [
        "ed25519-public.pem",
        "p256-public.pem",
        "rsa2048-public.pem",
    ] {
        config.tokens.public_keys.push(key_file(name));
    }
    config.tokens.audiences = vec!["hub".to_owned()];
    config.tokens.issuers = vec!["me".to_owned()];
    let hub = TestHub::start(config);
    let claims = [
        "--sub",
        "ann",
        "--peer",
        "ann-1",
        "--linkage",
        "room-*",
        "--linkage",
        "lobby",
        "--publish",
        "a",
        "--subscribe",
        "b*",
        "--dialect",
        "ok",
        "--expires",
        "1m",
        "--audience",
        "hub",
        "--issuer",
        "me",
    ];
    for (flag, file) in [
        ("--secret-file", secret.clone()),
        ("--private-key", key_file("ed25519.pem")),
        ("--private-key", key_file("p256.pem")),
        ("--private-key", key_file("rsa2048.pem")),
    ] {
        let (code, token, error) = run(&[&claims[..], &[flag, &file]].concat(), None);
        assert_eq!(code, Some(0), "{error}");
        let mut peer = connect(hub.address, token.trim());
        let confirm = peer.initiate("room-1", json!({"resume": true}));
        assert_eq!(confirm["peer"], "ann-1", "{file}");
        assert_eq!(confirm["content"]["userid"], "ann");
        let subscribe = json!({"type": "subscribe", "content": {"channels": ["c"]}});
        assert_eq!(peer.fault(subscribe), "E_FORBIDDEN");
        assert_eq!(status(hub.address, "/peero", &bearer(token.trim())), 403);
        peer.send(json!({"type": "leave"}));
        peer.closed();
    }
    let (code, from_variable, _) = run(&claims, Some(&secret));
    assert_eq!(code, Some(0));
    assert_eq!(status(hub.address, "/", &bearer(from_variable.trim())), 101);
    let bad: [(&[&str], &str); 7] = [
        (&[], "a token is signed"),
        (
            &["--secret-file", &secret, "--private-key", &secret],
            "exclude each other",
        ),
        (
            &["--secret-file", &secret, "--linkage", "a*b"],
            "is no pattern",
        ),
        (
            &["--secret-file", &secret, "--expires", "soon"],
            "--expires",
        ),
        (&["--secret-file", &secret, "--expires", "0"], "--expires"),
        (&["--private-key", &key_file("p384.pem")], "cannot sign"),
        (&["--secret", "abc"], "no flag --secret"),
    ];
    for (arguments, problem) in bad {
        let (code, out, error) = run(arguments, None);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{arguments:?} {error}");
        assert!(
            error.contains(problem) && error.lines().count() == 1,
            "{error}"
        );
    }
    let (code, help, _) = run(&["--help"], None);
    assert!(code == Some(0) && help.contains("--new-secret"));
}

#[test]
fn echo_is_still_an_echo() {
    let (hub, _folder) = start("echo", |_| {});
    let path = format!("/echo?token={}", token_of("ann", json!({})));
    let mut socket = live::websocket(tcp(hub.address), &path);
    socket.send(Message::text("hello")).unwrap();
    assert_eq!(socket.read().unwrap(), Message::text("hello"));
}
