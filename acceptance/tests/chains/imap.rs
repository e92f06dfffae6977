//! IMAP (ports 143, 993): clients that log in, list and fetch through authup and a real
//! IMAP server, which answers their LOGIN by its tag, or behind fiximapio.

use acceptance::chain::{Chain, DOVECOT, ROOT, Server};
use anyhow::{Context, Result, ensure};
use test_support::service::NOBODY;

use super::fetching::put;
use super::login::door;
use crate::{
    BOB_IS_IN, Test, Tls, as_stored, body, by_python, holds, logs, logs_times, message,
    only_message,
};

pub(crate) const TESTS: &[Test] = &[
    ("imaplib over STARTTLS from Dovecot", &["python3", "imap"], |chain| {
        imaplib(chain, Tls::Asked, &DOVECOT)
    }),
    ("imaplib over TLS from Dovecot behind fiximapio", &["python3", "imap"], |chain| {
        imaplib(chain, Tls::AtOnce, &behind_fiximapio())
    }),
    ("imaplib through tlsserver's own dialog", &["python3", "imap"], imaplib_login),
    ("imaplib with a wrong password", &["python3", "imap"], wrong_password),
    ("imaplib waits for mail", &["python3", "imap"], idle),
    ("curl over STARTTLS from Dovecot", &["curl", "imap"], curl),
    ("mbsync over STARTTLS from Dovecot", &["mbsync", "imap"], |chain| {
        mbsync_from(chain, Tls::Asked, &serve(chain, Tls::Asked, &DOVECOT)?)
    }),
    ("mbsync over TLS from Dovecot behind fiximapio", &["mbsync", "imap"], |chain| {
        mbsync_from(chain, Tls::AtOnce, &serve(chain, Tls::AtOnce, &behind_fiximapio())?)
    }),
    ("mutt over STARTTLS from Dovecot", &["mutt", "imap"], |chain| shows_the_list(chain, "mutt")),
    ("neomutt over STARTTLS from Dovecot", &["neomutt", "imap"], |chain| {
        shows_the_list(chain, "neomutt")
    }),
    ("offlineimap over TLS from Dovecot", &["offlineimap", "imap"], offlineimap),
    ("a server that is missing is said to be", &["python3"], missing),
    (
        "fiximapio behind mailfront's imapfront-auth",
        &["python3", "imap", "imapfront-auth", "cvm-pwfile", "tcpserver", ROOT],
        mailfront,
    ),
];

/// A message in the mailbox, and a server that gives it away.
fn serve(chain: &Chain<'_>, tls: Tls, server: &[&str]) -> Result<Server> {
    put(chain);
    tls.server(chain, &chain.login("imap", server))
}

fn behind_fiximapio() -> Vec<&'static str> {
    [&["fiximapio"], &DOVECOT[..]].concat()
}

/// Runs Python with `client` logged out and TLS on; gives what the program printed.
pub(crate) fn python(chain: &Chain<'_>, port: u16, tls: Tls, program: &str) -> Result<String> {
    let connect = match tls {
        Tls::Asked => "IMAP4('localhost', port)\nclient.starttls(trust)",
        Tls::AtOnce => "IMAP4_SSL('localhost', port, ssl_context=trust)",
    };
    by_python(chain, port, &format!("client = imaplib.{connect}\n{program}"), "")
}

pub(crate) const FETCH: &str = "client.login('bob', 'pass word')
assert client.select()[1] == [b'1'], 'no message'
sys.stdout.buffer.write(client.fetch('1', '(BODY.PEEK[])')[1][0][1])
client.logout()
";

pub(crate) fn ensure_fetched(got: &[u8]) -> Result<()> {
    let wanted = as_stored(&message("stored"));
    let got: Vec<u8> = got.iter().copied().filter(|octet| *octet != b'\r').collect();
    ensure!(body(&got).starts_with(body(&wanted)), "got {}", got.escape_ascii());
    Ok(())
}

