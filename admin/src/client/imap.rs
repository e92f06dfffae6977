//! The conversation by IMAP: a login, the mailbox, a message, what is on offer.

use super::{Begin, Conversation, broken, plain};
use crate::outcome::Error;
use proto::imap::capability::is_own;
use proto::secret::Secret;
use std::io::Read;

/// Octets of a message at most: what is fetched here was sent from here.
const LARGEST: usize = 1 << 20;

impl Conversation {
    /// Logs in by IMAP, TLS first.
    pub(crate) fn imap_login(
        &mut self,
        tls: Begin,
        user: &str,
        password: &Secret,
    ) -> Result<(), Error> {
        self.begin(tls)?;
        self.hears("* OK")?;
        if tls == Begin::OnRequest {
            self.send_line("a STARTTLS")?;
            self.hears("a OK")?;
            self.start_tls()?;
        }
        self.offers = self.imap_capabilities("b")?;
        self.send_line("c AUTHENTICATE PLAIN")?;
        self.hears("+")?;
        self.send_secret(
            plain(user, password).expose(),
            &format!("(user {user} and the password)"),
        )?;
        self.hears("c OK")
    }

    /// Whether the server behind the login has what was offered before it, which clients
    /// need not ask for again.
    pub(crate) fn imap_keeps_its_word(&mut self) -> Result<(), Error> {
        let offers = self.imap_capabilities("d")?;
        let has = |word: &&String| offers.iter().any(|offer| offer.eq_ignore_ascii_case(word));
        let listed = self.offers.iter().filter(|word| !is_own(word.as_bytes()));
        let missing: Vec<_> = listed.filter(|word| !has(word)).map(String::as_str).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let missing = missing.join(" ");
        Err(Error::new(format!("{missing}: offered before the login, and not behind it")))
    }

    /// Opens the user's mailbox.
    pub(crate) fn imap_select(&mut self) -> Result<(), Error> {
        self.send_line("e SELECT INBOX")?;
        self.hears("e OK")
    }

    /// Fetches the first message; its lines end as Unix has it.
    pub(crate) fn imap_fetch(&mut self) -> Result<String, Error> {
        self.send_line("f FETCH 1 BODY.PEEK[]")?;
        let head = self.untagged("FETCH", "f")?;
        let octets = head.rsplit_once('{').and_then(|(_, octets)| octets.strip_suffix('}'));
        let octets = octets.and_then(|octets| octets.parse().ok()).filter(|&read| read <= LARGEST);
        let octets = octets.ok_or_else(|| Error::new(format!("the server said: {head}")))?;
        let mut message = vec![0; octets];
        self.stream
            .read_exact(&mut message)
            .map_err(|error| broken("unable to hear the server", &error))?;
        let message = String::from_utf8_lossy(&message).replace("\r\n", "\n");
        message.lines().for_each(|line| self.shown.server(line));
        // The end of what the message is in.
        self.read_line()?;
        self.hears("f OK")?;
        Ok(message)
    }

    /// Ends an IMAP session.
    pub(crate) fn imap_quit(mut self) -> Result<(), Error> {
        self.send_line("g LOGOUT")?;
        // It says goodbye before it answers.
        self.hears("* BYE")?;
        self.hears("g OK")?;
        self.close();
        Ok(())
    }

    fn imap_capabilities(&mut self, tag: &str) -> Result<Vec<String>, Error> {
        self.send_line(&format!("{tag} CAPABILITY"))?;
        let line = self.untagged("CAPABILITY", tag)?;
        self.hears(&format!("{tag} OK"))?;
        Ok(line.split_whitespace().skip(2).map(str::to_owned).collect())
    }

    /// The untagged answer that has this word in it.
    fn untagged(&mut self, word: &str, tag: &str) -> Result<String, Error> {
        loop {
            let line = self.read_line()?;
            if line.starts_with("* ") && line.split(' ').take(3).any(|found| found == word) {
                return Ok(line);
            }
            if line.starts_with(tag) || line.starts_with("* BYE") {
                return Err(Error::new(format!("the server said: {line}")));
            }
        }
    }

    /// A line that begins so, behind untagged ones, which are for others.
    fn hears(&mut self, beginning: &str) -> Result<(), Error> {
        loop {
            let line = self.read_line()?;
            if line.starts_with(beginning) {
                return Ok(());
            }
            if !line.starts_with("* ") || line.starts_with("* BYE") {
                return Err(Error::new(format!("the server said: {line}")));
            }
        }
    }
}
