//! Two fresh machines, one by the Debian package and one by `make install`: from nothing to
//! mail that was sent and fetched, then a renewal, a restart and an upgrade under a client
//! that goes on sending; by the package, back to nothing, too. With the commands that the
//! manual page shows. The demonstration leaves nothing on them, with Exim and with Postfix.

#![expect(clippy::unwrap_used, clippy::panic, reason = "all of this is a test")]

mod certificates;
mod changes;
mod machine;
mod services;

use machine::{Machine, file};
use services::{fetching_works, other_services_work, submission_works, thunderbird_works};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use test_support::needs;
use test_support::needs::{is_installed, skipped};
use test_support::run::{output, succeeds};

const PASSWORD: &str = "correct horse";
const ANSWERS: [(&str, &str); 3] = [
    ("New password for al: ", PASSWORD),
    ("The same again: ", PASSWORD),
    ("Password of al: ", PASSWORD),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Where Cargo builds.
fn target() -> PathBuf {
    let target = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".into());
    root().join(target)
}

/// What a subsection of EXAMPLES in acceptutils(8) displays.
fn displays(subsection: &str) -> Vec<String> {
    let page = std::fs::read_to_string(root().join("man/acceptutils.8")).unwrap();
    let (_, examples) = page.split_once("\n.Sh EXAMPLES\n").unwrap();
    let (_, example) = examples.split_once(&format!(".Ss {subsection}\n")).unwrap();
    let example = example.split("\n.Ss ").next().unwrap();
    let displays = example.split(".Bd -literal -offset indent\n").skip(1);
    let displays = displays.map(|display| display.split("\n.Ed").next().unwrap());
    // A backslash at a line's end, as mdoc writes it, has the command go on.
    displays.map(|display| display.replace("\\e\n", "").replace("\\e", "\\")).collect()
}

/// The commands of its first display.
fn commands(subsection: &str) -> Vec<String> {
    displays(subsection)[0].lines().map(str::to_owned).collect()
}

/// The commands of docs/first-hour.md that need no network; a block of lines is one.
fn first_hour() -> Vec<String> {
    let page = std::fs::read_to_string(root().join("docs/first-hour.md")).unwrap();
    let blocks = page.split("\n```sh\n").skip(1);
    let blocks: Vec<_> = blocks.map(|block| block.split("```").next().unwrap()).collect();
    assert!(blocks.len() >= 5);
    blocks.iter().map(|block| format!("set -e; {block}")).collect()
}

/// What it comes to, and nothing of it stays that is not the package's.
fn first_hour_works(machine: &Machine) {
    for command in first_hour() {
        machine.succeeds(&command);
    }
    let signs = machine.succeeds("exim4 -bP transport remote_smtp");
    assert!(signs.contains("dkim_domain = example.org\n"), "{signs}");
    daily_job_works(machine);
    machine.succeeds(
        "rm config-v1.1.xml alice.mobileconfig /etc/exim4/dkim.key /etc/exim4/exim4.conf.localmacros \
         /etc/cron.daily/acceptutils && update-exim4.conf && acceptutils user remove alice && \
         userdel --force --remove alice 2>&-",
    );
}

/// What cron would mail: yesterday's report, when there was nothing, and what `check` finds. And
/// today's report, which the rest of the test fills.
fn daily_job_works(machine: &Machine) {
    assert_eq!(machine.succeeds("/etc/cron.daily/acceptutils"), "0 lines\n");
    let today = machine.succeeds("sed 's/--until=today//' /etc/cron.daily/acceptutils | sh");
    assert!(today.contains("\nUsers with most logins\n"), "{today}");
    let control = "/etc/acceptutils/control/me";
    let mailed = machine.succeeds(&format!("chmod o+w {control} && /etc/cron.daily/acceptutils"));
    assert!(mailed.contains(&format!("error: {control}")), "{mailed}");
    machine.succeeds(&format!("chmod o-w {control}"));
}

/// `make deb`, of what the other tests test: the package, and all that `make install` takes.
fn package() -> &'static Path {
    static PACKAGE: OnceLock<PathBuf> = OnceLock::new();
    PACKAGE.get_or_init(make_package)
}

fn make_package() -> PathBuf {
    let mut make = Command::new("make");
    make.args(["--silent", "deb", "BUILD=fast"]).current_dir(root());
    // What cargo and make were told is not for these.
    for (name, _) in std::env::vars_os() {
        let name = name.to_str().unwrap_or_default();
        let is_cargos = name.starts_with("CARGO") || name.starts_with("MAKE");
        if is_cargos && !["CARGO_HOME", "CARGO_TARGET_DIR"].contains(&name) {
            make.env_remove(name);
        }
    }
    let said = succeeds(&mut make);
    root().join(said.lines().last().unwrap())
}

