//! Servers under load over loopback: what `beside`, `loopback` and the test of both drive.
//!
//! - [`servers`] — who can be measured, and their processes
//! - [`floor`] — the two servers that do no more than the kernel makes them do
//! - [`speech`] — what a client of each server says and hears
//! - [`load`] — many clients in one thread, and the loads that they make
//! - [`case`] — one load and its numbers, and how a command line names it
//! - [`gauge`] — what `/proc` knows of a process; [`measure`] — one case with one server
//! - [`report`] — medians, as Markdown
//!
//! Linux only. Must not: look into the hub; it sees the server as any other.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each bench is a crate of its own and uses its own part of this"
)]

pub mod case;
pub mod floor;
pub mod gauge;
pub mod load;
pub mod measure;
pub mod report;
pub mod servers;
pub mod speech;
