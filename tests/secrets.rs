//! Secrets are told to nobody but those whose they are: not in the log, whatever is logged, not on the debug stream, in no
//! answer, no message of an error, and not in the list of processes.

#[path = "support/folder.rs"]
mod folder;
#[path = "support/live.rs"]
mod live;

use folder::Folder;
use live::{Program, Raw, TestPeer, command, get, initiation};
use rustix::process::Signal;
use serde_json::json;

const KEY: &str = "correct horse battery staple";
const OLD: &str = "an older, forgotten one";
const VERY_OLD: &str = "the very first";
const USER: &str = "someone@example.org";

/// Everything that somebody other than the secrets' owners could read, each with what it is.
#[derive(Default)]
struct Seen(Vec<(&'static str, String)>);

impl Seen {
    fn add(&mut self, what: &'static str, text: impl ToString) {
        self.0.push((what, text.to_string()));
    }

    fn assert_has_none_of(&self, secrets: &[&str]) {
        for (what, text) in &self.0 {
            for secret in secrets {
                assert!(!text.contains(secret), "{secret:?} is in {what}: {text}");
            }
        }
    }
}

#[test]
fn no_secret_is_logged_shown_or_answered() {
    let folder = Folder::new("secrets");
    let (key, old) = (folder.file("key", KEY), folder.file("old", OLD));
    let settings = folder.file(
        "hub.toml",
        format!("encryption-key-old = ['{VERY_OLD}', '{old}']\n"),
    );
    let mut start = command();
    start.args(["--listen", "127.0.0.1:0", "--debout", "--config", &settings]);
    start.args([
        "--nudge-interval=0",
        "--ping-interval=0",
        "--allow-origin=https://app.example.org",
    ]);
    start.arg(format!("--encryption-key={key}"));
    // A setting that is warned of, by which the start is noticed.
    start.args(["--proxy-protocol", "accept"]);
    start.env("RUST_LOG", "trace");
    let mut program = Program::run(start);
    let mut seen = Seen::default();

    let mut watcher = TestPeer::join(program.address(), "watch");
    watcher.send(json!({"type": "subscribe", "content": {"channels": ["w2dutnc-k7vsj2og"]}}));
    watcher.send(json!({"type": "deboutSelection", "content": {
        "client2hub": true, "hub2client": true, "connected": true, "terminate": true, "clientdebout": true,
    }}));
    watcher.settle();

    let user = |more: serde_json::Value| {
        let mut content = json!({"userid": USER, "resume": true});
        for (name, value) in more.as_object().expect("an object") {
            content[name] = value.clone();
        }
        content
    };
    let mut onlooker = TestPeer::join(program.address(), "room");
    let mut first = TestPeer::connect(program.address());
    let confirm = first.initiate("room", user(json!({})));
    let id = first.id.clone();
    let secret = confirm["content"]["resume"]
        .as_str()
        .expect("a secret")
        .to_owned();
    let mut again = TestPeer::connect(program.address());
    let confirm = again.initiate("room", user(json!({"id": id, "resume": secret})));
    assert_eq!(confirm["peer"], *id);
    let next_secret = confirm["content"]["resume"]
        .as_str()
        .expect("a secret")
        .to_owned();
    assert_ne!(secret, next_secret);
    first.closed();
    // The same secret in messages that cannot be understood, or are wrong in something else.
    let mut wrong = TestPeer::join_extended(program.address(), "room");
    let whole = initiation("room", user(json!({"resume": next_secret}))).to_string();
    wrong.send_text(whole[..whole.len() - 1].to_owned());
    seen.add("an error", wrong.expect("error"));
    for (name, value) in [
        ("tags", json!([{}])),
        ("linkageKey", json!("x".repeat(600))),
        ("userid", json!("u".repeat(600))),
    ] {
        let mut content = user(json!({"resume": next_secret}));
        content[name] = value;
        wrong.send(initiation("room", content));
        seen.add("an error", wrong.expect("error"));
    }
    wrong.send(json!({"type": "initiated", "content": {}}));
    seen.add("an error", wrong.expect("error"));
    for message in onlooker.settle() {
        seen.add("what the others are told", message);
    }
    for path in ["/", "/healthz", "/nothing/here", "/peerjs/id"] {
        let answer = get(program.address(), path);
        seen.add("an answer", answer.head + &answer.body);
    }
    let mut raw = Raw::connect(program.address());
    raw.send("POST /api HTTP/1.1\r\nHost: hub\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}");
    seen.add("an answer", raw.answer().body);
    let stream = watcher.settle();
    assert!(stream.len() > 10, "{stream:?}");
    for message in stream {
        seen.add("the debug stream", message);
    }
    let process = std::fs::read(format!("/proc/{}/cmdline", program.pid())).expect("it runs");
    seen.add("the list of processes", String::from_utf8_lossy(&process));
    program.signal(Signal::TERM);
    for peer in [watcher, onlooker, again, wrong] {
        peer.vanish();
    }
    program.exit();
    assert!(program.log.len() > 10, "{:?}", program.log);
    for line in &program.log {
        seen.add("the log", line);
    }
    seen.assert_has_none_of(&[KEY, OLD, VERY_OLD, USER, &secret, &next_secret]);
}

#[test]
fn no_secret_is_in_what_the_program_prints_about_its_settings() {
    let folder = Folder::new("secrets-printed");
    let file = |name: &str, text: String| format!("--config={}", folder.file(name, text));
    let both = format!("encryption-key = '{KEY}'\nencryption-key-old = ['{OLD}']\n");
    let good = file("good.toml", both);
    let broken = file("broken.toml", format!("encryption-key = '{KEY}\n"));
    let wrong = file("wrong.toml", format!("encryption-key = [['{KEY}']]\n"));
    let same = format!("encryption-key = '{KEY}'\nencryption-key-old = '{KEY}'\n");
    let same = file("same.toml", same);
    let mut seen = Seen::default();
    let key_flag = format!("--encryption-key={KEY}");
    let typo = format!("--encryption-kee={KEY}");
    type Case<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], bool);
    let cases: [Case<'_>; 9] = [
        (&[&good, "--print-config"], &[], true),
        (&[&key_flag, "--print-config"], &[], true),
        (
            &["--print-config"],
            &[
                ("PEERHUB_ENCRYPTION_KEY", KEY),
                ("PEERHUB_ENCRYPTION_KEY_OLD", OLD),
            ],
            true,
        ),
        (&["--help"], &[("PEERHUB_ENCRYPTION_KEY", KEY)], true),
        (&[&broken], &[], false),
        (&[&wrong], &[], false),
        (&[&same], &[], false),
        (&[&key_flag, "--max-tags=0"], &[], false),
        (&[&typo], &[], false),
    ];
    for (flags, variables, is_good) in cases {
        let mut program = command();
        program.args(flags).envs(variables.iter().copied());
        let output = program.output().expect("the program runs");
        assert_eq!(output.status.success(), is_good, "{flags:?} {output:?}");
        let text = |bytes| String::from_utf8(bytes).expect("it prints text");
        seen.add("standard output", text(output.stdout));
        seen.add("standard error", text(output.stderr));
    }
    seen.assert_has_none_of(&[KEY, OLD]);
}
