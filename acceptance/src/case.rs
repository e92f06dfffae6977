//! The grammar of a case file: a head that sets the stage, then steps.
//!
//! Knows words only; `stage` builds what the head asks for, `play` does the steps.
//! `README.md` beside this package is the description for people.

use anyhow::{Context, Result, bail, ensure};

use crate::text::Text;

/// How the client reaches the program, and how its bytes arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// A TCP connection over loopback as descriptors 0 and 1. TLS over two socket pairs.
    Tcp,
    /// Two pipes. TLS over two pipes.
    Pipes,
    /// A socket pair; all input comes octet by octet. TLS over one socket pair, one descriptor.
    Octets,
}

impl Transport {
    /// All of them: what a case is played over if it does not say.
    pub const ALL: [Self; 3] = [Self::Tcp, Self::Pipes, Self::Octets];

    /// Its name in a case and in the name of a test.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Pipes => "pipes",
            Self::Octets => "octets",
        }
    }
}

/// What a control file is in this run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Control {
    /// These bytes.
    Bytes(Vec<u8>),
    /// Not there, although it is by default.
    Absent,
    /// A folder, which cannot be read as a file whoever tries.
    Folder,
}

/// Who runs the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum User {
    /// Whoever runs the tests.
    #[default]
    Same,
    /// Somebody who is not root: nobody, when root runs the tests.
    Ordinary,
    /// Root; an ordinary user skips the case.
    Root,
}

/// The stage that a case wants.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Head {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Variables set (or, with none, removed) for the program.
    pub environment: Vec<(String, Option<Text>)>,
    /// Control files that differ from the usual ones.
    pub control: Vec<(String, Control)>,
    /// Whether the three UCSPI-TLS descriptors are there.
    pub tls: bool,
    /// Who runs the program.
    pub user: User,
    /// The transports to play it over; all, if it does not say.
    pub transports: Vec<Transport>,
    /// Seconds that the program waits for by itself, and that the watchdog therefore grants on top.
    pub waits: u64,
}

/// One thing that happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The client does something.
    Client(Act),
    /// The client sees these bytes.
    ClientSees(Text),
    /// The client sees the end of its input.
    ClientSeesEnd,
    /// The next line of standard error.
    Logged(Text),
    /// From here on anything may be logged.
    AnythingLogged,
    /// The UCSPI-TLS server does or sees something.
    Tls(Tls),
    /// A stand-in, named, does or sees something.
    StandIn(String, StandIn),
    /// Nothing happens for these seconds; only to show that a bound does not strike.
    Pause(u64),
    /// The program under test gets this signal.
    Signal(u8),
    /// The program under test exits with this code.
    Exits(i32),
}

/// What the client, or a stand-in, does with its connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Sends these bytes; `held` back to go together with the next.
    Sends {
        /// What it sends.
        bytes: Text,
        /// Whether they wait for the next send.
        held: bool,
    },
    /// Closes its sending side.
    HalfCloses,
    /// Closes both sides.
    Closes,
    /// Resets the connection, where the transport can.
    Vanishes,
    /// Reads no more.
    StopsReading,
    /// Reads again.
    ReadsOn,
}

/// What the UCSPI-TLS server does and sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tls {
    /// The program writes this on the control socket.
    Asked(Text),
    /// Writes these bytes on the control socket.
    Answers(Text),
    /// Writes facts and the end mark; from here on the client talks through TLS.
    Facts(Text),
    /// From here on the client talks through TLS.
    On,
    /// Closes the control socket.
    ClosesControl,
    /// Sees that the program closed its end of the control socket.
    ControlEnds,
    /// Finds these bytes unread on the network connection.
    FindsInTheClear(Text),
}

/// What a stand-in does and sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StandIn {
    /// It is started.
    Starts,
    /// It sends, closes and so on.
    Acts(Act),
    /// It sees these bytes on its standard input.
    Sees(Text),
    /// It sees the end of its standard input.
    SeesEnd,
    /// Descriptor 3 held exactly these bytes.
    Got(Text),
    /// Its environment has this variable with this value.
    Has(String, Text),
    /// Its environment lacks this variable.
    Lacks(String),
    /// Its arguments are these.
    Arguments(Vec<String>),
    /// Its working directory is the qmail home.
    IsInHome,
    /// It was given these descriptors above 2, as numbers with spaces, and no others.
    Descriptors(Text),
    /// It runs as an ordinary user.
    IsOrdinary,
    /// It exits with this code.
    Exits(u8),
    /// It dies by this signal.
    Dies(u8),
    /// It becomes the program that its arguments name; as root, an ordinary user first.
    Runs,
    /// It becomes the program that its arguments name, and whoever it is.
    RunsAsRoot,
    /// Somebody else ends it.
    IsEnded,
}

/// A case: its stage and its steps, each with its line number.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Case {
    /// The stage.
    pub head: Head,
    /// The steps.
    pub steps: Vec<(usize, Step)>,
}

