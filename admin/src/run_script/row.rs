//! The row of programs that a script becomes, each becoming or starting the next: which words
//! are whose.
//!
//! Knows the command lines of our own programs, of the servers that stand before them, and of
//! those that change something and become the next. Of any other it looks for the next one of
//! these, and says that it did not know it.

use super::Word;
use std::ffi::{OsStr, OsString};
use std::net::SocketAddr;
use std::path::Path;
use tlsserver::options::{Family, Options};

/// A program of the row, with its own arguments.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Link<'a> {
    /// The program.
    pub(crate) program: &'a Word,
    /// Its arguments, without the next program.
    pub(crate) arguments: &'a [Word],
    /// Its command line is known, or nothing that is known stands behind it.
    pub(crate) is_known: bool,
}

/// What a program of the row is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Takes connections, with TLS or without.
    Server,
    /// Asks the client who it is: authup. tlsserver may do it, too.
    Dialog,
    /// Checks a password, and becomes the user.
    Login,
    /// Refuses root: checknotroot.
    Guard,
    /// Stands between the client and the mail program: fixsmtpio, fiximapio.
    Relay,
    /// Changes something, and becomes the next.
    Wrapper,
    /// The mail program, or one that is not known.
    Other,
}

/// What env starts the next program without.
#[derive(Debug, Clone, Copy)]
pub(super) enum Dropped<'a> {
    /// All variables.
    All,
    /// The one of this name.
    One(&'a str),
}

/// tlsserver speaks authup's part.
const LOGIN: &str = "--login";
/// Options that take a value, long: tlsserver's and env's.
const LONG_WITH_VALUE: [&str; 8] =
    ["--engines", LOGIN, "--tries", "--checks", "--linger", "--ipv6-prefix", "--unset", "--chdir"];
/// Servers whose command lines are read by one rule.
pub(crate) const SERVERS: [&str; 3] = ["tlsserver", "sslserver", "tcpserver"];
/// Their options that take a value.
const WITH_VALUE: &str = "cCxugbltTAawkyYB";
/// Starts the next program under the name that stands behind that (ucspi-tcp's).
const ARGV0: &str = "argv0";
/// What is looked for behind a program that is not known.
const LOOKED_FOR: [&str; 12] = [
    ARGV0,
    "tlsserver",
    "sslserver",
    "tcpserver",
    "s6-tlsserver",
    "s6-tcpserver",
    "authup",
    "checkpassword-file",
    "checkpassword-pam",
    "checknotroot",
    "fixsmtpio",
    "fiximapio",
];
/// Ours that some have with `qmail-` before their names.
const OWN: [&str; 2] = ["authup", "fixsmtpio"];

impl<'a> Link<'a> {
    /// What env sets.
    pub(super) fn assignments(&self) -> impl Iterator<Item = &'a Word> + use<'a> {
        let is_one = |word: &&Word| word.text.contains('=') && !word.text.starts_with('-');
        self.arguments.iter().filter(is_one)
    }

    /// The program's name without its folder, nor the `qmail-` that some have.
    pub(crate) fn name(&self) -> &str {
        name(&self.program.text)
    }

    /// What it is there for.
    pub(crate) fn role(&self) -> Role {
        match self.name() {
            "tlsserver" | "sslserver" | "tcpserver" | "s6-tlsserver" | "s6-tcpserver" => {
                Role::Server
            }
            "authup" => Role::Dialog,
            "checknotroot" => Role::Guard,
            "vchkpw" => Role::Login,
            name if name.starts_with("check") => Role::Login,
            "fixsmtpio" | "fiximapio" => Role::Relay,
            name if usage(name).is_some() => Role::Wrapper,
            _ => Role::Other,
        }
    }

    /// Whether it is nothing without a program behind it.
    pub(crate) fn needs_another(&self) -> bool {
        match self.role() {
            Role::Other => false,
            // Of one that is not known, its arguments are also the next program's.
            Role::Login if usage(self.name()).is_none() => self.arguments.is_empty(),
            _ => true,
        }
    }

