//! Run scripts: which variables they set and which programs they become.
//!
//! Reads as much of the shell as run scripts have: `export`, quotes, lines that go
//! on after a backslash, and one `exec` at the end. What the shell would have to
//! compute (`$`, backquotes) is marked, not guessed.

use std::ffi::OsString;
use std::path::Path;
use tlsserver::options::Options;

/// A word of the script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    /// The word, its quotes taken off.
    pub(crate) text: String,
    /// The line that it stands in, from 1.
    pub(crate) line: usize,
    /// Only the shell knows what it comes to.
    pub(crate) is_computed: bool,
}

/// What a script says.
#[derive(Debug, Default)]
pub(crate) struct RunScript {
    /// Variables that are set for the programs: each word is `NAME=value`.
    pub(crate) variables: Vec<Word>,
    /// The program that the script becomes, and its arguments.
    pub(crate) command: Vec<Word>,
}

/// A program of the row, with its own arguments.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Link<'a> {
    /// The program.
    pub(crate) program: &'a Word,
    /// Its arguments, without the next program.
    pub(crate) arguments: &'a [Word],
}

impl Link<'_> {
    /// The program's name without its folder, nor the `qmail-` that some have.
    pub(crate) fn name(&self) -> &str {
        let name = Path::new(&self.program.text).file_name().and_then(|name| name.to_str());
        let name = name.unwrap_or(&self.program.text);
        name.strip_prefix("qmail-").filter(|own| OWN.contains(own)).unwrap_or(name)
    }

    /// The protocol that it speaks until the client has logged in, where it does.
    pub(crate) fn login(&self) -> Option<&str> {
        let words = self.arguments.iter().map(|word| word.text.as_str());
        let mut words = words.skip_while(|word| !word.starts_with(LOGIN));
        match words.next()?.strip_prefix(LOGIN)? {
            "" => words.next(),
            joined => joined.strip_prefix('='),
        }
    }
}

const OWN: [&str; 2] = ["authup", "fixsmtpio"];
/// Servers whose command lines are read.
pub(crate) const SERVERS: [&str; 3] = ["tlsserver", "sslserver", "tcpserver"];
/// Their options that take a value.
const WITH_VALUE: &str = "cCxugbltTAawkyYB";
/// The same, long.
const LONG_WITH_VALUE: [&str; 5] = ["--engines", LOGIN, "--tries", "--checks", "--linger"];
/// tlsserver speaks authup's part.
const LOGIN: &str = "--login";

impl RunScript {
    /// Reads a script.
    pub(crate) fn parse(text: &str) -> Self {
        let mut script = Self::default();
        // Set, and not yet for programs.
        let mut own: Vec<Word> = Vec::new();
        for line in logical_lines(text) {
            let mut words = words(line.0, &line.1);
            let set = words.iter().take_while(|word| is_assignment(&word.text)).count();
            let assigned: Vec<_> = words.drain(..set).collect();
            match words.first().map(|word| word.text.as_str()) {
                Some("export") => {
                    for word in words.into_iter().skip(1) {
                        match own.iter().rev().find(|own| name(&own.text) == word.text) {
                            Some(own) => script.variables.push(own.clone()),
                            None => script.variables.push(word),
                        }
                    }
                }
                Some("exec") if words.len() > 1 => {
                    script.variables.extend(assigned);
                    script.command = words.into_iter().skip(1).collect();
                }
                None => {
                    // What programs see already, they see changed.
                    let is_seen = |word: &Word| {
                        let known = script.variables.iter().map(|word| name(&word.text));
                        known.into_iter().any(|known| known == name(&word.text))
                    };
                    let (seen, unseen): (Vec<_>, Vec<_>) = assigned.into_iter().partition(is_seen);
                    script.variables.extend(seen);
                    own.extend(unseen);
                }
                Some(_) => {}
            }
        }
        script
    }

    /// The value of a variable, and where it is set.
    pub(crate) fn variable(&self, name: &str) -> Option<(&str, &Word)> {
        self.variables.iter().rev().find_map(|word| {
            let value = word.text.strip_prefix(name)?.strip_prefix('=')?;
            Some((value, word))
        })
    }

