//! `checkpassword-pam` with the system's own PAM and accounts made for the test.

use crate::file::TOLD;
use crate::support::{Account, Caller, Folder, Ran, folder, tool, unique};
use std::path::{Path, PathBuf};
use test_support::folder::write_program;
use test_support::needs;

const SHIPPED: &str = include_str!("../../../contrib/pam.d/checkpassword");

/// A PAM service of the test's own, removed at the end.
struct Service(PathBuf);

impl Service {
    fn new(content: &str) -> Self {
        // PAM takes names for what they are in lower case.
        let path = PathBuf::from("/etc/pam.d").join(format!("checkpassword-{}", unique()));
        std::fs::write(&path, content).unwrap();
        Self(path)
    }

    /// The one that we ship.
    fn shipped() -> Self {
        Self::new(SHIPPED)
    }

    fn name(&self) -> &str {
        self.0.file_name().unwrap().to_str().unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Builds the module that does what Debian's do not; what goes before its arguments.
fn stand_in(folder: &Folder) -> String {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/pam_stand_in.c");
    let module = folder.path("pam_stand_in.so");
    let module = module.to_str().unwrap();
    tool(&["cc", "-shared", "-fPIC", "-o", module, source], "");
    format!("auth required {module}")
}

/// A script that PAM runs.
fn note(folder: &Folder, line: &str) -> String {
    let script = folder.path("note");
    write_program(&script, &format!("#!/bin/sh\n{line}\n"));
    script.display().to_string()
}

fn login(folder: &Folder, service: &Service, user: &str, password: &str) -> Ran {
    let look = "id -u; id -g; id -G; pwd; echo $USER:$HOME:$SHELL; \
                [ ! -e /proc/$$/fd/3 ] && echo closed";
    let arguments = ["-s", service.name(), "sh", "-c", look];
    Caller::new(folder, "checkpassword-pam", arguments).login(user, password)
}

#[test]
fn a_real_account_logs_in() {
    needs!("root");
    let folder = folder();
    let service = Service::shipped();
    let account = Account::new(&["-G", "mail,games", "-s", "/bin/dash"], "s:cret wörd");
    let ran = login(&folder, &service, &account.name, "s:cret wörd");
    let expected = format!(
        "{}\n{}\n{}\n/home/{name}\n{name}:/home/{name}:/bin/dash\nclosed\n",
        account.id("-u"),
        account.id("-g"),
        account.id("-G"),
        name = account.name,
    );
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (Some(0), &*expected, ""));
    assert_eq!(account.id("-G").split(' ').count(), 3, "the groups were there to be taken on");
}

#[test]
fn who_waits_is_told_of_a_good_login_and_of_no_other() {
    needs!("root");
    let folder = folder();
    let service = Service::shipped();
    let account = Account::new(&[], "secret");
    let (root, heard) = (Account::new(&["-o", "-u", "0"], "secret"), folder.path("heard"));
    let tells = |next: &[&str], user: &str, password: &str| {
        let arguments = [&["-s", service.name()], next].concat();
        let caller = Caller::new(&folder, "checkpassword-pam", arguments).telling(&heard);
        (caller.login(user, password), std::fs::read(&heard).unwrap())
    };
    let (ran, told) = tells(&["sh", "-c", TOLD], &account.name, "secret");
    assert_eq!((ran.code, &*ran.stdout, &*told), (Some(0), "gone\nclosed\n", &[1][..]), "{ran:?}");
    for (user, password) in [(&account.name, "wrong"), (&root.name, "secret")] {
        let (ran, told) = tells(&["true"], user, password);
        assert_eq!((ran.code, &*told), (Some(1), &[][..]), "{user}: {ran:?}");
    }
    let (ran, told) = tells(&["no-such-program"], &account.name, "secret");
    ran.fails(19, "unable to exec: no-such-program: ");
    assert_eq!(told, [1]);
}

#[test]
fn who_is_not_let_in() {
    needs!("root");
    let folder = folder();
    let service = Service::shipped();
    let account = Account::new(&[], "secret");
    let refused = |password: &str| {
        let line = format!("checkpassword-pam: login refused: {}: ", account.name);
        login(&folder, &service, &account.name, password).fails(1, &line);
    };
    refused("Secret");
    refused("secret1");
    account.change(&["chage", "-d", "0"]);
    refused("secret");
    account.change(&["chage", "-d", "-1", "-E", "1"]);
    refused("secret");
    let why = "(Your account has expired; please contact your system administrator.)\n";
    login(&folder, &service, &account.name, "secret").fails(1, why);
    // What was said before is not why the account is refused.
    let greets = "auth optional pam_echo.so Welcome\nauth required pam_permit.so\n";
    let silent = Service::new(&format!("{greets}account required pam_deny.so\n"));
    let line = format!(": {}: Authentication failure\n", account.name);
    login(&folder, &silent, &account.name, "secret").fails(1, &line);
    drop(silent);
    account.change(&["chage", "-E", "-1"]);
    assert_eq!(login(&folder, &service, &account.name, "secret").code, Some(0));
    account.change(&["usermod", "-L"]);
    refused("secret");
    account.change(&["passwd", "-q", "-d"]);
    refused("secret");
    login(&folder, &service, "no-such-user", "secret").fails(1, "login refused: no-such-user: ");
}

/// With the right password; and PAM, which would be content, never hears it.
#[test]
fn root_by_any_name_is_refused() {
    needs!("root");
    let folder = folder();
    let heard = folder.path("heard");
    let script = note(&folder, &format!("cat >>{}", heard.display()));
    // The first asks for the password and is content with any; the last in its place.
    let note = format!(
        "auth optional pam_unix.so\nauth required pam_exec.so expose_authtok quiet {}\n\
         auth required pam_permit.so\naccount required pam_permit.so\n",
        script
    );
    let service = Service::new(&note);
    let alias = Account::new(&["-o", "-u", "0"], "secret");
    let group = Account::new(&["-g", "0"], "secret");
    for user in ["root", &alias.name, &group.name] {
        let line = format!("login refused: {user}: uid 0 and gid 0 are never served");
        login(&folder, &service, user, "secret").fails(1, &line);
        let said = std::fs::read(&heard).unwrap();
        assert!(said.starts_with(b"\x08\n\r\x7f"), "{said:?}");
        assert!(!said.windows(6).any(|part| part == b"secret"), "{said:?}");
    }
    let account = Account::new(&[], "secret");
    assert_eq!(login(&folder, &service, &account.name, "secret").code, Some(0));
    let said = std::fs::read(&heard).unwrap();
    assert!(said.windows(6).any(|part| part == b"secret"), "the note has what PAM hears");
}

/// Builds what is preloaded to count the calls of crypt(3).
fn counter(folder: &Folder) -> PathBuf {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/crypt_calls.c");
    let built = folder.path("crypt_calls.so");
    tool(&["cc", "-shared", "-fPIC", "-o", built.to_str().unwrap(), source, "-lcrypt"], "");
    built
}

/// How many hashes of Debian's kind and cost the system has computed at a refused login; by
/// another library each would take another time.
fn yescrypt_hashes(folder: &Folder, counter: &Path, service: &Service, user: &str) -> usize {
    let calls = folder.write("calls", "");
    let ran = Caller::new(folder, "checkpassword-pam", ["-s", service.name(), "true"])
        .env("LD_PRELOAD", counter.to_str().unwrap())
        .env("CRYPT_CALLS", calls.to_str().unwrap())
        .login(user, "no password");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let calls = std::fs::read_to_string(calls).unwrap();
    calls.lines().filter(|setting| *setting == "$y$j9T$").count()
}

#[test]
fn who_is_refused_had_the_same_computed_whoever_it_is() {
    needs!("root", "cc");
    let folder = folder();
    let counter = counter(&folder);
    let known = Account::new(&[], "secret");
    assert!(known.hash().starts_with("$y$j9T$"), "{}", known.hash());
    let locked = Account::new(&[], "secret");
    locked.change(&["usermod", "-L"]);
    let alias = Account::new(&["-o", "-u", "0"], "secret");
    // For the empty password, which pam_unix looks for, and for the one that was given.
    let twice = "auth required pam_unix.so\naccount required pam_unix.so\n";
    let four = format!("auth optional pam_unix.so nullok\n{twice}");
    for (text, count) in [(SHIPPED, 2), (twice, 2), (&four, 4)] {
        let service = Service::new(text);
        for user in [&known.name, &locked.name, &alias.name, "root", "no-such-user", "daemon"] {
            assert_eq!(yescrypt_hashes(&folder, &counter, &service, user), count, "{user}: {text}");
        }
    }
}

/// What PAM computes for one and we for another: a limit on memory tells nobody who exists.
#[test]
fn a_hash_that_there_is_no_memory_for_refuses_nobody() {
    needs!("root", "cc");
    let folder = folder();
    let account = Account::new(&[], "secret");
    let auth = format!("{} starve\nauth required pam_unix.so\n", stand_in(&folder));
    let service = Service::new(&format!("{auth}account required pam_unix.so\n"));
    for (user, password) in
        [(&*account.name, "secret"), (&account.name, "wrong"), ("no-such-user", "x"), ("root", "x")]
    {
        login(&folder, &service, user, password)
            .fails(111, "checkpassword-pam: not enough memory to check a password\n");
    }
}

#[test]
fn pam_knows_service_user_and_address() {
    needs!("root");
    let folder = folder();
    let log = folder.path("log");
    let line = format!("echo $PAM_TYPE $PAM_SERVICE $PAM_USER $PAM_RHOST >>{}", log.display());
    let script = note(&folder, &line);
    let note = format!(
        "auth required pam_unix.so\nauth required pam_exec.so quiet {0}\n\
         account required pam_exec.so quiet {0}\n",
        script
    );
    let service = Service::new(&note);
    let account = Account::new(&[], "secret");
    let by_environment = Caller::new(&folder, "checkpassword-pam", ["true"])
        .env("PAM_SERVICE", service.name())
        .env("TCPREMOTEIP", "::ffff:192.0.2.7")
        .login(&account.name, "secret");
    assert_eq!(by_environment.code, Some(0), "{by_environment:?}");
    let by_option = Caller::new(&folder, "checkpassword-pam", ["-s", service.name(), "true"])
        .env("PAM_SERVICE", "no-such-service")
        .login(&account.name, "secret");
    assert_eq!(by_option.code, Some(0), "{by_option:?}");
    let (service, user) = (service.name(), &account.name);
    let expected = format!(
        "auth {service} {user} 192.0.2.7\naccount {service} {user} 192.0.2.7\n\
         auth {service} {user}\naccount {service} {user}\n"
    );
    assert_eq!(std::fs::read_to_string(log).unwrap(), expected);
}

#[test]
fn trouble_that_may_pass() {
    needs!("root");
    let folder = folder();
    let account = Account::new(&[], "secret");
    let line = format!(": {}: ", account.name);
    let broken = "auth required pam_no_such_module.so\naccount required pam_permit.so\n";
    let service = Service::new(broken);
    login(&folder, &service, &account.name, "secret").fails(111, &line);
    drop(service);
    let service = Service::shipped();
    std::fs::remove_dir_all(format!("/home/{}", account.name)).unwrap();
    login(&folder, &service, &account.name, "secret")
        .fails(111, "unable to enter home folder: /home/");
    let arguments = ["-s", service.name(), "no-such-program"];
    std::fs::create_dir(format!("/home/{}", account.name)).unwrap();
    Caller::new(&folder, "checkpassword-pam", arguments)
        .login(&account.name, "secret")
        .fails(111, "unable to exec: no-such-program: ");
}

/// What PAM takes for a wrong password, and modules that it cannot ask.
#[test]
fn files_that_cannot_be_read_refuse_nobody() {
    needs!("root", "strace");
    let folder = folder();
    let account = Account::new(&[], "secret");
    let more = Service::new("auth required pam_unix.so\n");
    let service =
        Service::new(&format!("auth include {}\naccount required pam_unix.so\n", more.name()));
    let program = folder.path("checkpassword-pam");
    let login_without = |file: &str| {
        let fault = ["-f", "-o", "/dev/null", "-P", file, "-e", "inject=openat:error=EIO"];
        let words = [program.to_str().unwrap(), "-s", service.name(), "true"];
        Caller::of("strace", fault.into_iter().chain(words)).login(&account.name, "secret")
    };
    assert_eq!(login_without("/no/such/file").code, Some(0));
    let user = format!(": {}: ", account.name);
    for file in ["/etc/passwd", "/etc/shadow", more.0.to_str().unwrap()] {
        login_without(file).fails(111, &user);
    }
}

/// pam_exec has one word for a command that refuses, which is the system's own for trouble.
#[test]
fn whom_a_command_refuses_is_refused() {
    needs!("root", "cc");
    let folder = folder();
    let account = Account::new(&[], "secret");
    let script = note(&folder, "exit 3");
    let (auth, command) = ("auth required pam_permit.so\n", format!("pam_exec.so {script}"));
    let account_line = "account required pam_permit.so\n";
    let refusal =
        format!("login refused: {}: System error ({script} failed: exit code 3)", account.name);
    for text in [
        format!("auth required {command}\n{account_line}"),
        format!("{auth}account required {command}\n"),
    ] {
        login(&folder, &Service::new(&text), &account.name, "secret").fails(1, &refusal);
    }
    let trouble = format!("{} trouble\n", stand_in(&folder));
    let line = format!("PAM failed in authenticate: {}: System error", account.name);
    for text in [
        format!("{trouble}{account_line}"),
        format!("{trouble}account required {command}\n"),
        // These refuse nobody.
        format!("auth optional {command}\n{trouble}{account_line}"),
        format!("auth sufficient {command}\n{trouble}{account_line}"),
        format!("auth [default=ignore] {command}\n{trouble}{account_line}"),
    ] {
        login(&folder, &Service::new(&text), &account.name, "secret").fails(111, &line);
    }
}

/// PAM lets an ordinary user ask for its own account only; nobody else's can be taken on.
#[test]
fn an_ordinary_user_cannot_become_another() {
    needs!("root");
    let folder = folder();
    let permit = "auth required pam_permit.so\naccount required pam_permit.so\n";
    let service = Service::new(permit);
    let account = Account::new(&[], "secret");
    Caller::new(&folder, "checkpassword-pam", ["-s", service.name(), "true"])
        .run_by(54321)
        .login(&account.name, "secret")
        .fails(111, &format!("unable to take on identity: {}: ", account.name));
}

#[test]
fn the_user_that_pam_settled_on_counts() {
    needs!("root", "cc");
    let folder = folder();
    let module = stand_in(&folder);
    let permit = "account required pam_permit.so\n";
    let account = Account::new(&[], "secret");
    let mapped = Service::new(&format!("{module} user={}\n{permit}", account.name));
    let ran = login(&folder, &mapped, "alias@example.org", "secret");
    assert_eq!(ran.stdout.lines().next(), Some(account.id("-u").as_str()), "{ran:?}");
    let home = format!("{0}:/home/{0}:", account.name);
    assert!(ran.stdout.contains(&home), "{ran:?}");
    drop(mapped);
    let root = Service::new(&format!("{module} user=root\n{permit}"));
    login(&folder, &root, &account.name, "secret")
        .fails(1, "login refused: root: uid 0 and gid 0 are never served");
    drop(root);
    let nobody = Service::new(&format!("{module} user=no-such-user\n{permit}"));
    // Not refused: PAM has proven the password right.
    login(&folder, &nobody, &account.name, "secret")
        .fails(111, "unable to look up user: no-such-user: unknown user");
}

#[test]
fn the_password_is_all_that_pam_can_have() {
    needs!("root", "cc");
    let folder = folder();
    let module = stand_in(&folder);
    let account = Account::new(&[], "secret");
    let asked = |style: &str| {
        let content = format!("{module} ask={style}\naccount required pam_permit.so\n");
        login(&folder, &Service::new(&content), &account.name, "secret")
    };
    for style in ["shown", "radio"] {
        let line = format!("{}: PAM asked for something other than the password", account.name);
        asked(style).fails(1, &line);
    }
    for style in ["hidden", "text", "error"] {
        let ran = asked(style);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{style}: {ran:?}");
    }
}
