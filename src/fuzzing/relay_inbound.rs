//! Any bytes as messages of peer-relay: no panic, and what is understood is what a naive twin, which parses the whole text
//! into a tree, understands too; what is passed on can be read again and says the same.

use crate::dialect::relay::inbound::{NONCE_BYTES_MAX, read_data, read_greeting, read_message};
use crate::dialect::relay::node_id::NodeId;
use crate::dialect::relay::outbound::{Envelope, write_message};
use crate::dialect::relay::routing::Router;
use serde_json::Value;

/// Reads `data` as a greeting and as a message.
///
/// # Panics
/// If reader and twin disagree, or a message changes on its way.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let tree: Result<Value, _> = serde_json::from_str(&text);
    let greeting = read_greeting(&text).ok();
    if let Ok(tree) = &tree {
        assert_eq!(greeting, id_of(tree), "as a greeting");
    }
    let read = read_message(&text);
    if let Ok(Value::Object(said)) = &tree {
        let to = said.get("to").and_then(id_of);
        let from = said.get("from").and_then(id_of);
        let path = said.get("path").and_then(Value::as_array);
        let path = path.and_then(|ids| ids.iter().map(id_of).collect::<Option<Vec<NodeId>>>());
        let nonce_is_short = match said.get("nonce") {
            Some(Value::String(nonce)) => (1..=NONCE_BYTES_MAX).contains(&nonce.len()),
            // Which of a number's forms is meant is not for a tree to say.
            Some(Value::Number(_)) => read.is_ok(),
            _ => false,
        };
        let fits = path
            .as_ref()
            .is_some_and(|path| path.len() <= Router::HOPS_MAX);
        let is_good = to.is_some() && from.is_some() && fits && nonce_is_short;
        assert_eq!(read.is_ok(), is_good, "{read:?}");
        if let Ok(message) = &read {
            assert_eq!((Some(message.to), Some(message.from)), (to, from));
            assert_eq!(Some(&*message.path), path.as_deref());
        }
    }
    let Ok(message) = read else {
        return;
    };
    // Whatever `data` are, they are understood or not.
    let _ = read_data(message.data);
    let raw = message.data.map(|data| data.get().as_bytes());
    let write_data = raw.map(|raw| |out: &mut Vec<u8>| out.extend_from_slice(raw));
    let envelope = Envelope {
        to: message.to,
        from: message.from,
        path: &message.path,
        nonce: &message.nonce,
    };
    let mut out = Vec::new();
    write_message(envelope, write_data, &mut out);
    let written = std::str::from_utf8(&out).expect("what is written is UTF-8");
    let again = read_message(written).expect("what is written can be read");
    assert_eq!((again.to, again.from), (message.to, message.from));
    assert_eq!(
        (&*again.path, &again.nonce),
        (&*message.path, &message.nonce)
    );
    assert_eq!(
        again.data.map(|data| data.get()),
        message.data.map(|data| data.get())
    );
}

/// The id that a tree is, if it is one.
fn id_of(tree: &Value) -> Option<NodeId> {
    match tree {
        Value::String(text) if text.len() == 40 => {
            let digit = |place: usize| char::from(text.as_bytes()[place]).to_digit(16);
            let mut bytes = [0; 20];
            for (place, byte) in bytes.iter_mut().enumerate() {
                *byte = (digit(2 * place)? * 16 + digit(2 * place + 1)?) as u8;
            }
            Some(NodeId::new(bytes))
        }
        Value::Object(fields) if fields.get("type")? == "Buffer" => {
            let numbers = fields.get("data")?.as_array()?;
            let bytes: Option<Vec<u8>> = numbers
                .iter()
                .map(|number| u8::try_from(number.as_u64()?).ok())
                .collect();
            Some(NodeId::new(bytes?.try_into().ok()?))
        }
        _ => None,
    }
}
