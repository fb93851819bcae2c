//! What somebody may do, as his token says.
//!
//! Data and no rules: who decides asks it. The hub keeps one for each peer that has brought a token.

use super::pattern::Patterns;

/// What somebody may do, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Who he is (`sub`), if the token says.
    pub subject: Option<Box<str>>,
    /// His user id as others may see it; empty without a subject. The same text as `subject` until whoever hides user ids has
    /// replaced it.
    pub user_id: Box<str>,
    /// The one peer id that he may have, if it is fixed.
    pub peer: Option<Box<str>>,
    /// The linkage keys that he may join.
    pub linkages: Patterns,
    /// The channels that he may publish to, as JSON texts.
    pub publish: Patterns,
    /// The channels that he may subscribe to, as JSON texts.
    pub subscribe: Patterns,
    /// The dialects that he may speak.
    pub dialects: Patterns,
    /// Whether he may watch the debug stream.
    pub debout: bool,
    /// Whether he may use what is for operators.
    pub admin: bool,
    /// When it expires (`exp`), ms since 1970.
    pub expires_ms: u64,
    /// When his connection is ended, ms since 1970: the leeway later.
    pub ends_ms: u64,
}

impl Grant {
    /// Whether he is who the other is: the same subject, or nobody in particular twice, and bound to the same peer id.
    pub fn is_of_the_same(&self, other: &Grant) -> bool {
        self.subject == other.subject && self.peer == other.peer
    }
}
