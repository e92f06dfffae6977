//! The line that a script begins with: which program reads it, by the rules of execve(2), and
//! so in which language it is. Whether that program is there is for `check` to find out.

use super::row::name;

/// What stands behind `#!`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FirstLine<'a> {
    /// The program that reads the script; empty where none is named.
    pub(crate) program: &'a str,
    /// What else there is, which the program gets as one word.
    argument: &'a str,
}

/// What a script is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    /// A shell that has POSIX's words; also where no program is named.
    Shell,
    /// execline: words only, each program becoming the next.
    Execline,
    /// Another one, or a program that is compiled.
    Other,
}

/// Shells with the words of POSIX's.
const SHELLS: [&str; 9] = ["sh", "ash", "bash", "busybox", "dash", "ksh", "mksh", "yash", "zsh"];
const BLANKS: [char; 2] = [' ', '\t'];

impl<'a> FirstLine<'a> {
    /// None where the script does not begin with `#!`.
    pub(crate) fn of(script: &'a str) -> Option<Self> {
        let line = script.strip_prefix("#!")?.split('\n').next()?;
        let line = line.trim_end_matches('\r').trim_matches(BLANKS);
        let (program, argument) = line.split_once(BLANKS).unwrap_or((line, ""));
        Some(Self { program, argument: argument.trim_matches(BLANKS) })
    }

    /// The program that `env` is to find, if it is env that is asked.
    pub(crate) fn found_by_env(&self) -> Option<&'a str> {
        let mut words = self.argument.split(BLANKS);
        let mut is_program = |word: &&str| !word.starts_with('-') && !word.contains('=');
        (name(self.program) == "env").then(|| words.find(&mut is_program))?
    }
}

impl Language {
    /// Tells it by the script's beginning.
    pub(crate) fn of(script: &str) -> Self {
        let script = script.trim_start_matches('\u{feff}').trim_start();
        let Some(line) = FirstLine::of(script) else {
            return if script.starts_with("\u{7f}ELF") { Self::Other } else { Self::Shell };
        };
        match name(line.found_by_env().unwrap_or(line.program)) {
            "execlineb" => Self::Execline,
            shell if shell.is_empty() || SHELLS.contains(&shell) => Self::Shell,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_and_the_language() {
        for (script, program, language) in [
            ("#!/bin/sh\nx", Some("/bin/sh"), Language::Shell),
            ("#! \t/bin/dash -e \nx", Some("/bin/dash"), Language::Shell),
            ("#!/bin/bash\r\nx", Some("/bin/bash"), Language::Shell),
            ("#!/usr/bin/env -S A=b ksh -e\n", Some("/usr/bin/env"), Language::Shell),
            ("#!/usr/bin/env python3\n", Some("/usr/bin/env"), Language::Other),
            ("#!/usr/bin/execlineb -P\nx", Some("/usr/bin/execlineb"), Language::Execline),
            ("#!/usr/bin/perl", Some("/usr/bin/perl"), Language::Other),
            ("#!\n", Some(""), Language::Shell),
            ("\u{feff}#!/usr/bin/perl", None, Language::Other),
            ("\n#!/bin/sh\n", None, Language::Shell),
            ("exec x\n", None, Language::Shell),
            ("\u{7f}ELF\u{2}", None, Language::Other),
        ] {
            assert_eq!(FirstLine::of(script).map(|line| line.program), program, "{script:?}");
            assert_eq!(Language::of(script), language, "{script:?}");
        }
    }
}
