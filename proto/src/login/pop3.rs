//! POP3 before a login: RFC 1939, RFC 2449 (CAPA), RFC 2595 (STLS), RFC 5034 (AUTH).

use super::dialog::{Dialog, State};
use super::reply::Refusal;
use crate::line::verb_and_argument;
use crate::sasl::{Credential, Mechanism};
use alloc::vec::Vec;

impl Dialog {
    pub(super) fn pop3_command(&mut self, line: &[u8]) {
        let (verb, argument) = verb_and_argument(line);
        match verb.to_ascii_lowercase().as_slice() {
            b"capa" => self.capa(),
            b"stls" => self.start_tls(argument),
            b"auth" => self.auth(argument),
            b"user" => self.user(argument),
            b"pass" => self.pass(argument),
            b"noop" => self.send(b"+OK \r\n"),
            b"quit" => {
                self.send(b"+OK \r\n");
                self.state = State::Ended(0);
            }
            _ => self.refuse(Refusal::AuthorizationFirst),
        }
    }

    fn capa(&mut self) {
        self.send(b"+OK capability list follows\r\n");
        if self.config.tls.is_offered() {
            self.send(b"STLS\r\n");
        }
        // RFC 2595, section 4: not where it would be refused.
        if !self.must_start_tls() {
            self.send(b"USER\r\n");
            let mechanisms = Mechanism::ALL.iter().rev().map(|one| one.name()).collect::<Vec<_>>();
            self.send(&["SASL ", &mechanisms.join(" "), "\r\n"].concat().into_bytes());
        }
        let lines = self.config.capabilities.iter().map(Vec::as_slice);
        let list: Vec<&[u8]> = lines.flat_map(|line| [line, b"\r\n"]).collect();
        self.send(&list.concat());
        self.send(b".\r\n");
    }

    fn user(&mut self, argument: &[u8]) {
        if self.must_start_tls() {
            self.refuse(Refusal::MustStartTls);
        } else if argument.is_empty() {
            self.refuse(Refusal::Syntax);
        } else {
            self.said.user = Some(argument.to_vec());
            self.send(b"+OK \r\n");
        }
    }

    fn pass(&mut self, argument: &[u8]) {
        match self.said.user.clone() {
            None => self.refuse(Refusal::UserFirst),
            Some(_) if argument.is_empty() => self.refuse(Refusal::Syntax),
            Some(user) => self.attempt(&Credential::of(&user, argument)),
        }
    }
}
