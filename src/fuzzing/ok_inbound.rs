//! Any bytes as a message of the hub's own protocol: no panic, and what the reader understands is what a naive twin does.
//!
//! Owns: the twin, which parses the whole message into a tree and says in plain words what it asks for. Where a tree
//! cannot hold what a message says (lone surrogates, numbers out of range) the twin keeps silent.

use crate::config::Limits;
use crate::dialect::ok::{Inbound, Reader};
use crate::hub::command::{
    Command, DeboutKind, DeboutSelection, PeerFault, Property, Resume, Routed,
};
use serde_json::{Map, Value, json};
use std::borrow::Cow;

/// Reads `data` as text, with wide bounds and with narrow ones.
///
/// # Panics
/// If reader and twin disagree, or if a token is not in its one form.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let wide = reader(BOUNDLESS, DEPTH_MAX);
    let read = wide.read(&text);
    match serde_json::from_str::<Value>(&text) {
        Ok(Value::Object(said)) if depth(&said) <= DEPTH_MAX => match &read {
            Ok(inbound) => agree(&said, inbound),
            Err(fault) => {
                assert_eq!(fault.code, "E_TOODEEP", "refused: {fault}");
                // A repeated field may have been deep: the tree does not show it.
                let openers = text.bytes().filter(|byte| matches!(byte, b'{' | b'['));
                assert!(openers.count() > DEPTH_MAX);
            }
        },
        Ok(Value::Object(_)) => {
            assert_eq!(read.as_ref().expect_err("too deep").code, "E_TOODEEP");
        }
        Ok(_) => assert!(read.is_err(), "only an object is a message"),
        Err(error) => {
            let reason = error.to_string();
            let beyond_trees = ["surrogate", "hex escape", "out of range"];
            assert!(
                read.is_err() || beyond_trees.iter().any(|beyond| reason.contains(beyond)),
                "no JSON was accepted: {reason}"
            );
        }
    }
    if let Ok(inbound) = &read
        && let Ok(command) = &inbound.command
    {
        let names = names(command).iter().map(|name| &**name);
        for token in names.chain(property_names(command)) {
            check_form(&wide, token);
        }
    }
    check_bounds(&reader(BOUND, 3).read(&text), &read);
}

fn reader(bound: usize, json_depth: usize) -> Reader {
    let limits = Limits {
        name_bytes: bound,
        targets: bound,
        tags: bound,
        channels: bound,
        properties_bytes: bound,
        json_depth,
        ..Limits::default()
    };
    Reader::new(limits, None)
}

/// Asserts that `inbound` is what `said` says.
fn agree(said: &Map<String, Value>, inbound: &Inbound<'_>) {
    let message_id = said.get("messageid").filter(|id| truthy(id));
    let heard = inbound.message_id.as_deref().map(tree);
    assert!(
        alike(&json!(message_id), &json!(heard)),
        "{message_id:?} was heard as {heard:?}"
    );
    let kind = said.get("type").and_then(Value::as_str);
    let is_withheld = matches!(kind, Some("debout" | "authenticate"));
    assert_eq!(inbound.shown().is_some(), !is_withheld);
    match (wish(said, message_id), &inbound.command) {
        (Some(wish), Ok(command)) => {
            let heard = heard_wish(command);
            assert!(alike(&wish, &heard), "{wish} was heard as {heard}");
        }
        (None, Err(_)) => {}
        (Some(wish), Err(fault)) => panic!("{wish} was refused: {fault}"),
        (None, Ok(command)) => panic!("{said:?} was heard as {command:?}"),
    }
}

