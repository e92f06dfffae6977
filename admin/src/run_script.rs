//! Run scripts: which variables they set and which programs they become.
//!
//! Reads as much of the shell as run scripts have: `export`, quotes, lines that go on after a
//! backslash, variables that the script itself has set, and one `exec` at the end, or a server that
//! is run without it; and what the usual substitutions stand for. What only the shell can compute
//! is marked, not guessed. Of execline's scripts, those that are one row of programs.

mod env_folder;
mod execline;
mod first_line;
mod row;
mod shell;
mod substitution;

pub(crate) use env_folder::EnvFolder;
use env_folder::Setting;
pub(crate) use first_line::{FirstLine, Language};
use proto::names::Variable;
use row::Dropped;
pub(crate) use row::{Link, Role, SERVERS};
use shell::{Command, Values, Written};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::rc::Rc;

/// A word of the script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    /// The word, its quotes taken off.
    pub(crate) text: String,
    /// The file that it stands in, if that is not the script but what systemd starts it by.
    pub(crate) file: Option<Rc<Path>>,
    /// The line that it stands in, from 1.
    pub(crate) line: usize,
    /// Only the shell, or systemd, knows what it comes to.
    pub(crate) is_computed: bool,
    /// And how many words that is: it stands there without quotes.
    pub(crate) may_be_many: bool,
}

impl Word {
    pub(crate) const fn empty(line: usize) -> Self {
        Self { text: String::new(), file: None, line, is_computed: false, may_be_many: false }
    }

    /// Why a word that is computed is not known here.
    pub(crate) const fn why_computed(&self) -> &'static str {
        match self.file {
            Some(_) => "only systemd knows what it comes to",
            None => "uses shell expansion",
        }
    }
}

/// tlsserver's option for what stands behind a load balancer, whose addresses may be joined to it.
const PROXY_PROTOCOL: &str = "--proxy-protocol";

/// What a script says.
#[derive(Debug, Default)]
pub(crate) struct RunScript {
    /// Variables that are set for the programs: each word is `NAME=value`.
    pub(crate) variables: Vec<Word>,
    /// What is set, or unset, where only a shell knows whether it comes to that: each word is
    /// `NAME=value`, or a name.
    pub(crate) doubtful: Vec<Word>,
    /// What takes others from elsewhere, which may set any variable: `. FILE`, say, or systemd's
    /// `EnvironmentFile`.
    pub(crate) elsewhere: Vec<Word>,
    /// What folders say that programs of the row read: behind which word of the command.
    folders: Vec<(usize, Vec<Setting>)>,
    /// It goes to another folder.
    pub(crate) moves: bool,
    /// The program that the script becomes, and its arguments.
    pub(crate) command: Vec<Word>,
    /// It does not become it: the shell stays, and why.
    pub(crate) shell_stays: Option<Stays>,
    /// Words that are to set a variable of a name that no shell takes, such as
    /// `CERTFILE:name=…`.
    pub(crate) misnamed: Vec<Word>,
    /// `ulimit`'s bound on memory, in octets, and where it is set.
    pub(crate) memory: Option<(u64, usize)>,
}

/// Why the shell stays between a supervisor and the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stays {
    /// There is no `exec`.
    NoExec,
    /// It is one of a pipeline, or runs in the background: in a shell of its own, `exec` or not.
    Beside,
}

/// Words that commands stand behind, and that open and close what may not come to pass.
const FRAME: [&str; 14] = [
    "if", "then", "elif", "else", "fi", "for", "while", "until", "do", "done", "case", "esac", "{",
    "}",
];
/// Commands that run scripts have and that set no variable, whatever they name.
const SET_NOTHING: [&str; 16] = [
    ":", "[", "cat", "cd", "chmod", "chown", "echo", "exit", "logger", "mkdir", "rm", "sleep",
    "tcprules", "test", "touch", "umask",
];

