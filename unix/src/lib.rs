//! System calls for the programs: descriptors, children, deadlines, identities.
//!
//! The only package in which `unsafe` may stand; each place says why it holds.
//! It decides nothing: what to do comes from `proto`, by way of the programs.

#![deny(clippy::disallowed_methods)]

pub mod about;
pub mod access_list;
mod attributes;
pub mod before_login;
pub mod blocklist;
pub mod capabilities;
pub mod child;
pub mod client;
mod close_on_exec;
pub mod control;
#[cfg(feature = "crypt")]
pub mod crypt;
pub mod deadline;
pub mod descriptor;
pub mod descriptor_passing;
pub mod disposition;
pub mod environment;
mod exec;
pub mod failures;
#[cfg(feature = "jail")]
pub mod fork;
#[cfg(feature = "identity")]
pub mod identity;
#[cfg(any(feature = "identity", feature = "jail"))]
mod ids;
#[cfg(feature = "jail")]
pub mod jail;
pub mod journal;
pub mod listen_fds;
pub mod locked_file;
pub mod log;
pub mod login_controls;
pub mod login_program;
pub mod memory_limit;
pub mod notify;
#[cfg(feature = "jail")]
pub mod open_descriptors;
pub mod parent_death;
pub mod password_fd;
pub mod peer;
pub mod piped;
#[cfg(all(feature = "mounts", target_os = "linux"))]
pub mod private_mounts;
pub mod process;
pub mod ready;
pub mod regular_file;
pub mod root_folder;
pub mod search_path;
pub mod shortage;
#[cfg(feature = "signals")]
pub mod signals;
#[cfg(feature = "signals")]
pub mod spawn;
#[cfg(feature = "start")]
pub mod start;
pub mod state;
pub mod summary;
pub mod trusted_file;
pub mod ucspi_tls;
#[cfg(target_os = "linux")]
mod vfork;
pub mod window;