/// A machine with a user al, an MTA that delivers into Maildirs, and this package's test
/// clients; none where there can be none, which is said.
fn fresh(what: &str) -> Option<Machine> {
    let machine = match Machine::boot(&[root(), &target()]) {
        Ok(machine) => machine,
        Err(why) => {
            skipped(what, &why);
            return None;
        }
    };
    // Two who are to fetch mail, too.
    for user in ["al", "bob"] {
        machine.succeeds(&format!(
            "useradd --create-home {user} && cd ~{user} && \
             mkdir -p Maildir/tmp Maildir/new Maildir/cur && chown -R {user}: ."
        ));
    }
    // What their mail programs look up.
    machine.succeeds("echo 127.0.0.1 mail.example.org >>/etc/hosts");
    // All that is changed of Exim as Debian installs it.
    machine.succeeds(
        "sed -i \"s/^dc_localdelivery=.*/dc_localdelivery='maildir_home'/\" \
         /etc/exim4/update-exim4.conf.conf && update-exim4.conf",
    );
    for client in ["sender.py", "idler.py", "thunderbird.py", "thunderbird.js"] {
        machine.put(&root().join("acceptance/tests/package").join(client));
    }
    for recorded in ["play.py", "stored.eml", "thunderbird-imaps-submission.dialog"] {
        machine.put(&root().join("acceptance/dialogs").join(recorded));
    }
    Some(machine)
}

/// Puts Postfix, as Debian installs it, in Exim's place; false where its package cannot be
/// had, which is said.
fn has_postfix(machine: &Machine) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let mut get = Command::new("apt-get");
    get.args(["--quiet", "--option", "APT::Sandbox::User=root", "download", "postfix"]);
    let got = output(get.current_dir(folder.path()), b"").status.success();
    let package = std::fs::read_dir(folder.path()).unwrap().next();
    let Some(package) = package.filter(|_| got) else {
        skipped("Postfix", "its package cannot be had");
        return false;
    };
    machine.put(&package.unwrap().path());
    machine.succeeds(
        "DEBIAN_FRONTEND=noninteractive apt-get --quiet --yes --option APT::Sandbox::User=root \
         install ./postfix_*.deb && ! dpkg-query --status exim4-daemon-light | grep 'ok installed'",
    );
    // All that is changed of it.
    machine.succeeds("postconf -e home_mailbox=Maildir/ && systemctl restart postfix");
    true
}

/// `make demo` there, with the mail server there, which has no trace of it afterwards.
fn is_demonstrated_by(machine: &Machine, server: &str) {
    let before = machine.changes();
    let said = machine.succeeds(&format!("{}/acceptutils demo", built().display()));
    let (mail_server, is_back) = (format!("The mail server is {server}, "), "The message is back");
    for expected in [&mail_server, &format!("({server}"), is_back] {
        assert!(said.contains(expected), "{said}");
    }
    let after = machine.changes();
    let paths: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let traces: Vec<_> =
        paths.into_iter().filter(|path| before.get(*path) != after.get(*path)).collect();
    assert!(traces.is_empty(), "{traces:#?}");
    machine.succeeds("! journalctl | grep -F 'al@localhost'");
}

/// Where `make deb` has built, below this machine's files as below that one's.
fn built() -> PathBuf {
    package();
    target().join("fast")
}

/// Types the commands of a subsection of the manual page there; what was shown.
fn follow(machine: &Machine, subsection: &str, make: &str) -> Vec<String> {
    let commands = commands(subsection);
    let commands = commands.iter().map(|command| command.replace("make install", make));
    commands.map(|command| machine.types(&command, &ANSWERS)).collect()
}

fn logged_in(shown: &[String]) {
    assert!(shown.iter().any(|shown| shown.contains("al is logged in")), "{shown:#?}");
}

