//! Every reply that authup gives, as SMTP and as POP3 say it: one table.
//!
//! The texts are an interface: people's clients, filters and log watchers match
//! them.

use alloc::vec::Vec;

/// Which protocol the client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Face {
    /// SMTP (RFC 5321) with AUTH (RFC 4954).
    Smtp,
    /// POP3 (RFC 1939).
    Pop3,
}

impl Face {
    /// The protocol's name, as the command line and the log have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Pop3 => "pop3",
        }
    }

    /// Reads the protocol's name, without case.
    #[must_use]
    pub fn named(name: &[u8]) -> Option<Self> {
        [Self::Smtp, Self::Pop3]
            .into_iter()
            .find(|face| name.eq_ignore_ascii_case(face.name().as_bytes()))
    }
}

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
    /// A line longer than its limit.
    LineTooLong,
    /// STARTTLS where TLS is not on offer, or already on.
    NoStartTls,
    /// TLS is on offer, and cannot start now.
    TlsUnavailable,
    /// User or password is wrong.
    Failed,
    /// Trouble that may pass kept checkpassword from an answer.
    Temporary,
    /// The client was silent for too long.
    TimedOut,
    /// The client closed the connection.
    InputEnded,
    /// A control file is missing or unreadable.
    Controls,
    /// A program of the chain crashed.
    Crashed,
    /// No pipe for the password.
    OpenPipe,
    /// The password could not be written.
    WritePipe,
    /// The program could not be run.
    Fork,
    /// The child could not be waited for.
    Wait,
}

/// SMTP's code, the text after the program's name, SMTP's enhanced code.
struct Row(&'static str, &'static str, &'static str);

impl Refusal {
    const fn row(self) -> Row {
        match self {
            Self::AuthenticationRequired => Row("530", "authentication required", "5.7.1"),
            Self::AuthorizationFirst => Row("530", "authorization first", "5.7.1"),
            Self::MustStartTls => Row("530", "Must start TLS first", "5.7.0"),
            Self::AuthType => Row("504", "auth type unimplemented", "5.5.1"),
            Self::Cancelled => Row("501", "auth exchange cancelled", "5.0.0"),
            Self::Malformed => Row("501", "malformed auth input", "5.5.4"),
            Self::UserFirst => Row("503", "USER first", "5.5.1"),
            Self::Syntax => Row("501", "syntax error", "5.5.4"),
            Self::LineTooLong => Row("500", "line too long", "5.5.2"),
            Self::NoStartTls => Row("502", "unimplemented", "5.5.1"),
            Self::TlsUnavailable => Row("454", "TLS temporarily not available", "4.7.0"),
            Self::Failed => Row("535", "authorization failed", "5.7.0"),
            Self::Temporary => Row("454", "temporary authentication failure", "4.7.0"),
            Self::TimedOut => Row("451", "timeout", "4.4.2"),
            Self::InputEnded => Row("454", "unable to read pipe", "4.3.0"),
            Self::Controls => Row("421", "unable to read controls", "4.3.0"),
            Self::Crashed => Row("454", "aack, child crashed", "4.3.0"),
            Self::OpenPipe => Row("454", "unable to open pipe", "4.3.0"),
            Self::WritePipe => Row("454", "unable to write pipe", "4.3.0"),
            Self::Fork => Row("454", "unable to fork", "4.3.0"),
            Self::Wait => Row("454", "unable to wait for child", "4.3.0"),
        }
    }

    /// The reply's line, its line ending included.
    #[must_use]
    pub fn line(self, face: Face) -> Vec<u8> {
        let Row(code, text, enhanced) = self.row();
        match (face, self) {
            (Face::Smtp, Self::NoStartTls) => {
                [code, " ", text, " (#", enhanced, ")\r\n"].concat().into()
            }
            (Face::Smtp, _) => [code, " authup ", text, " (#", enhanced, ")\r\n"].concat().into(),
            (Face::Pop3, Self::NoStartTls) => b"-ERR STLS not available\r\n".to_vec(),
            // RFC 3206: tells a client not to throw the stored password away.
            (Face::Pop3, Self::Temporary) => {
                ["-ERR [SYS/TEMP] authup ", text, "\r\n"].concat().into()
            }
            (Face::Pop3, _) => ["-ERR authup ", text, "\r\n"].concat().into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_face_has_its_form() {
        for (refusal, smtp, pop3) in [
            (
                Refusal::Failed,
                "535 authup authorization failed (#5.7.0)",
                "-ERR authup authorization failed",
            ),
            (
                Refusal::Temporary,
                "454 authup temporary authentication failure (#4.7.0)",
                "-ERR [SYS/TEMP] authup temporary authentication failure",
            ),
            (Refusal::NoStartTls, "502 unimplemented (#5.5.1)", "-ERR STLS not available"),
        ] {
            assert_eq!(refusal.line(Face::Smtp), [smtp, "\r\n"].concat().as_bytes());
            assert_eq!(refusal.line(Face::Pop3), [pop3, "\r\n"].concat().as_bytes());
        }
    }

    #[test]
    fn the_class_of_both_codes_is_the_same() {
        // RFC 3463: the enhanced code's first digit is the reply's.
        for refusal in [Refusal::TlsUnavailable, Refusal::Temporary, Refusal::Controls] {
            let Row(code, _, enhanced) = refusal.row();
            assert_eq!(code.as_bytes()[0], enhanced.as_bytes()[0]);
        }
    }
}
