//! Tokens that those who come show, and what is known of them: what they allow, and between which times they end.
//!
//! Owns what is drawn of a token and its naive truth. When it ends is a matter of the wall clock, which is set forward and
//! back, and of when the hub looks at it: so a pass knows from when on it may have ended, and when it must have.

use crate::support::Dice;
use crate::support::test_hub::{BEGIN_UNIX_MS, TestHub};
use crate::tokens::{SECRET, checker, signed};
use peerhub::Config;
use peerhub::access::{Checker, Rules};
use serde_json::{Value, json};

/// How far the clocks of those who make tokens may be off, ms.
pub(crate) const LEEWAY_MS: u64 = 500;
/// Longer than it takes the hub to notice that a deadline has passed, ms.
const COARSE_MS: u64 = 100;
/// As far in the future as no simulation gets, in seconds since 1970.
const FAR_S: f64 = 4_102_444_800.0;

/// The wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wall {
    /// The hub's other clock.
    pub(crate) now_ms: u64,
    /// How far the wall clock is ahead of that and of the beginning.
    pub(crate) ahead_ms: i64,
}

impl Wall {
    pub(crate) fn of(hub: &TestHub) -> Wall {
        Wall {
            now_ms: hub.elapsed_ms(),
            ahead_ms: hub.wall_ms(),
        }
    }

    fn unix_ms(self, ahead_ms: i64) -> u64 {
        (BEGIN_UNIX_MS + self.now_ms).saturating_add_signed(ahead_ms)
    }
}

/// What one who came with a good token may do, and for how long.
#[derive(Clone, Debug)]
pub(crate) struct Pass {
    pub(crate) user_id: String,
    /// The one id that it may have.
    pub(crate) id: Option<String>,
    linkages: Option<Vec<&'static str>>,
    publish: Option<Vec<&'static str>>,
    subscribe: Option<Vec<&'static str>>,
    pub(crate) debout: bool,
    /// When it ends, ms since 1970.
    ends_ms: u64,
    /// How far the wall clock was ahead at least and at most since it was shown.
    ahead_ms: (i64, i64),
}

/// What somebody shows.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) text: String,
    /// What it allows, if it is good.
    pub(crate) pass: Option<Pass>,
    /// The status with which a bad one is refused.
    pub(crate) status: Option<u16>,
}

/// What a hub asks for, and what is shown to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tokens {
    is_on: bool,
    is_required: bool,
}

impl Tokens {
    pub(crate) fn new(config: &Config) -> Tokens {
        Tokens {
            is_on: config.tokens.are_on(),
            is_required: config.tokens.are_required(),
        }
    }

    /// Whether the hub looks at tokens.
    pub(crate) fn are_on(self) -> bool {
        self.is_on
    }

    /// What the hub checks with.
    pub(crate) fn checker(self) -> Option<Checker> {
        let rules = Rules {
            leeway_ms: LEEWAY_MS,
            name_bytes_max: 512,
            ..Rules::default()
        };
        self.is_on.then(|| checker(rules))
    }

    /// The header field of somebody who may do everything for ever.
    pub(crate) fn lasting(self) -> String {
        match self.is_on {
            true => format!(
                "Authorization: Bearer {}\r\n",
                signed_with(&json!({"exp": FAR_S}), SECRET.as_bytes())
            ),
            false => String::new(),
        }
    }

    /// What somebody who comes shows; an empty text is no token.
    pub(crate) fn draw(self, dice: &mut Dice, wall: Wall) -> Shown {
        if !self.is_on {
            return none(None);
        }
        match dice.below(100) {
            0..4 => none(self.is_required.then_some(401)),
            4..34 if !self.is_required => none(None),
            34..37 => bad(signed_with(
                &json!({"exp": FAR_S}),
                b"a secret that is not the hub's",
            )),
            37..40 => {
                let hour_ago = wall.unix_ms(wall.ahead_ms) / 1_000 - 3_600;
                bad(signed_with(&json!({"exp": hour_ago}), SECRET.as_bytes()))
            }
            40..43 => Shown {
                status: Some(403),
                ..bad(signed_with(
                    &json!({"exp": FAR_S, "dialects": ["none"]}),
                    SECRET.as_bytes(),
                ))
            },
            _ => {
                let user_id = match dice.chance(60) {
                    true => format!("user{}", dice.below(3)),
                    false => String::new(),
                };
                let id = dice.chance(8).then(|| format!("fixed{}", dice.below(3)));
                good(dice, wall, user_id, id)
            }
        }
    }

    /// A token with nothing in it that forbids, for those whose rules are not the hub's own.
    pub(crate) fn draw_plain(self, dice: &mut Dice, wall: Wall) -> Shown {
        let mut shown = self.draw(dice, wall);
        if let Some(pass) = &shown.pass {
            let claims = json!({"exp": (pass.ends_ms - LEEWAY_MS) as f64 / 1_000.0});
            shown.text = signed_with(&claims, SECRET.as_bytes());
        }
        shown
    }
}

