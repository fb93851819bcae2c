//! The shapes of JSON that messages come in, looked into no further than the hub must (step 4 of the message path).
//!
//! What is only forwarded stays a slice of the message. As in JavaScript the last field of a name counts, which serde's
//! derived structs would refuse. Source: `PROTOCOLS.md` section 1, "Envelope".

use super::token::quote;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// The fields of every message, not yet looked into. As in JavaScript the last one of a name counts.
#[derive(Default)]
pub(super) struct Envelope<'a> {
    pub(super) kind: Option<&'a RawValue>,
    pub(super) message_id: Option<&'a RawValue>,
    pub(super) peer: Option<&'a RawValue>,
    pub(super) name: Option<&'a RawValue>,
    pub(super) content: Option<&'a RawValue>,
    pub(super) timeout: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum EnvelopeField {
    Type,
    MessageId,
    Peer,
    Name,
    Content,
    Timeout,
    #[serde(other)]
    Other,
}

impl<'de: 'a, 'a> Deserialize<'de> for Envelope<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Envelope<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a message object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut envelope = Envelope::default();
                while let Some(field) = map.next_key()? {
                    let place = match field {
                        EnvelopeField::Type => &mut envelope.kind,
                        EnvelopeField::MessageId => &mut envelope.message_id,
                        EnvelopeField::Peer => &mut envelope.peer,
                        EnvelopeField::Name => &mut envelope.name,
                        EnvelopeField::Content => &mut envelope.content,
                        EnvelopeField::Timeout => &mut envelope.timeout,
                        EnvelopeField::Other => {
                            map.next_value::<IgnoredAny>()?;
                            continue;
                        }
                    };
                    *place = Some(map.next_value()?);
                }
                Ok(envelope)
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// What the hub must know of the content of `publish`; a null message is a message too.
#[derive(Default)]
pub(super) struct Publication<'a> {
    pub(super) channel: Option<&'a RawValue>,
    pub(super) has_message: bool,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum PublicationField {
    Channel,
    Message,
    #[serde(other)]
    Other,
}

impl<'de: 'a, 'a> Deserialize<'de> for Publication<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Publication<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with channel and message")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut publication = Publication::default();
                while let Some(field) = map.next_key()? {
                    match field {
                        PublicationField::Channel => publication.channel = Some(map.next_value()?),
                        PublicationField::Message | PublicationField::Other => {
                            map.next_value::<IgnoredAny>()?;
                            publication.has_message |= matches!(field, PublicationField::Message);
                        }
                    }
                }
                Ok(publication)
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// A JSON object in the order of its fields, their names as tokens. An array is none, and a name may come twice: what
/// serde derives for a struct would take the one and refuse the other.
pub(super) struct Fields<'a>(pub(super) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Fields<'a> {
    /// The field of this name, which needs no escape; as in JavaScript the last one counts. O(fields).
    pub(super) fn last(&self, name: &str) -> Option<&'a RawValue> {
        let named = |field: &&(Cow<'a, str>, _)| field.0[1..field.0.len() - 1] == *name;
        self.0.iter().rev().find(named).map(|field| field.1)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    fields.push((Cow::Owned(quote(&name)), map.next_value()?));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(All)
    }
}

/// Whether arrays and objects in `text` are nested more than `max` levels deep. Counts openers first, which is quick
/// and settles it for nearly every message.
pub(super) fn nests_deeper(text: &str, max: usize) -> bool {
    let opens = |byte: &&u8| matches!(byte, b'{' | b'[');
    if text.as_bytes().iter().filter(opens).count() <= max {
        return false;
    }
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > max {
            return true;
        }
    }
    false
}
