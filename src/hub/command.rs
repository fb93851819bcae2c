//! What a peer can ask of the hub (step 4 of the message path hands these to step 5).
//!
//! Owns the shapes only. Texts are of two kinds: *plain* texts (ids, linkage keys) are compared and kept as they are;
//! *tokens* (message ids, names, tags, channel names, property names and values, contents) are opaque to the hub: the
//! dialect writes one and the same thing always as one and the same token, which holds no NUL, and reads it back later.
//! Source: `PROTOCOLS.md` section 1, "Client messages".

use std::borrow::Cow;
use std::fmt;

/// One wish of one peer. Borrows from the incoming message. Its `Debug` text shows what came, a token among it.
#[derive(Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// Join a linkage, or say more about oneself.
    Initiate(Box<Initiation<'a>>),
    /// Add tags (tokens) to oneself.
    AddTags(Vec<Cow<'a, str>>),
    /// Remove tags (tokens) from oneself.
    RemoveTags(Vec<Cow<'a, str>>),
    /// Set some of one's own properties.
    SetProperties(Vec<Property<'a>>),
    /// Choose what the debug stream shows to oneself.
    SelectDebout(DeboutSelection),
    /// List the other peers of one's linkage.
    RetrievePeers {
        /// The id that the answer repeats; none asks for a fresh one.
        message_id: Option<Cow<'a, str>>,
    },
    /// Tell something to peers.
    Notify {
        /// The peers, by id; each mention is one message.
        to: Targets<'a>,
        /// What they are told.
        message: Routed<'a>,
    },
    /// Ask peers something.
    Request {
        /// The peers, by id; several mentions of one are one request.
        to: Targets<'a>,
        /// What they are asked.
        message: Routed<'a>,
        /// How long the answer may take, ms; none leaves it to the hub.
        timeout_ms: Option<u64>,
    },
    /// Answer a request.
    Response {
        /// Who asked, by id.
        to: Cow<'a, str>,
        /// The answer, with the message id of the request.
        message: Routed<'a>,
    },
    /// Tell something to all subscribers of a channel.
    Publish {
        /// The channel's name (token).
        channel: Cow<'a, str>,
        /// The id that the message carries; none asks for a fresh one.
        message_id: Option<Cow<'a, str>>,
        /// The content (token), forwarded whole.
        content: &'a str,
    },
    /// Subscribe to channels (tokens).
    Subscribe(Vec<Cow<'a, str>>),
    /// Unsubscribe from channels (tokens).
    Unsubscribe(Vec<Cow<'a, str>>),
    /// Say something on the debug stream.
    Debout {
        /// What (token); none if the message had no content.
        content: Option<&'a str>,
    },
    /// Show a fresh token.
    Authenticate {
        /// The token's text. The hub cannot judge it: who can has it judged before and calls `Hub::renew`.
        token: Cow<'a, str>,
    },
    /// Leave the hub.
    Leave,
}

impl Command<'_> {
    /// Whether it changes what the peer says of itself.
    pub fn is_of_oneself(&self) -> bool {
        matches!(
            self,
            Command::Initiate(_)
                | Command::AddTags(_)
                | Command::RemoveTags(_)
                | Command::SetProperties(_)
        )
    }

    /// How many things it names that have to be looked at one by one; a message may consist of very many small ones.
    pub fn part_count(&self) -> usize {
        match self {
            Command::Initiate(initiation) => initiation.tags.len() + initiation.properties.len(),
            Command::AddTags(names)
            | Command::RemoveTags(names)
            | Command::Subscribe(names)
            | Command::Unsubscribe(names) => names.len(),
            Command::SetProperties(properties) => properties.len(),
            Command::Notify { to, .. } | Command::Request { to, .. } => match to {
                Targets::One(_) => 1,
                Targets::Many(ids) => ids.len(),
            },
            Command::SelectDebout(_)
            | Command::RetrievePeers { .. }
            | Command::Response { .. }
            | Command::Publish { .. }
            | Command::Debout { .. }
            | Command::Authenticate { .. }
            | Command::Leave => 0,
        }
    }
}

/// The parts of a message from peer to peer that the hub forwards untouched; all tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routed<'a> {
    /// The message id; none asks for a fresh one.
    pub message_id: Option<Cow<'a, str>>,
    /// The name, if the message has one.
    pub name: Option<&'a str>,
    /// The content, if the message has one.
    pub content: Option<&'a str>,
}

/// Whom a message is for, by peer id.
#[derive(Debug, PartialEq, Eq)]
pub enum Targets<'a> {
    /// One peer.
    One(Cow<'a, str>),
    /// Several peers.
    Many(Vec<Cow<'a, str>>),
}

impl Targets<'_> {
    /// The ids in the order in which they were given.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        let (one, many): (_, &[_]) = match self {
            Targets::One(id) => (Some(id), &[]),
            Targets::Many(ids) => (None, ids),
        };
        one.into_iter().chain(many).map(|id| id.as_ref())
    }
}

/// One property: a name and a value, both tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property<'a> {
    /// The name.
    pub name: Cow<'a, str>,
    /// The value.
    pub value: &'a str,
}

