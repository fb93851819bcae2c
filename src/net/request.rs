//! Plain HTTP on the port: requests are answered by `web`, upgrades turn the connection into a WebSocket.
//!
//! Whatever is no upgrade ends here and never reaches the hub. A request may come in pieces and several may come in one;
//! an unfinished one is kept, within the bounds on heads and bodies, until its deadline. Once its head is known it is not
//! looked at again before it is all there: what trickles in costs no more than its copying.

use super::Socket;
use super::conn::{Life, Party, Speech, Unfinished};
use super::floor::Floor;
use super::switchboard::{Switchboard, plain_address};
use super::talk::MANY;
use crate::access::Grant;
use crate::dialect::{Arrival, Dialect, Member};
use crate::hub::first_due_ms;
use crate::index::ConnKey;
use crate::web::{Behind, Web};
use crate::wire::{
    CONTINUE, Head, HttpFault, Response, Session, Upgrade, client_address, http_date, parse_head,
};
use std::net::{IpAddr, Ipv6Addr};

/// What the least request costs, in about a nanosecond.
const REQUEST_COST: u64 = 2_000;

/// What became of the bytes of one request.
enum Outcome {
    /// It is not all there; with fewer bytes than these it cannot be.
    Unfinished(usize),
    /// It is answered; so many bytes were its own.
    Answered(usize),
    /// It was answered with an upgrade; so many bytes were its own.
    Upgraded(usize),
    /// It was answered, and no other will be on this connection.
    Over,
    /// It is all there, and looked at in a later tick.
    PutOff,
}

impl<S: Socket> Switchboard<S> {
    /// Takes in what has been read from an HTTP connection: the first `bytes` of the read buffer.
    pub(super) fn take_in_http(&mut self, key: ConnKey, bytes: usize) {
        let floor = &mut self.floor;
        if floor.begins_lines(key, &self.input[..bytes]) {
            floor.begin_lines(key);
            return self.take_in_lines(key, 0..bytes);
        }
        let Speech::Http(unfinished) = &mut floor.conns[key.index()].speech else {
            unreachable!("only HTTP input comes here");
        };
        let held_bytes = unfinished.bytes.len();
        unfinished.bytes.extend_from_slice(&self.input[..bytes]);
        if unfinished.bytes.len() < unfinished.bytes_needed {
            return;
        }
        let mut held = std::mem::take(unfinished).bytes;
        let mut used = 0;
        let cost_max = floor.cost + floor.turn_cost_max;
        while used < held.len() {
            if floor.is_overdrawn(key) {
                return floor.respond(key, &hasty().response(), false, false);
            }
            // What is put off is kept, and goes through the read buffer again.
            let bytes_max = floor.config.limits.head_bytes.min(self.input.len());
            let can_wait = held.len() - used <= bytes_max;
            match floor.answer(key, &held[used..], can_wait) {
                Outcome::Answered(request_bytes) => {
                    used += request_bytes;
                    // A buffer full of short requests may ask for very much.
                    if floor.frames.is_full() {
                        floor.flush();
                    }
                    if !floor.conns[key.index()].listens() {
                        return;
                    }
                    let must_wait = floor.cost > cost_max || floor.rests_until(key).is_some();
                    if must_wait && used < held.len() {
                        floor.conns[key.index()].put_off = Some(held[used..].into());
                        break;
                    }
                }
                Outcome::Over => return,
                Outcome::PutOff => {
                    floor.conns[key.index()].put_off = Some(held[used..].into());
                    break;
                }
                Outcome::Upgraded(head_bytes) => {
                    // What follows the head has come with the last read, or the head would have been answered before.
                    let following = held.len() - used - head_bytes;
                    return self.take_in_websocket(key, bytes - following..bytes);
                }
                Outcome::Unfinished(bytes_needed) => {
                    if held_bytes == 0 || used > 0 {
                        floor.arm(key, floor.config.handshake_timeout_ms);
                    }
                    if used > 0 {
                        held.drain(..used);
                        held.shrink_to_fit();
                    }
                    floor.conns[key.index()].speech = Speech::Http(Unfinished {
                        bytes: held,
                        bytes_needed,
                        is_first: false,
                    });
                    return;
                }
            }
        }
        floor.arm(key, floor.config.http_idle_timeout_ms);
    }
}

/// The answer to who does more than the rates allow.
fn hasty() -> HttpFault {
    let text =
        "There is too much from you or from your address in too short a time. Try again later.";
    HttpFault::new(429, text)
}