impl RunScript {
    /// Reads a script; none where it is in a language that is not known here.
    pub(crate) fn read(text: &str) -> Option<Self> {
        match Language::of(text) {
            Language::Shell => Some(Self::parse(text)),
            Language::Execline => execline::parse(text),
            Language::Other => None,
        }
    }

    /// Reads a shell's script.
    pub(crate) fn parse(text: &str) -> Self {
        let mut reading = Reading::default();
        for command in shell::commands(text) {
            reading.list(&command);
        }
        reading.script
    }

    /// The value of a variable that the server or authup has, and where it is set.
    pub(crate) fn variable(&self, name: &str) -> Option<(&str, &Word)> {
        last_of(name, self.set())
    }

    /// The same of a program behind these links.
    pub(crate) fn variable_behind<'a>(
        &'a self,
        links: &[Link<'a>],
        name: &str,
    ) -> Option<(&'a str, &'a Word)> {
        last_of(name, self.set_behind(links))
    }

    /// The qmail home that the server or authup has; none where only a shell can tell.
    pub(crate) fn home(&self) -> Option<&str> {
        match self.variable(Variable::QmailHome.name()) {
            Some((_, word)) if word.is_computed => None,
            Some((home, _)) if !home.is_empty() => Some(home),
            None if self.is_doubtful(Variable::QmailHome.name()) => None,
            _ => Some(unix::control::HOME),
        }
    }

    /// All that is set for the server or authup, each `NAME=value`; the last of a name counts.
    /// What an `env` drops before it is not set.
    pub(crate) fn set(&self) -> Vec<&Word> {
        self.set_behind(&self.front())
    }

    /// The same for what stands behind these links.
    pub(crate) fn set_behind<'a>(&'a self, links: &[Link<'a>]) -> Vec<&'a Word> {
        let mut set: Vec<&Word> = self.variables.iter().collect();
        for link in links {
            for setting in self.folder_of(link).unwrap_or_default() {
                set.retain(|word| name(&word.text) != setting.name);
                set.extend(&setting.word);
            }
            if link.name() != "env" {
                continue;
            }
            for dropped in link.drops() {
                match dropped {
                    Dropped::All => set.clear(),
                    Dropped::One(dropped) => set.retain(|word| name(&word.text) != dropped),
                }
            }
            // Names that no shell would take, such as CERTFILE:NAME, env sets, too.
            set.extend(link.assignments());
        }
        set
    }

    /// The folders that programs before the server or authup read variables from.
    pub(crate) fn env_folders(&self) -> Vec<EnvFolder> {
        let front = self.front();
        let found = front.iter().filter_map(|link| {
            let name = link.env_folder()?.to_owned();
            let (at, line) = (self.at(link.program)?, link.program.line);
            Some(EnvFolder { at, line, name, passes_folders: link.name() == "chpst" })
        });
        found.collect()
    }

    /// Takes note of what one says, which is at this place.
    ///
    /// # Errors
    /// The system's: it cannot be read.
    pub(crate) fn learn(&mut self, folder: &EnvFolder, place: &Path) -> io::Result<()> {
        self.folders.push((folder.at, env_folder::read(folder, place)?));
        Ok(())
    }

    /// What the folder says that this program reads, where that is known.
    fn folder_of(&self, link: &Link<'_>) -> Option<&[Setting]> {
        let at = self.at(link.program)?;
        self.folders.iter().find(|(found, _)| *found == at).map(|(_, settings)| &settings[..])
    }

    /// Whether other variables may be set, too: by the files of a folder, say.
    pub(crate) fn hides_variables(&self) -> bool {
        !self.elsewhere.is_empty()
            || self
                .front()
                .iter()
                .any(|link| link.hides_variables() && self.folder_of(link).is_none())
    }

    /// Whether this one may be set, or not be, for all that is known here.
    pub(crate) fn hides(&self, name: &str) -> bool {
        self.is_doubtful(name) || self.hides_variables()
    }

    /// Whether the script itself may set or unset it.
    pub(crate) fn is_doubtful(&self, name: &str) -> bool {
        !self.elsewhere.is_empty()
            || self.doubtful.iter().any(|word| self::name(&word.text) == name)
    }

    /// The programs before the server or authup.
    fn front(&self) -> Vec<Link<'_>> {
        let is_front = |link: &Link<'_>| !matches!(link.role(), Role::Server | Role::Dialog);
        let mut links = self.links();
        let count = links.iter().take_while(|link| is_front(link)).count();
        // A row without either has its variables from the script alone.
        links.truncate(if count == links.len() { 0 } else { count });
        links
    }

