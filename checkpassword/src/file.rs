//! `checkpassword-file -f FILE prog [arg ...]`: users of a file of our own, in the
//! format that Dovecot calls passwd-file.
//!
//! The format, and what an entry allows, are `proto::passwd_file`'s.

use crate::failure::{Failure, Refusal};
use crate::login::{Login, Record};
use crate::options;
use crate::verify::{Incomputable, fits};
use lexopt::Parser;
use proto::checkpassword::reader::Credentials;
use proto::passwd_file::{Account, Lookup, RunsAs};
use std::convert::Infallible;
use std::ffi::OsString;
use std::hint::black_box;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use unix::environment::Environment;
use unix::identity::{Groups, Identity, own_uid, runs_as_root};
use unix::trusted_file::read_trusted;

/// How it is called.
pub const USAGE: &str = "usage: checkpassword-file -f FILE prog [arg ...]";

/// The whole program. Returns only if the login did not happen.
#[must_use]
pub fn main(words: &mut dyn Iterator<Item = OsString>) -> u8 {
    let Err(failure) = run(words);
    failure.report("checkpassword-file")
}

fn run(words: &mut dyn Iterator<Item = OsString>) -> Result<Infallible, Failure> {
    let usage = |error| Failure::Usage(USAGE, error);
    let (path, next) = options::parse(Parser::from_args(words), 'f').map_err(usage)?;
    let path = path.map(PathBuf::from).ok_or_else(|| usage("no -f FILE".into()))?;
    let record = Record::read()?;
    let credentials = record.credentials()?;
    let users = read_trusted(&path).map_err(|error| Failure::UsersFile(path, error))?;
    let account = check(&users, &credentials)?;
    let login = Login {
        user: owned(credentials.user),
        home: owned(account.home).into(),
        shell: owned(account.shell),
    };
    let identity = account.ids.map(|(uid, gid)| Identity { uid, gid, groups: Groups::PrimaryOnly });
    drop(record);
    drop(users);
    login.enter(identity, Environment::inherited(), &next)
}

fn owned(octets: &[u8]) -> OsString {
    OsString::from_vec(octets.to_vec())
}

/// Lets the user in or not. Whatever keeps the user out, one hash of every cost in
/// the file has been computed by then (see [`Lookup`]); and where there is no memory
/// for one of them, that is the answer to everybody who is not let in.
fn check<'a>(users: &'a [u8], credentials: &Credentials<'_>) -> Result<Account<'a>, Failure> {
    let lookup = Lookup::new(users, credentials.user);
    let mut verdict = judge(&lookup, credentials);
    if verdict.is_err() {
        for other in &lookup.others {
            let fits = black_box(fits(other, credentials.password));
            if fits == Err(Incomputable::Memory) {
                verdict = Err(Failure::Memory);
            }
        }
    }
    verdict
}

fn judge<'a>(lookup: &Lookup<'a>, credentials: &Credentials<'_>) -> Result<Account<'a>, Failure> {
    let user = || credentials.user.to_vec();
    let refused = |refusal| Failure::Refused(user(), refusal);
    let (entry, hash) = lookup.found.ok_or_else(|| refused(Refusal::Unknown))?;
    let hash = hash.map_err(|error| refused(Refusal::Hash(error)))?;
    match fits(&hash, credentials.password) {
        Ok(true) => {}
        Ok(false) => return Err(refused(Refusal::Password)),
        Err(Incomputable::Parameters) => return Err(refused(Refusal::Parameters)),
        Err(Incomputable::Memory) => return Err(Failure::Memory),
    }
    entry.account(runs_as()).map_err(|error| {
        if error.is_fault() {
            Failure::BrokenEntry(user(), error)
        } else {
            refused(Refusal::Entry(error))
        }
    })
}

fn runs_as() -> RunsAs {
    if runs_as_root() { RunsAs::Root } else { RunsAs::User { uid: own_uid() } }
}
