//! Every refusal of the login dialog: one table. How a protocol says it is
//! `Protocol::refusal`'s.
//!
//! The texts are an interface: people's clients, filters and log watchers match
//! them.

use alloc::string::String;

/// A refusal: what went wrong, whoever's fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// SMTP: a command that must wait for a login.
    AuthenticationRequired,
    /// POP3: a command that must wait for a login.
    AuthorizationFirst,
    /// A login is tried in the clear where TLS is required.
    MustStartTls,
    /// An unknown SASL mechanism.
    AuthType,
    /// The client gave the exchange up.
    Cancelled,
    /// Not base64, or an empty, overlong or NUL-ridden user or password.
    Malformed,
    /// PASS before USER.
    UserFirst,
    /// An argument is missing, or there is one where there must be none.
    Syntax,
    /// A NUL where none can be.
    MalformedInput,
    /// A line longer than its limit.
    LineTooLong,
    /// IMAP: a literal that was not asked for is longer than its limit.
    LiteralTooLong,
    /// IMAP: too many commands that are none.
    TooManyBad,
    /// The client speaks HTTP.
    Http,
    /// The last try is used up.
    TooManyFailures,
    /// STARTTLS where TLS is not on offer, or already on.
    NoStartTls,
    /// TLS is on offer, and cannot start now.
    TlsUnavailable,
    /// User or password is wrong.
    Failed,
    /// A temporary failure kept checkpassword from an answer.
    Temporary,
    /// The same for the second time, with which the session ends.
    TemporaryAgain,
    /// There have been too many failures, in other sessions too; this one was not tried.
    TryLater,
    /// The client was silent for too long.
    TimedOut,
    /// The client closed the connection.
    InputEnded,
    /// The server is told to end.
    ShuttingDown,
    /// A control file is missing or unreadable.
    Controls,
    /// A program of the chain crashed.
    Crashed,
    /// The mail program cannot be run.
    NotStarted,
    /// No pipe for the password.
    OpenPipe,
    /// The password could not be written.
    WritePipe,
    /// The program could not be run.
    Fork,
    /// The child could not be waited for.
    Wait,
}

/// One refusal.
pub(super) struct Row {
    /// SMTP's code.
    pub(super) code: &'static str,
    /// The text after the program's name, where no other is said.
    text: &'static str,
    /// Where the protocols do not agree.
    texts: Option<Texts>,
    /// SMTP's enhanced code (RFC 3463).
    pub(super) enhanced: &'static str,
    /// POP3's response code (RFC 2449, RFC 3206); empty: none.
    pub(super) pop3_code: &'static str,
    /// How IMAP says it.
    pub(super) imap: Condition,
}

/// The whole text of each protocol.
pub(super) struct Texts {
    pub(super) smtp: &'static str,
    pub(super) pop3: &'static str,
    pub(super) imap: &'static str,
}

