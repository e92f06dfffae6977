//! acceptutils, as built, with the other programs of this project, as built.

#![expect(clippy::unwrap_used, reason = "all of this is a test")]

mod about;
mod certificates;
mod check;
mod client_settings;
mod clients_let_in;
mod demo;
mod explain;
mod failures;
mod init;
mod recipes;
mod renewal;
mod report;
mod supervisors;
mod support;