    /// The programs, each becoming or starting the next.
    pub(crate) fn links(&self) -> Vec<Link<'_>> {
        let (mut links, mut rest) = (Vec::new(), self.command.as_slice());
        while let Some((program, after)) = rest.split_first() {
            let link = Link { program, arguments: &[] };
            let own = own_arguments(link.name(), after);
            let (arguments, next) = after.split_at(own.min(after.len()));
            links.push(Link { arguments, ..link });
            rest = next;
        }
        links
    }

    /// The command from this word of it on.
    pub(crate) fn from(&self, word: &Word) -> &[Word] {
        let at = self.command.iter().position(|found| std::ptr::eq(found, word));
        at.and_then(|at| self.command.get(at..)).unwrap_or_default()
    }

    /// What stands behind this word of the command.
    pub(crate) fn behind(&self, word: &Word) -> &[Word] {
        self.from(word).get(1..).unwrap_or_default()
    }

    /// The command with a server that listens on a free port of this machine only,
    /// and prints it; `None` where there is no server that can.
    pub(crate) fn command_here(&self) -> Option<Vec<&str>> {
        let links = self.links();
        let server = links.iter().find(|link| SERVERS.contains(&link.name()))?;
        let at = self.command.iter().position(|word| std::ptr::eq(word, server.program))?;
        let host = at + server.arguments.len().checked_sub(1)?;
        let mut command: Vec<&str> = self.command.iter().map(|word| word.text.as_str()).collect();
        *command.get_mut(host)? = "127.0.0.1";
        *command.get_mut(host + 1)? = "0";
        command.insert(at + 1, "-1");
        Some(command)
    }
}

/// Whether the shell would take the word for `NAME=value`.
fn is_assignment(word: &str) -> bool {
    let is_name = |name: &str| {
        let mut letters = name.chars();
        letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
            && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
    };
    word.split_once('=').is_some_and(|(name, _)| is_name(name))
}

/// What stands before the `=`.
fn name(word: &str) -> &str {
    word.split('=').next().unwrap_or_default()
}

/// How many words behind a program's name are its own, and not the next program's.
fn own_arguments(name: &str, words: &[Word]) -> usize {
    let text = |at: usize| words.get(at).map_or("", |word| word.text.as_str());
    match name {
        // By its own rules, as far as they are kept.
        "tlsserver" => {
            let own = Options::parse(words.iter().map(|word| OsString::from(&word.text)));
            match own {
                Ok(options) => words.len() - options.program.len(),
                Err(_) => options(words, WITH_VALUE) + 2,
            }
        }
        _ if SERVERS.contains(&name) => options(words, WITH_VALUE) + 2,
        "authup" => options(words, "t") + 1,
        "checkpassword-file" => options(words, "f"),
        "checkpassword-pam" => options(words, "s"),
        "checkpassword" | "vchkpw" | "checknotroot" | "fixsmtpio" => 0,
        "env" => (0..).take_while(|&at| text(at).contains('=')).count(),
        "setuidgid" | "envuidgid" | "chpst" | "softlimit" => {
            let options = options(words, "uUbeaodlmfcprst/");
            if name.ends_with("uidgid") { options + 1 } else { options }
        }
        _ => words.len(),
    }
}

/// How many words are options; of these letters each takes a value.
fn options(words: &[Word], with_value: &str) -> usize {
    let mut count = 0;
    while let Some(option) = words.get(count).filter(|word| word.text.starts_with('-')) {
        let option = option.text.as_str();
        count += 1;
        if option == "--" {
            break;
        }
        let value = option.find(|letter| with_value.contains(letter));
        let is_long = option.starts_with("--");
        let value_follows = value.is_some_and(|at| at + 1 == option.len());
        if LONG_WITH_VALUE.contains(&option) || (!is_long && value_follows) {
            count += 1;
        }
    }
    count
}

