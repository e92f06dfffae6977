//! A command as somebody says it on a command line, and as a run script has it: words,
//! quoted where the shell would make something else of them.

use proto::escape::Escaped;
use std::fmt;

/// A program and its arguments; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommandLine(Vec<String>);

impl CommandLine {
    /// Splits a text at its blanks, as the shell does. Quotes and backslashes keep a word
    /// together; what else the shell would act on must be quoted.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let unusable = |why: &str| format!("unusable command: {}: {why}", Escaped(text.as_bytes()));
        if text.chars().any(char::is_control) {
            return Err(unusable("a control character in it"));
        }
        let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            match (letter, quote) {
                ('\\', None | Some('"')) => {
                    let next = letters.next().ok_or_else(|| unusable("it ends in a backslash"))?;
                    let word = word.get_or_insert_default();
                    // Within quotes a backslash is one, but before these.
                    if quote.is_some() && !matches!(next, '"' | '\\' | '$' | '`') {
                        word.push('\\');
                    }
                    word.push(next);
                }
                (_, Some(open)) if letter == open => quote = None,
                ('\'' | '"', None) => {
                    quote = Some(letter);
                    word.get_or_insert_default();
                }
                ('$' | '`', Some('"')) => return Err(unusable("uses shell expansion ($)")),
                (' ', None) => words.extend(word.take()),
                (_, None) if SPECIAL.contains(letter) => {
                    return Err(unusable(&format!("{letter} must be quoted")));
                }
                _ => word.get_or_insert_default().push(letter),
            }
        }
        if quote.is_some() {
            return Err(unusable("a quote has no end"));
        }
        words.extend(word);
        if words.is_empty() { Err(unusable("it is empty")) } else { Ok(Self(words)) }
    }

    /// Its words.
    pub(crate) fn words(&self) -> &[String] {
        &self.0
    }

    /// The same with another program in place of the first word.
    pub(crate) fn with_program(&self, program: String) -> Self {
        Self(std::iter::once(program).chain(self.0.iter().skip(1).cloned()).collect())
    }

    /// The program's name without its folder.
    pub(crate) fn name(&self) -> &str {
        self.0.first().map_or("", |program| program.rsplit('/').next().unwrap_or(program))
    }
}

/// What the shell acts on outside of quotes.
const SPECIAL: &str = ";|&<>()$`*?[]#~!{}%";

/// As a run script has it.
impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, word) in self.0.iter().enumerate() {
            let blank = if at == 0 { "" } else { " " };
            let is_plain =
                |letter: char| letter.is_ascii_alphanumeric() || "/._+@,-=:".contains(letter);
            if !word.is_empty() && word.chars().all(is_plain) {
                write!(f, "{blank}{word}")?;
            } else {
                write!(f, "{blank}'{}'", word.replace('\'', "'\\''"))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run_script::RunScript;

    #[test]
    fn words_and_quotes() {
        for (text, words) in [
            ("sendmail -bs", &["sendmail", "-bs"][..]),
            (" a  'b c' \"d e\"f g\\ h ''", &["a", "b c", "d ef", "g h", ""]),
            (r#"sh -c 'printf "+OK\r\n"; exec x'"#, &["sh", "-c", r#"printf "+OK\r\n"; exec x"#]),
            (r#"a "b\"c\n""#, &["a", "b\"c\\n"]),
        ] {
            let command = CommandLine::parse(text).unwrap();
            assert_eq!(command.words(), words, "{text}");
            // A run script says the same.
            let script = RunScript::parse(&format!("exec {command}\n"));
            let read: Vec<_> = script.command.iter().map(|word| word.text.as_str()).collect();
            assert_eq!(read, words, "{command}");
        }
    }

    #[test]
    fn what_would_mean_something_else() {
        for (text, why) in [
            ("", "it is empty"),
            ("a 'b", "a quote has no end"),
            ("a\\", "it ends in a backslash"),
            ("a; b", "; must be quoted"),
            ("a \"$b\"", "uses shell expansion ($)"),
            ("a\nb", "a control character in it"),
        ] {
            let error = CommandLine::parse(text).unwrap_err();
            assert!(error.ends_with(why), "{text}: {error}");
        }
    }
}
