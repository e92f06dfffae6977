//! What the control files say about the time before a login: authup's, and that of who
//! speaks for it until there is one.

use crate::control::{Folder, Unreadable};
use proto::control::{TIMEOUT, TIMEOUT_LOGIN, lines};
use proto::login::reply::Face;

/// All of it, for one protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BeforeLogin {
    /// The greeting; its first word is the host's name.
    pub greeting: Vec<u8>,
    /// The lines to list for EHLO or CAPA.
    pub capabilities: Vec<Vec<u8>>,
    /// Seconds to wait for the client's next input.
    pub each: u64,
    /// Seconds for all that comes before a good login.
    pub whole: u64,
}

impl BeforeLogin {
    /// Reads the files.
    ///
    /// # Errors
    /// The first that must be there and is not, or cannot be read.
    pub fn read(control: &Folder, face: Face) -> Result<Self, Unreadable> {
        let protocol = face.name();
        Ok(Self {
            greeting: control.greeting(&format!("{protocol}greeting"))?,
            capabilities: lines(&control.require(&format!("{protocol}capabilities"))?),
            each: control.timeout(&format!("timeout{protocol}d"), TIMEOUT)?,
            whole: control.timeout("timeoutlogin", TIMEOUT_LOGIN)?,
        })
    }
}