/// What a message asks for, out of its tree; none if it is not as it must be.
fn wish(said: &Map<String, Value>, message_id: Option<&Value>) -> Option<Value> {
    let kind = said.get("type")?.as_str()?;
    let content = said.get("content");
    let routed = || json!([message_id, said.get("name"), content]);
    let fields = || content.and_then(Value::as_object);
    let rest = match kind {
        "publish" => {
            let fields = fields()?;
            fields.get("message")?;
            let channel = scalar(fields.get("channel").filter(|name| truthy(name))?)?;
            json!([channel, message_id, content])
        }
        "notify" => json!([targets(said.get("peer")?)?, routed()]),
        "request" => {
            let timeout = match said.get("timeout") {
                None | Some(Value::Null) => None,
                Some(timeout) => Some(timeout.as_f64().filter(|&ms| ms >= 0.0)? as u64),
            };
            json!([targets(said.get("peer")?)?, routed(), timeout])
        }
        "response" => json!([plain(said.get("peer")?)?, routed()]),
        "subscribe" | "unsubscribe" => match fields()?.get("channels") {
            None | Some(Value::Null) => json!([]),
            Some(channels) => scalars(channels)?,
        },
        "initiate" => initiation(fields()?)?,
        "addTag" | "removeTag" => tags(content)?,
        "setProperties" => properties(content)?,
        "deboutSelection" => match content {
            None | Some(Value::Null) => wanted(|_| false),
            Some(content) => {
                let fields = content.as_object()?;
                wanted(|kind| fields.get(kind.name()).is_some_and(truthy))
            }
        },
        "retrievePeers" => json!(message_id),
        "debout" => json!(content),
        "authenticate" => json!(fields()?.get("token")?.as_str()?),
        "leave" => Value::Null,
        _ => return None,
    };
    Some(json!([kind, rest]))
}

fn initiation(fields: &Map<String, Value>) -> Option<Value> {
    let nothing = Map::new();
    let options = match fields.get("options") {
        None | Some(Value::Null) => &nothing,
        Some(options) => options.as_object()?,
    };
    let option = |name| json!(options.get(name).map(truthy));
    let text = |name| match fields.get(name).filter(|text| truthy(text)) {
        None => Some(Value::Null),
        Some(text) => plain(text).cloned(),
    };
    let text_or_empty = |name| {
        let text = text(name)?;
        Some(if text.is_null() { json!("") } else { text })
    };
    let resume = match fields.get("resume") {
        Some(Value::Bool(true)) => json!(true),
        _ => text("resume")?,
    };
    Some(json!([
        text("id")?,
        text_or_empty("linkageKey")?,
        text_or_empty("userid")?,
        text("deboutCluster")?,
        fields.get("startTime"),
        tags(fields.get("tags"))?,
        properties(fields.get("properties"))?,
        option("peerInitiationReceiver"),
        option("peerInitiationSender"),
        resume,
    ]))
}

/// What the reader has understood, in the words of `wish`.
fn heard_wish(command: &Command<'_>) -> Value {
    let trees = |tokens: &[Cow<'_, str>]| -> Value {
        let trees: Vec<Value> = tokens.iter().map(|token| tree(token)).collect();
        json!(trees)
    };
    let routed = |message: &Routed<'_>| {
        let message_id = message.message_id.as_deref().map(tree);
        json!([
            message_id,
            message.name.map(tree),
            message.content.map(tree)
        ])
    };
    let set = |properties: &[Property<'_>]| -> Value {
        let property = |one: &Property<'_>| {
            let name = tree(&one.name).as_str().expect("a name").to_owned();
            (name, tree(one.value))
        };
        Value::Object(properties.iter().map(property).collect())
    };
    let (kind, rest) = match command {
        Command::Initiate(one) => {
            let resume = one.resume.as_ref().map(|resume| match resume {
                Resume::Ask => json!(true),
                Resume::Secret(secret) => json!(secret),
            });
            let heard = json!([
                one.id,
                one.linkage_key,
                one.user_id,
                one.debout_cluster,
                one.start_time.map(tree),
                trees(&one.tags),
                set(&one.properties),
                one.peer_initiation_receiver,
                one.peer_initiation_sender,
                resume,
            ]);
            ("initiate", heard)
        }
        Command::AddTags(tags) => ("addTag", trees(tags)),
        Command::RemoveTags(tags) => ("removeTag", trees(tags)),
        Command::SetProperties(properties) => ("setProperties", set(properties)),
        Command::SelectDebout(selection) => ("deboutSelection", selected(*selection)),
        Command::RetrievePeers { message_id } => {
            ("retrievePeers", json!(message_id.as_deref().map(tree)))
        }
        Command::Notify { to, message } => {
            let to: Vec<&str> = to.ids().collect();
            ("notify", json!([to, routed(message)]))
        }
        Command::Request {
            to,
            message,
            timeout_ms,
        } => {
            let to: Vec<&str> = to.ids().collect();
            ("request", json!([to, routed(message), timeout_ms]))
        }
        Command::Response { to, message } => ("response", json!([to, routed(message)])),
        Command::Publish {
            channel,
            message_id,
            content,
        } => {
            let message_id = message_id.as_deref().map(tree);
            let heard = json!([tree(channel), message_id, tree(content)]);
            ("publish", heard)
        }
        Command::Subscribe(names) => ("subscribe", trees(names)),
        Command::Unsubscribe(names) => ("unsubscribe", trees(names)),
        Command::Debout { content } => ("debout", json!(content.map(tree))),
        Command::Authenticate { token } => ("authenticate", json!(token)),
        Command::Leave => ("leave", Value::Null),
    };
    json!([kind, rest])
}

