//! One peer of the model, what it wishes, and both in words.
//!
//! Owns: the record and how tags and properties are laid over those that are there. What becomes of peers is `hub_model`'s.

use crate::hub::Stage;
use crate::hub::command::{DeboutSelection, Initiation, Routed};
use crate::index::PeerKey;

/// One peer, with all that belongs to it.
#[derive(Clone, Debug)]
pub(super) struct ModelPeer {
    pub(super) key: PeerKey,
    pub(super) id: String,
    pub(super) stage: Stage,
    pub(super) hears: bool,
    pub(super) shows: bool,
    pub(super) extended: bool,
    /// Its connection is closing: nothing comes from it any more.
    pub(super) closing: bool,
    pub(super) secret: Option<String>,
    pub(super) linkage: Option<String>,
    pub(super) cluster: Option<String>,
    pub(super) user_id: String,
    pub(super) start_time: Option<String>,
    pub(super) tags: Vec<String>,
    pub(super) properties: Vec<(String, String)>,
    pub(super) selection: DeboutSelection,
    pub(super) channels: Vec<String>,
    pub(super) nudge: Option<Due>,
}

/// When something falls due: at this tick, after what was armed before it.
pub(super) type Due = (u64, u64);

/// An initiation, kept.
#[derive(Clone)]
pub(super) struct Wishes {
    pub(super) id: Option<String>,
    pub(super) linkage: String,
    pub(super) user_id: String,
    pub(super) cluster: Option<String>,
    pub(super) start_time: Option<String>,
    pub(super) tags: Vec<String>,
    pub(super) properties: Vec<(String, String)>,
    pub(super) hears: Option<bool>,
    pub(super) shows: Option<bool>,
    pub(super) resumes: bool,
}

impl ModelPeer {
    /// All that others know of it, in words.
    pub(super) fn card(&self) -> String {
        let tags: Vec<&str> = self.tags.iter().map(String::as_str).collect();
        let properties = self.properties.iter();
        let properties: Vec<_> = properties
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        card_in_words(
            &self.id,
            self.linkage.as_deref().unwrap_or_default(),
            [
                self.cluster.as_deref(),
                Some(&self.user_id),
                self.start_time.as_deref(),
            ],
            &tags,
            &properties,
        )
    }
}

/// A peer as others know it, in words.
pub(super) fn card_in_words(
    id: &str,
    linkage: &str,
    rest: [Option<&str>; 3],
    tags: &[&str],
    properties: &[(&str, &str)],
) -> String {
    format!("[{id} in {linkage} {rest:?} {tags:?} {properties:?}]")
}

/// A message from peer to peer in words.
pub(super) fn words(message: &Routed<'_>) -> String {
    let Routed {
        message_id,
        name,
        content,
    } = message;
    format!("{message_id:?} {name:?} {content:?}")
}

impl Wishes {
    pub(super) fn of(initiation: &Initiation<'_>) -> Wishes {
        let owned = |text: &std::borrow::Cow<'_, str>| text.to_string();
        let properties = initiation.properties.iter();
        Wishes {
            id: initiation.id.as_ref().map(owned),
            linkage: owned(&initiation.linkage_key),
            user_id: owned(&initiation.user_id),
            cluster: initiation.debout_cluster.as_ref().map(owned),
            start_time: initiation.start_time.map(str::to_owned),
            tags: initiation.tags.iter().map(owned).collect(),
            properties: properties
                .map(|one| (owned(&one.name), one.value.to_owned()))
                .collect(),
            hears: initiation.peer_initiation_receiver,
            shows: initiation.peer_initiation_sender,
            resumes: initiation.resume.is_some(),
        }
    }

    pub(super) fn properties(&self) -> impl Iterator<Item = (&str, &str)> {
        let properties = self.properties.iter();
        properties.map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

pub(super) fn with_tags(tags: &[String], more: &[impl AsRef<str>]) -> Vec<String> {
    let mut tags = tags.to_vec();
    for tag in more {
        if !tags.iter().any(|known| known == tag.as_ref()) {
            tags.push(tag.as_ref().to_owned());
        }
    }
    tags
}

pub(super) fn with_properties<'a>(
    properties: &[(String, String)],
    newer: impl Iterator<Item = (&'a str, &'a str)>,
) -> Vec<(String, String)> {
    let mut properties = properties.to_vec();
    for (name, value) in newer {
        match properties.iter_mut().find(|known| known.0 == name) {
            Some(known) => known.1 = value.to_owned(),
            None => properties.push((name.to_owned(), value.to_owned())),
        }
    }
    properties
}

/// As the hub counts them: a byte for the end of each text.
pub(super) fn bytes(properties: &[(String, String)]) -> usize {
    let each = properties.iter();
    each.map(|(name, value)| name.len() + value.len() + 2).sum()
}
