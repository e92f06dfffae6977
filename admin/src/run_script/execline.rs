//! Run scripts of execline, as s6's are: one row of programs, however many lines it takes.
//!
//! Reads rows without blocks. What execline's own programs at its front do is told here:
//! `export` sets a variable, and others move descriptors about, which nothing here depends on.

use super::{Role, RunScript, Word, row};

/// Its programs that change nothing that is looked at, their options that take a value, and how
/// many words stand behind these.
const WITHOUT_EFFECT: [(&str, &str, usize); 10] = [
    ("fdmove", "", 2),
    ("fdclose", "", 1),
    ("redirfd", "", 2),
    ("cd", "", 1),
    ("execline-cd", "", 1),
    ("umask", "", 1),
    ("execline-umask", "", 1),
    ("exec", "a", 0),
    // What these read stands behind as `$NAME`.
    ("importas", "Dd", 2),
    ("define", "d", 2),
];

/// Reads a script; none where it has blocks.
pub(super) fn parse(text: &str) -> Option<RunScript> {
    let words = words(text);
    let has_blocks = words.iter().any(|word| matches!(word.text.as_str(), "{" | "}"));
    (!has_blocks).then(|| take_apart(&words))
}

fn take_apart(mut rest: &[Word]) -> RunScript {
    let mut script = RunScript::default();
    while let [program, behind @ ..] = rest {
        if let ("export", [name, value, next @ ..]) = (program.text.as_str(), behind) {
            let text = format!("{}={}", name.text, value.text);
            let is_computed = name.is_computed || value.is_computed;
            script.variables.push(Word { text, is_computed, ..name.clone() });
            rest = next;
        } else if let ("unexport", [dropped, next @ ..]) = (program.text.as_str(), behind) {
            script.variables.retain(|set| super::name(&set.text) != dropped.text);
            rest = next;
        } else if program.text == "emptyenv" {
            script.variables.clear();
            rest = behind.get(row::options(behind, "")..).unwrap_or_default();
        } else if let Some((name, with_value, own)) =
            WITHOUT_EFFECT.iter().find(|(name, ..)| *name == program.text)
        {
            script.moves |= name.ends_with("cd");
            rest = behind.get(row::options(behind, with_value) + own..).unwrap_or_default();
        } else {
            // The wrappers before a server stay, as they would in a shell's.
            let wrapper = row::links(rest).first().copied();
            let wrapper = wrapper.filter(|link| link.is_known && link.role() == Role::Wrapper);
            let own = wrapper.map_or(rest.len(), |link| link.arguments.len() + 1);
            script.command.extend_from_slice(rest.get(..own).unwrap_or_default());
            rest = rest.get(own..).unwrap_or_default();
        }
    }
    script
}

/// Its words: quotes and backslashes taken off, comments left out.
fn words(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut word: Option<Word> = None;
    let (mut line, mut is_quoted) = (1, false);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if letters.next_if_eq(&'\n').is_some() => line += 1,
            '#' if word.is_none() => while letters.next_if(|&letter| letter != '\n').is_some() {},
            _ if letter.is_ascii_whitespace() && !is_quoted => words.extend(word.take()),
            _ => {
                let word = word.get_or_insert_with(|| Word::empty(line));
                match letter {
                    '"' => is_quoted = !is_quoted,
                    '\\' => word.text.extend(letters.next()),
                    _ => word.text.push(letter),
                }
                // `$NAME` and `${NAME}`, which stand for something only behind such as `importas`.
                word.is_computed |= letter == '$';
            }
        }
        line += usize::from(letter == '\n');
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run_script::Link;

    #[test]
    fn a_row_without_blocks() {
        let script = parse(
            "#!/usr/bin/execlineb -P\n# all of it\nfdmove -c 2 1\ns6-envdir ./env\n\
             export A \"b # c\"\ns6-setuidgid al export UCSPITLS !\n\
             tlsserver -n \\\n -- 0 587 authup smtp # more\n x$y \"\"\n",
        );
        let script = script.unwrap();
        assert_eq!(
            script.variable("A").map(|(value, word)| (value, word.line)),
            Some(("b # c", 5))
        );
        assert_eq!(script.variable("UCSPITLS").map(|(value, _)| value), Some("!"));
        let links = script.links();
        let names: Vec<_> =
            links.iter().map(|link| (Link::name(link), link.program.line)).collect();
        let expected =
            [("s6-envdir", 4), ("s6-setuidgid", 6), ("tlsserver", 7), ("authup", 8), ("x$y", 9)];
        assert_eq!(names, expected);
        assert!(links[4].program.is_computed && !links[3].program.is_computed);
        assert_eq!(links[4].arguments[0].text, "");
        assert!(script.shell_stays.is_none());
    }

    #[test]
    fn variables_go_as_they_come() {
        let script = "export A 1\nemptyenv -p\nexport B 2\nexport C 3\nunexport C\n\
                      importas -u D D\ntlsserver 0 25 $D\n";
        let script = parse(script).unwrap();
        let set: Vec<_> = script.set().into_iter().map(|word| word.text.as_str()).collect();
        assert_eq!(set, ["B=2"]);
        assert_eq!(script.links().len(), 2);
    }

    #[test]
    fn options_have_values() {
        let script = parse(
            "importas -D 587 PORT PORT\nimportas -ud: -D 0 -- HOST HOST\ndefine -sd , A b,c\n\
             exec -a submission -c\ntlsserver $HOST $PORT x\n",
        );
        let script = script.unwrap();
        let names: Vec<_> = script.links().iter().map(|link| link.name().to_owned()).collect();
        assert_eq!(names, ["tlsserver", "x"]);
    }

    #[test]
    fn blocks_are_not_understood() {
        assert!(parse("foreground { echo \"{\" }\ntlsserver 0 587 x\n").is_none());
    }
}
