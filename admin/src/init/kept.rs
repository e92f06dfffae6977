//! Options that have no effect, as the run scripts that they are for are there already, and
//! whose users those scripts let in.

use super::Options;
use super::plan::{Plan, Users};
use crate::services::{Chain, SERVICES, Service, script_of};
use unix::regular_file::read_to_string;

/// What an option would have in run scripts.
struct Asked {
    option: &'static str,
    is_for: fn(Chain) -> bool,
    words: String,
}

/// A warning for each option that run scripts do without, once all files are there.
pub(super) fn warnings(plan: &Plan, options: &Options) -> Vec<String> {
    let scripts = scripts(plan);
    let lacking = |asked: Asked| {
        let without = scripts.iter().filter(|(service, script)| {
            (asked.is_for)(service.chain) && !has(script, &asked.words)
        });
        let names: Vec<_> = without.map(|(service, _)| script_of(service.name)).collect();
        (!names.is_empty()).then(|| {
            let (option, names) = (asked.option, names.join(", "));
            format!(
                "warning: --{option}: no effect on {names}: edit what is kept, or remove it and \
                 run this again"
            )
        })
    };
    asked(plan, options).into_iter().filter_map(lacking).collect()
}

/// Whose users the run scripts let in: those of the plan, unless all of them say otherwise.
pub(super) fn users(plan: &Plan) -> Users {
    let scripts = scripts(plan);
    let some_ask = |users| scripts.iter().any(|(_, script)| has(script, program(users)));
    let other = match plan.users {
        Users::File => Users::Pam,
        Users::Pam => Users::File,
    };
    if some_ask(other) && !some_ask(plan.users) { other } else { plan.users }
}

/// Whether there is a run script of this service.
pub(super) fn is_there(plan: &Plan, service: &Service) -> bool {
    plan.dir.join(script_of(service.name)).exists()
}

fn scripts(plan: &Plan) -> Vec<(&'static Service, String)> {
    let read = |service: &'static Service| {
        Some((service, read_to_string(&plan.dir.join(script_of(service.name))).ok()?))
    };
    SERVICES.iter().filter_map(read).collect()
}

const fn program(users: Users) -> &'static str {
    match users {
        Users::File => "checkpassword-file",
        Users::Pam => "checkpassword-pam",
    }
}

/// Whether these words are in it, not as the beginning of longer ones.
fn has(script: &str, words: &str) -> bool {
    let ends =
        |at: usize| script[at + words.len()..].chars().next().is_none_or(char::is_whitespace);
    script.match_indices(words).any(|(at, _)| ends(at))
}

fn asked(plan: &Plan, options: &Options) -> Vec<Asked> {
    let mut asked = Vec::new();
    let mut add = |option, is_for: fn(Chain) -> bool, words: Option<String>| {
        asked.extend(words.map(|words| Asked { option, is_for, words }));
    };
    let (mail, any) = (&plan.mail, |_| true);
    let program_of = |said: &Option<String>, command: &Result<_, _>| {
        said.as_ref().and(command.as_ref().ok().map(ToString::to_string))
    };
    let is_login = |chain: Chain| chain.login().is_some();
    let is_incoming = |chain| matches!(chain, Chain::Incoming);
    add("users", is_login, options.users.map(|users| program(users).to_owned()));
    let certificate = || format!("CERTFILE={}", plan.certificate.display());
    add("cert", any, options.cert.as_ref().map(|_| certificate()));
    add("key", any, options.key.as_ref().map(|_| format!("KEYFILE={}", plan.key.display())));
    let submission = program_of(&options.submission, &mail.submission);
    add("submission", |chain| matches!(chain, Chain::Submission), submission);
    add("incoming", is_incoming, program_of(&options.incoming, &mail.incoming));
    let ids = options.incoming_user.as_ref().and(plan.incoming_ids.as_ref());
    add("incoming-user", is_incoming, ids.map(|(uid, gid)| format!("-u {uid} -g {gid}")));
    add("pop3", |chain| matches!(chain, Chain::Pop3), program_of(&options.pop3, &mail.pop3));
    add("imap", |chain| matches!(chain, Chain::Imap), program_of(&options.imap, &mail.imap));
    let ids = options.jail_user.as_ref().and(plan.jail_ids);
    add("jail-user", any, ids.map(|(uid, gid)| format!("SSL_UID={uid} SSL_GID={gid}")));
    add("bin", any, options.bin.as_ref().map(|_| format!("PATH={}", plan.path())));
    asked
}
