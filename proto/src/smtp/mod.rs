//! SMTP on the wire (RFC 5321): where a message ends, where a reply ends.

pub mod bdat;
pub mod data;
pub mod reply;