    /// Whether it may set variables that the script does not show.
    pub(crate) fn hides_variables(&self) -> bool {
        let by_folder = match self.name() {
            "envdir" | "s6-envdir" => true,
            "chpst" => self.option('e').is_some(),
            _ => false,
        };
        by_folder || !self.is_known
    }

    /// The folder that it reads variables from by envdir's rules, where that is said.
    pub(super) fn env_folder(&self) -> Option<&str> {
        if self.arguments.iter().any(|word| word.is_computed) {
            return None;
        }
        match self.name() {
            "envdir" => Some(&self.arguments.last()?.text),
            // With options it has rules of its own.
            "s6-envdir" if self.options().is_empty() => Some(&self.arguments.last()?.text),
            "chpst" => self.option('e'),
            _ => None,
        }
    }

    /// What env drops of the variables that it is started with.
    pub(super) fn drops(&self) -> Vec<Dropped<'_>> {
        let short = self.options().into_iter().filter_map(|(letter, value)| match letter {
            'i' => Some(Dropped::All),
            'u' => Some(Dropped::One(value)),
            _ => None,
        });
        let long = self.long_option("--unset").map(Dropped::One);
        let is_all = |word: &Word| matches!(word.text.as_str(), "-" | "--ignore-environment");
        let all = self.arguments.iter().any(is_all).then_some(Dropped::All);
        all.into_iter().chain(short).chain(long).collect()
    }

    /// The protocol that tlsserver speaks until the client has logged in, where it does.
    pub(crate) fn login(&self) -> Option<&str> {
        self.long_option(LOGIN).filter(|_| self.name() == "tlsserver")
    }

    /// Whether it holds the dialog before a login.
    pub(crate) fn has_dialog(&self) -> bool {
        self.role() == Role::Dialog || self.login().is_some()
    }

    /// Where a server listens; none where it is not said.
    pub(crate) fn listens_at(&self) -> Option<Result<SocketAddr, String>> {
        let [.., host, port] = self.arguments else { return None };
        let mut options = self.options().into_iter().rev();
        let family = options.find_map(|(letter, _)| match letter {
            '4' => Some(Family::V4),
            '6' => Some(Family::V6),
            _ => None,
        });
        let [host, port] = [host, port].map(|word| OsStr::new(&word.text));
        Some(tlsserver::listener::address(host, port, family).map_err(|why| why.to_string()))
    }

    /// The value of a long option.
    pub(crate) fn long_option(&self, name: &str) -> Option<&str> {
        let words = self.arguments.iter().map(|word| word.text.as_str());
        let mut words = words.skip_while(|word| !word.starts_with(name));
        match words.next()?.strip_prefix(name)? {
            "" => words.next(),
            joined => joined.strip_prefix('='),
        }
    }

    /// Its short options, each with its value; empty where it takes none.
    pub(crate) fn options(&self) -> Vec<(char, &str)> {
        let with_value = usage(self.name()).map_or("", |(with_value, _)| with_value);
        let mut found = Vec::new();
        let mut words = self.arguments.iter().map(|word| word.text.as_str());
        while let Some(cluster) = words.next().and_then(|word| word.strip_prefix('-')) {
            if cluster == "-" {
                break;
            }
            if cluster.starts_with('-') {
                let takes_the_next =
                    LONG_WITH_VALUE.iter().any(|name| name.get(1..) == Some(cluster));
                let _ = takes_the_next.then(|| words.next());
                continue;
            }
            let mut letters = cluster.chars();
            while let Some(letter) = letters.next() {
                if with_value.contains(letter) {
                    let joined = Some(letters.as_str()).filter(|joined| !joined.is_empty());
                    found.push((letter, joined.or_else(|| words.next()).unwrap_or_default()));
                    break;
                }
                found.push((letter, ""));
            }
        }
        found
    }

    /// The value of a short option, of several the last one's.
    pub(crate) fn option(&self, letter: char) -> Option<&str> {
        self.options().into_iter().rev().find(|(found, _)| *found == letter).map(|(_, value)| value)
    }
}

