//! What a unit gives to the script that it runs: as whom it runs, which variables are set, and which
//! sockets are open.

use super::unit::{Setting, Unit};
use crate::check::identity::Who;
use crate::check::service::Service;
use crate::run_script::Word;

/// Has the service know it.
pub(super) fn learn(service: &mut Service, unit: &Unit) {
    service.starter = starter(unit);
    let script = &mut service.script;
    for setting in unit.list("Service", "EnvironmentFile") {
        script.elsewhere.push(word(setting, format!("EnvironmentFile={}", setting.value)));
    }
    let mut set = Vec::new();
    for setting in unit.list("Service", "Environment") {
        let words = words(&setting.value).into_iter().filter(|text| text.contains('='));
        let words = words.filter_map(|text| unit.expand(&text));
        set.extend(words.map(|text| word(setting, text)));
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
    // Users of the moment, and such as may read what users may not.
    let is_special =
        ["DynamicUser", "AmbientCapabilities"].into_iter().any(|name| one(name).is_some());
    let Some(said) = one("User") else { return Who::Starter };
    match unit.expand(&said.value).as_deref() {
        Some("root" | "0") => Who::Starter,
        Some(name) if !is_special => {
            let how = format!("User={name} in {}", said.file.display());
            Who::account(name, one("Group").map(|group| group.value.as_str()), how)
        }
        _ => Who::Unknown,
    }
}
