//! The grammar of a case file.

use anyhow::{Context, Result, bail, ensure};

use super::{Act, Case, Control, Head, StandIn, Step, Tls, Transport, User};
use crate::text::{Names, Text};

impl Case {
    /// Reads a case file's text.
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
        let no_names = Names::new();
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
        "authup" if rest == "times out" => Step::AuthupTimesOut,
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
            let each = if each.is_empty() { "\\0".to_owned() } else { each };
            Tls::Facts(Text::parse(&(each + "\\0"))?)
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
