//! Run scripts: which variables they set and which programs they become.
//!
//! Reads as much of the shell as run scripts have: `export`, quotes, lines that go
//! on after a backslash, variables that the script itself has set, and one `exec` at the
//! end. What only the shell can compute is marked, not guessed.

mod shell;

use shell::{Values, Written};
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
    /// And how many words that is: it stands there without quotes.
    pub(crate) may_be_many: bool,
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
/// Words that commands stand behind, and that open and close what may not come to pass.
const FRAME: [&str; 14] = [
    "if", "then", "elif", "else", "fi", "for", "while", "until", "do", "done", "case", "esac", "{",
    "}",
];
/// tlsserver speaks authup's part.
const LOGIN: &str = "--login";

impl RunScript {
    /// Reads a script.
    pub(crate) fn parse(text: &str) -> Self {
        let mut reading = Reading::default();
        for words in shell::commands(text) {
            reading.command(&words);
        }
        reading.script
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

/// A script as far as it is read.
#[derive(Debug, Default)]
struct Reading {
    script: RunScript,
    /// Set, and not yet for programs.
    own: Vec<Word>,
    values: Values,
    /// How many `if`s, loops and the like are open: what they set may not come to pass.
    depth: usize,
}

impl Reading {
    fn command(&mut self, mut written: &[Written]) {
        let first =
            |written: &[Written]| written.first().map(|word| word.expand(&Values::default()));
        while let Some(word) = first(written).filter(|word| FRAME.contains(&word.text.as_str())) {
            match word.text.as_str() {
                "fi" | "done" | "esac" | "}" => self.depth = self.depth.saturating_sub(1),
                "if" | "for" | "while" | "until" | "case" | "{" => self.depth += 1,
                _ => {}
            }
            written = written.get(1..).unwrap_or_default();
        }
        let words: Vec<_> = written.iter().map(|word| word.expand(&self.values)).collect();
        let set = words.iter().take_while(|word| is_assignment(&word.text)).count();
        let (assigned, words) = words.split_at(set);
        match words.first().map(|word| word.text.as_str()) {
            None => self.assign(written),
            Some("export") => self.export(words),
            Some("exec") if words.len() > 1 => {
                self.script.variables.extend_from_slice(assigned);
                self.script.command = words.iter().skip(1).cloned().collect();
            }
            Some("unset") => self.unset(words),
            Some("." | "source" | "eval") => self.values.forget_all(),
            // `read`, `readonly`, `test … && NAME=value`: whatever they name.
            Some(_) => assigned.iter().chain(words).for_each(|word| {
                self.values.forget(name(&word.text));
            }),
        }
    }

    /// `NAME=value`, once or more, each with what those before it have set.
    fn assign(&mut self, written: &[Written]) {
        for word in written {
            let word = word.expand(&self.values);
            self.note(&word);
            // What programs see already, they see changed.
            let mut seen = self.script.variables.iter().map(|word| name(&word.text));
            if seen.any(|seen| seen == name(&word.text)) {
                self.script.variables.push(word);
            } else {
                self.own.push(word);
            }
        }
    }

    fn export(&mut self, words: &[Word]) {
        for word in words.iter().skip(1) {
            if is_assignment(&word.text) {
                self.note(word);
            }
            let own = self.own.iter().rev().find(|own| name(&own.text) == word.text);
            self.script.variables.push(own.unwrap_or(word).clone());
        }
    }

    fn unset(&mut self, words: &[Word]) {
        for word in words.iter().skip(1) {
            self.values.forget(&word.text);
            self.own.retain(|own| name(&own.text) != word.text);
            self.script.variables.retain(|seen| name(&seen.text) != word.text);
        }
    }

    /// Takes note of a value that words behind it may stand for.
    fn note(&mut self, assignment: &Word) {
        if self.depth == 0 {
            self.values.set(assignment);
        } else {
            self.values.forget(name(&assignment.text));
        }
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
        let script =
            RunScript::parse("exec a \"$b\" '$c' `d e` $(f g) -u\"$(h \"i\" j)\" ${k:-l m} $1");
        let said: Vec<_> =
            script.command.iter().map(|word| (word.text.as_str(), word.is_computed)).collect();
        let expected = [
            ("a", false),
            ("$b", true),
            ("$c", false),
            ("`d e`", true),
            ("$(f g)", true),
            ("-u$(h \"i\" j)", true),
            ("${k:-l m}", true),
            ("$1", true),
        ];
        assert_eq!(said, expected);
    }

    /// What the last word of a script comes to; none where only the shell knows.
    fn last(script: &str) -> Option<String> {
        let script = RunScript::parse(script);
        script.command.last().filter(|word| !word.is_computed).map(|word| word.text.clone())
    }

    #[test]
    fn variables_that_the_script_has_set_are_known() {
        for (script, value) in [
            ("export A=/x\nexec env B=\"$A\"", "B=/x"),
            ("A=/x\nexec env B=$A/${A}y", "B=/x//xy"),
            ("export A='/x y'\nexec env \"B=${A}\"", "B=/x y"),
            ("export A=\nexec env B=\"$A\"", "B="),
            ("A=1 B=2$A\nexport C=3$B; exec \"$C\"", "321"),
            ("A=1\nA=2\nexec x $A", "2"),
            ("if test -f /x; then C=1; fi\nA=1\nexec x $A", "1"),
            ("A=1\nexec x \"\\$A\\n\"", "$A\\n"),
        ] {
            assert_eq!(last(script).as_deref(), Some(value), "{script}");
        }
    }

    #[test]
    fn what_cannot_be_known_is_not_asserted() {
        for script in [
            "exec x $A",
            "A=$(b)\nexec x $A",
            "A=\"b c\"\nexec x $A",
            "A=\nexec x $A",
            "A=*\nexec x $A",
            "A=1\n. /etc/default/mail\nexec x $A",
            "A=1\nunset A\nexec x $A",
            "A=1\nread A\nexec x $A",
            "A=1\ntest -f /x && A=2\nexec x $A",
            "A=1\nif test -f /x; then A=2; fi\nexec x $A",
            "A=1\nif test -f /x\nthen\n  export A=2\nfi\nexec x $A",
            "A=1\nfor B in 1 2; do A=$B; done\nexec x $A",
            "A=1 exec x $A",
        ] {
            assert_eq!(last(script), None, "{script}");
        }
    }
}