    /// The programs, each becoming or starting the next.
    pub(crate) fn links(&self) -> Vec<Link<'_>> {
        row::links(&self.command)
    }

    /// The command from this word of it on.
    pub(crate) fn from(&self, word: &Word) -> &[Word] {
        self.at(word).and_then(|at| self.command.get(at..)).unwrap_or_default()
    }

    /// What stands behind this program of the command.
    pub(crate) fn behind(&self, program: &Word) -> &[Word] {
        let before = self.at(program).and_then(|at| self.command.get(at.checked_sub(1)?));
        let own_name = usize::from(before.is_some_and(row::gives_name));
        self.from(program).get(1 + own_name..).unwrap_or_default()
    }

    /// Which of the command's words it is.
    fn at(&self, word: &Word) -> Option<usize> {
        self.command.iter().position(|found| std::ptr::eq(found, word))
    }

    /// The command with a server that listens on a free port, which it prints, and at which
    /// address: its own, or, where that is every one, one that only this machine reaches.
    /// `None` where there is no server that can.
    pub(crate) fn command_here(&self) -> Option<(Vec<String>, SocketAddr)> {
        let links = self.links();
        let server = links.iter().find(|link| SERVERS.contains(&link.name()))?;
        let first = self.command.len() - self.behind(server.program).len();
        let host = first + server.arguments.len().checked_sub(2)?;
        let mut command: Vec<String> = self.command.iter().map(|word| word.text.clone()).collect();
        let own = server.listens_at()?.ok().filter(|address| !address.ip().is_unspecified());
        let address = own.unwrap_or_else(|| {
            let is_ipv6 = server.option('6').is_some();
            let (ipv4, ipv6) = (Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into());
            SocketAddr::new(if is_ipv6 { ipv6 } else { ipv4 }, 0)
        });
        if own.is_none() {
            *command.get_mut(host)? = address.ip().to_string();
        }
        *command.get_mut(host + 1)? = "0".into();
        // Nobody but this machine can be the load balancer there.
        for word in command.iter_mut().take(host).skip(first) {
            if word.starts_with(PROXY_PROTOCOL) {
                *word = format!("{PROXY_PROTOCOL}={}", spoken_from(address.ip()));
            }
        }
        command.insert(first, "-1".into());
        Some((command, address))
    }
}

