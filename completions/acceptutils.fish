# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_acceptutils_global_optspecs
    string join \n h/help V/version
end

function __fish_acceptutils_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_acceptutils_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_acceptutils_using_subcommand
    set -l cmd (__fish_acceptutils_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c acceptutils -n "__fish_acceptutils_needs_command" -s h -l help -d 'Print help'
complete -c acceptutils -n "__fish_acceptutils_needs_command" -s V -l version -d 'Print version'
complete -c acceptutils -n "__fish_acceptutils_needs_command" -f -a "init" -d 'Create the files of mail services: submission, incoming mail, POP3, IMAP'
complete -c acceptutils -n "__fish_acceptutils_needs_command" -f -a "check" -d 'Check a mail service\'s configuration'
complete -c acceptutils -n "__fish_acceptutils_needs_command" -f -a "explain" -d 'Show which rule of fixsmtpio changed which line into what'
complete -c acceptutils -n "__fish_acceptutils_needs_command" -f -a "failures" -d 'Show or clear the memory of refused logins'
complete -c acceptutils -n "__fish_acceptutils_needs_command" -f -a "demo" -d 'Demonstrate a login, and a message sent and fetched, in a temporary service'
complete -c acceptutils -n "__fish_acceptutils_needs_command" -f -a "passwd" -d 'Set a user\'s password in a users file'
complete -c acceptutils -n "__fish_acceptutils_needs_command" -f -a "user" -d 'Add, remove, list, lock and unlock users in a users file'
complete -c acceptutils -n "__fish_acceptutils_needs_command" -f -a "client-settings" -d 'Print settings for mail clients, or DNS records'
complete -c acceptutils -n "__fish_acceptutils_needs_command" -f -a "report" -d 'Summarize the log on one page'
complete -c acceptutils -n "__fish_acceptutils_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand init" -l host -d 'The server\'s host name, as clients use it' -r
complete -c acceptutils -n "__fish_acceptutils_using_subcommand init" -l cert -d 'A certificate (PEM) [default: a new self-signed one]' -r -F
complete -c acceptutils -n "__fish_acceptutils_using_subcommand init" -l key -d 'Its private key [default: in the certificate\'s file]' -r -F
complete -c acceptutils -n "__fish_acceptutils_using_subcommand init" -l submission -d 'The SMTP server for users who are logged in, with its arguments' -r
complete -c acceptutils -n "__fish_acceptutils_using_subcommand init" -l incoming -d 'The SMTP server for incoming mail' -r
complete -c acceptutils -n "__fish_acceptutils_using_subcommand init" -l incoming-user -d 'The user to run it as, other than --jail-user [default: qmaild if it exists, otherwise nobody]' -r
complete -c acceptutils -n "__fish_acceptutils_using_subcommand init" -l pop3 -d 'The POP3 server' -r
complete -c acceptutils -n "__fish_acceptutils_using_subcommand init" -l imap -d 'The IMAP server, with fiximapio before one that cannot answer a login made for it' -r
complete -c acceptutils -n "__fish_acceptutils_using_subcommand init" -l jail-user -d 'The user of the jailed processes [default: acceptutils if it exists, otherwise nobody]' -r
complete -c acceptutils -n "__fish_acceptutils_using_subcommand init" -l users -d 'Where users and passwords are kept [default: file]' -r -f -a "file\t'In a users file, for checkpassword-file'
pam\t'The system\'s accounts, by PAM, for checkpassword-pam'"
complete -c acceptutils -n "__fish_acceptutils_using_subcommand init" -l bin -d 'Where the programs are installed [default: the directory of this program]' -r -F
complete -c acceptutils -n "__fish_acceptutils_using_subcommand init" -l allow-open-relay -d 'Accept an --incoming server that relays for everybody, such as sendmail -bs'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand init" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand check" -l login -d 'Log in as this user through each service\'s programs, begin a message, and show each step' -r
complete -c acceptutils -n "__fish_acceptutils_using_subcommand check" -l address -d 'The user\'s address, to send from and to [default: USER@HOST]' -r
complete -c acceptutils -n "__fish_acceptutils_using_subcommand check" -l running -d 'Log in to the running services, on their ports, and verify the certificate'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand check" -l stdin -d 'Read the password from standard input, as one line'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand check" -l json -d 'Print as JSON'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand explain" -l home -d 'The folder with control/fixsmtpio in it [default: $QMAILHOME, /etc/acceptutils, /var/qmail]' -r -F
complete -c acceptutils -n "__fish_acceptutils_using_subcommand explain" -l rules -d 'The rules file, instead of the one in that folder' -r -F
complete -c acceptutils -n "__fish_acceptutils_using_subcommand explain" -l set -d 'An environment variable that is set, as AUTHUP_USER is behind authup; may be repeated' -r
complete -c acceptutils -n "__fish_acceptutils_using_subcommand explain" -l tls -d 'The state of TLS; a FIXSMTPIODEBUG transcript has it' -r -f -a "absent\t''
available\t''
required\t''
on\t''"
complete -c acceptutils -n "__fish_acceptutils_using_subcommand explain" -l json -d 'Print as JSON'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand explain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand failures" -l user -d 'Only this user, and the networks where the user is known' -r
complete -c acceptutils -n "__fish_acceptutils_using_subcommand failures" -l clear -d 'Forget the failures of an address, a network or a user' -r
complete -c acceptutils -n "__fish_acceptutils_using_subcommand failures" -l json -d 'Print as JSON'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand failures" -l all -d 'With --clear: all of them'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand failures" -l create -d 'Create the file if it does not exist'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand failures" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand demo" -l keep -d 'Keep the service running, to try other clients'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand demo" -l own-server -d 'Use a small mail server of its own, even if Exim or Postfix is installed'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand demo" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand passwd" -l uid -d 'For a new user: the system user to run as, a name or number' -r
complete -c acceptutils -n "__fish_acceptutils_using_subcommand passwd" -l gid -d 'For a new user: the group to run as [default: the system user\'s]' -r
complete -c acceptutils -n "__fish_acceptutils_using_subcommand passwd" -l home -d 'For a new user: the home directory, an absolute path [default: the system user\'s]' -r -F
complete -c acceptutils -n "__fish_acceptutils_using_subcommand passwd" -l stdin -d 'Read the password from standard input, as one line'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand passwd" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and not __fish_seen_subcommand_from add remove list lock unlock passwd help" -s h -l help -d 'Print help'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and not __fish_seen_subcommand_from add remove list lock unlock passwd help" -f -a "add" -d 'Add a user, with a password'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and not __fish_seen_subcommand_from add remove list lock unlock passwd help" -f -a "remove" -d 'Remove a user'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and not __fish_seen_subcommand_from add remove list lock unlock passwd help" -f -a "list" -d 'List users, the accounts they run as, and whether they can log in'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and not __fish_seen_subcommand_from add remove list lock unlock passwd help" -f -a "lock" -d 'Disable a user\'s logins, keeping the password'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and not __fish_seen_subcommand_from add remove list lock unlock passwd help" -f -a "unlock" -d 'Enable a user\'s logins again, with the same password'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and not __fish_seen_subcommand_from add remove list lock unlock passwd help" -f -a "passwd" -d 'Change a user\'s password'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and not __fish_seen_subcommand_from add remove list lock unlock passwd help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and __fish_seen_subcommand_from add" -l file -d 'The users file [default: users in $QMAILHOME or in /etc/acceptutils]' -r -F
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and __fish_seen_subcommand_from add" -l uid -d 'For a new user: the system user to run as, a name or number' -r
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and __fish_seen_subcommand_from add" -l gid -d 'For a new user: the group to run as [default: the system user\'s]' -r
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and __fish_seen_subcommand_from add" -l home -d 'For a new user: the home directory, an absolute path [default: the system user\'s]' -r -F
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and __fish_seen_subcommand_from add" -l stdin -d 'Read the password from standard input, as one line'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and __fish_seen_subcommand_from remove" -l file -d 'The users file [default: users in $QMAILHOME or in /etc/acceptutils]' -r -F
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and __fish_seen_subcommand_from list" -l file -d 'The users file [default: users in $QMAILHOME or in /etc/acceptutils]' -r -F
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and __fish_seen_subcommand_from list" -l json -d 'Print as JSON'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and __fish_seen_subcommand_from lock" -l file -d 'The users file [default: users in $QMAILHOME or in /etc/acceptutils]' -r -F
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and __fish_seen_subcommand_from lock" -s h -l help -d 'Print help'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and __fish_seen_subcommand_from unlock" -l file -d 'The users file [default: users in $QMAILHOME or in /etc/acceptutils]' -r -F
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and __fish_seen_subcommand_from unlock" -s h -l help -d 'Print help'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and __fish_seen_subcommand_from passwd" -l file -d 'The users file [default: users in $QMAILHOME or in /etc/acceptutils]' -r -F
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and __fish_seen_subcommand_from passwd" -l stdin -d 'Read the password from standard input, as one line'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and __fish_seen_subcommand_from passwd" -s h -l help -d 'Print help'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and __fish_seen_subcommand_from help" -f -a "add" -d 'Add a user, with a password'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and __fish_seen_subcommand_from help" -f -a "remove" -d 'Remove a user'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and __fish_seen_subcommand_from help" -f -a "list" -d 'List users, the accounts they run as, and whether they can log in'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and __fish_seen_subcommand_from help" -f -a "lock" -d 'Disable a user\'s logins, keeping the password'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and __fish_seen_subcommand_from help" -f -a "unlock" -d 'Enable a user\'s logins again, with the same password'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and __fish_seen_subcommand_from help" -f -a "passwd" -d 'Change a user\'s password'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand client-settings" -l domain -d 'The domain of mail addresses [default: the server\'s name without its first label]' -r
complete -c acceptutils -n "__fish_acceptutils_using_subcommand client-settings" -l address -d 'The user\'s address, for Apple\'s profile [default: the device asks]' -r
complete -c acceptutils -n "__fish_acceptutils_using_subcommand client-settings" -l login-name -d 'What users log in with' -r -f -a "local\t'The part of their address before the @'
address\t'Their address'"
complete -c acceptutils -n "__fish_acceptutils_using_subcommand client-settings" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand report" -l since -d 'Ignore older lines: today, yesterday, a date such as 2026-11-26, hours such as 12h or days such as 7d' -r
complete -c acceptutils -n "__fish_acceptutils_using_subcommand report" -l json -d 'Print as JSON'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand report" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand help; and not __fish_seen_subcommand_from init check explain failures demo passwd user client-settings report help" -f -a "init" -d 'Create the files of mail services: submission, incoming mail, POP3, IMAP'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand help; and not __fish_seen_subcommand_from init check explain failures demo passwd user client-settings report help" -f -a "check" -d 'Check a mail service\'s configuration'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand help; and not __fish_seen_subcommand_from init check explain failures demo passwd user client-settings report help" -f -a "explain" -d 'Show which rule of fixsmtpio changed which line into what'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand help; and not __fish_seen_subcommand_from init check explain failures demo passwd user client-settings report help" -f -a "failures" -d 'Show or clear the memory of refused logins'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand help; and not __fish_seen_subcommand_from init check explain failures demo passwd user client-settings report help" -f -a "demo" -d 'Demonstrate a login, and a message sent and fetched, in a temporary service'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand help; and not __fish_seen_subcommand_from init check explain failures demo passwd user client-settings report help" -f -a "passwd" -d 'Set a user\'s password in a users file'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand help; and not __fish_seen_subcommand_from init check explain failures demo passwd user client-settings report help" -f -a "user" -d 'Add, remove, list, lock and unlock users in a users file'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand help; and not __fish_seen_subcommand_from init check explain failures demo passwd user client-settings report help" -f -a "client-settings" -d 'Print settings for mail clients, or DNS records'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand help; and not __fish_seen_subcommand_from init check explain failures demo passwd user client-settings report help" -f -a "report" -d 'Summarize the log on one page'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand help; and not __fish_seen_subcommand_from init check explain failures demo passwd user client-settings report help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand help; and __fish_seen_subcommand_from user" -f -a "add" -d 'Add a user, with a password'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand help; and __fish_seen_subcommand_from user" -f -a "remove" -d 'Remove a user'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand help; and __fish_seen_subcommand_from user" -f -a "list" -d 'List users, the accounts they run as, and whether they can log in'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand help; and __fish_seen_subcommand_from user" -f -a "lock" -d 'Disable a user\'s logins, keeping the password'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand help; and __fish_seen_subcommand_from user" -f -a "unlock" -d 'Enable a user\'s logins again, with the same password'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand help; and __fish_seen_subcommand_from user" -f -a "passwd" -d 'Change a user\'s password'
