//! Claims: connections that want an id which somebody holds (step 5 of the message path).
//!
//! While a claim is open the hub has asked the holder for a sign of life. It ends when the holder answers (the claimant is
//! turned away), when the holder goes or its time is up (the claimant gets the id), or when the claimant goes.
//! Source: `PROTOCOLS.md` section 1, "Where the original is wrong"; the hub's documentation of reconnection.

use super::command::{Initiation, Property, Resume};
use super::packed::{TokenMap, TokenSet};
use super::peer::AgainstHolder;
use crate::index::{ClaimKey, Linked, Links, PeerKey, TimerKey};
use std::borrow::Cow;

/// One open claim.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) claimant: PeerKey,
    pub(super) holder: PeerKey,
    /// What the claimant says of itself, kept until it is let in.
    pub(super) initiation: KeptInitiation,
    pub(super) deadline: TimerKey,
    pub(super) against_holder: Links<ClaimKey>,
}

impl Linked<AgainstHolder, ClaimKey> for Claim {
    fn links(&self) -> &Links<ClaimKey> {
        &self.against_holder
    }

    fn links_mut(&mut self) -> &mut Links<ClaimKey> {
        &mut self.against_holder
    }
}

impl Claim {
    /// Bytes that it takes.
    pub(super) fn kept_bytes(&self) -> usize {
        let KeptInitiation {
            tags, properties, ..
        } = &self.initiation;
        size_of::<Claim>() + tags.bytes() + properties.bytes()
    }

    /// The id that is claimed.
    pub(super) fn id(&self) -> &str {
        self.initiation.initiation.id.as_deref().unwrap_or_default()
    }
}

/// An initiation that outlives its message.
#[derive(Debug)]
pub(super) struct KeptInitiation {
    initiation: Initiation<'static>,
    start_time: Option<Box<str>>,
    /// Each tag and name once: a message may repeat one very often.
    tags: TokenSet,
    properties: TokenMap,
}

impl KeptInitiation {
    pub(super) fn keep(initiation: Initiation<'_>) -> KeptInitiation {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        KeptInitiation {
            start_time: initiation.start_time.map(Box::from),
            tags: TokenSet::default().with(initiation.tags.iter().map(|tag| tag.as_ref())),
            properties: TokenMap::default().with(
                initiation
                    .properties
                    .iter()
                    .map(|property| (property.name.as_ref(), property.value)),
            ),
            initiation: Initiation {
                id: initiation.id.map(owned),
                linkage_key: owned(initiation.linkage_key),
                user_id: owned(initiation.user_id),
                debout_cluster: initiation.debout_cluster.map(owned),
                start_time: None,
                tags: Vec::new(),
                properties: Vec::new(),
                peer_initiation_receiver: initiation.peer_initiation_receiver,
                peer_initiation_sender: initiation.peer_initiation_sender,
                resume: initiation.resume.map(|resume| match resume {
                    Resume::Ask => Resume::Ask,
                    Resume::Secret(secret) => Resume::Secret(owned(secret)),
                }),
            },
        }
    }

    /// The initiation as it was.
    pub(super) fn release(&mut self) -> Initiation<'_> {
        let mut initiation: Initiation<'_> = std::mem::take(&mut self.initiation);
        initiation.start_time = self.start_time.as_deref();
        initiation.tags = self.tags.iter().map(Cow::Borrowed).collect();
        initiation.properties = self
            .properties
            .iter()
            .map(|(name, value)| Property {
                name: Cow::Borrowed(name),
                value,
            })
            .collect();
        initiation
    }
}
