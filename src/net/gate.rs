//! Who is let in by what token, and until when (before step 4 of the message path).
//!
//! Owns the checking of tokens that come with requests, the addresses that may speak lines, which have no tokens, and the
//! deadlines at which connections end because their tokens have expired. What tokens are worth is for `access` to say, what they allow in the hub
//! for the hub. A token is never logged, shown or repeated.

use super::Socket;
use super::floor::{Due, Floor};
use crate::access::{Checker, Grant, TokenFault, looks_like_token};
use crate::config::{Config, Proxies};
use crate::dialect::Dialect;
use crate::dialect::peerjs::query::{Asked, decode_part};
use crate::hub::Millis;
use crate::hub::command::PeerFault;
use crate::index::{ConnKey, Key, PeerKey, TimerKey};
use crate::planted;
use crate::web::Guarded;
use crate::wire::{Head, HttpFault, WebSocketRequest};
use std::borrow::Cow;
use std::net::IpAddr;

/// What is asked of those who come in.
#[derive(Debug)]
pub(super) struct Gate {
    /// Whether tokens are looked at.
    is_on: bool,
    /// Whether nobody comes in without one.
    is_required: bool,
    /// None until the keys are there: no token counts before.
    pub(super) checker: Option<Checker>,
    /// Who may speak net-peer, if not everybody may.
    lines_from: Option<Proxies>,
    /// What tokens have cost in this tick, in about a nanosecond.
    spent: u64,
    /// Somebody who brings a token has just been put off.
    has_put_off: bool,
}

/// What a connection must know of the token that it came with.
#[derive(Debug)]
pub(super) struct Pass {
    /// When the token has expired for good, ms since 1970.
    ends_ms: u64,
    timer: TimerKey,
}

impl Pass {
    /// Its deadline has passed: it is armed no longer.
    pub(super) fn forget_deadline(&mut self) {
        self.timer = TimerKey::NONE;
    }

    /// Whether its deadline is armed.
    pub(super) fn is_armed(&self) -> bool {
        !self.timer.is_none()
    }
}

/// The token has expired.
const CLOSE_EXPIRED: u16 = 4401;

impl Gate {
    /// Work on tokens after which the others who bring one wait for the next tick, in about a nanosecond: 4 ms. Whoever
    /// brings none, or is in, waits no longer than that for a flood of forged ones.
    const TICK_COST_MAX: u64 = 4_000_000;
    /// A far ending is looked at this often, ms, since the time of day may be set anew meanwhile.
    const LOOK_MS: Millis = 600_000;

    /// What checked settings ask for.
    pub(super) fn new(config: &Config) -> Gate {
        let ranges = &config.tokens.netpeer_allowed;
        let is_limited = !ranges.is_empty() || config.tokens.are_required();
        Gate {
            is_on: config.tokens.are_on(),
            is_required: config.tokens.are_required(),
            checker: None,
            spent: 0,
            has_put_off: false,
            lines_from: is_limited
                .then(|| Proxies::new(ranges).expect("checked settings hold no bad ranges")),
        }
    }

    /// A tick begins.
    pub(super) fn begin_tick(&mut self) {
        self.spent = 0;
    }

    /// Whether so many tokens have been checked in this tick that others wait for the next one.
    pub(super) fn has_had_enough(&self) -> bool {
        self.spent > Self::TICK_COST_MAX
    }

    /// Somebody who brings a token is put off.
    pub(super) fn put_off(&mut self) {
        self.has_put_off = true;
    }

    /// Whether somebody has been, since this was asked last.
    pub(super) fn has_put_off(&mut self) -> bool {
        std::mem::take(&mut self.has_put_off)
    }

    /// Whether tokens are looked at.
    pub(super) fn is_on(&self) -> bool {
        self.is_on
    }

    /// Whether somebody from this address may speak lines.
    pub(super) fn allows_lines(&self, address: IpAddr) -> bool {
        let ranges = self.lines_from.as_ref();
        ranges.is_none_or(|ranges| ranges.trust(address))
    }
}

impl<S: Socket> Floor<S> {
    /// Whether whoever asks this has to wait, since he seems to bring a token and enough of them have been checked in this
    /// tick.
    pub(super) fn must_wait_at_gate(&self, head: &Head<'_>) -> bool {
        let fields = ["authorization", "sec-websocket-protocol"];
        self.gate.has_had_enough()
            && (fields.iter().any(|name| head.header(name).is_some())
                || Asked::read(head.query.unwrap_or_default()).token.is_some()
                || matches!(self.web.guarded(head), Some(Guarded::Post { .. })))
    }

