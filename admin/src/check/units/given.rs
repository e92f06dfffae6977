//! What a unit gives to the script that it runs: as whom it runs, which variables are set, and which
//! sockets are open.

use super::unit::{Setting, Unit, settings};
use crate::check::folder;
use crate::check::service::Service;
use crate::check::who::Who;
use crate::run_script::Word;
use std::path::Path;
use unix::regular_file::read;

/// Has the service know it.
pub(super) fn learn(service: &mut Service, unit: &Unit) {
    service.starter = starter(unit);
    let mut set = Vec::new();
    for setting in unit.list("Service", "Environment") {
        let words = words(&setting.value).into_iter().filter(|text| text.contains('='));
        set.extend(words.map(|text| variable(unit, setting, text)));
    }
    let script = &mut service.script;
    // What files set counts more.
    for setting in unit.list("Service", "EnvironmentFile") {
        match of_file(unit, setting) {
            Some(words) => set.extend(words),
            None => {
                script.elsewhere.push(word(setting, format!("EnvironmentFile={}", setting.value)));
            }
        }
    }
    // The script comes after, and what it says counts.
    set.append(&mut script.variables);
    script.variables = set;
}

/// The same of the socket unit of one that systemd starts.
pub(super) fn learn_sockets(service: &mut Service, socket: &Unit) {
    let listens = socket.list("Socket", "ListenStream").into_iter();
    service.sockets =
        listens.filter_map(|one| Some(word(one, socket.expand(&one.value)?))).collect();
}

fn word(setting: &Setting, text: String) -> Word {
    Word { text, file: Some(setting.file.clone()), ..Word::empty(setting.line) }
}

/// A variable; as it stands there, where only systemd knows what it comes to.
fn variable(unit: &Unit, setting: &Setting, text: String) -> Word {
    let known = unit.expand(&text).filter(|_| !text.contains('\\'));
    let is_computed = known.is_none();
    Word { is_computed, ..word(setting, known.unwrap_or(text)) }
}

/// What a file of variables sets; none where that is not known here.
fn of_file(unit: &Unit, setting: &Setting) -> Option<Vec<Word>> {
    let said = unit.expand(&setting.value).filter(|said| !said.contains(['*', '?', '[']))?;
    let path = Path::new(said.trim_start_matches('-'));
    if said.starts_with('-') && folder::is_missing(path) {
        return Some(Vec::new());
    }
    let text = String::from_utf8(read(path).ok()?).ok()?;
    if text.contains('\\') {
        return None;
    }
    let set = settings(path, &text);
    // Others systemd passes over.
    let set = set.iter().filter(|setting| is_name(&setting.name));
    set.map(|setting| {
        let value = unquoted(&setting.value)?;
        Some(word(setting, format!("{}={value}", setting.name)))
    })
    .collect()
}

fn is_name(text: &str) -> bool {
    text.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

/// A value without the quotes around it; none where there are others.
fn unquoted(value: &str) -> Option<&str> {
    let quotes = ['"', '\''];
    let within = quotes
        .into_iter()
        .find_map(|quote| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)));
    Some(within.unwrap_or(value)).filter(|value| !value.contains(quotes))
}

/// The words of a list, some of them in quotes.
fn words(value: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for letter in value.chars() {
        match (letter, quote) {
            (_, Some(open)) if letter == open => quote = None,
            ('"' | '\'', None) => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (' ' | '\t', None) => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

/// As whom the script is started.
fn starter(unit: &Unit) -> Who {
    let one = |name| unit.one("Service", name);
    let command = unit.list("Service", "ExecStart").pop().map(|command| command.value.as_str());
    let signs = command.and_then(|command| command.split('/').next()).unwrap_or_default();
    if signs.contains('+') {
        return Who::Starter;
    }
    // systemd makes up the one user, and lets the other read what users may not.
    let is_special =
        ["DynamicUser", "AmbientCapabilities"].into_iter().any(|name| one(name).is_some());
    let Some(said) = one("User") else { return Who::Starter };
    match unit.expand(&said.value).as_deref() {
        Some("root" | "0") => Who::Starter,
        Some(name) if !is_special && !signs.contains('!') => {
            let how = format!("User={name} in {}", said.file.display());
            Who::account(name, one("Group").map(|group| group.value.as_str()), how)
        }
        _ => Who::Unknown,
    }
}