fn targets(peer: &Value) -> Option<Value> {
    match peer {
        Value::Array(ids) => {
            let ids: Option<Vec<&Value>> = ids.iter().map(plain).collect();
            ids.map(|ids| json!(ids))
        }
        id => plain(id).map(|id| json!([id])),
    }
}

fn plain(value: &Value) -> Option<&Value> {
    Some(value).filter(|value| value.is_string() || value.is_number())
}

fn scalar(value: &Value) -> Option<&Value> {
    Some(value).filter(|value| !value.is_array() && !value.is_object())
}

fn scalars(value: &Value) -> Option<Value> {
    let scalars: Option<Vec<&Value>> = value.as_array()?.iter().map(scalar).collect();
    scalars.map(|scalars| json!(scalars))
}

fn tags(content: Option<&Value>) -> Option<Value> {
    match content {
        None | Some(Value::Null) => Some(json!([])),
        Some(tags) if tags.is_array() => scalars(tags),
        Some(tag) => scalar(tag).map(|tag| json!([tag])),
    }
}

fn properties(content: Option<&Value>) -> Option<Value> {
    match content {
        None | Some(Value::Null) => Some(json!({})),
        Some(content) => content.as_object().map(|fields| json!(fields)),
    }
}

fn selected(selection: DeboutSelection) -> Value {
    wanted(|kind| selection.wants(kind))
}

fn wanted(wants: impl Fn(DeboutKind) -> bool) -> Value {
    json!(DeboutKind::ALL.map(wants))
}

fn truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(truth) => *truth,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(_) | Value::Object(_) => true,
    }
}

/// Whether both are the same to JavaScript, give or take the last bits of a number. A number that stands for an id is
/// heard as its text.
fn alike(said: &Value, heard: &Value) -> bool {
    let close = |one: f64, other: f64| (one - other).abs() <= one.abs() * 1e-14;
    match (said, heard) {
        (Value::Number(said), Value::Number(heard)) => {
            let (said, heard) = (said.as_f64(), heard.as_f64());
            said.zip(heard)
                .is_some_and(|(one, other)| close(one, other))
        }
        (Value::Number(said), Value::String(heard)) => {
            let (said, heard) = (said.as_f64(), heard.parse().ok());
            said.zip(heard)
                .is_some_and(|(one, other)| close(one, other))
        }
        (Value::Array(said), Value::Array(heard)) => {
            said.len() == heard.len()
                && said.iter().zip(heard).all(|(one, other)| alike(one, other))
        }
        (Value::Object(said), Value::Object(heard)) => {
            let pairs = || said.iter().zip(heard);
            said.len() == heard.len()
                && pairs().all(|(one, other)| one.0 == other.0 && alike(one.1, other.1))
        }
        (said, heard) => said == heard,
    }
}