/// IMAP's condition of a refused command (RFC 9051, section 7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    /// It is no command, or not now.
    Bad,
    /// It failed; with a response code (RFC 5530) or, empty, without.
    No(&'static str),
    /// No command is refused by it: it ends the session, with a response code or without.
    Bye(&'static str),
}

impl Condition {
    /// The response code with its brackets and a blank, where there is one.
    pub(super) fn code(self) -> String {
        match self {
            Self::Bad | Self::No("") | Self::Bye("") => String::new(),
            Self::No(code) | Self::Bye(code) => ["[", code, "] "].concat(),
        }
    }
}

/// Trouble of ours, as IMAP says it unless something else stands in the row.
const fn row(code: &'static str, text: &'static str, enhanced: &'static str) -> Row {
    let imap = Condition::No("UNAVAILABLE");
    Row { code, text, texts: None, enhanced, pop3_code: "", imap }
}

impl Row {
    const fn imap(self, imap: Condition) -> Self {
        Self { imap, ..self }
    }

    const fn texts(self, texts: Texts) -> Self {
        Self { texts: Some(texts), ..self }
    }

    const fn pop3(self, pop3_code: &'static str) -> Self {
        Self { pop3_code, ..self }
    }
}

const NO_START_TLS: Texts = Texts {
    smtp: "unimplemented",
    pop3: "STLS not available",
    imap: "authup STARTTLS not available",
};

impl Refusal {
    /// What is said after the codes, by the protocol that `of` chooses.
    pub(super) fn text(self, of: fn(&Texts) -> &'static str) -> String {
        let row = self.row();
        row.texts.as_ref().map_or_else(|| ["authup ", row.text].concat(), |texts| of(texts).into())
    }

    pub(super) const fn row(self) -> Row {
        match self {
            Self::AuthenticationRequired => {
                row("530", "authentication required", "5.7.1").imap(Condition::Bad)
            }
            Self::AuthorizationFirst => {
                row("530", "authorization first", "5.7.1").imap(Condition::Bad)
            }
            Self::MustStartTls => {
                row("530", "Must start TLS first", "5.7.0").imap(Condition::No("PRIVACYREQUIRED"))
            }
            Self::AuthType => {
                row("504", "auth type unimplemented", "5.5.1").imap(Condition::No(""))
            }
            Self::Cancelled => row("501", "auth exchange cancelled", "5.0.0").imap(Condition::Bad),
            Self::Malformed => row("501", "malformed auth input", "5.5.4").imap(Condition::Bad),
            Self::UserFirst => row("503", "USER first", "5.5.1").imap(Condition::Bad),
            Self::Syntax => row("501", "syntax error", "5.5.4").imap(Condition::Bad),
            Self::LineTooLong => row("500", "line too long", "5.5.2").imap(Condition::Bad),
            Self::MalformedInput => row("500", "malformed input", "5.5.2").imap(Condition::Bad),
            Self::LiteralTooLong => {
                row("500", "line too long", "5.5.2").imap(Condition::Bye("TOOBIG"))
            }
            Self::TooManyBad => {
                row("500", "too many bad commands", "5.5.2").imap(Condition::Bye(""))
            }
            Self::Http => row("421", "HTTP is not spoken here", "4.5.0").imap(Condition::Bye("")),
            Self::TooManyFailures => {
                row("421", "too many failures", "4.7.0").imap(Condition::Bye(""))
            }
            Self::NoStartTls => row("502", "", "5.5.1").imap(Condition::Bad).texts(NO_START_TLS),
            Self::TlsUnavailable => {
                row("454", "TLS temporarily not available", "4.7.0").imap(Condition::No(""))
            }
            // It is the password, and nothing else.
            Self::Failed => row("535", "authorization failed", "5.7.0")
                .pop3("AUTH")
                .imap(Condition::No("AUTHENTICATIONFAILED")),
            // Tells a client not to throw the stored password away.
            Self::Temporary => {
                row("454", "temporary authentication failure", "4.7.0").pop3("SYS/TEMP")
            }
            Self::TemporaryAgain => {
                row("421", "temporary authentication failure", "4.7.0").pop3("SYS/TEMP")
            }
            // Neither is the password known to be wrong, nor is it to be thrown away.
            Self::TryLater => row("454", "too many failures, try later", "4.7.0").pop3("SYS/TEMP"),
            Self::TimedOut => row("451", "timeout", "4.4.2"),
            Self::InputEnded => row("454", "unable to read pipe", "4.3.0"),
            Self::ShuttingDown => row("421", "server shutting down", "4.3.2")
                .pop3("SYS/TEMP")
                .imap(Condition::Bye("")),
            Self::Controls => row("421", "unable to read controls", "4.3.0"),
            Self::Crashed => row("454", "aack, child crashed", "4.3.0"),
            Self::NotStarted => {
                row("421", "unable to start the mail server", "4.3.0").pop3("SYS/TEMP")
            }
            Self::OpenPipe => row("454", "unable to open pipe", "4.3.0"),
            Self::WritePipe => row("454", "unable to write pipe", "4.3.0"),
            Self::Fork => row("454", "unable to fork", "4.3.0"),
            Self::Wait => row("454", "unable to wait for child", "4.3.0"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::login::protocol::Protocol;

    #[test]
    fn each_protocol_has_its_form() {
        for (refusal, smtp, pop3) in [
            (
                Refusal::Failed,
                "535 authup authorization failed (#5.7.0)",
                "-ERR [AUTH] authup authorization failed",
            ),
            (
                Refusal::Temporary,
                "454 authup temporary authentication failure (#4.7.0)",
                "-ERR [SYS/TEMP] authup temporary authentication failure",
            ),
            (
                Refusal::TryLater,
                "454 authup too many failures, try later (#4.7.0)",
                "-ERR [SYS/TEMP] authup too many failures, try later",
            ),
            (Refusal::NoStartTls, "502 unimplemented (#5.5.1)", "-ERR STLS not available"),
        ] {
            assert_eq!(Protocol::Smtp.refusal(refusal, b""), [smtp, "\r\n"].concat().as_bytes());
            assert_eq!(Protocol::Pop3.refusal(refusal, b""), [pop3, "\r\n"].concat().as_bytes());
        }
    }

    #[test]
    fn the_class_of_both_codes_is_the_same() {
        // RFC 3463: the enhanced code's first digit is the reply's.
        for refusal in [Refusal::TlsUnavailable, Refusal::Temporary, Refusal::Controls] {
            let Row { code, enhanced, .. } = refusal.row();
            assert_eq!(code.as_bytes()[0], enhanced.as_bytes()[0]);
        }
    }
}