/// Lines with those that they go on in, and the number of the first.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut goes_on = false;
    for (number, line) in (1..).zip(text.lines()) {
        match lines.last_mut().filter(|_| goes_on) {
            Some((_, last)) => {
                last.push('\n');
                last.push_str(line);
            }
            None => lines.push((number, line.to_owned())),
        }
        goes_on = line.ends_with('\\') && !line.trim_start().starts_with('#');
    }
    lines
}

/// The words of a command, without comments and redirections.
fn words(first_line: usize, text: &str) -> Vec<Word> {
    let mut line = first_line;
    let mut words = Vec::new();
    let mut word: Option<Word> = None;
    let mut quote = None;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let fresh = || Word { text: String::new(), line, is_computed: false };
        match (letter, quote) {
            ('\\', None | Some('"')) => match letters.next() {
                Some('\n') | None => line += 1,
                Some(quoted) => word.get_or_insert_with(fresh).text.push(quoted),
            },
            ('\'' | '"', None) => {
                quote = Some(letter);
                word.get_or_insert_with(fresh);
            }
            (_, Some(open)) if letter == open => quote = None,
            ('#', None) if word.is_none() => break,
            (' ' | '\t' | '\n', None) => words.extend(word.take()),
            (_, open) => {
                let word = word.get_or_insert_with(fresh);
                word.is_computed |= matches!(letter, '$' | '`') && open != Some('\'');
                word.text.push(letter);
            }
        }
    }
    words.extend(word);
    words.retain(|word| !is_redirection(&word.text));
    words
}

fn is_redirection(word: &str) -> bool {
    word.trim_start_matches(|letter: char| letter.is_ascii_digit()).starts_with(['<', '>'])
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = "#!/bin/sh\n# export NO=1\nexec 2>&1\nexport A=b QMAILHOME='/x y' C=\n\
        exec tlsserver -n -vRl0 -c 40 -x r.cdb -- 0 587 \\\n  authup -t 5 smtp \\\n\
        checkpassword-file -f /users checknotroot env A=1 qmail-fixsmtpio \\\n sendmail -bs # all\n";

    #[test]
    fn the_row_of_programs() {
        let script = RunScript::parse(SCRIPT);
        assert_eq!(script.variable("QMAILHOME").unwrap().0, "/x y");
        assert_eq!(script.variable("C").unwrap().0, "");
        assert!(script.variable("NO").is_none() && script.variable("Q").is_none());
        let links = script.links();
        let names: Vec<_> = links.iter().map(Link::name).collect();
        let expected =
            ["tlsserver", "authup", "checkpassword-file", "checknotroot", "env", "fixsmtpio"];
        assert_eq!(names, [&expected[..], &["sendmail"]].concat());
        assert_eq!(links[6].arguments.len(), 1);
        assert_eq!((links[1].program.line, links[6].program.line), (6, 8));
    }

    #[test]
    fn the_same_on_a_free_port() {
        let script = RunScript::parse(SCRIPT);
        let command = script.command_here().unwrap().join(" ");
        assert!(command.starts_with("tlsserver -1 -n -vRl0 -c 40 -x r.cdb -- 127.0.0.1 0 authup "));
        assert!(RunScript::parse("exec inetd").command_here().is_none());
    }

    #[test]
    fn variables_that_are_exported_later() {
        let script =
            RunScript::parse("PATH=/a\nexport PATH\nNOT=1\nA=1 B=2\nexport B\nB=3\nC=4 exec x\n");
        let seen: Vec<_> = script.variables.iter().map(|word| word.text.as_str()).collect();
        assert_eq!(seen, ["PATH=/a", "B=2", "B=3", "C=4"]);
        assert_eq!(script.variable("B").unwrap().0, "3");
        assert_eq!(script.variable("PATH").unwrap().1.line, 1);
    }

    #[test]
    fn what_the_shell_computes_is_marked() {
        let script = RunScript::parse("exec a \"$b\" '$c' `d`");
        let marks: Vec<_> = script.command.iter().map(|word| word.is_computed).collect();
        assert_eq!(marks, [false, true, false, true]);
    }
}