/// What a peer says of itself when it joins.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Initiation<'a> {
    /// The id that it wants or had, if it says.
    pub id: Option<Cow<'a, str>>,
    /// The name of the linkage to join.
    pub linkage_key: Cow<'a, str>,
    /// The user id as others may see it; empty without one.
    pub user_id: Cow<'a, str>,
    /// The debout cluster, if it has one.
    pub debout_cluster: Option<Cow<'a, str>>,
    /// When the client opened its connection (token), if it says.
    pub start_time: Option<&'a str>,
    /// Tags (tokens) to add.
    pub tags: Vec<Cow<'a, str>>,
    /// Properties to set.
    pub properties: Vec<Property<'a>>,
    /// Whether it wants to hear of the others; none leaves that as it is.
    pub peer_initiation_receiver: Option<bool>,
    /// Whether the others hear of it; none leaves that as it is.
    pub peer_initiation_sender: Option<bool>,
    /// Whether and how it takes part in the hub's own way to get an id back.
    pub resume: Option<Resume<'a>>,
}

/// The resume extension of the hub's own client. Its `Debug` text withholds the secret.
#[derive(Clone, PartialEq, Eq)]
pub enum Resume<'a> {
    /// Asks for a secret.
    Ask,
    /// Shows the secret that belongs to the wanted id.
    Secret(Cow<'a, str>),
}

impl fmt::Debug for Resume<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Resume::Ask => "Ask",
            Resume::Secret(_) => "Secret(…)",
        })
    }
}

/// The kinds of messages on the debug stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeboutKind {
    /// What a client sent to the hub.
    ClientToHub,
    /// What the hub sent to a client.
    HubToClient,
    /// A client is cut off since it does not answer pings.
    Terminate,
    /// What a client said on the debug stream.
    ClientDebout,
    /// A client has connected.
    Connected,
}

impl DeboutKind {
    /// Every kind.
    pub const ALL: [DeboutKind; 5] = [
        DeboutKind::ClientToHub,
        DeboutKind::HubToClient,
        DeboutKind::Terminate,
        DeboutKind::ClientDebout,
        DeboutKind::Connected,
    ];

    /// The kind's name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            DeboutKind::ClientToHub => "client2hub",
            DeboutKind::HubToClient => "hub2client",
            DeboutKind::Terminate => "terminate",
            DeboutKind::ClientDebout => "clientdebout",
            DeboutKind::Connected => "connected",
        }
    }
}

/// Which kinds of debug messages are wanted: two bits a kind in effect, wanted and not wanted, so that a selection can be
/// laid over another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeboutSelection {
    on: u8,
    off: u8,
}

impl DeboutSelection {
    /// Says whether `kind` is wanted.
    pub fn set(&mut self, kind: DeboutKind, wanted: bool) {
        let bit = 1 << kind as u8;
        (self.on, self.off) = if wanted {
            (self.on | bit, self.off & !bit)
        } else {
            (self.on & !bit, self.off | bit)
        };
    }

    /// Whether `kind` is wanted; what was never said is not.
    pub fn wants(self, kind: DeboutKind) -> bool {
        self.on & (1 << kind as u8) != 0
    }

    /// Lays `newer` over this one: what `newer` does not speak of stays.
    pub fn merge(&mut self, newer: DeboutSelection) {
        self.on = (self.on & !newer.off) | newer.on;
        self.off = (self.off & !newer.on) | newer.off;
    }
}

/// A peer's mistake: bad input or a bound it ran into. It concerns that peer only and never ends more than its own
/// connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerFault {
    /// A short name that programs can compare, `E_…`.
    pub code: &'static str,
    /// A sentence for the person who wrote the client.
    pub text: Cow<'static, str>,
}

impl PeerFault {
    /// A fault with its code and its sentence.
    pub fn new(code: &'static str, text: impl Into<Cow<'static, str>>) -> PeerFault {
        PeerFault {
            code,
            text: text.into(),
        }
    }

    /// The peer's token does not let it do that.
    pub fn forbidden(text: &'static str) -> PeerFault {
        PeerFault::new("E_FORBIDDEN", text)
    }

    /// The token that was shown does not count.
    pub fn bad_token(text: &'static str) -> PeerFault {
        PeerFault::new("E_BADTOKEN", text)
    }

    /// The peer has, or asks for, more than so many tags.
    pub fn too_many_tags(most: usize) -> PeerFault {
        PeerFault::new("E_TOOMANYTAGS", format!("a peer may have {most} tags"))
    }

    /// The peer's properties are larger than so many bytes.
    pub fn properties_too_large(most: usize) -> PeerFault {
        let text = format!("a peer's properties may have {most} bytes");
        PeerFault::new("E_PROPERTIESTOOLARGE", text)
    }

    /// The connection is subscribed, or asks to be, to more than so many channels.
    pub fn too_many_channels(most: usize) -> PeerFault {
        let text = format!("a connection may be subscribed to {most} channels");
        PeerFault::new("E_TOOMANYCHANNELS", text)
    }
}

impl fmt::Display for PeerFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.text)
    }
}
