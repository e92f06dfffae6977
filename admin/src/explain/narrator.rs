//! Looks on while a session is relayed, and remembers who changed which line.

use proto::relay::rules::{Fixup, Response, Rule};
use proto::relay::{Seen, Watch};
use proto::smtp::reply::{is_last, split_ending};
use std::collections::VecDeque;

/// What happened, in order.
#[derive(Debug)]
pub(super) enum Told {
    /// The client said this.
    Client(Vec<u8>),
    /// The server said this.
    Server(Vec<u8>),
    /// The client closed.
    ClientClosed,
    /// A line was changed.
    Changed(Change),
}

/// A line that was changed, put in or taken out.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// Whether it is a request; else a line of a reply.
    pub(super) is_request: bool,
    /// The line of the rules file; `None`: what fixsmtpio does without a rule.
    pub(super) rule: Option<usize>,
    /// The line before; `None` where there was none.
    pub(super) before: Option<Vec<u8>>,
    /// The line after; `None` where there is none.
    pub(super) after: Option<Vec<u8>>,
    /// The exit code that the rule asks for.
    pub(super) exit: Option<u8>,
}

/// Looks on.
#[derive(Debug, Default)]
pub(super) struct Narrator {
    /// What happened.
    pub(super) told: Vec<Told>,
    /// What the server got.
    pub(super) to_server: Vec<Vec<u8>>,
    /// What the client got.
    pub(super) to_client: Vec<Vec<u8>>,
    request: Vec<u8>,
    prepended: bool,
    /// The server's line at hand, as rules have left it.
    line: Option<Vec<u8>>,
    /// Lines that are to go to the client as they are.
    due: VecDeque<Vec<u8>>,
    reply_is_over: bool,
    is_closed: bool,
    /// The rule that has a line put before the one at hand.
    puts_before: Option<usize>,
}

impl Narrator {
    /// The client closes.
    pub(super) fn client_closes(&mut self) {
        self.is_closed = true;
        self.told.push(Told::ClientClosed);
    }

    /// Nothing more comes.
    pub(super) fn end(&mut self) {
        self.due.extend(self.line.take());
        let left = self.due.len();
        self.withheld(left);
    }

    fn change(&mut self, change: Change) {
        self.told.push(Told::Changed(change));
    }

    /// The first so many that are due were never sent.
    fn withheld(&mut self, count: usize) {
        for line in self.due.drain(..count).collect::<Vec<_>>() {
            self.own(Some(line), None, None);
        }
    }

    fn own(&mut self, before: Option<Vec<u8>>, after: Option<Vec<u8>>, rule: Option<usize>) {
        self.change(Change { is_request: false, rule, before, after, exit: None });
    }

    fn request_on(&mut self, text: Vec<u8>) {
        if !self.prepended && text != self.request {
            let before = Some(std::mem::take(&mut self.request));
            let after = Some(text.clone());
            self.change(Change { is_request: true, rule: None, before, after, exit: None });
        }
        self.to_server.push(text);
    }

    fn reply(&mut self, line: &[u8]) {
        self.due.extend(self.line.take());
        if self.reply_is_over {
            let left = self.due.len();
            self.withheld(left);
        }
        self.reply_is_over = is_last(line);
        self.told.push(Told::Server(text(line)));
        self.line = Some(text(line));
    }

    fn reply_on(&mut self, line: Vec<u8>) {
        let position = |due: &VecDeque<Vec<u8>>| due.iter().position(|due| same(due, &line));
        let found = position(&self.due).or_else(|| {
            self.line.take_if(|held| same(held, &line)).map(|held| {
                self.due.push_back(held);
                self.due.len() - 1
            })
        });
        match found {
            Some(at) => {
                self.withheld(at);
                self.due.pop_front();
            }
            None => {
                let rule = self.puts_before.take();
                self.own(None, Some(line.clone()), rule);
            }
        }
        self.to_client.push(line);
    }
}

impl Watch for Narrator {
    fn saw(&mut self, what: Seen, octets: &[u8]) {
        match what {
            Seen::Request => {
                self.request = text(octets);
                self.prepended = false;
                self.told.push(Told::Client(text(octets)));
            }
            Seen::RequestOn => self.request_on(text(octets)),
            Seen::Reply => self.reply(octets),
            // The answer of a server that is unwelcome is told in one piece.
            Seen::ReplyOn => octets
                .split_inclusive(|&octet| octet == b'\n')
                .for_each(|line| self.reply_on(text(line))),
            Seen::Data => {}
        }
    }

    fn prepended(&mut self, rule: &Rule) {
        self.prepended = true;
        let before = self.request.clone();
        // The last rule's text comes first, and it is shown first: before the others'.
        let after = Some([&*rule.prepend, &before].concat());
        let (line, before) = (Some(rule.line), Some(before));
        self.change(Change { is_request: true, rule: line, before, after, exit: None });
    }

    fn ruled(&mut self, rule: &Rule, before: Option<&[u8]>, after: Option<&[u8]>) {
        let (before, after) = (before.map(text), after.map(text));
        if !self.is_closed {
            self.line.clone_from(&after);
        }
        if rule.response == Response::Fixup(Fixup::Help) {
            self.puts_before = Some(rule.line);
        }
        if before != after || rule.exit.is_some() {
            let (line, exit) = (Some(rule.line), rule.exit);
            self.change(Change { is_request: false, rule: line, before, after, exit });
        }
    }
}

fn text(line: &[u8]) -> Vec<u8> {
    split_ending(line).0.to_vec()
}

/// Whether the two differ in no more than what marks the last line of a reply.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.get(..3) == b.get(..3) && a.get(4..).unwrap_or_default() == b.get(4..).unwrap_or_default()
}