/// The tags and channels in a command: tokens that the hub compares.
fn names<'c>(command: &'c Command<'_>) -> &'c [Cow<'c, str>] {
    match command {
        Command::AddTags(names)
        | Command::RemoveTags(names)
        | Command::Subscribe(names)
        | Command::Unsubscribe(names) => names,
        Command::Publish { channel, .. } => std::slice::from_ref(channel),
        Command::Initiate(initiation) => &initiation.tags,
        _ => &[],
    }
}

fn property_names<'c>(command: &'c Command<'_>) -> impl Iterator<Item = &'c str> {
    let properties: &[Property<'_>] = match command {
        Command::SetProperties(properties) => properties,
        Command::Initiate(initiation) => &initiation.properties,
        _ => &[],
    };
    properties.iter().map(|property| &*property.name)
}

/// Asserts that a compared token is the one form of its scalar, and stays as it is when it is read again.
fn check_form(reader: &Reader, token: &str) {
    assert!(!token.contains('\0'), "a token holds no NUL");
    match serde_json::from_str::<Value>(token) {
        Ok(Value::Number(_)) => {
            let number: f64 = token.parse().expect("JSON's numbers are Rust's");
            let without_sign = if number == 0.0 { 0.0 } else { number };
            assert_eq!(token, without_sign.to_string());
        }
        Ok(value) => assert_eq!(token, value.to_string()),
        // A lone surrogate or a number out of range has no other form than its own.
        Err(_) => {}
    }
    let again = format!(r#"{{"type":"addTag","content":[{token}]}}"#);
    let again = reader.read(&again).expect("a token is JSON");
    assert_eq!(again.command, Ok(Command::AddTags(vec![token.into()])));
}

/// Asserts that narrow bounds refuse what is over them and change nothing else.
fn check_bounds(narrow: &Read<'_>, wide: &Read<'_>) {
    let codes = [
        "E_TOOLONG",
        "E_TOODEEP",
        "E_TOOMANYTAGS",
        "E_TOOMANYCHANNELS",
        "E_TOOMANYPEERS",
        "E_PROPERTIESTOOLARGE",
    ];
    let by_bound = |fault: &PeerFault| codes.contains(&fault.code);
    match (narrow, wide) {
        (Err(fault), _) => assert!(by_bound(fault) || wide.is_err()),
        (Ok(_), Err(fault)) => panic!("narrow bounds let in what wide ones do not: {fault}"),
        (Ok(narrow), Ok(wide)) => match (&narrow.command, &wide.command) {
            (Err(fault), wide) => assert!(by_bound(fault) || wide.is_err(), "{fault}"),
            (Ok(command), wide) => {
                assert_eq!(Ok(command), wide.as_ref());
                // The quotes of a string do not count.
                let short = |name: &Cow<'_, str>| {
                    name.len() <= BOUND || name.starts_with('"') && name.len() - 2 <= BOUND
                };
                assert!(names(command).iter().all(short));
            }
        },
    }
}

fn tree(token: &str) -> Value {
    serde_json::from_str(token).expect("a part of a message that fits a tree does so too")
}

/// Levels of arrays and objects; the message itself is one.
fn depth(fields: &Map<String, Value>) -> usize {
    fn of(value: &Value) -> usize {
        match value {
            Value::Array(values) => 1 + values.iter().map(of).max().unwrap_or(0),
            Value::Object(fields) => depth(fields),
            _ => 0,
        }
    }
    1 + fields.values().map(of).max().unwrap_or(0)
}

type Read<'a> = Result<Inbound<'a>, PeerFault>;

/// Below the 128 levels that serde_json's trees may have.
const DEPTH_MAX: usize = 100;

/// Low, so that the bounds are met often.
const BOUND: usize = 12;

/// More than any input, and not so much that twice as much is no number.
const BOUNDLESS: usize = 1 << 40;
