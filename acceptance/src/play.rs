//! Plays a case: one step after the other, each waiting for its event.
//!
//! Called by the test `cases`, once for each case and transport.

use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use test_support::talking::Talking;
use test_support::wait::for_end;

use crate::case::{Act, Case, Step, Transport};
use crate::channel::{Channel, WATCHDOG, send_piece, wait};
use crate::programs::Programs;
use crate::stage::Stage;
use crate::text::{Names, Text, show};

mod company;
mod tls_server;
use company::Company;

/// A play in progress.
pub(crate) struct Play {
    stage: Stage,
    company: Company,
    names: Names,
    /// The client talks through TLS.
    secure: bool,
    /// The case looks at log lines, and no `log: ...` let the rest go by.
    log_matters: bool,
    /// The program under test has ended.
    exited: bool,
    /// The program has asked for TLS: the network connection is the TLS server's.
    asked: bool,
    octet_wise: bool,
    /// Where authup is.
    authup: PathBuf,
    deadline: Instant,
}

/// Whose channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    Client,
    Secure,
    Control,
    Log,
    StandIn(usize),
}

/// What became readable.
#[derive(Debug, Clone, Copy)]
enum Source {
    Channel(Whose),
    Listener,
    Exit,
    Link(usize),
}

/// Plays `case` over `transport`.
pub fn play(case: &Case, transport: Transport, programs: &Programs) -> Result<()> {
    let stage = Stage::set(case, transport, programs)?;
    let names = Names::from([("pid".to_owned(), stage.child.id().to_string().into_bytes())]);
    let logs = case.steps.iter().any(|(_, step)| matches!(step, Step::Logged(_)));
    let mut play = Play {
        stage,
        company: Company::default(),
        names,
        secure: false,
        log_matters: logs,
        exited: false,
        asked: false,
        octet_wise: transport == Transport::Octets,
        authup: programs.folder().join("authup"),
        deadline: Instant::now(),
    };
    let patience = WATCHDOG + Duration::from_secs(case.head.waits);
    for (line, step) in &case.steps {
        // Anew for each: octet by octet, a long case takes its time on a busy machine.
        play.deadline = Instant::now() + patience;
        play.step(step)
            .map_err(|error| anyhow::anyhow!("line {line}: {error:#}\n{}", play.pending()))?;
    }
    play.finish().map_err(|error| anyhow::anyhow!("after the exit: {error:#}\n{}", play.pending()))
}

impl Play {
    fn step(&mut self, step: &Step) -> Result<()> {
        let client = if self.secure { Whose::Secure } else { Whose::Client };
        match step {
            Step::Client(act) => self.act(client, act),
            Step::ClientSees(text) => self.expect(client, text),
            Step::ClientSeesEnd => self.expect_end(client),
            Step::Logged(text) => self.expect(Whose::Log, text),
            Step::AnythingLogged => {
                self.log_matters = false;
                Ok(())
            }
            Step::Tls(tls) => self.tls(tls),
            Step::StandIn(name, what) => self.stand_in(name, what),
            Step::AuthupTimesOut => self.until_authup_times_out(),
            Step::Signal(signal) => self.signal(*signal),
            Step::Exits(code) => self.expect_exit(*code),
        }
    }

    fn channel(&mut self, whose: Whose) -> Result<&mut Channel> {
        let tls = self.stage.tls.as_mut();
        match whose {
            Whose::Client => Ok(&mut self.stage.client),
            Whose::Log => Ok(&mut self.stage.log),
            Whose::Secure => Ok(&mut tls.context("the case has no `tls:` line")?.data),
            Whose::Control => Ok(&mut tls.context("the case has no `tls:` line")?.control),
            Whose::StandIn(index) => self.company.channel(index),
        }
    }

    /// All that may be waited for now, with its descriptor.
    fn sources(&self, demanded: Option<Whose>) -> Vec<(Source, BorrowedFd<'_>)> {
        let mut all = vec![(Source::Listener, self.stage.listener.as_fd())];
        if !self.exited {
            all.push((Source::Exit, self.stage.pidfd.as_fd()));
        }
        let mut channels = vec![(Whose::Client, &self.stage.client), (Whose::Log, &self.stage.log)];
        if let Some(tls) = &self.stage.tls {
            channels.push((Whose::Secure, &tls.data));
            channels.push((Whose::Control, &tls.control));
        }
        channels.extend(
            self.company.channels().map(|(index, channel)| (Whose::StandIn(index), channel)),
        );
        for (whose, channel) in channels {
            if let Some(input) = &channel.input
                && !channel.ended
                && (channel.eager || demanded == Some(whose))
            {
                all.push((Source::Channel(whose), input.as_fd()));
            }
        }
        all.extend(self.company.links().map(|(index, link)| (Source::Link(index), link)));
        all
    }