#[test]
fn a_fresh_machine_gets_a_service_from_the_source() {
    let Some(machine) = fresh("make install") else { return };
    // What was built for the tests.
    let built = built();
    let (root, target) = (root().display(), built.parent().unwrap().display());
    let make = format!("make -C {root} --silent install BUILD=fast CARGO_TARGET_DIR={target}");
    logged_in(&follow(&machine, "A fresh machine, from the source", &make));
    submission_works(&machine);
    other_services_work(&machine);
    assert_eq!(jailed(&machine), ["tlsserver-engine", "tlsserver-keyholder"]);
    let upgrade = format!("{make} && systemctl try-restart 'acceptutils@*.service'");
    let [documented] = &displays("A fresh machine, from the source")[1..] else { panic!() };
    assert_eq!(documented.replace("make install", &make), upgrade);
    changes::lose_nothing(&machine, &upgrade);
    // Its units are those that it had, made anew.
    let units = "md5sum $(find /etc/systemd/system/acceptutils@* -type f | sort)";
    let before = machine.succeeds(units);
    machine.succeeds(&format!("set -e; {}", displays("Restart and upgrade")[1]));
    assert_eq!(machine.succeeds(units), before);
    other_services_work(&machine);
}

#[test]
fn a_fresh_machine_gets_a_service_by_the_manual_and_loses_it_again() {
    let Some(machine) = fresh("the Debian package") else { return };
    let package = package();
    lintian_finds_no_error(package);
    machine.put(package);
    is_demonstrated_by(&machine, "Exim");
    let before = machine.changes();

    logged_in(&follow(&machine, "A fresh Debian machine", ""));
    submission_works(&machine);
    services::a_missing_service_is_not_started(&machine);
    other_services_work(&machine);
    assert_eq!(jailed(&machine), ["tlsserver-engine", "tlsserver-keyholder"]);
    the_unit_leaves_what_the_listener_keeps(&machine);
    assert_eq!(machine.succeeds("stat -c '%U %a' /var/empty"), "root 755\n");
    thunderbird_works(&machine);

    first_hour_works(&machine);
    services::another_port_works(&machine);
    services::a_drop_in_leads_to_another_folder(&machine);
    let documented = &displays("Restart and upgrade")[0];
    let (upgrade, check) = documented.split_once(" && ").unwrap();
    machine.succeeds(check);
    changes::lose_nothing(&machine, upgrade);
    changes::a_broken_service_stops_no_upgrade(&machine, upgrade);
    other_services_work(&machine);
    machine.succeeds(&format!("{} && rm backup.tar.gz", displays("Backup")[0]));

    changes::no_session_outlives_the_programs(&machine, || {
        follow(&machine, "Uninstalling", "");
    });
    let units = "systemctl list-units --all --plain --no-legend 'acceptutils@*'";
    for trace in [units, "ss -Htln", "find /run -name '*acceptutils*'"] {
        assert_eq!(machine.succeeds(trace), "", "{trace}");
    }
    assert!(!machine.run("dpkg-query --status acceptutils").status.success());
    let changes = machine.changes().into_iter();
    let left = changes.filter(|(path, now)| {
        let was = before.get(path).cloned().or_else(|| file(path));
        Some(now) != was.as_ref() && !is_the_machines_own(path)
    });
    let left: Vec<_> = left.map(|(path, _)| path).collect();
    assert!(left.is_empty(), "left behind: {left:#?}");
}

#[test]
fn the_manuals_first_example_works_before_postfix_too() {
    let Some(machine) = fresh("Postfix") else { return };
    let package = package();
    if !has_postfix(&machine) {
        return;
    }
    is_demonstrated_by(&machine, "Postfix");
    machine.put(package);
    logged_in(&follow(&machine, "A fresh Debian machine", ""));
    submission_works(&machine);
    let received = machine.succeeds("cat ~al/Maildir/new/*");
    assert!(received.contains("(Postfix, from userid "), "{received}");
    // At which it would end.
    let offered = machine.succeeds("cat /etc/acceptutils/control/smtpcapabilities");
    assert!(offered.contains("\nDSN\n") && !offered.contains("\nSIZE"), "{offered}");
    // Port 25 is Postfix's own.
    fetching_works(&machine);
}

