//! The command lines of both programs: options of our own, then the next program
//! with its arguments, which are not ours to look at.

use lexopt::{Arg, Error, Parser};
use std::ffi::OsString;

/// The program to become after a good login.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Next {
    /// Looked up in `PATH` where it holds no slash.
    pub(crate) program: OsString,
    /// Its arguments.
    pub(crate) arguments: Vec<OsString>,
}

/// Reads `[-X VALUE] prog [arg ...]`; the last `-X` counts.
pub(crate) fn parse(mut parser: Parser, letter: char) -> Result<(Option<OsString>, Next), Error> {
    let mut value = None;
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Short(short) if short == letter => value = Some(parser.value()?),
            Arg::Value(program) => {
                let arguments = parser.raw_args()?.collect();
                return Ok((value, Next { program, arguments }));
            }
            Arg::Short(_) | Arg::Long(_) => return Err(argument.unexpected()),
        }
    }
    Err(Error::Custom("no program to run".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<(Option<OsString>, Next), Error> {
        parse(Parser::from_args(arguments), 'f')
    }

    #[test]
    fn options_end_where_the_program_begins() {
        let next = |program: &str, arguments: &[&str]| Next {
            program: program.into(),
            arguments: arguments.iter().map(OsString::from).collect(),
        };
        let expected = (Some("users".into()), next("sh", &["-f", "x", "--", "-c"]));
        assert_eq!(parsed(&["-f", "users", "sh", "-f", "x", "--", "-c"]).unwrap(), expected);
        assert_eq!(parsed(&["-fusers", "sh", "-f", "x", "--", "-c"]).unwrap(), expected);
        assert_eq!(parsed(&["--", "-f"]).unwrap(), (None, next("-f", &[])));
    }

    #[test]
    fn wrong_command_lines() {
        for arguments in [&[][..], &["-f"], &["-f", "users"], &["-x", "sh"], &["--file=x", "sh"]] {
            assert!(parsed(arguments).is_err(), "{arguments:?}");
        }
    }
}
