//! Text → `Command` (step 4 of the message path).
//!
//! The envelope is read once; contents that are only forwarded stay slices of the message. What is wrong is the sender's
//! fault and never more than that. Source: `PROTOCOLS.md` section 1, "Envelope" and "Client messages".

use super::shape::{Envelope, Publication};
use super::user_id::UserIdCipher;
use crate::config::Limits;
use crate::dialect::json::{Fields, Raw, canonical, plain, present, truthy};
use crate::hub::command::{
    Command, DeboutKind, DeboutSelection, Initiation, PeerFault, Property, Resume, Routed, Targets,
};
use crate::hub::id::Secret;
use std::borrow::Cow;

/// Reads messages; knows the bounds on their parts.
#[derive(Debug)]
pub struct Reader {
    limits: Limits,
    cipher: Option<UserIdCipher>,
}

/// One message, read.
#[derive(Debug)]
pub struct Inbound<'a> {
    /// Its id (token), if it has one; so that a complaint can name it.
    pub message_id: Option<Cow<'a, str>>,
    /// The text that it was read from.
    text: &'a str,
    /// Whether the debug stream does not show it: what is said on that stream, and what shows a token.
    is_withheld: bool,
    /// Whether it is one that only the hub's own clients send.
    is_extension: bool,
    /// What others must not see of it as it came.
    private: Private<'a>,
    /// What it asks for.
    pub command: Result<Command<'a>, PeerFault>,
}

/// The parts of an `initiate` that are between its sender and the hub: slices of the message.
#[derive(Debug, Default)]
struct Private<'a> {
    /// What one of the hub's own clients says about resuming.
    resume: Option<&'a str>,
    /// The user id, if others are only shown an encrypted one.
    user_id: Option<&'a str>,
}

impl<'a> Inbound<'a> {
    /// Whether it shows that it comes from one of the hub's own clients, which may be told of a fault.
    pub fn is_of_own_client(&self) -> bool {
        self.private.resume.is_some() || self.is_extension
    }

    /// How the debug stream shows it: as it came, but for a resume secret, and a user id that is encrypted for others, which
    /// are nobody else's to know. None if it was said on that stream, where it is not shown twice, or if it shows a token.
    pub fn shown(&self) -> Option<Cow<'a, str>> {
        if self.is_withheld {
            return None;
        }
        let secret = self.private.resume.filter(|&resume| resume != "true");
        let user_id = self.private.user_id;
        let hidden = [
            secret.map(|secret| (secret, "true".to_owned())),
            user_id.map(|user_id| (user_id, format!("\"{}\"", self.sealed_user_id()))),
        ];
        let mut hidden: Vec<(usize, &str, String)> = hidden
            .into_iter()
            .flatten()
            .map(|(part, shown)| {
                (
                    part.as_ptr().addr() - self.text.as_ptr().addr(),
                    part,
                    shown,
                )
            })
            .collect();
        if hidden.is_empty() {
            return Some(Cow::Borrowed(self.text));
        }
        // From the end on, so that the places before stay where they are.
        hidden.sort_unstable_by_key(|(start, ..)| std::cmp::Reverse(*start));
        let mut text = self.text.to_owned();
        for (start, part, shown) in hidden {
            text.replace_range(start..start + part.len(), &shown);
        }
        Some(Cow::Owned(text))
    }

    /// The user id as it is shown to others; nothing if there is something wrong with the message.
    fn sealed_user_id(&self) -> &str {
        match &self.command {
            Ok(Command::Initiate(initiation)) => &initiation.user_id,
            Ok(_) | Err(_) => "",
        }
    }
}

impl Reader {
    /// A reader with the bounds of the settings; `cipher` encrypts user ids.
    pub fn new(limits: Limits, cipher: Option<UserIdCipher>) -> Reader {
        Reader { limits, cipher }
    }