/// Takes the words apart.
pub(super) fn links(mut rest: &[Word]) -> Vec<Link<'_>> {
    let mut links = Vec::new();
    let mut is_named = false;
    while let Some((program, after)) = rest.split_first() {
        let after = after.get(usize::from(is_named)..).unwrap_or_default();
        is_named = gives_name(program);
        let (own, is_known) = own_arguments(name(&program.text), after);
        let (arguments, next) = after.split_at(own.min(after.len()));
        links.push(Link { program, arguments, is_known });
        rest = next;
    }
    links
}

/// Whether behind the next program stands the name that it is started under.
pub(super) fn gives_name(program: &Word) -> bool {
    name(&program.text) == ARGV0
}

/// A program's name without its folder, nor the `qmail-` that some have.
pub(super) fn name(program: &str) -> &str {
    let name = Path::new(program).file_name().and_then(|name| name.to_str()).unwrap_or(program);
    name.strip_prefix("qmail-").filter(|own| OWN.contains(own)).unwrap_or(name)
}

/// The options that take a value, and how many words stand between options and the next
/// program; of those only that are known.
fn usage(name: &str) -> Option<(&'static str, usize)> {
    Some(match name {
        "tlsserver" | "sslserver" | "tcpserver" => (WITH_VALUE, 2),
        "s6-tlsserver" => ("cCblBtixKkugG", 2),
        "s6-tcpserver" => ("cCbugG", 2),
        "s6-tcpserver-access" => ("vlBtix", 0),
        "s6-tlsd" | "s6-ucspitlsd" => ("vKk", 0),
        "authup" => ("t", 1),
        "checkpassword-file" => ("f", 0),
        "checkpassword-pam" => ("s", 0),
        "checkpassword" | "vchkpw" | "checknotroot" | "fixsmtpio" | "fiximapio" => ("", 0),
        // daemontools and ucspi-tcp.
        "envdir" | "setuidgid" | "envuidgid" | "setlock" => ("", 1),
        "softlimit" | "s6-softlimit" => ("acdflmoprst", 0),
        "recordio" | "pgrphack" | "fghack" | "s6-fghack" | ARGV0 => ("", 0),
        "rblsmtpd" => ("rat", 0),
        // runit and s6.
        "chpst" => ("uUbe/nlLmdopfctrC", 0),
        "s6-setuidgid" => ("", 1),
        "s6-envdir" => ("c", 1),
        "s6-envuidgid" => ("D", 1),
        "s6-setlock" => ("t", 1),
        "s6-applyuidgid" => ("ugG", 0),
        "s6-setsid" => ("d", 0),
        "s6-notifyoncheck" => ("3sTtwnc", 0),
        // The system's. Behind env's options stand what it sets.
        "env" => ("uC", 0),
        "nice" => ("n", 0),
        "ionice" => ("cn", 0),
        "nohup" | "setsid" => ("", 0),
        "stdbuf" => ("ioe", 0),
        "timeout" => ("ks", 1),
        _ => return None,
    })
}

/// How many words behind a program's name are its own and not the next program's, and
/// whether that is known.
fn own_arguments(name: &str, words: &[Word]) -> (usize, bool) {
    match (name, usage(name)) {
        // By its own rules, as far as they are kept.
        ("tlsserver", _) => {
            let own = Options::parse(words.iter().map(|word| OsString::from(&word.text)));
            let own = own.map(|options| words.len() - options.program.len());
            (own.unwrap_or_else(|_| options(words, WITH_VALUE) + 2), true)
        }
        ("env", Some((with_value, _))) => {
            let options = options(words, with_value);
            let set = words.iter().skip(options).take_while(|word| word.text.contains('='));
            (options + set.count(), true)
        }
        (_, Some((with_value, others))) => (options(words, with_value) + others, true),
        (_, None) => {
            let is_looked_for = |word: &Word| {
                !word.text.contains(char::is_whitespace)
                    && LOOKED_FOR.contains(&self::name(&word.text))
            };
            let known = words.iter().position(is_looked_for);
            (known.unwrap_or(words.len()), known.is_none())
        }
    }
}

