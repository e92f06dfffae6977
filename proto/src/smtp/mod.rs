//! SMTP on the wire (RFC 5321): where a message ends, where a reply ends, how a client
//! greets.

pub mod bdat;
pub mod data;
pub mod envelope;
pub mod hello;
pub mod reply;
