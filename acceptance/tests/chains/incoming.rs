//! Incoming mail (port 25): fixsmtpio with STARTTLS in front of a real SMTP server.

use acceptance::chain::{Chain, Server};
use anyhow::{Result, ensure};

use crate::{Test, by_python, ensure_body, holds, message, only_message, swaks_sends};

pub(crate) const TESTS: &[Test] = &[
    ("incoming by swaks over STARTTLS to Exim", &["swaks", "exim4"], swaks_to_exim),
    ("incoming by swaks without STARTTLS to Exim", &["swaks", "exim4"], |chain| {
        send(chain, &exim(chain)?, &[]).map(drop)
    }),
    (
        "incoming by smtplib over STARTTLS to smtpfront-echo",
        &["python3", "smtpfront-echo"],
        smtplib_to_echo,
    ),
    (
        "a device that ends its lines with LF alone",
        &["exim4", "tcprules", "python3"],
        device_with_bare_newlines,
    ),
    ("incoming chunks by Exim's client", &["python3", "exim4"], chunks_to_exim),
];

/// Port 25's server runs as an ordinary user, which tcpserver's -u would do.
fn as_nobody(chain: &Chain<'_>) -> Vec<String> {
    let nobody = chain.nobody().iter().map(ToString::to_string);
    nobody.chain(chain.exim()).collect()
}

fn exim(chain: &Chain<'_>) -> Result<Server> {
    chain.tls_server("", &as_nobody(chain))
}

fn send(chain: &Chain<'_>, server: &Server, more: &[&str]) -> Result<String> {
    let eve_to_bob = ["eve@example.org", "bob@example.org"];
    let said = swaks_sends(chain, server, "incoming", eve_to_bob, more)?;
    ensure_body(&only_message(chain, "bob/Maildir")?.0, &message("incoming"))?;
    Ok(said)
}

fn swaks_to_exim(chain: &Chain<'_>) -> Result<()> {
    let said = send(chain, &exim(chain)?, &["--tls"])?;
    holds(&said, "220 mail.example.org ESMTP")?;
    holds(&said, "TLS started")
}

fn smtplib_to_echo(chain: &Chain<'_>) -> Result<()> {
    let server = chain.tls_server("!", &["fixsmtpio", "smtpfront-echo"])?;
    let program = "client = smtplib.SMTP('localhost', port)\n\
         print(client.docmd('MAIL', 'FROM:<eve@example.org>'))\nclient.starttls(context=trust)\n\
         for turn in range(3):\n  client.sendmail('eve@example.org', ['bob@example.org'], sys.stdin.buffer.read())\n\
         print(client.ehlo())\nprint(client.quit())";
    let said = by_python(chain, server.port, program, &message("smtplib"))?;
    holds(&said, "(530, b'Must start TLS first (#5.7.0)')")?;
    ensure!(!said.contains("STARTTLS"), "offered again: {said}");
    holds(&said, "(221, b'mail.example.org')")
}

/// BDAT from a client that knows it, to a server that offers it.
fn chunks_to_exim(chain: &Chain<'_>) -> Result<()> {
    let server = exim(chain)?;
    let program = "client = smtplib.SMTP('localhost', port)\nclient.starttls(context=trust)\n\
         client.ehlo()\nassert client.has_extn('chunking'), client.esmtp_features\n\
         assert client.mail('eve@example.org')[0] == 250\nassert client.rcpt('bob@example.org')[0] == 250\n\
         text = sys.stdin.buffer.read()\nhalf = len(text) // 2\n\
         client.send(b'BDAT %d\\r\\n' % half + text[:half])\nprint(client.getreply())\n\
         client.send(b'BDAT %d LAST\\r\\n' % (len(text) - half) + text[half:] + b'NOOP\\r\\n')\n\
         print(client.getreply(), client.getreply())\nprint(client.quit())";
    let said = by_python(chain, server.port, program, &message("chunks"))?;
    holds(&said, "(221, b'mail.example.org')")?;
    ensure_body(&only_message(chain, "bob/Maildir")?.0, &message("chunks"))
}

/// By tcprules, for its address; another's LF.LF is text.
fn device_with_bare_newlines(chain: &Chain<'_>) -> Result<()> {
    let (rules, temporary) = (chain.name("client/rules.cdb"), chain.name("client/rules.tmp"));
    let allow = b"127.0.0.1:allow,FIXSMTPIOBARENEWLINE=\"accept-end\"\n:allow\n";
    chain.succeeds(&["tcprules", &rules, &temporary], allow)?;
    let server = chain.tlsserver(&["-n", "-x", &rules], "", &as_nobody(chain))?;
    let program = "client = socket.create_connection(('127.0.0.1', port))\nfile = client.makefile('rb')\n\
         def hear(code):\n  while True:\n    line = file.readline()\n    assert line.startswith(code), line\n    \
         if line[3:4] == b' ': return\n\
         hear(b'220')\n\
         for line, code in ((b'EHLO device', b'250'), (b'MAIL FROM:<eve@example.org>', b'250'),\n  \
         (b'RCPT TO:<bob@example.org>', b'250'), (b'DATA', b'354')):\n  client.sendall(line + b'\\n')\n  hear(code)\n\
         client.sendall(b'Subject: device\\n\\nscanned\\n.\\n')\nhear(b'250')\n\
         client.sendall(b'QUIT\\n')\nhear(b'221')";
    by_python(chain, server.port, program, "")?;
    let (stored, _) = only_message(chain, "bob/Maildir")?;
    ensure!(stored.ends_with(b"\n\nscanned\n"), "{}", stored.escape_ascii());
    Ok(())
}