/// The address that this machine speaks from to one of its own.
pub(crate) fn spoken_from(own: IpAddr) -> IpAddr {
    match own {
        IpAddr::V4(ip) if ip.is_loopback() => Ipv4Addr::LOCALHOST.into(),
        own => own,
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
    /// Commands that `&&` and `||` join: those behind may not come to pass.
    fn list(&mut self, command: &Command) {
        let joins = |word: &Written| matches!(word.plain(), Some("&&" | "||"));
        for (number, part) in command.words.split(joins).enumerate() {
            self.depth += usize::from(number > 0);
            self.command(part, command.is_beside);
            self.depth = self.depth.saturating_sub(usize::from(number > 0));
        }
    }

    fn command(&mut self, mut written: &[Written], is_beside: bool) {
        while let Some(own) = self.frame(written) {
            written = written.get(own..).unwrap_or_default();
        }
        let words: Vec<_> = written.iter().map(|word| word.expand(&self.values)).collect();
        let set = words.iter().take_while(|word| is_assignment(&word.text)).count();
        let (assigned, words) = words.split_at(set);
        match words.first().map(|word| word.text.as_str()) {
            None => self.assign(written),
            Some("export") => self.export(words),
            Some("exec") if words.len() > 1 => {
                self.runs(assigned, words.get(1..).unwrap_or_default());
                self.script.shell_stays = is_beside.then_some(Stays::Beside);
            }
            Some("ulimit") => self.limit(words),
            Some("unset") => self.unset(words),
            Some("." | "source" | "eval") => {
                self.values.forget_all();
                self.script.elsewhere.extend(joined(words));
            }
            Some("cd") => self.script.moves = true,
            Some(_) if self.may_run_without_exec(words) => {
                self.runs(assigned, words);
                let stays = if is_beside { Stays::Beside } else { Stays::NoExec };
                self.script.shell_stays = Some(stays);
            }
            Some(text) if is_appended(text) => self.assign(written),
            Some(text) if self.depth == 0 && is_misnamed(text) => {
                self.script.misnamed.extend(words.first().cloned());
            }
            Some(text) if SET_NOTHING.contains(&row::name(text)) => {}
            // `read`, `readonly`, functions of the script's own: whatever they name.
            Some(_) => assigned.iter().chain(words).for_each(|word| {
                self.values.forget(name(&word.text));
            }),
        }
    }

    /// How many words before a command belong to what it stands in: which opens and closes there.
    fn frame(&mut self, written: &[Written]) -> Option<usize> {
        let word = written.first()?.expand(&Values::default());
        match word.text.as_str() {
            "fi" | "done" | "esac" | "}" => self.depth = self.depth.saturating_sub(1),
            "if" | "for" | "while" | "until" | "{" => self.depth += 1,
            "case" => {
                self.depth += 1;
                let found = written.iter().position(|word| word.plain() == Some("in"));
                return Some(found.map_or(written.len(), |at| at + 1));
            }
            text if FRAME.contains(&text) => {}
            // A pattern of `case`.
            text if self.depth > 0 && text.ends_with(')') && !text.starts_with('$') => {}
            _ => return None,
        }
        Some(1)
    }

    fn runs(&mut self, assigned: &[Word], command: &[Word]) {
        self.script.variables.extend_from_slice(assigned);
        self.script.command = command.to_vec();
    }

    /// Whether these words are a server's, and nothing else is run by `exec`.
    fn may_run_without_exec(&self, words: &[Word]) -> bool {
        let is_free = self.script.command.is_empty() || self.script.shell_stays.is_some();
        let links = row::links(words);
        let serves = |link: &Link<'_>| matches!(link.role(), Role::Server | Role::Dialog);
        is_free && links.first().is_some_and(|first| first.is_known) && links.iter().any(serves)
    }

    /// `ulimit -v` and `-d`, in kilobytes.
    fn limit(&mut self, words: &[Word]) {
        let [.., option, number] = words else { return };
        let is_of_memory = option.text.starts_with('-') && option.text.contains(['v', 'd']);
        let Ok(kilobytes) = number.text.parse::<u64>() else { return };
        if is_of_memory && self.depth == 0 {
            self.script.memory = Some((kilobytes.saturating_mul(1024), number.line));
        }
    }

    /// `NAME=value`, once or more, each with what those before it have set.
    fn assign(&mut self, written: &[Written]) {
        for word in written {
            let word = word.expand(&self.values);
            // What programs see already, they see changed.
            let is_seen = self.is_seen(name(&word.text));
            self.set(word, is_seen);
        }
    }

    fn is_seen(&self, name: &str) -> bool {
        self.script.variables.iter().any(|seen| self::name(&seen.text) == name)
    }

    /// Takes note of an assignment, be it for programs or not yet.
    fn set(&mut self, word: Word, is_for_programs: bool) {
        let name = name(&word.text).to_owned();
        self.own.retain(|own| self::name(&own.text) != name);
        let is_sure = self.depth == 0 && !is_appended(&word.text);
        if is_sure {
            self.values.set(&word);
        } else {
            self.values.forget(&name);
        }
        // Every program has a PATH, that of whoever starts the script.
        if !is_for_programs && name != "PATH" {
            // Exported later, it is whatever it is then.
            self.own.extend(is_sure.then_some(word));
        } else if is_sure && (is_for_programs || !word.is_computed) {
            self.settle(word);
        } else {
            self.doubt(word);
        }
    }

    /// Programs have this.
    fn settle(&mut self, word: Word) {
        self.script.doubtful.retain(|doubtful| name(&doubtful.text) != name(&word.text));
        self.script.variables.push(word);
    }

    /// They have this or something else, or nothing of this name.
    fn doubt(&mut self, word: Word) {
        self.script.variables.retain(|seen| name(&seen.text) != name(&word.text));
        self.script.doubtful.push(word);
    }

    fn export(&mut self, words: &[Word]) {
        for word in words.iter().skip(1) {
            let own = self.own.iter().rev().find(|own| name(&own.text) == word.text).cloned();
            match own {
                _ if is_assignment(&word.text) || is_appended(&word.text) => {
                    self.set(word.clone(), true);
                }
                _ if word.text.contains('=') => {
                    let is_misnamed = is_misnamed(&word.text) && !word.is_computed;
                    self.script.misnamed.extend(is_misnamed.then(|| word.clone()));
                }
                Some(own) if self.depth == 0 => self.settle(own),
                Some(own) => self.doubt(own),
                // From whoever starts the script, or from commands that are not understood.
                None if !self.is_seen(&word.text) => self.doubt(word.clone()),
                None => {}
            }
        }
    }

    fn unset(&mut self, words: &[Word]) {
        for word in words.iter().skip(1) {
            let is_it = |seen: &Word| name(&seen.text) == word.text;
            self.values.forget(&word.text);
            self.own.retain(|own| !is_it(own));
            if self.depth == 0 {
                self.script.variables.retain(|seen| !is_it(seen));
                self.script.doubtful.retain(|seen| !is_it(seen));
            } else if let Some(seen) = self.script.variables.iter().rev().find(|seen| is_it(seen)) {
                self.doubt(seen.clone());
            }
        }
    }
}

/// A command as one word.
fn joined(words: &[Word]) -> Option<Word> {
    let texts: Vec<_> = words.iter().map(|word| word.text.as_str()).collect();
    Some(Word { text: texts.join(" "), ..words.first()?.clone() })
}

/// The last of these assignments to a name, and its value.
fn last_of<'a>(name: &str, set: Vec<&'a Word>) -> Option<(&'a str, &'a Word)> {
    set.into_iter().rev().find_map(|word| {
        let value = word.text.strip_prefix(name)?.strip_prefix('=')?;
        Some((value, word))
    })
}

/// Whether the shell would take the word for `NAME=value`.
fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| is_name(name, ""))
}

/// Whether some shells would take it for an assignment that adds to what is there: `NAME+=value`.
fn is_appended(word: &str) -> bool {
    word.split_once("+=").is_some_and(|(name, _)| is_name(name, ""))
}

/// Whether it is to set a variable of a name that no shell takes, such as `CERTFILE:name`.
fn is_misnamed(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| !is_name(name, "") && is_name(name, ":-."))
}

/// Whether it is a variable's name, if these may be in it, too.
fn is_name(name: &str, more: &str) -> bool {
    let mut letters = name.chars();
    letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && letters
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '_' || more.contains(letter))
}

/// What stands before the `=`, or the `+=`.
fn name(word: &str) -> &str {
    word.split('=').next().unwrap_or_default().trim_end_matches('+')
}

#[cfg(test)]
mod tests;