impl Case {
    /// Reads a case file's text.
    ///
    /// # Errors
    /// With the number of the line that cannot be understood, or with what is missing.
    pub fn parse(written: &str) -> Result<Self> {
        ensure!(
            opens_with_its_sentence(written),
            "line 1: it does not open with `# What this shows.`"
        );
        let mut case = Self::default();
        for (at, line) in written.lines().enumerate() {
            let line = line.trim_end();
            if !line.is_empty() && !line.starts_with('#') {
                case.line(at + 1, line).with_context(|| format!("line {}: {line}", at + 1))?;
            }
        }
        ensure!(!case.head.command.is_empty(), "no line says what to run");
        ensure!(
            matches!(case.steps.last(), Some((_, Step::Exits(_)))),
            "the last line is not an exit"
        );
        if case.head.transports.is_empty() {
            case.head.transports = Transport::ALL.to_vec();
        }
        Ok(case)
    }

    fn line(&mut self, number: usize, line: &str) -> Result<()> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        if word.ends_with(':') && !matches!(word, "C:" | "S:" | "log:") {
            ensure!(self.steps.is_empty(), "the stage is set before the first step");
            return self.head.line(word, rest);
        }
        self.steps.push((number, step(word, rest)?));
        Ok(())
    }
}

impl Head {
    fn line(&mut self, word: &str, rest: &str) -> Result<()> {
        match word {
            "run:" => self.command = words(rest),
            "env:" => match rest.split_once('=') {
                Some((name, value)) => {
                    self.environment.push((name.to_owned(), Some(Text::parse(value)?)))
                }
                None => self.environment.push((rest.to_owned(), None)),
            },
            "control:" => self.control_line(rest)?,
            "tls:" => self.tls = true,
            "waits:" => self.waits = rest.parse()?,
            "user:" => {
                self.user = match rest {
                    "ordinary" => User::Ordinary,
                    "root" => User::Root,
                    _ => bail!("no such user"),
                };
            }
            "transports:" => {
                for name in rest.split(' ') {
                    let known =
                        Transport::ALL.into_iter().find(|transport| transport.name() == name);
                    self.transports.push(known.context("no such transport")?);
                }
            }
            _ => bail!("unknown word"),
        }
        Ok(())
    }

    /// `NAME = line` (again for further lines), `NAME bytes TEXT`, `NAME absent`, `NAME folder`.
    fn control_line(&mut self, rest: &str) -> Result<()> {
        let (name, rest) = rest.split_once(' ').context("a control file wants its content")?;
        let (how, what) = rest.split_once(' ').unwrap_or((rest, ""));
        let no_names = crate::text::Names::new();
        let bytes = Text::parse(what)?;
        let control = match how {
            "=" => Control::Bytes(bytes.with_end(b"\n").bytes(&no_names)?),
            "bytes" => Control::Bytes(bytes.bytes(&no_names)?),
            "absent" => Control::Absent,
            "folder" => Control::Folder,
            _ => bail!("a control file is `= LINE`, `bytes TEXT`, `absent` or `folder`"),
        };
        if let (Some((last, Control::Bytes(before))), Control::Bytes(more)) =
            (self.control.last_mut(), &control)
            && last == name
        {
            before.extend_from_slice(more);
        } else {
            self.control.push((name.to_owned(), control));
        }
        Ok(())
    }
}

/// Whether comments come first, and end as a sentence does.
fn opens_with_its_sentence(written: &str) -> bool {
    let comments = written.lines().map_while(|line| line.strip_prefix("# "));
    comments.last().is_some_and(|last| last.trim_end_matches(')').ends_with('.'))
}