    /// Whether whoever asks for a WebSocket may have it, and what he may do then: none if he may do everything.
    pub(super) fn admit_token(
        &mut self,
        key: ConnKey,
        head: &Head<'_>,
        handshake: &WebSocketRequest,
        dialect: Dialect,
    ) -> Result<Option<Box<Grant>>, HttpFault> {
        if !self.gate.is_on {
            return Ok(None);
        }
        let query = head.query.unwrap_or_default();
        let offered = handshake.bearer.as_deref().map(Cow::Borrowed);
        let offered = authorization(head).or(offered);
        let is_peerjs = dialect == Dialect::PeerJs;
        let offered = offered.or_else(|| self.query_token(query, is_peerjs));
        let Some(grant) = self.judge(key, offered.as_deref())? else {
            return Ok(None);
        };
        if !grant.dialects.allow(dialect.name()) {
            return Err(self.forbid(key, "The token does not allow this protocol."));
        }
        if is_peerjs && !is_own_id(&grant, Asked::read(query).id.as_deref()) {
            return Err(self.forbid(key, "The token is for another peer id."));
        }
        Ok(Some(grant))
    }

    /// Whether a plain request may be answered, and gives whether it is an operator's. Only what tells of others or speaks
    /// in somebody's name asks for a token.
    pub(super) fn admit_request(
        &mut self,
        key: ConnKey,
        head: &Head<'_>,
    ) -> Result<bool, HttpFault> {
        if !self.gate.is_on {
            return Ok(false);
        }
        let query = head.query.unwrap_or_default();
        let (id, in_place) = match self.web.guarded(head) {
            None => return Ok(false),
            Some(Guarded::Health) => {
                let offered = authorization(head).or_else(|| self.query_token(query, false));
                let Some(offered) = offered else {
                    return Ok(false);
                };
                let grant = self.judge(key, Some(&offered))?;
                return Ok(grant.is_some_and(|grant| grant.admin));
            }
            Some(Guarded::Listing) => (None, self.query_token(query, false)),
            Some(Guarded::Post { id, token }) => {
                let token = decode_part(token);
                let is_secret = !self.gate.is_required && !looks_like_token(&token);
                (Some(decode_part(id)), Some(token).filter(|_| !is_secret))
            }
        };
        let offered = authorization(head).or(in_place);
        let Some(grant) = self.judge(key, offered.as_deref())? else {
            return Ok(false);
        };
        if !grant.dialects.allow(Dialect::PeerJs.name()) {
            return Err(self.forbid(key, "The token does not allow this protocol."));
        }
        if id.is_some() && !is_own_id(&grant, id.as_deref()) {
            return Err(self.forbid(key, "The token is for another peer id."));
        }
        Ok(grant.admin)
    }