/// How many words are options; of these letters each takes a value.
pub(super) fn options(words: &[Word], with_value: &str) -> usize {
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
    use crate::run_script::{Role, RunScript};

    /// The names of the row, those with a `?` that are not known.
    fn names(command: &str) -> Vec<String> {
        let script = RunScript::parse(&format!("exec {command}"));
        let links = script.links();
        let mark = |is_known| if is_known { "" } else { "?" };
        links.iter().map(|link| format!("{}{}", link.name(), mark(link.is_known))).collect()
    }

    #[test]
    fn what_changes_something_and_becomes_the_next_is_known() {
        for wrapper in [
            "envdir ./env",
            "setuidgid al",
            "envuidgid al",
            "softlimit -m 30000000 -o60",
            "chpst -u al:mail -e ./env -m30000000 -v",
            "setlock -n /run/lock",
            "recordio",
            "rblsmtpd -b -r list.example -t 5",
            "nice -n 5",
            "nice -10",
            "ionice -c 2 -n7",
            "nohup",
            "setsid -w",
            "stdbuf -oL",
            "timeout -k 5 60",
            "s6-envdir -f ./env",
            "s6-setuidgid al",
            "s6-envuidgid -B al",
            "s6-softlimit -m 30000000",
            "s6-applyuidgid -u 7 -g 7",
            "s6-setlock -n -t 5 lock",
            "s6-setsid",
            "s6-tlsd -K 60000",
            "s6-ucspitlsd -v 2 --",
            "s6-tcpserver-access -v0 -l host",
            "env -i -u A B=C",
            "env - B=C",
            "/usr/bin/env B=C",
        ] {
            let name = wrapper.split(' ').next().unwrap().rsplit('/').next().unwrap();
            let found = names(&format!("{wrapper} authup smtp {wrapper} ofmipd -x fixsmtpio"));
            assert_eq!(found, [name, "authup", name, "ofmipd?", "fixsmtpio"], "{wrapper}");
        }
        for server in ["s6-tlsserver -e -c 40 --", "s6-tcpserver -v -C 5", "sslserver -ne"] {
            let name = server.split(' ').next().unwrap();
            let found = names(&format!("{server} 0 587 authup smtp x y"));
            assert_eq!(found, [name, "authup", "x"], "{server}");
        }
    }

    #[test]
    fn a_program_may_be_started_under_another_name() {
        let script =
            RunScript::parse("exec argv0 x/sslserver nbofmipd -vRl0 -c 9 0 587 authup smtp");
        let links = script.links();
        let names: Vec<_> = links.iter().map(|link| link.name()).collect();
        assert_eq!(names, ["argv0", "sslserver", "authup"]);
        assert_eq!(links[1].option('c'), Some("9"));
        assert_eq!(script.behind(links[1].program)[0].text, "-vRl0");
        let (command, _) = script.command_here().unwrap();
        let here = "argv0 x/sslserver nbofmipd -1 -vRl0 -c 9 127.0.0.1 0 authup smtp";
        assert_eq!(command.join(" "), here);
    }

    #[test]
    fn behind_what_is_not_known_what_is_known_is_looked_for() {
        assert_eq!(names("front 0 587 authup smtp x"), ["front?", "authup", "x"]);
        assert_eq!(names("a -b /c/qmail-fixsmtpio d"), ["a?", "fixsmtpio", "d"]);
        assert_eq!(names("sendmail -bs -oA authups"), ["sendmail"]);
        assert_eq!(names("sh -c 'exec x/authup'"), ["sh"]);
    }

    #[test]
    fn options_and_their_values() {
        let script = RunScript::parse("exec sslserver -neRl0 -x a -u 7 -- -v 9 checkx -f a");
        let links = script.links();
        let (server, login) = (links[0], links[1]);
        let flags = [('n', ""), ('e', ""), ('R', ""), ('l', "0"), ('x', "a"), ('u', "7")];
        assert_eq!(server.options(), flags);
        assert_eq!((server.option('u'), server.option('v')), (Some("7"), None));
        assert_eq!((server.role(), login.role()), (Role::Server, Role::Login));
    }
}