fn imaplib(chain: &Chain<'_>, tls: Tls, server: &[&str]) -> Result<()> {
    let server = serve(chain, tls, server)?;
    ensure_fetched(python(chain, server.port, tls, FETCH)?.as_bytes())?;
    logs(chain, BOB_IS_IN)
}

/// tlsserver holds the dialog, for servers that answer the login and for those that greet.
fn imaplib_login(chain: &Chain<'_>) -> Result<()> {
    put(chain);
    for server in [DOVECOT.to_vec(), behind_fiximapio()] {
        for tls in Tls::WAYS {
            let server = door(chain, "imap", tls, &chain.login("imap", &server))?;
            let refused = "try:
    client.login('bob', 'guessed')
except imaplib.IMAP4.abort:
    raise
except imaplib.IMAP4.error as refused:
    assert 'AUTHENTICATIONFAILED' in str(refused), refused
";
            let program = format!("{refused}{FETCH}");
            ensure_fetched(python(chain, server.port, tls, &program)?.as_bytes())?;
        }
    }
    logs_times(chain, BOB_IS_IN, 4);
    ensure!(chain.log().matches(BOB_IS_IN).count() == 4);
    Ok(())
}

/// imaplib tells a refused login from a connection that broke.
fn wrong_password(chain: &Chain<'_>) -> Result<()> {
    let server = serve(chain, Tls::AtOnce, &DOVECOT)?;
    let program = "for secret in ('guessed', 'pa\"ss\\\\word'):
    try:
        client.login('bob', secret)
    except imaplib.IMAP4.abort as broken:
        print('broken', broken)
    except imaplib.IMAP4.error as refused:
        print('refused', refused)
client.authenticate('PLAIN', lambda _: b'\\0bob\\0pass word')
print(client.select()[0])
client.logout()
";
    let seen = python(chain, server.port, Tls::AtOnce, program)?;
    let refused = "refused b'[AUTHENTICATIONFAILED] authup authorization failed'\n";
    ensure!(seen == format!("{refused}{refused}OK\n"), "{seen}");
    logs(chain, " failed, 4 remaining (bob from 127.0.0.1)")
}

/// The server's untagged data reach a client that waits for them.
fn idle(chain: &Chain<'_>) -> Result<()> {
    let server = serve(chain, Tls::AtOnce, &behind_fiximapio())?;
    let (new, message) = (chain.name("bob/Maildir/new/2.test"), "Subject: two\n\nbody\n");
    let program = format!(
        "client.login('bob', 'pass word')
client.select()
client.send(b'i IDLE\\r\\n')
assert client.readline().startswith(b'+'), 'no continuation'
os.chmod(os.path.dirname({new:?}), 0o777) if os.getuid() == 0 else None
with open({new:?} + '~', 'w') as file:
    file.write({message:?})
os.rename({new:?} + '~', {new:?})
while not (line := client.readline()).endswith(b'2 EXISTS\\r\\n'):
    assert line, 'the end'
client.send(b'DONE\\r\\n')
print('seen')
"
    );
    let seen = python(chain, server.port, Tls::AtOnce, &program)?;
    ensure!(seen == "seen\n", "{seen}");
    Ok(())
}

fn curl(chain: &Chain<'_>) -> Result<()> {
    let server = serve(chain, Tls::Asked, &DOVECOT)?;
    let (address, trust) =
        (format!("imap://localhost:{}/INBOX;MAILINDEX=1", server.port), chain.name("server.cert"));
    let command = ["curl", "-sS", "--ssl-reqd", "--cacert", &trust, "-u", "bob:pass word"];
    ensure_fetched(&chain.succeeds(&[&command[..], &[&address]].concat(), b"")?)
}

