//! Servers that Debian does not install beside those of the other tests: its packages are
//! downloaded and unpacked, and the server runs where it lies. Courier's IMAP server, and
//! Dovecot 2.4, which is the next Debian's, with its C library, in a root folder of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use acceptance::chain::Chain;
use anyhow::{Context, Result};
use test_support::folder::write_program;
use test_support::needs::skipped;
use test_support::run::{output, succeeds};

use super::fetching::{self, dovecot_command, poplib};
use super::imap::{FETCH, ensure_fetched, mbsync_from, python};
use crate::{BOB_IS_IN, Test, Tls, holds, logs};

pub(crate) const TESTS: &[Test] = &[
    ("imaplib and mbsync from Courier", &["apt-get", "python3", "mbsync"], courier),
    ("the recipes with Dovecot 2.4", &["apt-get", "unshare", "python3"], dovecot_2_4),
];

/// Packages as downloaded, once for all tests and later runs.
pub(super) fn download(
    name: &str,
    suite: Option<&str>,
    packages: &[&str],
) -> Result<Option<PathBuf>> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _lock = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let is_complete = folder.join("complete");
    if is_complete.exists() {
        return Ok(Some(folder));
    }
    fs::create_dir_all(&folder)?;
    let mut options = vec!["--quiet=2".to_owned(), "--option=APT::Sandbox::User=root".to_owned()];
    if let Some(suite) = suite {
        let lists = folder.join("lists");
        fs::create_dir_all(lists.join("partial"))?;
        let sources = folder.join("sources.list");
        fs::write(&sources, format!("deb {} {suite} main\n", mirror()?))?;
        options.push(format!("--option=Dir::Etc::SourceList={}", sources.display()));
        options.push("--option=Dir::Etc::SourceParts=/dev/null".to_owned());
        options.push(format!("--option=Dir::State::Lists={}", lists.display()));
        options.push(format!("--option=Dir::Cache={}", folder.display()));
        if !apt_get(&folder, &options, &["update"])? {
            return Ok(None);
        }
    }
    if !apt_get(&folder, &options, &[&["download"], packages].concat())? {
        return Ok(None);
    }
    fs::write(is_complete, "")?;
    Ok(Some(folder))
}

fn apt_get(folder: &Path, options: &[String], words: &[&str]) -> Result<bool> {
    let mut command = Command::new("apt-get");
    let command = command.args(options).args(words).current_dir(folder);
    Ok(output(command, b"").status.success())
}

/// Where this machine's Debian comes from.
fn mirror() -> Result<String> {
    let format = ["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"];
    let listed = succeeds(Command::new("apt-get").args(format).arg("Origin: Debian"));
    Ok(listed.lines().next().context("no source of packages")?.to_owned())
}

/// The packages in one folder, as if they were installed there.
pub(super) fn unpack(packages: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(packages)? {
        let package = entry?.path();
        if package.extension().is_some_and(|kind| kind == "deb") {
            succeeds(Command::new("dpkg").arg("-x").arg(&package).arg(to));
        }
    }
    Ok(())
}

/// Its server answers the login behind an untagged line of its own.
fn courier(chain: &Chain<'_>) -> Result<()> {
    let packages = ["courier-imap", "courier-authlib", "libcourier-unicode4", "libgamin0"];
    let Some(packages) = download("courier", None, &packages)? else {
        skipped("Courier", "apt-get cannot download it");
        return Ok(());
    };
    let folder = chain.path("courier");
    unpack(&packages, &folder)?;
    let libraries = folder.join("usr/lib").display().to_string();
    let libraries =
        format!("LD_LIBRARY_PATH={libraries}:{libraries}/{}-linux-gnu", std::env::consts::ARCH);
    let offers = "IMAP_CAPABILITY=IMAP4rev1 UIDPLUS CHILDREN NAMESPACE IDLE";
    let program = folder.join("usr/bin/imapd").display().to_string();
    let server = chain.login("imap", &["env", &libraries, offers, &program, "Maildir"]);
    fetching::put(chain);
    let server = chain.tls_server("!", &server)?;
    ensure_fetched(python(chain, server.port, Tls::Asked, FETCH)?.as_bytes())?;
    let offered = "client.login('bob', 'pass word')\nprint(client.capability()[1][0].decode())\n";
    let offered = python(chain, server.port, Tls::Asked, offered)?;
    holds(&offered, "UIDPLUS")?;
    mbsync_from(chain, Tls::Asked, &server)?;
    logs(chain, BOB_IS_IN)
}