    /// A user id as others may see it; none if it is the sealed form of another one.
    pub fn shown_user_id(&self, user_id: &str) -> Option<String> {
        match &self.cipher {
            Some(cipher) if cipher.open(user_id).is_some() => None,
            Some(cipher) => Some(cipher.seal(user_id)),
            None => Some(user_id.to_owned()),
        }
    }

    /// Reads one message. An error says that it is no JSON object within the bounds. O(bytes).
    pub fn read<'a>(&self, text: &'a str) -> Result<Inbound<'a>, PeerFault> {
        let envelope = Envelope::read(text, self.limits.json_depth)?;
        let id = present(envelope.message_id).filter(|&id| truthy(id));
        let id = id.map(|id| canonical(id).unwrap_or(Cow::Borrowed(id.get())));
        let kind = envelope.kind.and_then(canonical).unwrap_or_default();
        let (private, command) = match &*kind {
            "\"initiate\"" => self.initiate(&envelope, id.as_deref()),
            kind => (
                Private::default(),
                self.command(kind, &envelope, id.clone()),
            ),
        };
        Ok(Inbound {
            text,
            is_withheld: matches!(&*kind, "\"debout\"" | "\"authenticate\""),
            is_extension: kind == "\"authenticate\"",
            private,
            command,
            message_id: id,
        })
    }

    fn command<'a>(
        &self,
        kind: &str,
        envelope: &Envelope<'a>,
        message_id: Option<Cow<'a, str>>,
    ) -> Result<Command<'a>, PeerFault> {
        if let Some(id) = &message_id {
            self.check_token("messageid", id)?;
        }
        let content = envelope.content;
        Ok(match kind {
            "\"publish\"" => {
                let (channel, content) = self.publication(content)?;
                Command::Publish {
                    channel,
                    message_id,
                    content,
                }
            }
            "\"notify\"" => Command::Notify {
                to: self.targets(envelope, "notify")?,
                message: self.routed(envelope, message_id)?,
            },
            "\"request\"" => Command::Request {
                to: self.targets(envelope, "request")?,
                message: self.routed(envelope, message_id)?,
                timeout_ms: present(envelope.timeout).map(timeout).transpose()?,
            },
            "\"response\"" => Command::Response {
                to: present(envelope.peer)
                    .and_then(plain)
                    .ok_or_else(|| bad("response needs the id of one peer in peer"))?,
                message: self.routed(envelope, message_id)?,
            },
            "\"subscribe\"" => Command::Subscribe(self.channels(content, "subscribe")?),
            "\"unsubscribe\"" => Command::Unsubscribe(self.channels(content, "unsubscribe")?),
            "\"addTag\"" => Command::AddTags(self.tags(content)?),
            "\"removeTag\"" => Command::RemoveTags(self.tags(content)?),
            "\"setProperties\"" => Command::SetProperties(self.properties(content)?),
            "\"deboutSelection\"" => Command::SelectDebout(selection(content)?),
            "\"retrievePeers\"" => Command::RetrievePeers { message_id },
            "\"debout\"" => Command::Debout {
                content: content.map(Raw::get),
            },
            "\"authenticate\"" => Command::Authenticate {
                token: fresh_token(content)?,
            },
            "\"leave\"" => Command::Leave,
            _ => return Err(PeerFault::new("E_UNKNOWNTYPE", "no message has this type")),
        })
    }

    /// The channel and the whole content of a `publish`. A null message is a message too.
    fn publication<'a>(
        &self,
        content: Option<Raw<'a>>,
    ) -> Result<(Cow<'a, str>, &'a str), PeerFault> {
        let needs = || bad("publish needs content {channel, message}");
        let content = content.ok_or_else(needs)?;
        let publication = Publication::of(content).ok_or_else(needs)?;
        let channel = publication.channel.filter(|&channel| truthy(channel));
        match (channel, publication.message) {
            (Some(channel), Some(_)) => Ok((self.token("channel", channel)?, content.get())),
            (Some(_) | None, _) => Err(needs()),
        }
    }

    fn routed<'a>(
        &self,
        envelope: &Envelope<'a>,
        message_id: Option<Cow<'a, str>>,
    ) -> Result<Routed<'a>, PeerFault> {
        let name = envelope.name.map(Raw::get);
        if let Some(name) = name {
            self.check_token("name", name)?;
        }
        Ok(Routed {
            message_id,
            name,
            content: envelope.content.map(Raw::get),
        })
    }

    fn targets<'a>(&self, envelope: &Envelope<'a>, kind: &str) -> Result<Targets<'a>, PeerFault> {
        let needs = || {
            bad(format!(
                "{kind} needs the id of a peer, or several, in peer"
            ))
        };
        let peer = present(envelope.peer).ok_or_else(needs)?;
        if !peer.get().starts_with('[') {
            return plain(peer).map(Targets::One).ok_or_else(needs);
        }
        let most = self.limits.targets;
        let ids = list("peer", peer, most, || {
            let text = format!("one message may name {most} peers");
            PeerFault::new("E_TOOMANYPEERS", text)
        })?;
        let ids: Option<Vec<_>> = ids.into_iter().map(plain).collect();
        ids.map(Targets::Many).ok_or_else(needs)
    }

    fn channels<'a>(
        &self,
        content: Option<Raw<'a>>,
        kind: &str,
    ) -> Result<Vec<Cow<'a, str>>, PeerFault> {
        let content = object(content, kind)?;
        let Some(channels) = present(content.last("channels")) else {
            return Ok(Vec::new());
        };
        let most = self.limits.channels;
        let channels = list("channels", channels, most, || {
            PeerFault::too_many_channels(most)
        })?;
        let channels = channels.into_iter();
        channels.map(|name| self.token("channel", name)).collect()
    }

    fn tags<'a>(&self, content: Option<Raw<'a>>) -> Result<Vec<Cow<'a, str>>, PeerFault> {
        let Some(content) = present(content) else {
            return Ok(Vec::new());
        };
        let tags: Vec<Raw<'a>> = if content.get().starts_with('[') {
            let most = self.limits.tags;
            list("tags", content, most, || PeerFault::too_many_tags(most))?
        } else {
            vec![content]
        };
        tags.into_iter().map(|tag| self.token("tag", tag)).collect()
    }

    /// An `initiate`: what is private in it, and what it asks for, which may be wrong nevertheless.
    fn initiate<'a>(
        &self,
        envelope: &Envelope<'a>,
        message_id: Option<&str>,
    ) -> (Private<'a>, Result<Command<'a>, PeerFault>) {
        let checked = message_id.map_or(Ok(()), |id| self.check_token("messageid", id));
        let content = match object(envelope.content, "initiate") {
            Ok(content) => content,
            Err(fault) => return (Private::default(), checked.and(Err(fault))),
        };
        let said = |name| content.last(name).filter(|&raw| truthy(raw)).map(Raw::get);
        let private = Private {
            resume: said("resume"),
            user_id: said("userid").filter(|_| self.cipher.is_some()),
        };
        let initiation = checked.and_then(|()| self.initiation(&content));
        let command = initiation.map(|initiation| Command::Initiate(Box::new(initiation)));
        (private, command)
    }

    fn initiation<'a>(&self, content: &Fields<'a>) -> Result<Initiation<'a>, PeerFault> {
        let options = match present(content.last("options")) {
            None => Fields(Vec::new()),
            options => object(options, "the options of initiate")?,
        };
        // A null counts as false and not as absent.
        let option = |name| options.last(name).map(truthy);
        let text = |name| self.text(name, content.last(name));
        let start_time = present(content.last("startTime")).map(Raw::get);
        if let Some(start_time) = start_time {
            self.check_token("startTime", start_time)?;
        }
        let user_id = self.user_id(content.last("userid"))?;
        Ok(Initiation {
            id: text("id")?,
            linkage_key: text("linkageKey")?.unwrap_or_default(),
            user_id,
            debout_cluster: text("deboutCluster")?,
            start_time,
            tags: self.tags(content.last("tags"))?,
            properties: self.properties(content.last("properties"))?,
            peer_initiation_receiver: option("peerInitiationReceiver"),
            peer_initiation_sender: option("peerInitiationSender"),
            resume: match content.last("resume") {
                Some(resume) if resume.get() == "true" => Some(Resume::Ask),
                resume => {
                    let bytes_max = self.limits.name_bytes.max(Secret::HEX_BYTES);
                    self.text_within(bytes_max, "resume", resume)?
                        .map(Resume::Secret)
                }
            },
        })
    }

    /// The user id as others may see it. A sealed one is longer than what was sealed, which was within the bound.
    fn user_id<'a>(&self, raw: Option<Raw<'a>>) -> Result<Cow<'a, str>, PeerFault> {
        let bytes_max = match &self.cipher {
            Some(_) => UserIdCipher::sealed_bytes(self.limits.name_bytes),
            None => self.limits.name_bytes,
        };
        let text = self.text_within(bytes_max, "userid", raw)?;
        let Some(text) = text else {
            return Ok(Cow::Borrowed(""));
        };
        let Some(cipher) = &self.cipher else {
            return Ok(text);
        };
        // A client that comes back gives the text that it was given, perhaps before the key was replaced.
        match cipher.open(&text) {
            Some(user_id) => Ok(cipher.seal(&user_id).into()),
            None => {
                check_length(self.limits.name_bytes, "userid", &text)?;
                Ok(cipher.seal(&text).into())
            }
        }
    }

    fn properties<'a>(&self, content: Option<Raw<'a>>) -> Result<Vec<Property<'a>>, PeerFault> {
        let Some(content) = present(content) else {
            return Ok(Vec::new());
        };
        // White space apart, what is far larger than the bound cannot be within it.
        let most = self.limits.properties_bytes;
        if content.get().len() > 2 * most {
            return Err(PeerFault::properties_too_large(most));
        }
        let fields = object(Some(content), "properties")?;
        let property = |(name, value): (_, Raw<'a>)| Property {
            name,
            value: value.get(),
        };
        Ok(fields.0.into_iter().map(property).collect())
    }

    fn text<'a>(
        &self,
        field: &str,
        raw: Option<Raw<'a>>,
    ) -> Result<Option<Cow<'a, str>>, PeerFault> {
        self.text_within(self.limits.name_bytes, field, raw)
    }

    /// A string or number as plain text; none if it says nothing in the eyes of JavaScript.
    fn text_within<'a>(
        &self,
        bytes_max: usize,
        field: &str,
        raw: Option<Raw<'a>>,
    ) -> Result<Option<Cow<'a, str>>, PeerFault> {
        let Some(raw) = raw.filter(|&raw| truthy(raw)) else {
            return Ok(None);
        };
        let text = plain(raw).ok_or_else(|| bad(format!("{field} must be a string")))?;
        check_length(bytes_max, field, &text)?;
        Ok(Some(text))
    }

    /// A scalar as a token.
    fn token<'a>(&self, field: &str, raw: Raw<'a>) -> Result<Cow<'a, str>, PeerFault> {
        let token = canonical(raw).ok_or_else(|| bad(format!("a {field} must be a string")))?;
        self.check_token(field, &token)?;
        Ok(token)
    }

    /// The quotes of a string are not part of what was named.
    fn check_token(&self, field: &str, token: &str) -> Result<(), PeerFault> {
        let inner = token
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'));
        check_length(self.limits.name_bytes, field, inner.unwrap_or(token))
    }
}

