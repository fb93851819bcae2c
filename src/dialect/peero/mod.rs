//! peero: WebRTC discovery and signalling, for pages that connect to each other directly.
//!
//! Source of truth: `PROTOCOLS.md` section 5. What the original server *does* is documented and done here: whoever
//! connects is announced to all the others and is sent the list of them; an offer goes to all the others, an answer to
//! one; who leaves is removed, and the others are told. How the original *writes* what it sends is not known: **the
//! format of the answers is the hub's own**, and what comes in is read tolerantly.
//!
//! # Hub to client
//! - `{"type":"id","id"}`, then `{"type":"peers","peers":[ids]}`: on connecting, and after `register`. The list is in the
//!   order of joining and without the one it is for.
//! - `{"type":"announce","id"}`: somebody has joined. `{"type":"remove","id"}`: somebody is gone.
//! - `{"type":"offer","peerId","signal"}`, `{"type":"answer","peerId","signal"}`: a signal, and whose.
//! - `{"type":"signal","peerId","signal"}`: a signal that calls itself neither offer nor answer, such as a candidate.
//! - `{"type":"error","code","message"}`: to the sender of what cannot be done, and to nobody else.
//!
//! # Client to hub
//! - `{"type":"register"}`: asks for `id` and `peers` again. Joining itself needs no message.
//! - `{"type":"offer","signal"}`: to all the others.
//! - `{"type":"answer","peerId","signal"}`: to that peer.
//! - `{"type":"signal","data":{"type"?,"peerId"?,…}}`: to that peer, or without one to all the others; all of `data` is the
//!   signal. A `data.type` of `offer` or `answer` becomes the type of what goes out, any other and none becomes `signal`.
//!
//! # Never user data
//! A peer can make the hub pass on signals and nothing else: a signal is an object or a string, goes out as the bytes that
//! came, and may have `peero-max-signal-bytes`. That is ample for the largest session description and little for a file.
//! The hub does not look inside: what a browser will say in a description tomorrow is not for the hub to know.
//!
//! # Quirks, each with the talk that pins it (`tests/transcripts/peero`)
//! - An answer without or with an unknown `peerId` is an error, in its long form; in the form of `signal` a missing one
//!   means all the others, as for every signal (`signal-form.txt`).
//! - An offer in its long form goes to all, whatever `peerId` it has (`offer-answer.txt`).
//! - One cannot signal to oneself (`errors.txt`).
//! - Who comes when there is no place is told so and closed with 1013 (`full.txt`).

mod inbound;
mod lobby;
mod outbound;

pub use inbound::{Kind, Reader, Said, Signal};
pub use lobby::Lobby;
