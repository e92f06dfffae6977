//! How a conversation is shown: who says what, and where TLS begins; in colour on a
//! terminal, unless `NO_COLOR` says otherwise (<https://no-color.org>).

use crate::outcome::print_line;
use proto::escape::Escaped;
use proto::names::Variable;
use std::io::IsTerminal;
use unix::environment::inherited;

/// Shows one conversation.
#[derive(Debug)]
pub(crate) struct Shown {
    in_colour: bool,
    is_secure: bool,
}

const CYAN: &str = "36";
const GREEN: &str = "32";
const YELLOW: &str = "1;33";

impl Shown {
    /// Nothing is said yet.
    pub(crate) fn new() -> Self {
        let forbidden = inherited(Variable::NoColor).is_some_and(|value| !value.is_empty());
        Self { in_colour: !forbidden && std::io::stdout().is_terminal(), is_secure: false }
    }

    /// The client says this.
    pub(crate) fn client(&self, line: &str) {
        self.line(CYAN, &format!("client {} {}", self.bar(), text(line)));
    }

    /// The server says this.
    pub(crate) fn server(&self, line: &str) {
        self.line(GREEN, &format!("server {} {}", self.bar(), text(line)));
    }

    /// TLS is on: its version and its ciphers.
    pub(crate) fn tls(&mut self, about: &str) {
        self.is_secure = true;
        self.line(YELLOW, &format!("------ TLS begins: {about} ------"));
    }

    /// Marks what is said inside TLS.
    const fn bar(&self) -> char {
        if self.is_secure { '|' } else { ' ' }
    }

    fn line(&self, colour: &str, line: &str) {
        if self.in_colour {
            print_line(&format!("  \x1b[{colour}m{line}\x1b[0m"));
        } else {
            print_line(&format!("  {line}"));
        }
    }
}

fn text(line: &str) -> String {
    Escaped(line.as_bytes()).to_string()
}