    /// Waits for one or more events and takes them in; says whether `writer`'s output can be
    /// written.
    pub(crate) fn pump(&mut self, demanded: Option<Whose>, writer: Option<Whose>) -> Result<bool> {
        let output = match writer {
            Some(whose) => {
                let output =
                    self.channel(whose)?.output.as_ref().context("it is closed already")?;
                Some(output.try_clone()?)
            }
            None => None,
        };
        let (ready, writable) = {
            let sources = self.sources(demanded);
            let readers: Vec<BorrowedFd<'_>> =
                sources.iter().map(|(_, descriptor)| *descriptor).collect();
            let (ready, writable) = wait(&readers, output.as_ref(), self.deadline)?;
            let ready: Vec<Source> = sources
                .iter()
                .zip(ready)
                .filter(|(_, is)| *is)
                .map(|((source, _), _)| *source)
                .collect();
            (ready, writable)
        };
        for source in ready {
            match source {
                Source::Channel(whose) => self.channel(whose)?.fill()?,
                Source::Listener => self.company.receive(&self.stage.listener, &mut self.names)?,
                Source::Exit => self.exited = true,
                Source::Link(index) => self.company.lost(index),
            }
        }
        self.let_go_of_the_network();
        Ok(writable)
    }

    fn act(&mut self, whose: Whose, act: &Act) -> Result<()> {
        match act {
            Act::Sends { bytes, held } => {
                let bytes = bytes.bytes(&self.names)?;
                let channel = self.channel(whose)?;
                channel.held.extend_from_slice(&bytes);
                if *held {
                    return Ok(());
                }
                let all = std::mem::take(&mut channel.held);
                return self.send(whose, &all);
            }
            Act::HalfCloses => close_output(self.channel(whose)?),
            Act::Closes => {
                let channel = self.channel(whose)?;
                (channel.input, channel.output, channel.ended) = (None, None, true);
            }
            Act::Vanishes => vanish(self.channel(whose)?),
            Act::StopsReading => self.channel(whose)?.eager = false,
            Act::ReadsOn => self.channel(whose)?.eager = true,
        }
        Ok(())
    }