pub(crate) fn mbsync_from(chain: &Chain<'_>, tls: Tls, server: &Server) -> Result<()> {
    let kind = if tls == Tls::AtOnce { "IMAPS" } else { "STARTTLS" };
    let box_ = chain.name("client/box");
    let rules = format!(
        "IMAPAccount a\nHost localhost\nPort {}\nUser bob\nPass \"pass word\"\nSSLType {kind}\n\
         CertificateFile {}\n\nIMAPStore far\nAccount a\n\nMaildirStore near\nInbox {box_}\nPath {}/\n\n\
         Channel c\nFar :far:\nNear :near:\nPatterns INBOX\nCreate Near\nSyncState *\n",
        server.port,
        chain.name("server.cert"),
        chain.name("client")
    );
    let rules_file = chain.client_file("client/mbsyncrc", &rules);
    chain.succeeds(&["mbsync", "-c", &rules_file, "c"], b"")?;
    ensure_fetched(&only_message(chain, "client/box")?.0)
}

/// mutt logs in with its name as authorization id, too, and shows the list of messages.
fn shows_the_list(chain: &Chain<'_>, client: &str) -> Result<()> {
    let server = serve(chain, Tls::Asked, &DOVECOT)?;
    let rules = format!(
        "set imap_user=bob imap_pass='pass word' ssl_starttls=yes ssl_force_tls=yes\n\
         set certificate_file={} ssl_verify_host=no folder={}\n\
         set quit=yes move=no delete=no imap_authenticators=plain\npush '<exit>'\n",
        chain.name("server.cert"),
        chain.name("client")
    );
    let rules_file = chain.client_file("client/muttrc", &rules);
    let command =
        format!("TERM=xterm {client} -F {rules_file} -f imap://localhost:{}/INBOX", server.port);
    let output = chain.client(&["script", "-qec", &command, "/dev/null"], b"")?;
    holds(&String::from_utf8_lossy(&output.stdout), "stored")
        .with_context(|| chain.told(&output))?;
    logs(chain, BOB_IS_IN)
}

fn offlineimap(chain: &Chain<'_>) -> Result<()> {
    let server = serve(chain, Tls::AtOnce, &DOVECOT)?;
    let rules = format!(
        "[general]\naccounts = a\nmetadata = {0}/meta\nui = basic\n[Account a]\nlocalrepository = l\n\
         remoterepository = r\n[Repository l]\ntype = Maildir\nlocalfolders = {0}/offline\n\
         [Repository r]\ntype = IMAP\nremotehost = localhost\nremoteport = {1}\nremoteuser = bob\n\
         remotepass = pass word\nssl = yes\nsslcacertfile = {2}\nreadonly = True\n",
        chain.name("client"),
        server.port,
        chain.name("server.cert")
    );
    let rules_file = chain.client_file("client/offlineimaprc", &rules);
    chain.succeeds(&["offlineimap", "-o", "-c", &rules_file], b"")?;
    ensure_fetched(&only_message(chain, "client/offline/INBOX")?.0)
}

/// A server that cannot be run: the client is told, and not that its password is wrong.
fn missing(chain: &Chain<'_>) -> Result<()> {
    let server = serve(chain, Tls::AtOnce, &["fiximapio", "no-such-server"])?;
    let program = "try:
    client.login('bob', 'pass word')
except imaplib.IMAP4.error as refused:
    print(refused)
";
    let seen = python(chain, server.port, Tls::AtOnce, program)?;
    ensure!(seen == "b'[UNAVAILABLE] server is not ready'\n", "{seen}");
    logs(chain, "fiximapio: unable to exec: no-such-server: No such file or directory")
}

/// Another program checks the login, by names of variables that are not only ours.
fn mailfront(chain: &Chain<'_>) -> Result<()> {
    put(chain);
    let users = format!("bob:pass word:{NOBODY}:{NOBODY}:Bob:{}:/bin/sh\n", chain.name("bob"));
    let users = format!("CVM_PWFILE_PATH={}", chain.write("cvm-users", users).display());
    let checks = ["env", &users, "CVM_SASL_PLAIN=cvm-command:/usr/bin/cvm-pwfile"];
    let server = [&checks[..], &["imapfront-auth"], &behind_fiximapio()].concat();
    let server = chain.plain_server(&server)?;
    let program = format!("client = imaplib.IMAP4('localhost', port)\n{FETCH}");
    ensure_fetched(by_python(chain, server.port, &program, "")?.as_bytes())
}
