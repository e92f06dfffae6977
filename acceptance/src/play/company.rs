//! The stand-ins of a play: who has come, what they are told, who is gone.

use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};

use anyhow::{Context, Result, bail, ensure};

use super::{Play, Whose};
use crate::case::{Act, StandIn};
use crate::channel::{Channel, WATCHDOG};
use crate::stand_in::{Hello, Order, inheritable, receive, receive_hello, send};
use crate::text::{Names, Text, show};

/// One stand-in that has come.
#[derive(Debug)]
struct Member {
    hello: Hello,
    link: UnixStream,
    channel: Channel,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It waits for orders.
    Playing,
    /// It ended without an order of ours.
    Lost,
    /// It was told to end or to become something else, or its end was expected.
    Done,
}

/// All stand-ins of a play, in the order they came.
#[derive(Debug, Default)]
pub(crate) struct Company {
    members: Vec<Member>,
}

impl Company {
    /// Takes in a stand-in that has connected, and binds its name to its process id.
    pub(crate) fn receive(&mut self, listener: &UnixListener, names: &mut Names) -> Result<()> {
        let (link, _) = listener.accept()?;
        link.set_read_timeout(Some(WATCHDOG))?;
        let (hello, input, output) = receive_hello(&link)?;
        names.insert(hello.name.clone(), hello.pid.to_string().into_bytes());
        let eager = hello.name == "server";
        let channel =
            Channel { input: Some(input), output: Some(output), eager, ..Channel::default() };
        self.members.push(Member { hello, link, channel, state: State::Playing });
        Ok(())
    }

    /// The first stand-in of this name that is not done.
    fn find(&self, name: &str) -> Option<usize> {
        self.members
            .iter()
            .position(|member| member.hello.name == name && member.state != State::Done)
    }

    fn member(&mut self, index: usize) -> Result<&mut Member> {
        self.members.get_mut(index).context("no such stand-in")
    }

    pub(crate) fn channel(&mut self, index: usize) -> Result<&mut Channel> {
        Ok(&mut self.member(index)?.channel)
    }

    pub(crate) fn channels(&self) -> impl Iterator<Item = (usize, &Channel)> {
        self.members.iter().enumerate().map(|(index, member)| (index, &member.channel))
    }

    /// The links whose end would mean that a stand-in was lost.
    pub(crate) fn links(&self) -> impl Iterator<Item = (usize, BorrowedFd<'_>)> {
        let playing = |(_, member): &(usize, &Member)| member.state == State::Playing;
        self.members
            .iter()
            .enumerate()
            .filter(playing)
            .map(|(index, member)| (index, member.link.as_fd()))
    }

    /// A link has ended: somebody ended that stand-in.
    pub(crate) fn lost(&mut self, index: usize) {
        if let Some(member) = self.members.get_mut(index) {
            member.state = State::Lost;
            member.let_go();
        }
    }

    pub(crate) fn pending(&self) -> impl Iterator<Item = (&str, &Channel)> {
        self.members.iter().map(|member| (member.hello.name.as_str(), &member.channel))
    }

    /// Fails if a stand-in still plays.
    pub(crate) fn all_gone(&self) -> Result<()> {
        for member in &self.members {
            ensure!(member.state != State::Playing, "{} is left behind", member.hello.name);
        }
        Ok(())
    }
}

impl Member {
    fn order(&self, order: Order) -> Result<()> {
        send(&self.link, &order).context("it is gone")
    }

    /// The last order: what it held is let go of first, so that nobody waits for us.
    fn last_order(&mut self, order: Order) -> Result<()> {
        ensure!(self.state == State::Playing, "it was ended before");
        self.state = State::Done;
        self.let_go();
        self.order(order)
    }

    fn let_go(&mut self) {
        (self.channel.input, self.channel.output, self.channel.ended) = (None, None, true);
    }

    fn got_record(&self, text: &Text, names: &mut Names) -> Result<()> {
        self.order(Order::ReadRecord)?;
        let record: Vec<u8> = receive(&self.link).context("it could not read descriptor 3")?;
        ensure!(text.matches(&record, names), "descriptor 3 held\n        {}", show(&record));
        Ok(())
    }
}

