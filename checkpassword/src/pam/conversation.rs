//! What we say when PAM asks: the password, and nothing else.
//!
//! Whoever logs in is at the far end of a mail protocol, which has room for a user
//! and a password. A module that wants more (a code, a choice, a new password)
//! cannot be answered, and is told so at once.

use nonstick::conv::Exchange;
use nonstick::{Conversation, ErrorCode};
use std::cell::Cell;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::rc::Rc;

/// Answers hidden prompts with the password and refuses all others.
pub(super) struct PasswordOnly<'a> {
    password: &'a [u8],
    asked_more: Rc<Cell<bool>>,
}

impl<'a> PasswordOnly<'a> {
    pub(super) fn new(password: &'a [u8]) -> Self {
        Self { password, asked_more: Rc::default() }
    }

    /// Whether something other than the password was asked for; to be looked at once
    /// PAM has answered.
    pub(super) fn asked_more(&self) -> Rc<Cell<bool>> {
        Rc::clone(&self.asked_more)
    }
}

impl Conversation for PasswordOnly<'_> {
    fn communicate(&self, messages: &[Exchange<'_>]) {
        for message in messages {
            match message {
                Exchange::MaskedPrompt(prompt) => {
                    prompt.set_answer(Ok(OsStr::from_bytes(self.password).to_owned()));
                }
                // Nobody is there to read them; PAM logs its reasons by itself.
                Exchange::Error(text) => text.set_answer(Ok(())),
                Exchange::Info(text) => text.set_answer(Ok(())),
                other => {
                    self.asked_more.set(true);
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
        assert!(!conversation.asked_more().get());
    }

    #[test]
    fn mere_messages_are_taken() {
        let conversation = PasswordOnly::new(b"secret");
        let (error, info) = (ErrorMsg::new(OsStr::new("no")), InfoMsg::new(OsStr::new("hello")));
        conversation.communicate(&[error.exchange(), info.exchange()]);
        assert_eq!((error.answer(), info.answer()), (Ok(()), Ok(())));
        assert!(!conversation.asked_more().get());
    }

    #[test]
    fn nothing_for_any_other_question() {
        let name = QAndA::new(OsStr::new("login: "));
        let choice = RadioQAndA::new(OsStr::new("Are you sure?"));
        let conversation = PasswordOnly::new(b"secret");
        conversation.communicate(&[name.exchange()]);
        assert!(conversation.asked_more().get());
        let conversation = PasswordOnly::new(b"secret");
        conversation.communicate(&[choice.exchange()]);
        assert!(conversation.asked_more().get());
        assert_eq!(name.answer(), Err(ErrorCode::ConversationError));
        assert_eq!(choice.answer(), Err(ErrorCode::ConversationError));
    }
}