/// Words by spaces; single quotes keep a word together.
fn words(line: &str) -> Vec<String> {
    let mut all = Vec::new();
    for (index, part) in line.split('\'').enumerate() {
        if index % 2 == 1 {
            all.push(part.to_owned());
        } else {
            all.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    all
}

fn step(word: &str, rest: &str) -> Result<Step> {
    let server = |what: StandIn| Step::StandIn("server".to_owned(), what);
    Ok(match word {
        "C:" | "C+" | "C~" => Step::Client(sends(word, rest)?),
        "S:" => Step::ClientSees(crlf(rest)?),
        "S~" => Step::ClientSees(Text::parse(rest)?),
        "S" if rest == "end" => Step::ClientSeesEnd,
        "client" => Step::Client(act(rest)?),
        ">" => server(StandIn::Sees(crlf(rest)?)),
        ">~" => server(StandIn::Sees(Text::parse(rest)?)),
        ">end" => server(StandIn::SeesEnd),
        "<" | "<+" | "<~" => server(StandIn::Acts(sends(word, rest)?)),
        "log:" if rest == "..." => Step::AnythingLogged,
        "log:" => Step::Logged(Text::parse(rest)?.with_end(b"\n")),
        "tls" => Step::Tls(tls(rest)?),
        "pause" => Step::Pause(rest.parse()?),
        "signal" => Step::Signal(signal(rest)?),
        "exit" => Step::Exits(rest.parse()?),
        name if crate::programs::STAND_INS.contains(&name) => {
            Step::StandIn(name.to_owned(), stand_in(rest)?)
        }
        _ => bail!("unknown word"),
    })
}

fn crlf(rest: &str) -> Result<Text> {
    Ok(Text::parse(rest)?.with_end(b"\r\n"))
}

/// The second character says how: `:` or nothing a line, `+` a line held back, `~` bytes.
fn sends(word: &str, rest: &str) -> Result<Act> {
    let bytes = if word.ends_with('~') { Text::parse(rest)? } else { crlf(rest)? };
    Ok(Act::Sends { bytes, held: word.ends_with('+') })
}

fn act(rest: &str) -> Result<Act> {
    Ok(match rest {
        "half-closes" => Act::HalfCloses,
        "closes" => Act::Closes,
        "vanishes" => Act::Vanishes,
        "stops reading" => Act::StopsReading,
        "reads on" => Act::ReadsOn,
        _ => bail!("unknown act"),
    })
}

fn tls(rest: &str) -> Result<Tls> {
    let (word, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    Ok(match word {
        "asked" => Tls::Asked(Text::parse(rest)?),
        "answers" => Tls::Answers(Text::parse(rest)?),
        "facts" => {
            let each: String = rest.split_whitespace().map(|fact| format!("{fact}\\0")).collect();
            Tls::Facts(Text::parse(&if each.is_empty() {
                "\\0\\0".to_owned()
            } else {
                each + "\\0"
            })?)
        }
        "on" => Tls::On,
        "closes" => Tls::ClosesControl,
        "control-ends" => Tls::ControlEnds,
        "finds" => Tls::FindsInTheClear(Text::parse(rest)?),
        _ => bail!("unknown word after tls"),
    })
}

fn stand_in(rest: &str) -> Result<StandIn> {
    let (word, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    Ok(match word {
        "starts" => StandIn::Starts,
        "says" => StandIn::Acts(sends("", rest)?),
        "says~" => StandIn::Acts(sends("~", rest)?),
        "says+" => StandIn::Acts(sends("+", rest)?),
        "hears" if rest == "end" => StandIn::SeesEnd,
        "hears" => StandIn::Sees(crlf(rest)?),
        "hears~" => StandIn::Sees(Text::parse(rest)?),
        "got" => StandIn::Got(Text::parse(rest)?),
        "has" => {
            let (name, value) = rest.split_once('=').context("NAME=VALUE is missing")?;
            StandIn::Has(name.to_owned(), Text::parse(value)?)
        }
        "lacks" => StandIn::Lacks(rest.to_owned()),
        "arguments" => StandIn::Arguments(words(rest)),
        "in-home" => StandIn::IsInHome,
        "descriptors" => StandIn::Descriptors(Text::parse(rest)?),
        "ordinary" => StandIn::IsOrdinary,
        "exits" => StandIn::Exits(rest.parse()?),
        "dies" => StandIn::Dies(signal(rest)?),
        "runs" if rest == "as root" => StandIn::RunsAsRoot,
        "runs" => StandIn::Runs,
        "is-ended" => StandIn::IsEnded,
        "half-closes" | "closes" | "stops" | "reads" => {
            StandIn::Acts(act(format!("{word} {rest}").trim_end())?)
        }
        _ => bail!("unknown word after a stand-in's name"),
    })
}

fn signal(name: &str) -> Result<u8> {
    Ok(match name {
        "HUP" => 1,
        "ABRT" => 6,
        "KILL" => 9,
        "SEGV" => 11,
        "PIPE" => 13,
        "TERM" => 15,
        "STOP" => 19,
        "CONT" => 18,
        _ => bail!("unknown signal"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_case_is_read() {
        let case =
            Case::parse("# What.\nrun: authup smtp 'a b'\nenv: X=1\n\nC: QUIT\nS: 221 x\nexit 0\n")
                .expect("parses");
        assert_eq!(case.head.command, ["authup", "smtp", "a b"]);
        assert_eq!(case.steps.len(), 3);
        assert_eq!(case.head.transports, Transport::ALL);
    }

    #[test]
    fn lines_of_one_control_file_add_up() {
        let written = "# What.\nrun: x\ncontrol: me = a\ncontrol: me = b\nexit 0";
        let case = Case::parse(written).expect("parses");
        assert_eq!(case.head.control, [("me".to_owned(), Control::Bytes(b"a\nb\n".to_vec()))]);
    }

    #[test]
    fn what_is_not_understood_is_named() {
        let error =
            Case::parse("# What.\nrun: x\nserver sings\nexit 0").expect_err("must not parse");
        assert!(format!("{error:#}").contains("line 3"), "{error:#}");
        assert!(Case::parse("# What.\nrun: x\nC: a").is_err(), "no exit");
    }

    #[test]
    fn a_case_says_first_what_it_shows() {
        let opens = |with: &str| Case::parse(&format!("{with}run: x\nexit 0")).is_ok();
        assert!(opens("# It ends.\n"));
        assert!(opens("# Whatever is said, and\n# however often, it ends. (Or so.)\n"));
        assert!(!opens(""), "no sentence");
        assert!(!opens("# \n"), "an empty one");
        assert!(!opens("# It\n"), "a word");
        assert!(!opens("\n# It ends.\n"), "not at the start");
    }
}
