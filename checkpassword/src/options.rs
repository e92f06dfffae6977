//! The command lines of both programs: options of our own, then the next program
//! with its arguments, which are not ours to look at.

use lexopt::{Arg, Error, Parser};
use std::ffi::OsString;
use std::iter::once;
use unix::process::Argv;

/// Whether help or the version was asked for, and so answered.
#[cfg(feature = "pam")]
pub(crate) fn is_about_us(usage: &str) -> bool {
    let first = std::env::args_os().nth(1);
    unix::about::answers(first.as_deref(), usage, env!("CARGO_PKG_VERSION"))
}

/// Reads `[-X VALUE] prog [arg ...]`; the last `-X` counts.
pub(crate) fn parse(mut parser: Parser, letter: char) -> Result<(Option<OsString>, Argv), Error> {
    let mut value = None;
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Short(short) if short == letter => value = Some(parser.value()?),
            Arg::Value(program) => {
                let words = once(program).chain(parser.raw_args()?);
                return Argv::new(words).map(|next| (value, next)).ok_or_else(no_program);
            }
            Arg::Short(_) | Arg::Long(_) => return Err(argument.unexpected()),
        }
    }
    Err(no_program())
}

fn no_program() -> Error {
    "no program to run".into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use unix::environment::Environment;

    /// The option's value and the words of the next program.
    fn parsed(arguments: &[&str]) -> Result<(Option<OsString>, Vec<OsString>), Error> {
        parse(Parser::from_args(arguments), 'f').map(|(value, next)| {
            let command = next.command(&Environment::default());
            let words = once(command.get_program()).chain(command.get_args());
            (value, words.map(OsString::from).collect())
        })
    }

    #[test]
    fn options_end_where_the_program_begins() {
        let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        let expected = (Some("users".into()), words(&["sh", "-f", "x", "--", "-c"]));
        assert_eq!(parsed(&["-f", "users", "sh", "-f", "x", "--", "-c"]).unwrap(), expected);
        assert_eq!(parsed(&["-fusers", "sh", "-f", "x", "--", "-c"]).unwrap(), expected);
        assert_eq!(parsed(&["--", "-f"]).unwrap(), (None, words(&["-f"])));
    }

    #[test]
    fn wrong_command_lines() {
        for arguments in [&[][..], &["-f"], &["-f", "users"], &["-x", "sh"], &["--file=x", "sh"]] {
            assert!(parsed(arguments).is_err(), "{arguments:?}");
        }
    }
}