/// An array of no more than `most` things, so that no message makes more work than its purpose may.
fn list<'a>(
    field: &str,
    raw: Raw<'a>,
    most: usize,
    too_many: impl FnOnce() -> PeerFault,
) -> Result<Vec<Raw<'a>>, PeerFault> {
    let elements = raw.elements();
    let elements = elements.ok_or_else(|| bad(format!("{field} must be an array")))?;
    let list: Vec<Raw<'a>> = elements.take(most + 1).collect();
    match list.len() <= most {
        true => Ok(list),
        false => Err(too_many()),
    }
}

fn check_length(bytes_max: usize, field: &str, text: &str) -> Result<(), PeerFault> {
    if text.len() <= bytes_max {
        return Ok(());
    }
    let text = format!("{field} may have {bytes_max} bytes");
    Err(PeerFault::new("E_TOOLONG", text))
}

fn object<'a>(content: Option<Raw<'a>>, of: &str) -> Result<Fields<'a>, PeerFault> {
    let content = content.ok_or_else(|| bad(format!("{of} needs content")))?;
    Fields::of(content).ok_or_else(|| bad(format!("the content of {of} must be an object")))
}

fn selection(content: Option<Raw<'_>>) -> Result<DeboutSelection, PeerFault> {
    let mut selection = DeboutSelection::default();
    let Some(content) = present(content) else {
        return Ok(selection);
    };
    let fields = object(Some(content), "deboutSelection")?;
    for (name, wanted) in fields.0 {
        let known = DeboutKind::ALL
            .into_iter()
            .find(|kind| name[1..name.len() - 1] == *kind.name());
        if let Some(kind) = known {
            selection.set(kind, truthy(wanted));
        }
    }
    Ok(selection)
}