/// What its servers need.
const DOVECOT_2_4: [&str; 28] = [
    "dovecot-core",
    "dovecot-imapd",
    "dovecot-pop3d",
    "dash",
    "dovecot-sieve",
    "libapparmor1",
    "libbz2-1.0",
    "libc6",
    "libcap2",
    "libcrypt1",
    "libexttextcat-2.0-0",
    "libldap2",
    "libgcc-s1",
    "libicu76",
    "liblz4-1",
    "liblzma5",
    "libpcre2-8-0",
    "libselinux1",
    "libsodium23",
    "libssl3t64",
    "libstdc++6",
    "libstemmer0d",
    "libsystemd0",
    "libtirpc3t64",
    "libunwind8",
    "libxxhash0",
    "libzstd1",
    "zlib1g",
];

/// Runs a program in the root folder that is named first, which has this machine's devices
/// and the folder that is named second.
const IN_ROOT: &str = "#!/bin/sh
root=$1 folder=$2; shift 2
exec unshare --user --map-current-user --mount --keep-caps sh -c '
root=$1 folder=$2; shift 2
mount --rbind /dev \"$root/dev\" && mount --bind \"$folder\" \"$root$folder\" &&
exec unshare --root=\"$root\" --wd=\"$HOME\" \"$@\"' sh \"$root\" \"$folder\" \"$@\"
";

/// Dovecot 2.4, configured as Debian does.
fn dovecot_2_4(chain: &Chain<'_>) -> Result<()> {
    let own = ["--user", "--map-current-user", "--mount", "--keep-caps", "true"];
    if !output(Command::new("unshare").args(own), b"").status.success() {
        skipped("Dovecot 2.4", "no user namespaces here");
        return Ok(());
    }
    let Some(packages) = download("dovecot-2.4", Some("trixie"), &DOVECOT_2_4)? else {
        skipped("Dovecot 2.4", "apt-get cannot download it");
        return Ok(());
    };
    let (folder, root) = (chain.path(""), chain.path("root"));
    unpack(&packages, &root)?;
    let copy =
        "cd \"$0\" && for in in bin lib lib64 sbin; do test -e $in || ln -s usr/$in $in; done &&
        mkdir -p dev tmp \"./$1\" && chmod 1777 tmp && cp /etc/passwd /etc/group etc &&
        cp -r usr/share/dovecot/dovecot.conf usr/share/dovecot/conf.d etc/dovecot";
    succeeds(Command::new("sh").args(["-c", copy]).arg(&root).arg(&folder));
    let script = chain.path("in-root");
    write_program(&script, IN_ROOT);
    let words = [script, root, folder].map(|path| path.display().to_string());
    let within = |shell: &str| {
        let words = words.iter().map(String::as_str).chain(["sh", "-c", shell]);
        words.map(str::to_owned).collect::<Vec<_>>()
    };

    fetching::put(chain);
    let imap = within(&dovecot_command("IMAP")?);
    let server = chain.tls_server("!", &chain.login("imap", &imap))?;
    ensure_fetched(python(chain, server.port, Tls::Asked, FETCH)?.as_bytes())?;

    let pop3 = within(&dovecot_command("POP3")?);
    let server = chain.tls_server("!", &chain.login("pop3", &pop3))?;
    poplib(chain, &server, Some(Tls::Asked))
}