/// The commands of docs/logging.md, where Debian's fail2ban is: it reads the journal, and so
/// does sshd's jail, which Debian has read a file that is not there.
#[test]
fn fail2ban_bans_by_the_journal() {
    let import = ["/usr/bin/python3", "-c", "import systemd"];
    let has_systemd = || output(Command::new("env").args(import), b"").status.success();
    if !is_installed("fail2ban-client") || !has_systemd() {
        return skipped("fail2ban by the journal", "needs fail2ban and python3-systemd");
    }
    let Some(machine) = fresh("fail2ban by the journal") else { return };
    machine.put(package());
    logged_in(&follow(&machine, "A fresh Debian machine", ""));
    let page = std::fs::read_to_string(root().join("docs/logging.md")).unwrap();
    let (_, section) = page.split_once("\n## fail2ban\n").unwrap();
    let (_, commands) = section.split_once("\n```sh\n").unwrap();
    machine.succeeds(commands.split("\n```").next().unwrap());
    machine.awaits("fail2ban-client ping");
    assert!(machine.succeeds("fail2ban-client status").contains("acceptutils, sshd"));
    for forger in FORGERS {
        machine.succeeds(&forged_in_the_unit(forger));
    }
    let wanted = in_backticks(&page, "journalctl --quiet --unit='acceptutils@*' ");
    let wanted = machine.succeeds(&format!("journalctl --sync; {wanted}"));
    assert!(wanted.contains("tlsserver: status") && !wanted.contains(VICTIM), "{wanted}");
    machine.succeeds(
        "for guess in 1 2 3 4 5 6 7 8 9 10; do swaks --server 127.0.0.1:587 --tls --auth PLAIN \
         --local-interface 127.0.0.9 --auth-user al --auth-password guess \
         --quit-after AUTH >&2; test $? = 28 || exit 1; done",
    );
    machine.awaits("fail2ban-client get acceptutils banip | grep -F 127.0.0.9");
    // Entries are read in their order, so the forged ones have been.
    let banned = machine.succeeds("fail2ban-client get acceptutils banip");
    assert_eq!(banned.split_whitespace().collect::<Vec<_>>(), ["127.0.0.9"]);
}

/// Whom forged entries accuse.
const VICTIM: &str = "203.0.113.77";

/// Commands that put what they read into the journal under the unit's identifier: as a user's
/// program can, by each way into the journal, and as what root's programs print on a user's
/// behalf, such as those that are setuid. The last lives until the journal has looked at it.
const FORGERS: [&str; 3] = [
    "setpriv --reuid=daemon --clear-groups logger --tag acceptutils-submission",
    "setpriv --reuid=daemon --clear-groups systemd-cat --identifier=acceptutils-submission",
    "systemd-cat --identifier=acceptutils-submission sh -c \"cat; journalctl --sync\"",
];

/// As many refused logins as have somebody banned, by a process in the control group of the
/// service, where all that users start behind a login is.
fn forged_in_the_unit(forger: &str) -> String {
    format!(
        "group=$(systemctl show --property=ControlGroup --value acceptutils@submission) sh -ec '
         echo $$ >/sys/fs/cgroup$group/cgroup.procs
         for guess in 1 2 3 4 5 6 7 8 9 10; do
             echo \"authup 1 checkpassword 2 failed, 4 remaining (x from {VICTIM})\"
         done | {forger}'"
    )
}

/// The command in a page that begins so.
fn in_backticks<'a>(page: &'a str, beginning: &str) -> &'a str {
    let at = page.find(&format!("`{beginning}")).unwrap_or_else(|| panic!("no `{beginning}"));
    page[at + 1..].split('`').next().unwrap()
}

/// Where lintian is installed.
fn lintian_finds_no_error(package: &Path) {
    needs!("lintian");
    let mut lintian = Command::new("lintian");
    succeeds(lintian.args(["--fail-on", "error", "--allow-root"]).arg(package));
}

/// What runs as the user that the package makes for the jails.
fn jailed(machine: &Machine) -> Vec<String> {
    let listed = machine.succeeds("ps --user acceptutils --format args=");
    let mut kinds: Vec<_> = listed.lines().map(|line| line.trim().to_owned()).collect();
    kinds.sort();
    kinds.dedup();
    kinds
}

/// Whether the listener then has it is for the machine on which this one is.
fn the_unit_leaves_what_the_listener_keeps(machine: &Machine) {
    let left = "systemctl show --value --property CapabilityBoundingSet acceptutils@submission";
    let left = machine.succeeds(left);
    for kept in ["cap_dac_read_search", "cap_kill", "cap_sys_resource"] {
        assert!(left.split_whitespace().any(|one| one == kept), "{kept}: {left}");
    }
}

/// Where the machine keeps books of what was done to it, and what the mail is that
/// was sent: such files change, but none of them is the package's.
fn is_the_machines_own(path: &Path) -> bool {
    let path = path.to_str().unwrap();
    let books =
        ["/var/log", "/var/cache", "/var/lib/dpkg", "/var/lib/systemd", "/var/tmp/systemd-private"];
    let mail = ["/var/mail", "/var/spool", "/home/al", "/home/alice", "/home/bob"];
    let is_in = |folder: &&str| path.starts_with(folder);
    let is_backup = path.starts_with("/etc/") && path.ends_with('-');
    let is_known = books.iter().chain(&mail).any(is_in) || is_backup;
    // Others may have come to rely on it.
    let is_shared = path == "/var/empty";
    is_shared || is_known && !path.contains("acceptutils")
}
