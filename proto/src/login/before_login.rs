//! What the administrator says about the time before a login: authup reads it, and so does
//! tlsserver's listener, which tells its engines.

use super::dialog::DialogConfig;
use super::protocol::Protocol;
use crate::ucspi_tls::Tls;
use alloc::vec::Vec;

/// All of it, for one protocol, but for TLS, which is not the same for everybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BeforeLogin {
    /// The protocol.
    pub protocol: Protocol,
    /// Whether the mechanisms are listed as `AUTH=`, too.
    pub auth_equals: bool,
    /// The greeting; its first word is the host's name.
    pub greeting: Vec<u8>,
    /// The lines to list for EHLO or CAPA.
    pub capabilities: Vec<Vec<u8>>,
    /// Seconds to wait for the client's next input.
    pub io_timeout: u64,
    /// Seconds for all that comes before a good login.
    pub login_timeout: u64,
}

impl BeforeLogin {
    /// What the dialog is told.
    #[must_use]
    pub fn config(self, tls: Tls, tries: u32, timestamp: Vec<u8>) -> DialogConfig {
        let Self { protocol, auth_equals, greeting, capabilities, .. } = self;
        DialogConfig { protocol, greeting, capabilities, tls, tries, auth_equals, timestamp }
    }
}