    /// Sends all of it, taking in meanwhile what comes.
    fn send(&mut self, whose: Whose, bytes: &[u8]) -> Result<()> {
        // An octet at a time for what people type, odd pieces for what is a mass.
        let at_most = match (self.octet_wise, bytes.len()) {
            (false, _) => usize::MAX,
            (true, 0..20_000) => 1,
            (true, _) => 997,
        };
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.pump(None, Some(whose))? {
                let channel = self.channel(whose)?;
                let output = channel.output.as_ref().context("it is closed already")?;
                let Some(count) = send_piece(output, rest, at_most)? else {
                    // As in life, what is sent to somebody who has left is lost.
                    channel.reset = true;
                    return Ok(());
                };
                rest = rest.split_at(count).1;
                if self.octet_wise {
                    std::thread::yield_now();
                }
            }
        }
        Ok(())
    }

    fn expect(&mut self, whose: Whose, text: &Text) -> Result<()> {
        let exactly = text.exactly(&self.names);
        loop {
            let channel = self.channel(whose)?;
            let taken = match &exactly {
                Some(wanted) => {
                    let common = wanted
                        .iter()
                        .zip(&channel.got)
                        .take_while(|(want, got)| want == got)
                        .count();
                    let so_far = common == wanted.len().min(channel.got.len());
                    ensure!(so_far, "got something else after {common} octets");
                    channel.take(wanted.len())
                }
                None => channel.take_lines(text.line_feeds()),
            };
            if let Some(got) = taken {
                ensure!(
                    text.matches(&got, &mut self.names),
                    "got instead:\n        {}",
                    show(&got)
                );
                return Ok(());
            }
            ensure!(!channel.ended, "ended instead, after:\n        {}", show(&channel.got));
            self.pump(Some(whose), None)?;
        }
    }

    fn expect_end(&mut self, whose: Whose) -> Result<()> {
        while !self.channel(whose)?.ended {
            self.pump(Some(whose), None)?;
        }
        // Who sends octet by octet may send some to nobody.
        let is_heard_out = whose == Whose::Client && !self.octet_wise;
        let channel = self.channel(whose)?;
        let left = &channel.got;
        ensure!(left.is_empty(), "before the end came:\n        {}", show(left));
        ensure!(!(channel.reset && is_heard_out), "it was reset, which loses what was not read");
        Ok(())
    }

    /// Waits until the control files' seconds are over, as another authup finds that keeps them:
    /// it loses a client that says nothing.
    fn until_authup_times_out(&self) -> Result<()> {
        let mut other = Command::new(&self.authup);
        other.args(["smtp", "true"]).env("QMAILHOME", self.stage.home()).stderr(Stdio::null());
        let mut other = Talking::start(&mut other);
        other.up_to_line("451 ");
        Ok(())
    }

    fn signal(&self, signal: u8) -> Result<()> {
        let signal = Signal::from_named_raw(i32::from(signal)).context("no signal")?;
        kill_process(Pid::from_child(&self.stage.child), signal)?;
        Ok(())
    }

    fn expect_exit(&mut self, code: i32) -> Result<()> {
        while !self.exited {
            self.pump(None, None)?;
        }
        let status = for_end(&mut self.stage.child);
        match (status.code(), status.signal()) {
            (Some(got), _) => ensure!(got == code, "exit {got} instead"),
            (None, signal) => bail!("killed by signal {signal:?} instead"),
        }
        Ok(())
    }

    /// Nothing may be left over, and nobody may be left behind.
    fn finish(&mut self) -> Result<()> {
        self.company.all_gone()?;
        let mut outlets = vec![(Whose::Client, "the client"), (Whose::Log, "the log")];
        if self.stage.tls.is_some() {
            outlets.extend([
                (Whose::Secure, "the client through TLS"),
                (Whose::Control, "the control socket"),
            ]);
        }
        for (whose, who) in outlets {
            while !self.channel(whose)?.ended {
                self.pump(Some(whose), None)?;
            }
            let matters = whose != Whose::Log || self.log_matters;
            let left = &self.channel(whose)?.got;
            ensure!(left.is_empty() || !matters, "{who} got more:\n        {}", show(left));
        }
        let log = &self.stage.log.got;
        ensure!(!log.windows(9).any(|part| part == b"panicked "), "it panicked");
        Ok(())
    }

    /// What came in and was not taken, for the report of a failure.
    fn pending(&mut self) -> String {
        // A last look, so that what the program just wrote is in the report.
        self.deadline = Instant::now() + Duration::from_millis(200);
        while !(self.exited && self.stage.log.ended) && self.pump(None, None).is_ok() {}
        let mut report = String::new();
        let mut add = |who: &str, got: &[u8]| {
            if !got.is_empty() {
                report += &format!("  {who} has pending:\n        {}\n", show(got));
            }
        };
        add("client", &self.stage.client.got);
        if let Some(tls) = &self.stage.tls {
            add("client through TLS", &tls.data.got);
            add("control socket", &tls.control.got);
        }
        for (name, channel) in self.company.pending() {
            add(name, &channel.got);
        }
        add("log", &self.stage.log.got);
        report
    }

    fn home_is(&self, cwd: &[u8]) -> Result<()> {
        let home = self.stage.home().canonicalize()?;
        ensure!(cwd == home.as_os_str().as_bytes(), "its folder is {}", show(cwd));
        Ok(())
    }
}

fn close_output(channel: &mut Channel) {
    if let Some(output) = channel.output.take() {
        // A pipe is no socket; closing it is all that it needs.
        let _no_socket = rustix::net::shutdown(&output, rustix::net::Shutdown::Write);
    }
}

fn vanish(channel: &mut Channel) {
    if let Some(output) = &channel.output {
        // Only a TCP connection can be reset; the others close.
        let _no_tcp = rustix::net::sockopt::set_socket_linger(output, Some(Duration::ZERO));
    }
    (channel.input, channel.output, channel.ended) = (None, None, true);
}
