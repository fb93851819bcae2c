//! One connection of this node, incoming or dialled, and what is known of its other end.

use super::calls::Call;
use super::node_id::NodeId;
use crate::hub::Millis;
use crate::index::{ConnKey, Key, LinkKey, Linked, Links};

/// One connection of this node.
#[derive(Debug)]
pub(super) struct Link {
    /// None while it is being dialled.
    pub(super) conn: ConnKey,
    pub(super) stage: Stage,
    /// What it was dialled for, if it was.
    pub(super) call: Option<Call>,
    /// Another connection of the same node, which takes this one's place when it ends.
    pub(super) spare: LinkKey,
    /// When it opened, or began to be dialled.
    pub(super) since: Millis,
    /// When its time is over, while it is on the list of those that have a time.
    pub(super) due_at: Millis,
    pub(super) due: Links<LinkKey>,
}

/// How far a connection has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It is being dialled.
    Calling,
    /// It is open; the other's id has not come.
    Greeting,
    /// It leads to this node.
    Linked(NodeId),
    /// It leads to this node, which another connection leads to already.
    Spare(NodeId),
    /// It is being closed.
    Over,
}

/// Names the link field that runs through all that have a time.
#[derive(Debug)]
pub(super) struct InDue;

impl Link {
    pub(super) fn new(conn: ConnKey, stage: Stage, call: Option<Call>, since: Millis) -> Link {
        Link {
            conn,
            stage,
            call,
            spare: LinkKey::NONE,
            since,
            due_at: 0,
            due: Links::default(),
        }
    }
}

impl Linked<InDue, LinkKey> for Link {
    fn links(&self) -> &Links<LinkKey> {
        &self.due
    }

    fn links_mut(&mut self) -> &mut Links<LinkKey> {
        &mut self.due
    }
}
