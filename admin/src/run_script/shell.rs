//! The shell's words, and what of their variables can be told without a shell.
//!
//! `run_script` reads a script with it, command by command, and says which variables are
//! set. A word is kept as it is written until its turn comes: what `$NAME` stands for
//! depends on what was set before.

use super::Word;
use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

/// A part of a word.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    /// What stands there, its quotes taken off.
    Text(String),
    /// `$NAME` or `${NAME}`.
    Variable {
        name: String,
        /// Within double quotes, where nothing is split.
        is_quoted: bool,
        written: String,
    },
    /// What only the shell can compute.
    Computed { is_quoted: bool, written: String },
}

/// A word as it is written.
#[derive(Debug)]
pub(super) struct Written {
    parts: Vec<Part>,
    line: usize,
}

impl Written {
    const fn at(line: usize) -> Self {
        Self { parts: Vec::new(), line }
    }

    /// `&&` or `||`.
    fn of_join(letter: char, line: usize) -> Self {
        Self { parts: vec![Part::Text([letter, letter].iter().collect())], line }
    }

    /// The word, where nothing in it is the shell's to find out.
    pub(super) fn plain(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    fn push(&mut self, letter: char) {
        if let Some(Part::Text(text)) = self.parts.last_mut() {
            return text.push(letter);
        }
        self.parts.push(Part::Text(letter.into()));
    }

    /// What the word comes to, as far as the values tell.
    pub(super) fn expand(&self, values: &Values) -> Word {
        let mut word = Word::empty(self.line);
        for part in &self.parts {
            match part {
                Part::Text(text) => word.text.push_str(text),
                Part::Variable { name, is_quoted, written } => match values.0.get(name) {
                    Some(value) if *is_quoted || is_one_word(value) => word.text.push_str(value),
                    _ => word.compute(written, *is_quoted),
                },
                Part::Computed { is_quoted, written } => word.compute(written, *is_quoted),
            }
        }
        word
    }
}

impl Word {
    fn compute(&mut self, written: &str, is_quoted: bool) {
        self.is_computed = true;
        self.may_be_many |= !is_quoted;
        self.text.push_str(written);
    }
}

/// Whether the shell leaves this as it is where it is not quoted.
fn is_one_word(value: &str) -> bool {
    !value.is_empty() && !value.contains([' ', '\t', '\n', '*', '?', '['])
}

/// What the script's variables hold, as far as the script itself says.
#[derive(Debug, Default)]
pub(super) struct Values(BTreeMap<String, String>);

impl Values {
    /// Takes note of `NAME=value`.
    pub(super) fn set(&mut self, assignment: &Word) {
        let Some((name, value)) = assignment.text.split_once('=') else { return };
        if assignment.is_computed {
            self.forget(name);
        } else {
            self.0.insert(name.to_owned(), value.to_owned());
        }
    }

    /// This variable may hold anything from now on.
    pub(super) fn forget(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// All of them may.
    pub(super) fn forget_all(&mut self) {
        self.0.clear();
    }
}

/// A command, or several that `&&` and `||` join.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) words: Vec<Written>,
    /// It runs in a shell of its own, in a pipeline or in the background.
    pub(super) is_beside: bool,
}

/// The commands of a script.
pub(super) fn commands(text: &str) -> Vec<Command> {
    let lines = logical_lines(text).into_iter();
    lines.flat_map(|(number, line)| of_line(number, &line)).collect()
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

/// The commands of a line, without comments and redirections.
fn of_line(first_line: usize, text: &str) -> Vec<Command> {
    let mut line = first_line;
    let (mut commands, mut words) = (Vec::new(), Vec::new());
    let mut is_beside = false;
    let mut word: Option<Written> = None;
    let mut quote = None;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let fresh = || Written::at(line);
        match (letter, quote) {
            ('\\', None | Some('"')) => match letters.next() {
                Some('\n') | None => line += 1,
                Some(quoted) => {
                    let word = word.get_or_insert_with(fresh);
                    if quote.is_some() && !matches!(quoted, '$' | '`' | '"' | '\\') {
                        word.push('\\');
                    }
                    word.push(quoted);
                }
            },
            ('\'' | '"', None) => {
                quote = Some(letter);
                word.get_or_insert_with(fresh);
            }
            (_, Some(open)) if letter == open => quote = None,
            ('#', None) if word.is_none() => break,
            (' ' | '\t' | '\n', None) => words.extend(word.take()),
            (';', None) => {
                words.extend(word.take());
                commands.push(Command { words: std::mem::take(&mut words), is_beside });
                is_beside = false;
            }
            ('|' | '&', None) if !is_of_redirection(word.as_ref(), letters.peek()) => {
                words.extend(word.take());
                if letters.next_if_eq(&letter).is_some() {
                    words.push(Written::of_join(letter, line));
                    continue;
                }
                commands.push(Command { words: std::mem::take(&mut words), is_beside: true });
                is_beside = letter == '|';
            }
            ('$' | '`', None | Some('"')) => {
                let part = expansion(letter, quote.is_some(), &mut letters);
                word.get_or_insert_with(fresh).parts.push(part);
            }
            _ => word.get_or_insert_with(fresh).push(letter),
        }
    }
    words.extend(word);
    commands.push(Command { words, is_beside });
    for command in &mut commands {
        command.words.retain(|word| !word.is_redirection());
    }
    commands
}

/// Whether a `|` or `&` belongs to a redirection: `2>&1`, `>|`, `&>`.
fn is_of_redirection(before: Option<&Written>, behind: Option<&char>) -> bool {
    let last = before.and_then(|word| word.plain());
    last.is_some_and(|text| text.ends_with(['<', '>'])) || behind == Some(&'>')
}

impl Written {
    fn is_redirection(&self) -> bool {
        let Some(Part::Text(text)) = self.parts.first() else { return false };
        text.trim_start_matches(|letter: char| letter.is_ascii_digit()).starts_with(['<', '>'])
    }
}

/// What begins with this `$` or backquote.
fn expansion(sign: char, is_quoted: bool, letters: &mut Peekable<Chars<'_>>) -> Part {
    let mut written = String::from(sign);
    match (sign, letters.peek()) {
        ('`', _) => take_to('`', '`', &mut written, letters),
        (_, Some('(')) => take_to('(', ')', &mut written, letters),
        (_, Some('{')) => take_to('{', '}', &mut written, letters),
        _ => {
            while let Some(letter) = letters.next_if(|&letter| is_of_name(letter)) {
                written.push(letter);
            }
        }
    }
    let name = written.trim_start_matches('$');
    let name = name.strip_prefix('{').and_then(|name| name.strip_suffix('}')).unwrap_or(name);
    let begins_well = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    if begins_well && name.chars().all(is_of_name) {
        return Part::Variable { name: name.to_owned(), is_quoted, written };
    }
    // `$1`, `$?` and their like.
    Part::Computed { is_quoted, written }
}

const fn is_of_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

/// Takes letters up to what closes.
fn take_to(open: char, close: char, written: &mut String, letters: &mut Peekable<Chars<'_>>) {
    let mut depth = usize::from(open == close);
    for letter in letters.by_ref() {
        written.push(letter);
        if letter == close {
            depth -= 1;
        } else if letter == open {
            depth += 1;
        }
        if depth == 0 {
            break;
        }
    }
}
