//! Bytes ↔ messages: what comes in from a socket becomes whole requests and messages, and answers become bytes.
//!
//! Steps 3 and, for frames out, 8 of the message path. Everything here is pure: bytes go in by a slice, come out by a
//! vector that the caller lends, and nothing reads a clock or touches a socket. This room imports tungstenite, httparse
//! and proxy-header, and nothing of ours.
//!
//! HTTP requests are read by [`parse_head`]; one that upgrades ([`Head::upgrade`]), perhaps for somebody else
//! ([`client_address`]), is answered by [`WebSocketRequest::answer`], and from then on its bytes go through a [`Session`],
//! which keeps memory of its own only while a message is half read. What a proxy may say before all that is read by
//! [`parse_proxy_header`].
//! Frames towards the peer are made by [`frame`], without state. Where the hub is itself the client, [`dial`] has the other
//! half of the handshake.

pub mod dial;
pub mod forwarded;
pub mod frame;
pub mod http;
pub mod lines;
mod measure;
pub mod proxied;
pub mod response;
pub mod session;

pub use dial::{DialFault, Target};
pub use forwarded::client_address;
pub use http::{Head, HttpFault, Upgrade, WebSocketRequest, parse_head};
pub use lines::{LineFeed, LineTooLong, Lines};
pub use proxied::{ProxyFault, parse_proxy_header};
pub use response::{CONTINUE, Response, http_date};
pub use session::{Feed, Incoming, Parser, Session, SessionFault};