/// The token of an `authenticate`. Its length is judged where it is checked.
fn fresh_token(content: Option<Raw<'_>>) -> Result<Cow<'_, str>, PeerFault> {
    let token = present(object(content, "authenticate")?.last("token"));
    let token = token.filter(|token| token.get().starts_with('"'));
    token
        .and_then(plain)
        .ok_or_else(|| bad("authenticate needs content {token}"))
}

fn timeout(raw: Raw<'_>) -> Result<u64, PeerFault> {
    match raw.get().parse::<f64>() {
        Ok(ms) if ms >= 0.0 => Ok(ms as u64),
        _ => Err(bad("timeout must be a number of milliseconds")),
    }
}

fn bad(text: impl Into<Cow<'static, str>>) -> PeerFault {
    PeerFault::new("E_BADCONTENT", text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_is_short_whatever_was_sent() {
        let reader = Reader::new(Limits::default(), None);
        let long = format!("\"{}\"", "\\n".repeat(100_000));
        let fault = reader.read(&long).expect_err("a string is no message");
        assert!(fault.text.len() < 300, "{} bytes", fault.text.len());
        let text = format!(r#"{{"type":"publish","content":{long}}}"#);
        let inbound = reader.read(&text).expect("an object");
        let fault = inbound.command.expect_err("a string is no content");
        assert!(fault.text.len() < 300, "{} bytes", fault.text.len());
    }

    #[test]
    fn a_wrong_form_is_named_by_its_field() {
        let reader = Reader::new(Limits::default(), None);
        let cases = [
            (
                r#"{"type":"subscribe","content":{"channels":"a,b"}}"#,
                "channels must be an array",
            ),
            (
                r#"{"type":"addTag","content":[{}]}"#,
                "a tag must be a string",
            ),
            (
                r#"{"type":"initiate","content":{"linkageKey":{}}}"#,
                "linkageKey must be a string",
            ),
            (
                r#"{"type":"request","peer":"p","timeout":"5"}"#,
                "timeout must be a number of milliseconds",
            ),
        ];
        for (text, complaint) in cases {
            let fault = reader.read(text).unwrap().command.unwrap_err();
            assert_eq!(fault, bad(complaint), "{text}");
        }
    }
}