impl<S: Socket> Floor<S> {
    /// Answers the request that `bytes` begin with, if it is all there and does not have to wait.
    fn answer(&mut self, key: ConnKey, bytes: &[u8], can_wait: bool) -> Outcome {
        self.cost += REQUEST_COST;
        let (head, head_bytes) = match parse_head(bytes, self.config.limits.head_bytes) {
            Ok(Some(whole)) => whole,
            Ok(None) => return Outcome::Unfinished(bytes.len() + 1),
            Err(fault) => {
                let head_only = bytes.starts_with(b"HEAD ");
                self.respond(key, &fault.response(), head_only, false);
                return Outcome::Over;
            }
        };
        if can_wait && self.postpones && self.is_told_to_many(&head) {
            return Outcome::PutOff;
        }
        if can_wait && self.must_wait_at_gate(&head) {
            self.gate.put_off();
            return Outcome::PutOff;
        }
        self.try_answer(key, &head, head_bytes, bytes)
            .unwrap_or_else(|fault| {
                self.respond_to(key, &head, fault.response(), false);
                Outcome::Over
            })
    }

    /// Whether whoever asks this comes into a world in which very many are told of it.
    fn is_told_to_many(&self, head: &Head<'_>) -> bool {
        let dialect = Dialect::of_path(head.path, head.query, &self.config);
        dialect.is_ok_and(|dialect| self.worlds.audience(dialect) > MANY)
    }

    fn try_answer(
        &mut self,
        key: ConnKey,
        head: &Head<'_>,
        head_bytes: usize,
        bytes: &[u8],
    ) -> Result<Outcome, HttpFault> {
        if self.conns[key.index()].tls.is_none()
            && let Some(response) = Web::without_tls(self.plaintext, head)
        {
            self.respond_to(key, head, response, false);
            return Ok(Outcome::Over);
        }
        let upgrade = head.upgrade();
        if self.conns[key.index()].life == Life::Refused {
            let text = "There is no place for this connection at present. Try again later.";
            return Err(HttpFault::new(503, text));
        }
        match upgrade {
            Upgrade::WebSocket(handshake) => {
                self.let_in(key, head, handshake.origin.as_deref())?;
                let dialect = match Dialect::of_path(head.path, head.query, &self.config) {
                    Ok(dialect) => dialect,
                    Err(lost) => {
                        self.respond_to(key, head, Web::misdirected(&lost), false);
                        return Ok(Outcome::Over);
                    }
                };
                let grant = self.admit_token(key, head, &handshake, dialect)?;
                self.say(key, |bytes| handshake.answer(bytes));
                self.upgrade(key, dialect, head.query.unwrap_or_default(), grant);
                if self.draining {
                    // A close code says more than a refusal, which browsers hide from their pages.
                    self.dismiss(key);
                }
                return Ok(Outcome::Upgraded(head_bytes));
            }
            Upgrade::Refused(fault) => return Err(fault),
            Upgrade::No => {}
        }
        let is_for_operator = self.admit_request(key, head)?;
        let body_bytes = head.content_length()?.unwrap_or(0);
        if body_bytes > self.config.limits.body_bytes as u64 {
            return Err(HttpFault::new(413, "The request body is too large."));
        }
        let end = head_bytes + body_bytes as usize;
        let Some(body) = bytes.get(head_bytes..end) else {
            // Once only: the head is not looked at again before the body is there.
            if head.expects_continue() {
                self.say(key, |bytes| bytes.extend_from_slice(CONTINUE));
            }
            return Ok(Outcome::Unfinished(end));
        };
        let body = if self.web.wants_body(head) { body } else { &[] };
        let client = self.client_of(key, head);
        let response = if client.is_some_and(|client| self.address_owes(client)) {
            hasty().response()
        } else {
            let before = self.tally();
            let status = self.status(is_for_operator);
            let response = self.lend(|web, worlds, lent| {
                let behind = Behind {
                    status,
                    worlds,
                    lent,
                };
                web.answer(head, body, behind)
            });
            match client {
                Some(client) => self.charge_address_since(client, before, end),
                None => self.charge_since(key, before, end),
            }
            response
        };
        let keep_alive = head.keep_alive() && !self.draining;
        self.respond_to(key, head, response, keep_alive);
        Ok(match keep_alive {
            true => Outcome::Answered(end),
            false => Outcome::Over,
        })
    }

    /// Whether a WebSocket may open for whoever asks, which settles who that is: a trusted proxy comes for another.
    fn let_in(
        &mut self,
        key: ConnKey,
        head: &Head<'_>,
        origin: Option<&str>,
    ) -> Result<(), HttpFault> {
        let client = self.client_of(key, head);
        if let Some(fault) = self.web.cors().refusal(origin) {
            // Cut short and escaped, what the page says stays within a line.
            let origin: String = origin.unwrap_or_default().chars().take(100).collect();
            self.turn_away(
                client.unwrap_or(self.conns[key.index()].remote),
                &format!("the setting allow-origin does not name its origin, {origin:?}"),
            );
            return Err(fault);
        }
        let Some(client) = client else {
            return Ok(());
        };
        if let Some(why) = self.refusal_of_address(client) {
            self.turn_away(client, why);
            let text =
                "Connections from your address are too many, or come too fast. Try again later.";
            return Err(HttpFault::new(503, text));
        }
        self.conns[key.index()].remote = client;
        self.conns[key.index()].counted = self.count(client);
        Ok(())
    }

