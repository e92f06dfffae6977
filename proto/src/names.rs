//! Names that are an interface, as an enum each: what is not in one cannot be asked for, and
//! manual pages are held to it.

/// An enum with a name for each row, and all of them.
macro_rules! names {
    ($(#[$about:meta])* $names:ident: $($(#[$meaning:meta])* $row:ident = $name:literal,)*) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $names {
            $($(#[$meaning])* $row,)*
        }

        impl $names {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$row,)*];

            /// Its name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$row => $name,)*
                }
            }

            /// The one of this name.
            #[must_use]
            pub fn named(name: &[u8]) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.name().as_bytes() == name)
            }
        }
    };
}

names! {
    /// A file in the folder `control` of a qmail home.
    ControlFile:
    /// What the server is called.
    Me = "me",
    /// The greeting of SMTP, where it is not the name.
    SmtpGreeting = "smtpgreeting",
    /// That of POP3.
    Pop3Greeting = "pop3greeting",
    /// That of IMAP.
    ImapGreeting = "imapgreeting",
    /// What EHLO lists.
    SmtpCapabilities = "smtpcapabilities",
    /// What CAPA lists.
    Pop3Capabilities = "pop3capabilities",
    /// What CAPABILITY lists.
    ImapCapabilities = "imapcapabilities",
    /// Seconds that an SMTP client may do nothing.
    TimeoutSmtpd = "timeoutsmtpd",
    /// Those of a POP3 client.
    TimeoutPop3d = "timeoutpop3d",
    /// Those of an IMAP client.
    TimeoutImapd = "timeoutimapd",
    /// Seconds that all before a good login may take.
    TimeoutLogin = "timeoutlogin",
    /// What is made of the names that clients give.
    LoginNames = "loginnames",
    /// That refused logins are remembered, and how.
    LoginFailures = "loginfailures",
    /// Whether lines that say all are asked for.
    LogFormat = "logformat",
    /// The rules of fixsmtpio.
    Fixsmtpio = "fixsmtpio",
}

