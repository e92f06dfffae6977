//! What the administrator says about the time before a login, for authup and for whoever
//! speaks for it until there is one: variables and control files, all that is read here
//! and no more.

use crate::control::{Folder, Greeting, Unreadable};
use proto::control::{TIMEOUT, TIMEOUT_IMAP, TIMEOUT_LOGIN, lines, words};
use proto::escape::Escaped;
use proto::imap::capability::{self, Unlisted};
use proto::login::before_login::BeforeLogin;
use proto::login::protocol::Protocol;
use proto::names::ControlFile;
use std::fmt::Display;
use std::time::{SystemTime, UNIX_EPOCH};

/// Reads the files. `auth_equals`: whether [`SaslBrokenClients`](proto::names::Variable) is set.
///
/// # Errors
/// The first that must be there and is not, or cannot be read.
pub fn read(
    control: &Folder,
    spoken: Protocol,
    auth_equals: bool,
) -> Result<BeforeLogin, Unreadable> {
    let [greeting, _, timeout] = files(spoken);
    let greeting = control.greeting(greeting)?;
    let listed = control.require(capabilities(spoken))?;
    let (capabilities, io_timeout) = match spoken {
        Protocol::Smtp | Protocol::Pop3 => {
            let mut listed = lines(&listed);
            listed.retain(|line| !spoken.says_itself(line));
            (listed, TIMEOUT)
        }
        Protocol::Imap => (imap_words(control, &greeting, &listed)?, TIMEOUT_IMAP),
    };
    Ok(BeforeLogin {
        protocol: spoken,
        auth_equals,
        greeting: greeting.text,
        capabilities,
        io_timeout: control.timeout(timeout, io_timeout)?,
        login_timeout: control.timeout(ControlFile::TimeoutLogin, TIMEOUT_LOGIN)?,
    })
}

/// A protocol's greeting, capabilities and timeout.
const fn files(protocol: Protocol) -> [ControlFile; 3] {
    match protocol {
        Protocol::Smtp => {
            [ControlFile::SmtpGreeting, ControlFile::SmtpCapabilities, ControlFile::TimeoutSmtpd]
        }
        Protocol::Pop3 => {
            [ControlFile::Pop3Greeting, ControlFile::Pop3Capabilities, ControlFile::TimeoutPop3d]
        }
        Protocol::Imap => {
            [ControlFile::ImapGreeting, ControlFile::ImapCapabilities, ControlFile::TimeoutImapd]
        }
    }
}

/// The file with what a protocol's dialog lists.
#[must_use]
pub const fn capabilities(protocol: Protocol) -> ControlFile {
    let [_, capabilities, _] = files(protocol);
    capabilities
}

/// The timestamp of a session that begins now; `session` tells it from others of the same
/// second.
#[must_use]
pub fn timestamp(said: &BeforeLogin, session: impl Display) -> Vec<u8> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    said.protocol.timestamp(session, now.as_secs(), &said.greeting)
}

/// What an IMAP client is told, where all of it can stand in a greeting.
fn imap_words(
    control: &Folder,
    greeting: &Greeting,
    listed: &[u8],
) -> Result<Vec<Vec<u8>>, Unreadable> {
    if !capability::is_text(&greeting.text) {
        let why = "not a greeting: printable ASCII that does not begin with [";
        return Err(control.unfit(greeting.file, why));
    }
    let words = words(listed);
    for word in &words {
        let shown = Escaped(word);
        capability::check(word).map_err(|unlisted| match unlisted {
            Unlisted::NoAtom => {
                control.unfit(ControlFile::ImapCapabilities, &format!("{shown}: not a capability"))
            }
            Unlisted::Ours => {
                control.unfit(ControlFile::ImapCapabilities, &format!("{shown}: not to be listed"))
            }
        })?;
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_of(files: &[(&str, &str)], spoken: Protocol) -> Result<BeforeLogin, String> {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("control");
        std::fs::create_dir(&folder).unwrap();
        for (name, contents) in files {
            std::fs::write(folder.join(name), contents).unwrap();
        }
        let control = Folder::of(Some(home.path().as_os_str()));
        let home = format!("{}/", home.path().display());
        read(&control, spoken, false).map_err(|why| why.to_string().replace(&home, ""))
    }

    #[test]
    fn the_file_that_was_read_is_named() {
        for me in ["", "[ALERT] x", "caf\u{e9}\n"] {
            let list = ("imapcapabilities", "IDLE\n");
            let why = ": not a greeting: printable ASCII that does not begin with [";
            let wrong = read_of(&[("me", me), list], Protocol::Imap).unwrap_err();
            assert_eq!(wrong, format!("control/me{why}"), "{me}");
            let own = [("me", "mail.example.org"), ("imapgreeting", me), list];
            let wrong = read_of(&own, Protocol::Imap).unwrap_err();
            assert_eq!(wrong, format!("control/imapgreeting{why}"), "{me}");
        }
    }

    /// As who copies a server's reply to EHLO has them there.
    #[test]
    fn d66_what_the_dialog_says_itself_is_not_taken_from_the_list() {
        let files = [
            ("me", "mail.example.org\n"),
            ("smtpcapabilities", "STARTTLS\nAUTH LOGIN\nauth=PLAIN\nAUTHOR\nSIZE\n"),
            ("pop3capabilities", "stls\nUSER\nSASL PLAIN\nUIDL\n"),
        ];
        let smtp = read_of(&files, Protocol::Smtp).unwrap();
        assert_eq!(smtp.capabilities, [&b"AUTHOR"[..], b"SIZE"]);
        let pop3 = read_of(&files, Protocol::Pop3).unwrap();
        assert_eq!(pop3.capabilities, [b"UIDL"]);
    }

    #[test]
    fn d64_files_may_have_cr_lf() {
        let files = [
            ("me", "mail.example.org\r\n"),
            ("smtpcapabilities", "SIZE 100\r\n\r\n8BITMIME\r\n"),
            ("imapcapabilities", "IDLE NAMESPACE\r\nUIDPLUS\r\n"),
            ("timeoutlogin", "30\r\n"),
        ];
        let smtp = read_of(&files, Protocol::Smtp).unwrap();
        assert_eq!((&*smtp.greeting, smtp.login_timeout), (&b"mail.example.org"[..], 30));
        assert_eq!(smtp.capabilities, [&b"SIZE 100"[..], b"8BITMIME"]);
        let imap = read_of(&files, Protocol::Imap).unwrap();
        assert_eq!(imap.capabilities, [&b"IDLE"[..], b"NAMESPACE", b"UIDPLUS"]);
    }
}
