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
complete -c acceptutils -n "__fish_acceptutils_needs_command" -f -a "init" -d 'Make the files of a mail service: submission, incoming mail, POP3, IMAP'
complete -c acceptutils -n "__fish_acceptutils_needs_command" -f -a "check" -d 'Look a mail service over, and say what is wrong where'
complete -c acceptutils -n "__fish_acceptutils_needs_command" -f -a "explain" -d 'Say which rule of fixsmtpio changed which line into what'
complete -c acceptutils -n "__fish_acceptutils_needs_command" -f -a "failures" -d 'Show whose logins have been refused, or make it forgotten'
complete -c acceptutils -n "__fish_acceptutils_needs_command" -f -a "demo" -d 'Show a login, a message sent and fetched again, in a scratch service'
complete -c acceptutils -n "__fish_acceptutils_needs_command" -f -a "passwd" -d 'Set a user\'s password in a users file of checkpassword-file'
complete -c acceptutils -n "__fish_acceptutils_needs_command" -f -a "user" -d 'Add, remove, list, lock and unlock users of a users file'
complete -c acceptutils -n "__fish_acceptutils_needs_command" -f -a "client-settings" -d 'Print what mail clients and the DNS are to be told of the services'
complete -c acceptutils -n "__fish_acceptutils_needs_command" -f -a "report" -d 'Say on one page what was logged'
complete -c acceptutils -n "__fish_acceptutils_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand init" -l host -d 'The name that clients know the server by' -r
complete -c acceptutils -n "__fish_acceptutils_using_subcommand init" -l cert -d 'A certificate (PEM), instead of one made and signed here' -r -F
complete -c acceptutils -n "__fish_acceptutils_using_subcommand init" -l key -d 'Its key, where that is in another file' -r -F
complete -c acceptutils -n "__fish_acceptutils_using_subcommand init" -l submission -d 'The SMTP server for users who are logged in, with its arguments' -r
complete -c acceptutils -n "__fish_acceptutils_using_subcommand init" -l incoming -d 'The SMTP server for incoming mail' -r
complete -c acceptutils -n "__fish_acceptutils_using_subcommand init" -l incoming-user -d 'The user that it runs as, who is not that of --jail-user [default: qmaild, or else nobody]' -r
complete -c acceptutils -n "__fish_acceptutils_using_subcommand init" -l pop3 -d 'The POP3 server' -r
complete -c acceptutils -n "__fish_acceptutils_using_subcommand init" -l imap -d 'The IMAP server, which answers the login that it is told of, or fiximapio before one that can only greet' -r
complete -c acceptutils -n "__fish_acceptutils_using_subcommand init" -l jail-user -d 'The user of the processes that talk to strangers [default: acceptutils, or else nobody]' -r
complete -c acceptutils -n "__fish_acceptutils_using_subcommand init" -l users -d 'Where users and passwords are: a file of their own, or the system\'s accounts, by PAM' -r -f -a "file\t'In a file, for checkpassword-file'
pam\t'With the system, for checkpassword-pam'"
complete -c acceptutils -n "__fish_acceptutils_using_subcommand init" -l bin -d 'Where authup and the others are installed [default: beside this program]' -r -F
complete -c acceptutils -n "__fish_acceptutils_using_subcommand init" -l allow-open-relay -d 'Take a server for incoming mail that relays for everybody, such as sendmail -bs'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand init" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand check" -l login -d 'Log this user in through each service\'s real programs, begin a message, and show each step' -r
complete -c acceptutils -n "__fish_acceptutils_using_subcommand check" -l address -d 'The user\'s address, to send from and to [default: USER@HOST]' -r
complete -c acceptutils -n "__fish_acceptutils_using_subcommand check" -l running -d 'Log in to the services that run, on their ports, with the certificate verified'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand check" -l stdin -d 'Read the password from standard input, one line, instead of asking'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand check" -l json -d 'Print what is found as JSON'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand explain" -l home -d 'The folder with control/fixsmtpio in it [default: $QMAILHOME, /var/qmail]' -r -F
complete -c acceptutils -n "__fish_acceptutils_using_subcommand explain" -l rules -d 'The rules file, instead of the one in that folder' -r -F
complete -c acceptutils -n "__fish_acceptutils_using_subcommand explain" -l set -d 'A variable that is set, as `AUTHUP_USER` is behind authup; may be repeated' -r
complete -c acceptutils -n "__fish_acceptutils_using_subcommand explain" -l tls -d 'What UCSPITLS and the connection made of TLS; a FIXSMTPIODEBUG transcript tells' -r -f -a "absent\t''
available\t''
required\t''
on\t''"
complete -c acceptutils -n "__fish_acceptutils_using_subcommand explain" -l json -d 'Print the changes as JSON'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand explain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand failures" -l user -d 'Only this user, and where the user is known from' -r
complete -c acceptutils -n "__fish_acceptutils_using_subcommand failures" -l clear -d 'Forget the failures of an address, a network or a user' -r
complete -c acceptutils -n "__fish_acceptutils_using_subcommand failures" -l json -d 'Print it as JSON'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand failures" -l all -d 'With --clear: those of everybody'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand failures" -l create -d 'Make the file, if there is none'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand failures" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand demo" -l keep -d 'Keep running, to be tried with clients of one\'s own'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand demo" -l own-server -d 'A small mail server of its own, even where Exim or Postfix is installed'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand demo" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand passwd" -l uid -d 'For a new user: the user to become, a number or one of the system\'s' -r
complete -c acceptutils -n "__fish_acceptutils_using_subcommand passwd" -l gid -d 'For a new user: the group to become [default: that of the system\'s user]' -r
complete -c acceptutils -n "__fish_acceptutils_using_subcommand passwd" -l home -d 'For a new user: the home folder, an absolute path [default: that of the system\'s user]' -r -F
complete -c acceptutils -n "__fish_acceptutils_using_subcommand passwd" -l stdin -d 'Read the password from standard input, one line, instead of asking twice'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand passwd" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and not __fish_seen_subcommand_from add remove list lock unlock passwd help" -s h -l help -d 'Print help'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and not __fish_seen_subcommand_from add remove list lock unlock passwd help" -f -a "add" -d 'Add a user, with a password'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and not __fish_seen_subcommand_from add remove list lock unlock passwd help" -f -a "remove" -d 'Remove a user'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and not __fish_seen_subcommand_from add remove list lock unlock passwd help" -f -a "list" -d 'List the users, whom they become, and whether they can log in'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and not __fish_seen_subcommand_from add remove list lock unlock passwd help" -f -a "lock" -d 'Keep a user from logging in, and keep the password'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and not __fish_seen_subcommand_from add remove list lock unlock passwd help" -f -a "unlock" -d 'Let a user log in again, with the password that was kept'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and not __fish_seen_subcommand_from add remove list lock unlock passwd help" -f -a "passwd" -d 'Set a user\'s password'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and not __fish_seen_subcommand_from add remove list lock unlock passwd help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and __fish_seen_subcommand_from add" -l file -d 'The users file [default: users in $QMAILHOME or in /etc/acceptutils]' -r -F
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and __fish_seen_subcommand_from add" -l uid -d 'For a new user: the user to become, a number or one of the system\'s' -r
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and __fish_seen_subcommand_from add" -l gid -d 'For a new user: the group to become [default: that of the system\'s user]' -r
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and __fish_seen_subcommand_from add" -l home -d 'For a new user: the home folder, an absolute path [default: that of the system\'s user]' -r -F
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and __fish_seen_subcommand_from add" -l stdin -d 'Read the password from standard input, one line, instead of asking twice'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and __fish_seen_subcommand_from remove" -l file -d 'The users file [default: users in $QMAILHOME or in /etc/acceptutils]' -r -F
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and __fish_seen_subcommand_from list" -l file -d 'The users file [default: users in $QMAILHOME or in /etc/acceptutils]' -r -F
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and __fish_seen_subcommand_from list" -l json -d 'Print them as JSON'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and __fish_seen_subcommand_from lock" -l file -d 'The users file [default: users in $QMAILHOME or in /etc/acceptutils]' -r -F
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and __fish_seen_subcommand_from lock" -s h -l help -d 'Print help'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and __fish_seen_subcommand_from unlock" -l file -d 'The users file [default: users in $QMAILHOME or in /etc/acceptutils]' -r -F
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and __fish_seen_subcommand_from unlock" -s h -l help -d 'Print help'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and __fish_seen_subcommand_from passwd" -l file -d 'The users file [default: users in $QMAILHOME or in /etc/acceptutils]' -r -F
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and __fish_seen_subcommand_from passwd" -l stdin -d 'Read the password from standard input, one line, instead of asking twice'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and __fish_seen_subcommand_from passwd" -s h -l help -d 'Print help'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and __fish_seen_subcommand_from help" -f -a "add" -d 'Add a user, with a password'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and __fish_seen_subcommand_from help" -f -a "remove" -d 'Remove a user'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the users, whom they become, and whether they can log in'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and __fish_seen_subcommand_from help" -f -a "lock" -d 'Keep a user from logging in, and keep the password'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and __fish_seen_subcommand_from help" -f -a "unlock" -d 'Let a user log in again, with the password that was kept'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and __fish_seen_subcommand_from help" -f -a "passwd" -d 'Set a user\'s password'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand user; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand client-settings" -l domain -d 'What follows the @ of addresses [default: the server\'s name without its first label]' -r
complete -c acceptutils -n "__fish_acceptutils_using_subcommand client-settings" -l address -d 'The address of the user that Apple\'s profile is for [default: the device asks]' -r
complete -c acceptutils -n "__fish_acceptutils_using_subcommand client-settings" -l login-name -d 'What users log in with' -r -f -a "local\t'What is before the @ of their address'
address\t'Their address'"
complete -c acceptutils -n "__fish_acceptutils_using_subcommand client-settings" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand report" -l since -d 'Leave out what is older: today, yesterday, a date as 2026-11-26, hours as 12h or days as 7d' -r
complete -c acceptutils -n "__fish_acceptutils_using_subcommand report" -l json -d 'Print it as JSON'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand report" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand help; and not __fish_seen_subcommand_from init check explain failures demo passwd user client-settings report help" -f -a "init" -d 'Make the files of a mail service: submission, incoming mail, POP3, IMAP'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand help; and not __fish_seen_subcommand_from init check explain failures demo passwd user client-settings report help" -f -a "check" -d 'Look a mail service over, and say what is wrong where'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand help; and not __fish_seen_subcommand_from init check explain failures demo passwd user client-settings report help" -f -a "explain" -d 'Say which rule of fixsmtpio changed which line into what'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand help; and not __fish_seen_subcommand_from init check explain failures demo passwd user client-settings report help" -f -a "failures" -d 'Show whose logins have been refused, or make it forgotten'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand help; and not __fish_seen_subcommand_from init check explain failures demo passwd user client-settings report help" -f -a "demo" -d 'Show a login, a message sent and fetched again, in a scratch service'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand help; and not __fish_seen_subcommand_from init check explain failures demo passwd user client-settings report help" -f -a "passwd" -d 'Set a user\'s password in a users file of checkpassword-file'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand help; and not __fish_seen_subcommand_from init check explain failures demo passwd user client-settings report help" -f -a "user" -d 'Add, remove, list, lock and unlock users of a users file'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand help; and not __fish_seen_subcommand_from init check explain failures demo passwd user client-settings report help" -f -a "client-settings" -d 'Print what mail clients and the DNS are to be told of the services'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand help; and not __fish_seen_subcommand_from init check explain failures demo passwd user client-settings report help" -f -a "report" -d 'Say on one page what was logged'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand help; and not __fish_seen_subcommand_from init check explain failures demo passwd user client-settings report help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand help; and __fish_seen_subcommand_from user" -f -a "add" -d 'Add a user, with a password'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand help; and __fish_seen_subcommand_from user" -f -a "remove" -d 'Remove a user'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand help; and __fish_seen_subcommand_from user" -f -a "list" -d 'List the users, whom they become, and whether they can log in'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand help; and __fish_seen_subcommand_from user" -f -a "lock" -d 'Keep a user from logging in, and keep the password'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand help; and __fish_seen_subcommand_from user" -f -a "unlock" -d 'Let a user log in again, with the password that was kept'
complete -c acceptutils -n "__fish_acceptutils_using_subcommand help; and __fish_seen_subcommand_from user" -f -a "passwd" -d 'Set a user\'s password'