/// A fresh token of whoever has this one.
pub(crate) fn fresh(dice: &mut Dice, wall: Wall, of: &Pass) -> Shown {
    good(dice, wall, of.user_id.clone(), of.id.clone())
}

/// A token that was not signed with the hub's secret.
pub(crate) fn forged() -> Shown {
    bad(signed_with(
        &json!({"exp": FAR_S}),
        b"a secret that is not the hub's",
    ))
}

/// A good token of somebody else.
pub(crate) fn of_another(dice: &mut Dice, wall: Wall) -> Shown {
    Shown {
        status: Some(403),
        ..good(dice, wall, "somebody-else".to_owned(), None)
    }
}

fn none(status: Option<u16>) -> Shown {
    Shown {
        text: String::new(),
        pass: None,
        status,
    }
}

fn bad(text: String) -> Shown {
    Shown {
        text,
        pass: None,
        status: Some(401),
    }
}

fn good(dice: &mut Dice, wall: Wall, user_id: String, id: Option<String>) -> Shown {
    // In quarters of a second, which a number of seconds names exactly.
    let expires_ms = match dice.chance(40) {
        true => (wall.unix_ms(wall.ahead_ms) + 250 + dice.below(30_000)) / 250 * 250,
        false => (FAR_S * 1_000.0) as u64,
    };
    let some = |dice: &mut Dice, all: &[&[&'static str]]| {
        let is_limited = dice.chance(30);
        let place = dice.below(all.len() as u64) as usize;
        is_limited.then(|| all[place].to_vec())
    };
    let channels: [&[&str]; 4] = [&["c1", "c2", "c3"], &["c*"], &[], &["c0", "c5", "d*"]];
    let pass = Pass {
        linkages: some(dice, &[&["room1"], &["room*"], &["room0", "room2"]]),
        publish: some(dice, &channels),
        subscribe: some(dice, &channels),
        debout: dice.chance(70),
        user_id,
        id,
        ends_ms: expires_ms + LEEWAY_MS,
        ahead_ms: (wall.ahead_ms, wall.ahead_ms),
    };
    let mut claims = json!({"exp": expires_ms as f64 / 1_000.0, "debout": pass.debout});
    let lists = [
        ("linkages", &pass.linkages),
        ("publish", &pass.publish),
        ("subscribe", &pass.subscribe),
    ];
    for (name, list) in lists {
        if let Some(list) = list {
            claims[name] = json!(list);
        }
    }
    if !pass.user_id.is_empty() {
        claims["sub"] = json!(pass.user_id);
    }
    if let Some(id) = &pass.id {
        claims["peer"] = json!(id);
    }
    Shown {
        text: signed_with(&claims, SECRET.as_bytes()),
        pass: Some(pass),
        status: None,
    }
}

fn signed_with(claims: &Value, secret: &[u8]) -> String {
    signed(crate::tokens::HS256, &claims.to_string(), secret)
}

impl Shown {
    /// The header fields that show it, each with its line's end.
    pub(crate) fn fields(&self, dice: &mut Dice) -> String {
        match &*self.text {
            "" => String::new(),
            text if dice.chance(50) => format!("Authorization: Bearer {text}\r\n"),
            text => format!("Sec-WebSocket-Protocol: bearer, {text}\r\n"),
        }
    }
}

impl Pass {
    /// The wall clock is so.
    pub(crate) fn look(&mut self, wall: Wall) {
        let (least, most) = self.ahead_ms;
        self.ahead_ms = (least.min(wall.ahead_ms), most.max(wall.ahead_ms));
    }

    /// Whether it may have ended for the hub.
    pub(crate) fn may_have_ended(&self, wall: Wall) -> bool {
        wall.unix_ms(self.ahead_ms.1) >= self.ends_ms
    }

    /// Whether it must have ended for the hub, and whoever came with it be told so.
    pub(crate) fn must_have_ended(&self, wall: Wall) -> bool {
        wall.unix_ms(self.ahead_ms.0) >= self.ends_ms + COARSE_MS
    }

    pub(crate) fn allows_linkage(&self, name: &str) -> bool {
        allows(&self.linkages, name)
    }

    pub(crate) fn allows_publishing(&self, channel: &str) -> bool {
        allows(&self.publish, channel)
    }

    pub(crate) fn allows_subscribing(&self, channel: &str) -> bool {
        match channel == super::world::DEBOUT {
            true => self.debout,
            false => allows(&self.subscribe, channel),
        }
    }
}

/// Whether a name is among these, of which those with a star at the end are only beginnings.
fn allows(list: &Option<Vec<&'static str>>, name: &str) -> bool {
    let Some(list) = list else {
        return true;
    };
    list.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => *pattern == name,
    })
}