    /// The token of a query. A PeerJS client always has one, of its own making: where nobody needs a token of ours, that is
    /// no bad one.
    fn query_token<'a>(&self, query: &'a str, is_peerjs: bool) -> Option<Cow<'a, str>> {
        let token = Asked::read(query).token?;
        let is_secret = is_peerjs && !self.gate.is_required && !looks_like_token(&token);
        (!is_secret).then_some(token)
    }

    /// What a token allows; none without one where none is needed.
    fn judge(
        &mut self,
        key: ConnKey,
        token: Option<&str>,
    ) -> Result<Option<Box<Grant>>, HttpFault> {
        let Some(token) = token else {
            if !self.gate.is_required {
                return Ok(None);
            }
            self.refuse_token(key, "it brings no token");
            let text = "A token is needed here: as Authorization: Bearer, as ?token= or after the sub-protocol bearer.";
            return Err(unauthorized(text, "Bearer realm=\"peerhub\""));
        };
        match self.check_token(token) {
            Ok(grant) => Ok(Some(grant)),
            Err(fault) => {
                self.refuse_token(key, fault.text());
                let challenge = "Bearer realm=\"peerhub\", error=\"invalid_token\"";
                Err(unauthorized(fault.text(), challenge))
            }
        }
    }

    /// Judges a token at the present, and gives its user id the form in which others may see it.
    fn check_token(&mut self, token: &str) -> Result<Box<Grant>, TokenFault> {
        let checker = self.gate.checker.as_ref().ok_or(TokenFault::NoKey)?;
        let mut cost = 0;
        let grant = checker.check(token, self.now.unix_ms, &mut cost);
        self.cost += cost;
        self.gate.spent += cost;
        let mut grant = grant?;
        if let Some(subject) = grant.subject.as_deref() {
            // What is hidden already would be shown as it is, and so as somebody else's.
            let shown = self.reader.shown_user_id(subject);
            grant.user_id = shown.ok_or(TokenFault::Claims)?.into();
        }
        Ok(Box::new(grant))
    }

    fn forbid(&mut self, key: ConnKey, text: &'static str) -> HttpFault {
        self.refuse_token(key, text);
        let challenge = "Bearer realm=\"peerhub\", error=\"insufficient_scope\"";
        HttpFault {
            status: 403,
            ..unauthorized(text, challenge)
        }
    }

    fn refuse_token(&mut self, key: ConnKey, why: &str) {
        let remote = self.conns[key.index()].remote;
        self.turn_away(remote, why);
    }

    /// From now on the connection has this long to live.
    pub(super) fn give_pass(&mut self, key: ConnKey, ends_ms: u64) {
        self.take_pass(key);
        let timer = self.arm_ending(key, ends_ms);
        self.conns[key.index()].pass = Some(Box::new(Pass { ends_ms, timer }));
    }

    /// The connection's life does not depend on a token any more.
    pub(super) fn take_pass(&mut self, key: ConnKey) {
        if let Some(pass) = self.conns[key.index()].pass.take()
            && !pass.timer.is_none()
        {
            self.wheel.cancel(pass.timer);
        }
    }

    fn arm_ending(&mut self, key: ConnKey, ends_ms: u64) -> TimerKey {
        let left_ms = ends_ms.saturating_sub(self.now.unix_ms);
        let at = self.now.monotonic_ms + left_ms.min(Gate::LOOK_MS);
        self.wheel.arm(at, Due::Expired(key))
    }

    /// The time has come to look at a connection's token again. O(1).
    pub(super) fn pass_falls_due(&mut self, key: ConnKey) {
        let Some(pass) = self.conns[key.index()].pass.as_deref() else {
            unreachable!("a deadline goes with its pass");
        };
        let ends_ms = pass.ends_ms;
        if self.now.unix_ms < ends_ms {
            let timer = self.arm_ending(key, ends_ms);
            if let Some(pass) = self.conns[key.index()].pass.as_deref_mut() {
                pass.timer = timer;
            }
            return;
        }
        if !planted::bug("expired-stays") {
            self.close(key, Some(CLOSE_EXPIRED), "the token has expired");
        }
    }

    /// A peer has shown a fresh token.
    pub(super) fn renew(
        &mut self,
        peer: PeerKey,
        token: &str,
        message_id: Option<Cow<'_, str>>,
    ) -> Result<(), PeerFault> {
        let grant = self
            .check_token(token)
            .map_err(|fault| PeerFault::bad_token(fault.text()))?;
        if !grant.dialects.allow(Dialect::Ok.name()) {
            return Err(PeerFault::forbidden(
                "the token does not allow this protocol",
            ));
        }
        let ends_ms = grant.ends_ms;
        self.with_hub(|hub, out, _| hub.renew(peer, grant, message_id, out))?;
        let key = self.conn_of_peer[peer.index()];
        self.give_pass(key, ends_ms);
        Ok(())
    }
}

/// The token of the header field `Authorization`, if there is one. Of two such fields nobody knows which one others have
/// looked at: they are a token that does not count.
fn authorization<'a>(head: &Head<'a>) -> Option<Cow<'a, str>> {
    if head.values("authorization").nth(1).is_some() {
        return Some(Cow::Borrowed(""));
    }
    let value = head.header_text("authorization")?;
    let (scheme, token) = value.trim().split_once(' ')?;
    let is_bearer = scheme.eq_ignore_ascii_case("bearer");
    is_bearer.then(|| Cow::Borrowed(token.trim()))
}

/// Whether a PeerJS client may have this id. One that names none is told so by PeerJS itself.
fn is_own_id(grant: &Grant, id: Option<&str>) -> bool {
    let fixed = grant.peer.as_deref();
    fixed.is_none_or(|fixed| id.is_none_or(|id| id == fixed))
}

fn unauthorized(text: &'static str, challenge: &'static str) -> HttpFault {
    HttpFault {
        status: 401,
        text,
        headers: vec![("WWW-Authenticate", challenge.into())],
    }
}
