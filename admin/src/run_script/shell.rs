//! The shell's words, and what of their variables can be told without a shell.
//!
//! `run_script` reads a script with it, command by command, and says which variables are
//! set. A word is kept as it is written until its turn comes: what `$NAME` stands for
//! depends on what was set before.

use super::{Word, substitution};
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

impl Part {
    /// How many lines it goes on for, where it is an expansion.
    fn lines(&self) -> usize {
        match self {
            Self::Text(_) => 0,
            Self::Variable { written, .. } | Self::Computed { written, .. } => {
                written.matches('\n').count()
            }
        }
    }
}

/// A word as it is written.
#[derive(Debug)]
pub(super) struct Written {
    parts: Vec<Part>,
    line: usize,
    /// Some of it stands in quotes, or behind a backslash.
    is_quoted: bool,
}

impl Written {
    const fn at(line: usize) -> Self {
        Self { parts: Vec::new(), line, is_quoted: false }
    }

    /// `&&` or `||`.
    fn of_join(letter: char, line: usize) -> Self {
        let parts = vec![Part::Text([letter, letter].iter().collect())];
        Self { parts, line, is_quoted: false }
    }

    fn is_join(&self) -> bool {
        !self.is_quoted && matches!(self.plain(), Some("&&" | "||"))
    }

    /// The word, where nothing in it is the shell's to find out.
    pub(super) fn plain(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Whether it is the number of a descriptor, where a redirection stands behind it.
    fn is_number(&self) -> bool {
        let is_number = |text: &str| text.chars().all(|letter| letter.is_ascii_digit());
        !self.is_quoted && self.plain().is_some_and(is_number)
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
                Part::Computed { is_quoted, written } => match substituted(written, values) {
                    Some(value) if *is_quoted || is_one_word(&value) => word.text.push_str(&value),
                    _ => word.compute(written, *is_quoted),
                },
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

/// What `$(...)` stands for; none where only the shell can tell.
fn substituted(written: &str, values: &Values) -> Option<String> {
    let inner = written.strip_prefix("$(").and_then(|inner| inner.strip_suffix(')'));
    let inner = inner.or_else(|| written.strip_prefix('`')?.strip_suffix('`'))?;
    let [command] = &commands(inner)[..] else { return None };
    let words: Vec<_> = command.words.iter().map(|word| word.expand(values)).collect();
    if words.iter().any(|word| word.is_computed) {
        return None;
    }
    let words: Vec<_> = words.iter().map(|word| word.text.as_str()).collect();
    substitution::output(&words)
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

/// The commands of a script, without comments, redirections and here-documents.
pub(super) fn commands(text: &str) -> Vec<Command> {
    let mut script = Script { line: 1, ..Script::default() };
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match (letter, script.quote) {
            ('\\', None | Some('"')) => script.escaped(letters.next()),
            ('\'' | '"', None) => {
                script.quote = Some(letter);
                script.word().is_quoted = true;
            }
            (_, Some(open)) if letter == open => script.quote = None,
            ('#', None) if script.word.is_none() => {
                while letters.next_if(|&letter| letter != '\n').is_some() {}
            }
            ('\n', None) => script.end_line(&mut letters),
            (' ' | '\t', None) => script.end_word(),
            (';', None) => script.end_command(script.is_beside, false),
            ('<' | '>', None) => script.redirect(letter, &mut letters),
            // `&>`, as some shells have it.
            ('&', None) if letters.peek() == Some(&'>') => script.end_word(),
            ('|' | '&', None) if letters.next_if_eq(&letter).is_some() => {
                script.end_word();
                script.words.push(Written::of_join(letter, script.line));
            }
            ('|' | '&', None) => script.end_command(true, letter == '|'),
            ('$' | '`', None | Some('"')) => {
                let part = expansion(letter, script.quote.is_some(), &mut letters);
                let line = script.line + part.lines();
                script.word().parts.push(part);
                script.line = line;
            }
            _ => script.push(letter),
        }
    }
    script.end_command(script.is_beside, false);
    script.commands
}

/// A script as far as it is read.
#[derive(Debug, Default)]
struct Script {
    commands: Vec<Command>,
    /// The words of the command that is read.
    words: Vec<Written>,
    word: Option<Written>,
    /// The line that is read.
    line: usize,
    /// The quote that is open.
    quote: Option<char>,
    /// The command stands behind a pipe.
    is_beside: bool,
    /// The next word is where a redirection leads to, and not the command's.
    is_redirected: bool,
    /// That word ends a here-document.
    is_here: bool,
    /// What ends the here-documents that begin behind this line.
    here: Vec<String>,
}

impl Script {
    /// The word that is read, or that begins here.
    fn word(&mut self) -> &mut Written {
        let line = self.line;
        self.word.get_or_insert_with(|| Written::at(line))
    }

    fn push(&mut self, letter: char) {
        self.word().push(letter);
        self.line += usize::from(letter == '\n');
    }

    /// What stands behind a backslash.
    fn escaped(&mut self, letter: Option<char>) {
        let Some(letter) = letter.filter(|&letter| letter != '\n') else {
            self.line += 1;
            return;
        };
        let is_kept = self.quote.is_some() && !matches!(letter, '$' | '`' | '"' | '\\');
        let word = self.word();
        word.is_quoted = true;
        if is_kept {
            word.push('\\');
        }
        word.push(letter);
    }

    fn end_word(&mut self) {
        let Some(word) = self.word.take() else { return };
        if !std::mem::take(&mut self.is_redirected) {
            self.words.push(word);
        } else if std::mem::take(&mut self.is_here) {
            self.here.extend(word.plain().map(str::to_owned));
        }
    }

    /// Goes on behind the here-documents that stand there. A command goes on behind `&&` and `|`.
    fn end_line(&mut self, letters: &mut Peekable<Chars<'_>>) {
        self.end_word();
        let goes_on = self.words.last().map_or(self.is_beside, Written::is_join);
        if !goes_on {
            self.end_command(self.is_beside, false);
        }
        self.line += 1;
        for end in std::mem::take(&mut self.here) {
            while letters.peek().is_some() {
                let line: String = letters.by_ref().take_while(|&letter| letter != '\n').collect();
                self.line += 1;
                if line.trim_start_matches('\t') == end {
                    break;
                }
            }
        }
    }

    /// `>`, `2>&`, `<<` and their like; which descriptor is meant stands before it at once.
    fn redirect(&mut self, sign: char, letters: &mut Peekable<Chars<'_>>) {
        self.word.take_if(|word| word.is_number());
        self.end_word();
        let mut signs = String::from(sign);
        while let Some(more) = letters.next_if(|&more| more == sign || "&|>".contains(more)) {
            signs.push(more);
        }
        self.is_redirected = true;
        self.is_here = signs == "<<";
        // `<<-`: the end may stand behind tabs.
        let _ = self.is_here && letters.next_if_eq(&'-').is_some();
    }

    fn end_command(&mut self, is_beside: bool, next_is_beside: bool) {
        self.end_word();
        self.is_redirected = false;
        self.commands.push(Command { words: std::mem::take(&mut self.words), is_beside });
        self.is_beside = next_is_beside;
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