    /// For whom a trusted proxy asks, if it names anybody.
    fn client_of(&self, key: ConnKey, head: &Head<'_>) -> Option<IpAddr> {
        let conn = &self.conns[key.index()];
        let proxy = conn.remote;
        if conn.is_nameless() || !self.proxies.trust(proxy) {
            return None;
        }
        let client = plain_address(client_address(head, proxy, |address| {
            self.proxies.trust(plain_address(address))
        }));
        Some(client).filter(|client| *client != proxy)
    }

    /// Answers a request, and says which pages may read the answer.
    fn respond_to(
        &mut self,
        key: ConnKey,
        head: &Head<'_>,
        mut response: Response,
        keep_alive: bool,
    ) {
        self.web.cors().dress(head, &mut response);
        self.respond(key, &response, head.is_head(), keep_alive);
    }

    fn respond(&mut self, key: ConnKey, response: &Response, head_only: bool, keep_alive: bool) {
        let date = http_date(self.now.unix_ms / 1000);
        self.say(key, |bytes| {
            response.write(bytes, head_only, keep_alive, Some(&date));
        });
        if !keep_alive {
            self.end_after_writing(key, Life::Lingering);
        }
    }

    /// A request that has begun is not all there in time.
    pub(super) fn answer_timeout(&mut self, key: ConnKey) {
        let response = HttpFault::new(408, "The request did not arrive in time.").response();
        let Speech::Http(unfinished) = &mut self.conns[key.index()].speech else {
            unreachable!("only a request can be late");
        };
        let bytes = std::mem::take(unfinished).bytes;
        match parse_head(&bytes, self.config.limits.head_bytes) {
            Ok(Some((head, _))) => self.respond_to(key, &head, response, false),
            Ok(None) | Err(_) => self.respond(key, &response, false, false),
        }
    }

    /// Turns an HTTP connection into a WebSocket of this dialect, for somebody who may do no more than is granted.
    fn upgrade(&mut self, key: ConnKey, dialect: Dialect, query: &str, grant: Option<Box<Grant>>) {
        if let Some(grant) = &grant {
            self.give_pass(key, grant.ends_ms);
        }
        let party = match dialect {
            Dialect::Echo => Party::Echo,
            Dialect::Ok => {
                let peer = self.hub.next_peer();
                self.seat(peer, key);
                Party::Peer(peer)
            }
            // Before it has joined it is nobody, but the world may already tell it why it cannot.
            Dialect::PeerJs | Dialect::Relay | Dialect::Peero => Party::Nobody,
        };
        self.conns[key.index()].speech = Speech::WebSocket {
            session: Session::default(),
            party,
        };
        let phase = self.begin_pings(key);
        match dialect {
            Dialect::Echo => {}
            Dialect::Ok => {
                let (now, remote) = (self.now.monotonic_ms, self.conns[key.index()].remote);
                self.with_hub(|hub, out, ids| {
                    let peer = hub.connect(now, phase, remote, ids, out);
                    if let Some(grant) = grant {
                        hub.bind(peer, grant);
                    }
                });
            }
            Dialect::PeerJs | Dialect::Relay | Dialect::Peero => {
                let has_fixed_id = grant.is_some_and(|grant| grant.peer.is_some());
                let arrival = Arrival {
                    has_fixed_id,
                    ..self.arrival(key, query)
                };
                let member = self.with_worlds(|worlds, lent| worlds.join(dialect, arrival, lent));
                self.enter(key, member);
                self.charge_for_joining(key);
            }
        }
    }

    /// From now on the connection is pinged. Gives the random phase of that: with one for both, a ping and a nudge of the
    /// same interval go out in one write.
    pub(super) fn begin_pings(&mut self, key: ConnKey) -> u64 {
        self.restock_ids();
        let phase = self.ids.number();
        match self.config.ping_interval_ms {
            0 => self.disarm(key),
            interval => self.arm(key, first_due_ms(interval, phase)),
        }
        phase
    }

    /// What a world must know of a connection that comes into it.
    pub(super) fn arrival<'a>(&self, key: ConnKey, query: &'a str) -> Arrival<'a> {
        let conn = &self.conns[key.index()];
        let ports = conn.named_ports();
        let (remote_port, local_port) = ports.unwrap_or_else(|| conn.socket.ports());
        let remote = match conn.is_v6_loopback {
            true => Ipv6Addr::LOCALHOST.into(),
            false => conn.remote,
        };
        Arrival {
            conn: key,
            remote: (remote, remote_port).into(),
            local_port,
            query,
            has_fixed_id: false,
        }
    }

    /// The connection's messages are for this member from now on.
    pub(super) fn enter(&mut self, key: ConnKey, member: Option<Member>) {
        let joined = member.map_or(Party::Nobody, Party::Member);
        match &mut self.conns[key.index()].speech {
            Speech::Http(_) | Speech::Dialling(_) => {}
            Speech::WebSocket { party, .. } | Speech::Lines { party, .. } => *party = joined,
        }
    }
}
