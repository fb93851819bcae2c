//! Bodies of the fuzz targets, kept in the crate so that they always compile. Not part of the program.

pub mod http_head;
pub mod ws_bytes;