impl Play {
    /// Waits until a stand-in of this name has come.
    fn await_stand_in(&mut self, name: &str) -> Result<usize> {
        loop {
            if let Some(index) = self.company.find(name) {
                return Ok(index);
            }
            ensure!(!self.exited, "{name} never came; the program has ended");
            self.pump(None, None)?;
        }
    }

    pub(super) fn stand_in(&mut self, name: &str, what: &StandIn) -> Result<()> {
        let index = self.await_stand_in(name)?;
        let whose = Whose::StandIn(index);
        match what {
            StandIn::Starts => Ok(()),
            StandIn::Acts(act) => self.stand_in_acts(index, act),
            StandIn::Sees(text) => self.expect(whose, text),
            StandIn::SeesEnd => self.expect_end(whose),
            StandIn::Got(text) => {
                let member = self.company.members.get(index).context("no such stand-in")?;
                member.got_record(text, &mut self.names)
            }
            StandIn::Exits(code) => self.company.member(index)?.last_order(Order::Exit(*code)),
            StandIn::Dies(signal) => self.company.member(index)?.last_order(Order::Die(*signal)),
            StandIn::RunsAsRoot => self.company.member(index)?.last_order(Order::RunAsRoot),
            StandIn::Runs => self.company.member(index)?.last_order(Order::Run),
            StandIn::IsEnded => {
                while self.company.member(index)?.state == State::Playing {
                    self.pump(None, None)?;
                }
                self.company.member(index)?.state = State::Done;
                Ok(())
            }
            _ => self.look_at(index, what),
        }
    }

    fn stand_in_acts(&mut self, index: usize, act: &Act) -> Result<()> {
        let member = self.company.member(index)?;
        match act {
            Act::HalfCloses => member.order(Order::Close(1))?,
            Act::Closes => {
                member.order(Order::Close(0))?;
                member.order(Order::Close(1))?;
            }
            Act::Vanishes | Act::Sends { .. } | Act::StopsReading | Act::ReadsOn => {}
        }
        if matches!(act, Act::HalfCloses) {
            // Closing, not shutting down: others may hold the same connection.
            member.channel.output = None;
            return Ok(());
        }
        self.act(Whose::StandIn(index), act)
    }

    /// What a stand-in was given when it started.
    fn look_at(&mut self, index: usize, what: &StandIn) -> Result<()> {
        let hello = self.company.member(index)?.hello.clone();
        match what {
            StandIn::Has(name, text) => {
                let value = hello
                    .variable(name.as_bytes())
                    .with_context(|| format!("{name} is not set"))?;
                ensure!(text.matches(value, &mut self.names), "{name} is {}", show(value));
            }
            StandIn::Lacks(name) => {
                let value = hello.variable(name.as_bytes());
                ensure!(value.is_none(), "{name} is {}", show(value.unwrap_or_default()));
            }
            StandIn::Arguments(wanted) => {
                let wanted: Vec<Vec<u8>> =
                    wanted.iter().map(|argument| argument.clone().into_bytes()).collect();
                ensure!(hello.arguments == wanted, "its arguments are {:?}", hello.arguments);
            }
            StandIn::IsInHome => self.home_is(&hello.cwd)?,
            StandIn::Descriptors(wanted) => {
                // What we have ourselves from whoever runs the tests is not the program's doing.
                let ours = inheritable()?;
                let new = |(number, target): &(&u32, &String)| ours.get(number) != Some(target);
                let given: Vec<String> =
                    hello.descriptors.iter().filter(new).map(|(n, _)| n.to_string()).collect();
                let matched = wanted.matches(given.join(" ").as_bytes(), &mut self.names);
                ensure!(matched, "it was given {:?}", hello.descriptors);
            }
            StandIn::IsOrdinary => ensure!(hello.uid != 0, "it runs as root"),
            _ => bail!("not something to look at"),
        }
        Ok(())
    }
}
