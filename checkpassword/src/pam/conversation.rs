//! What we say when PAM asks: the password, and nothing else. And what we hear: why a module
//! refuses, which only the log is to know.
//!
//! Whoever logs in is at the far end of a mail protocol, which has room for a user
//! and a password. A module that wants more (a code, a choice, a new password)
//! cannot be answered, and is told so at once.

use nonstick::conv::Exchange;
use nonstick::{Conversation, ErrorCode};
use proto::escape::Escaped;
use std::cell::{Cell, RefCell};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::rc::Rc;

/// Answers hidden prompts with the password and refuses all others.
pub(super) struct PasswordOnly<'a> {
    password: &'a [u8],
    heard: Rc<Heard>,
}

/// What PAM has asked and said, to be looked at once it has answered.
#[derive(Default)]
pub(super) struct Heard {
    /// Something other than the password was asked for.
    pub(super) asked_more: Cell<bool>,
    last: RefCell<Vec<u8>>,
}

impl Heard {
    /// PAM is asked something else, and what it has said so far is not why it refuses that.
    pub(super) fn forget(&self) {
        self.asked_more.set(false);
        self.last.take();
    }

    /// Why PAM ended so: in its own words, and in the last that a module has said.
    pub(super) fn why(&self, code: ErrorCode) -> String {
        match self.last.borrow().as_slice() {
            [] => code.to_string(),
            last => format!("{code} ({})", Escaped(last)),
        }
    }

    /// Keeps what a module says, unless it repeats the password.
    fn hear(&self, text: &OsStr, password: &[u8]) {
        let text = text.as_bytes().trim_ascii();
        let repeats = text.windows(password.len().max(1)).any(|part| part == password);
        if !text.is_empty() && !repeats {
            self.last.replace(text.to_vec());
        }
    }
}

impl<'a> PasswordOnly<'a> {
    pub(super) fn new(password: &'a [u8]) -> Self {
        Self { password, heard: Rc::default() }
    }

    pub(super) fn heard(&self) -> Rc<Heard> {
        Rc::clone(&self.heard)
    }
}

impl Conversation for PasswordOnly<'_> {
    fn communicate(&self, messages: &[Exchange<'_>]) {
        for message in messages {
            match message {
                Exchange::MaskedPrompt(prompt) => {
                    prompt.set_answer(Ok(OsStr::from_bytes(self.password).to_owned()));
                }
                Exchange::Error(text) => {
                    self.heard.hear(text.question(), self.password);
                    text.set_answer(Ok(()));
                }
                Exchange::Info(text) => {
                    self.heard.hear(text.question(), self.password);
                    text.set_answer(Ok(()));
                }
                other => {
                    self.heard.asked_more.set(true);
                    other.set_error(ErrorCode::ConversationError);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nonstick::conv::{ErrorMsg, InfoMsg, MaskedQAndA, QAndA, RadioQAndA};

    #[test]
    fn the_password_for_a_hidden_prompt() {
        let conversation = PasswordOnly::new(b"s\xffcret");
        let prompt = MaskedQAndA::new(OsStr::new("Password: "));
        conversation.communicate(&[prompt.exchange()]);
        assert_eq!(prompt.answer(), Ok(OsStr::from_bytes(b"s\xffcret").to_owned()));
        assert!(!conversation.heard().asked_more.get());
    }

    #[test]
    fn mere_messages_are_taken() {
        let conversation = PasswordOnly::new(b"secret");
        let (error, info) = (ErrorMsg::new(OsStr::new("no")), InfoMsg::new(OsStr::new("hello")));
        conversation.communicate(&[error.exchange(), info.exchange()]);
        assert_eq!((error.answer(), info.answer()), (Ok(()), Ok(())));
        assert!(!conversation.heard().asked_more.get());
    }

    #[test]
    fn the_last_message_is_kept_unless_it_repeats_the_password() {
        let conversation = PasswordOnly::new(b"secret");
        let heard = conversation.heard();
        let says = |text: &str| {
            conversation.communicate(&[ErrorMsg::new(OsStr::new(text)).exchange()]);
            heard.why(ErrorCode::AuthenticationError)
        };
        let code = ErrorCode::AuthenticationError.to_string();
        assert_eq!(says("  \n"), code);
        assert_eq!(says("no: secrets"), code);
        assert_eq!(says("expired\n"), format!("{code} (expired)"));
        assert_eq!(says("secret is wrong"), format!("{code} (expired)"));
        assert_eq!(says("a\nb\x1b"), format!("{code} (a\\x0ab\\x1b)"));
        let conversation = PasswordOnly::new(b"secret");
        conversation.communicate(&[InfoMsg::new(OsStr::new("hello")).exchange()]);
        assert_eq!(
            conversation.heard().why(ErrorCode::Abort).split_once(" (").unwrap().1,
            "hello)"
        );
    }

    #[test]
    fn nothing_for_any_other_question() {
        let name = QAndA::new(OsStr::new("login: "));
        let choice = RadioQAndA::new(OsStr::new("Are you sure?"));
        let conversation = PasswordOnly::new(b"secret");
        conversation.communicate(&[name.exchange()]);
        assert!(conversation.heard().asked_more.get());
        let conversation = PasswordOnly::new(b"secret");
        conversation.communicate(&[choice.exchange()]);
        assert!(conversation.heard().asked_more.get());
        assert_eq!(name.answer(), Err(ErrorCode::ConversationError));
        assert_eq!(choice.answer(), Err(ErrorCode::ConversationError));
    }
}