names! {
    /// A variable of the environment that our programs read or set.
    Variable:
    /// Another qmail home.
    QmailHome = "QMAILHOME",
    /// Where programs are looked up.
    Path = "PATH",
    /// Who has logged in, for what follows.
    User = "USER",
    /// The user's folder.
    Home = "HOME",
    /// The user's shell.
    Shell = "SHELL",
    /// The service that PAM is asked as.
    PamService = "PAM_SERVICE",

    /// Whether TLS is on offer, or required.
    UcspiTls = "UCSPITLS",
    /// TLS is not on offer.
    DisableTls = "DISABLETLS",
    /// UCSPI-TLS: the descriptor by which TLS is asked for.
    SslCtlFd = "SSLCTLFD",
    /// UCSPI-TLS: the descriptor of what the client sends then.
    SslReadFd = "SSLREADFD",
    /// UCSPI-TLS: the descriptor of what it is sent.
    SslWriteFd = "SSLWRITEFD",

    /// authup: mechanisms are repeated as `AUTH=`.
    SaslBrokenClients = "AUTHUP_SASL_BROKEN_CLIENTS",
    /// authup: whose jail the parser has.
    AuthupUid = "AUTHUP_UID",
    /// authup: its group.
    AuthupGid = "AUTHUP_GID",
    /// Who logs in.
    AuthupUser = "AUTHUP_USER",
    /// The client's last EHLO or HELO.
    AuthupHelo = "AUTHUP_HELO",
    /// The descriptor on which it is said that a login was good. It is not passed on.
    AuthupReadyFd = "AUTHUPREADYFD",
    /// The tag of the IMAP command that logs in.
    ImapLoginTag = "IMAPLOGINTAG",
    /// Who logs in, for IMAP servers.
    Authenticated = "AUTHENTICATED",

    /// fixsmtpio: it is not wanted.
    NoFixsmtpio = "NOFIXSMTPIO",
    /// fixsmtpio: what goes by is written down.
    FixsmtpioDebug = "FIXSMTPIODEBUG",
    /// fixsmtpio: what becomes of a bare line feed.
    FixsmtpioBareNewline = "FIXSMTPIOBARENEWLINE",
    /// fixsmtpio's word to rules and programs that TLS is on.
    FixsmtpioTls = "FIXSMTPIOTLS",

    /// UCSPI: `TCP`, or `TCP6` where the names are the next three.
    Proto = "PROTO",
    /// The client's address.
    Tcp6RemoteIp = "TCP6REMOTEIP",
    /// Its port.
    Tcp6RemotePort = "TCP6REMOTEPORT",
    /// The server's port.
    Tcp6LocalPort = "TCP6LOCALPORT",
    /// The client's address.
    TcpRemoteIp = "TCPREMOTEIP",
    /// Its port.
    TcpRemotePort = "TCPREMOTEPORT",
    /// Its name.
    TcpRemoteHost = "TCPREMOTEHOST",
    /// What its machine says of who it is.
    TcpRemoteInfo = "TCPREMOTEINFO",
    /// The server's address.
    TcpLocalIp = "TCPLOCALIP",
    /// Its port.
    TcpLocalPort = "TCPLOCALPORT",
    /// Its name.
    TcpLocalHost = "TCPLOCALHOST",
    /// The client's address, as sslserver calls it.
    SslRemoteIp = "SSLREMOTEIP",
    /// Its port.
    SslRemotePort = "SSLREMOTEPORT",
    /// The server's address.
    SslLocalIp = "SSLLOCALIP",
    /// Its port.
    SslLocalPort = "SSLLOCALPORT",

    /// A fact about TLS: the version.
    SslProtocol = "SSL_PROTOCOL",
    /// The cipher suite.
    SslCipher = "SSL_CIPHER",
    /// Bits of the key in use.
    SslCipherUseKeySize = "SSL_CIPHER_USEKEYSIZE",
    /// Bits that the cipher could use.
    SslCipherAlgKeySize = "SSL_CIPHER_ALGKEYSIZE",
    /// Whether it is one for export.
    SslCipherExport = "SSL_CIPHER_EXPORT",
    /// Whether a session goes on.
    SslSessionResumed = "SSL_SESSION_RESUMED",
    /// Whether the client had a certificate.
    SslClientVerify = "SSL_CLIENT_VERIFY",
    /// That certificate's hash.
    SslPeerCertHash = "SSL_PEER_CERT_HASH",
    /// Its subject.
    SslPeerCertSubject = "SSL_PEER_CERT_SUBJECT",
    /// Its common name.
    SslPeerCertCn = "SSL_PEER_CERT_CN",
    /// The name that the client asks for.
    SslTlsSniServerName = "SSL_TLS_SNI_SERVERNAME",
    /// The subject of the server's certificate.
    SslServerSDn = "SSL_SERVER_S_DN",

    /// tlsserver: the certificate with its chain, as sslserver calls it.
    CertChainFile = "CERTCHAINFILE",
    /// The certificate; with a colon and a name behind it, that of a name.
    CertFile = "CERTFILE",
    /// Its key, where that is in another file.
    KeyFile = "KEYFILE",
    /// A certificate of another kind.
    CertFile2 = "CERTFILE2",
    /// Its key.
    KeyFile2 = "KEYFILE2",
    /// sslserver's: the cipher suites.
    Ciphers = "CIPHERS",
    /// Parameters for Diffie-Hellman.
    DhFile = "DHFILE",
    /// Authorities that complete the chain.
    CaFile = "CAFILE",
    /// A folder of such.
    CaDir = "CADIR",
    /// Authorities of clients' certificates.
    CcaFile = "CCAFILE",
    /// How long the chain of such a certificate may be.
    VerifyDepth = "VERIFYDEPTH",
    /// The user of the process that does TLS, by name.
    SslUser = "SSL_USER",
    /// Its group.
    SslGroup = "SSL_GROUP",
    /// Its root folder.
    SslChroot = "SSL_CHROOT",
    /// The keyholder's: nobody is to get TLS, so that no certificate is needed.
    NoCertificate = "NO_CERTIFICATE",
    /// The engines': the bound on a handshake, in seconds.
    HandshakeSeconds = "HANDSHAKE_SECONDS",
    /// The engines': the bound on connections.
    Clients = "CLIENTS",
    /// The engines': sessions are not to be resumed.
    NoTickets = "NO_TICKETS",
    /// The limit on connections of one client that a rule sets.
    MaxConnIp = "MAXCONNIP",
    /// The user of the jailed processes.
    SslUid = "SSL_UID",
    /// Their group.
    SslGid = "SSL_GID",
    /// The user, by another name.
    TlsUid = "TLS_UID",
    /// The group, by another name.
    TlsGid = "TLS_GID",
    /// The programs' user.
    Uid = "UID",
    /// Their group.
    Gid = "GID",

    /// sd_listen_fds(3): how many sockets are passed.
    ListenFds = "LISTEN_FDS",
    /// To which process.
    ListenPid = "LISTEN_PID",
    /// What they are called.
    ListenFdNames = "LISTEN_FDNAMES",
    /// sd_notify(3): where the supervisor hears services.
    NotifySocket = "NOTIFY_SOCKET",
    /// Which file the journal reads, by device and inode.
    JournalStream = "JOURNAL_STREAM",

    /// acceptutils: the authorities that are trusted.
    SslCertFile = "SSL_CERT_FILE",
    /// acceptutils: where systemd's units are, as systemd itself has it.
    SystemdUnitPath = "SYSTEMD_UNIT_PATH",
    /// Nothing is shown in colours.
    NoColor = "NO_COLOR",
    /// Where temporary files are made.
    TmpDir = "TMPDIR",
}
