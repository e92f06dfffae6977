use super::*;

const SCRIPT: &str = "#!/bin/sh\n# export NO=1\nexec 2>&1\nexport A=b QMAILHOME='/x y' C=\n\
    exec tlsserver -n -vRl0 -c 40 -x r.cdb -- 0 587 \\\n  authup -t 5 smtp \\\n\
    checkpassword-file -f /users checknotroot env A=1 qmail-fixsmtpio \\\n sendmail -bs # all\n";

#[test]
fn the_row_of_programs() {
    let script = RunScript::parse(SCRIPT);
    assert_eq!(script.variable("QMAILHOME").unwrap().0, "/x y");
    assert_eq!(script.variable("C").unwrap().0, "");
    assert!(script.variable("NO").is_none() && script.variable("Q").is_none());
    let links = script.links();
    let names: Vec<_> = links.iter().map(Link::name).collect();
    let expected =
        ["tlsserver", "authup", "checkpassword-file", "checknotroot", "env", "fixsmtpio"];
    assert_eq!(names, [&expected[..], &["sendmail"]].concat());
    assert_eq!(links[6].arguments.len(), 1);
    assert_eq!((links[1].program.line, links[6].program.line), (6, 8));
}

#[test]
fn the_same_on_a_free_port() {
    let script = RunScript::parse(SCRIPT);
    let here = |script: &RunScript| {
        let (command, address) = script.command_here().unwrap();
        (command.join(" "), address.ip().to_string())
    };
    let (command, _) = here(&script);
    assert!(command.starts_with("tlsserver -1 -n -vRl0 -c 40 -x r.cdb -- 127.0.0.1 0 authup "));
    assert!(RunScript::parse("exec inetd").command_here().is_none());
    let balanced = "exec tlsserver -v --proxy-protocol=192.0.2.1 0 587 x --proxy-protocol=y";
    let balanced = RunScript::parse(balanced);
    let (command, _) = here(&balanced);
    let expected = "tlsserver -1 -v --proxy-protocol=127.0.0.1 127.0.0.1 0 x --proxy-protocol=y";
    assert_eq!(command, expected);
    for (listens, listens_here, address) in [
        ("0 587", "127.0.0.1 0", "127.0.0.1"),
        (":: 587", "127.0.0.1 0", "127.0.0.1"),
        ("-6 :: 587", "-6 ::1 0", "::1"),
        ("-6 0 587", "-6 ::1 0", "::1"),
        ("::1 587", "::1 0", "::1"),
        ("192.0.2.1 587", "192.0.2.1 0", "192.0.2.1"),
        ("--proxy-protocol 127.0.0.2 587", "--proxy-protocol=127.0.0.1 127.0.0.2 0", "127.0.0.2"),
        ("--proxy-protocol ::1 587", "--proxy-protocol=::1 ::1 0", "::1"),
    ] {
        let script = RunScript::parse(&format!("exec tlsserver {listens} x"));
        let expected = (format!("tlsserver -1 {listens_here} x"), address.to_owned());
        assert_eq!(here(&script), expected, "{listens}");
    }
}

#[test]
fn variables_that_are_exported_later() {
    let script =
        RunScript::parse("PATH=/a\nexport PATH\nNOT=1\nA=1 B=2\nexport B\nB=3\nC=4 exec x\n");
    let seen: Vec<_> = script.variables.iter().map(|word| word.text.as_str()).collect();
    assert_eq!(seen, ["PATH=/a", "B=2", "B=3", "C=4"]);
    assert_eq!(script.variable("B").unwrap().0, "3");
    assert_eq!(script.variable("PATH").unwrap().1.line, 1);
}

#[test]
fn what_a_shell_stays_beside_is_told() {
    for (script, stays) in [
        ("exec tlsserver 0 25 x", None),
        ("tlsserver 0 25 x", Some(Stays::NoExec)),
        ("A=1 nice tlsserver 0 25 x", Some(Stays::NoExec)),
        ("exec tlsserver 0 25 x 2>&1 | logger", Some(Stays::Beside)),
        ("tlsserver 0 25 x &\nwait", Some(Stays::Beside)),
        ("echo tlsserver; head -1 tlsserver | cat\nexec tlsserver 0 25 x >&2 2>&1", None),
        ("test -f /x && exec tlsserver 0 25 x || exit 1", None),
        ("tlsserver --version\nexec tlsserver 0 25 x", None),
    ] {
        let script_read = RunScript::parse(script);
        assert_eq!(script_read.shell_stays, stays, "{script}");
        let links = script_read.links();
        let last: Vec<_> = links.iter().map(Link::name).collect();
        assert_eq!(last.last(), Some(&"x"), "{script}");
    }
    assert!(RunScript::parse("echo tlsserver 0 25 x").command.is_empty());
    let set = RunScript::parse("exec env A=1 nice env -u C B=2 authup smtp env D=4 x");
    assert_eq!(set.variable("B").map(|(value, _)| value), Some("2"));
    assert!(set.variable("A").is_some() && set.variable("D").is_none());
}

#[test]
fn what_env_drops_is_not_set() {
    let set = |script: &str, name: &str| {
        let script = RunScript::parse(script);
        script.variable(name).map(|(value, _)| value.to_owned())
    };
    for env in ["env -", "env -i", "env --ignore-environment", "env -u A", "env -uA -u C"] {
        let script = format!("export A=1\nexec {env} B=2 authup smtp x");
        assert_eq!(set(&script, "A"), None, "{env}");
        assert_eq!(set(&script, "B").as_deref(), Some("2"), "{env}");
    }
    for env in ["env --unset=A", "env --unset A", "env A=3 env -i", "env -i A=3 nice env -u A"] {
        assert_eq!(set(&format!("A=1 exec {env} authup smtp x"), "A"), None, "{env}");
    }
    for env in ["env -u B", "env -u A env A=1", "env -i A=1", "env -C /A env"] {
        assert_eq!(
            set(&format!("A=1 exec {env} authup smtp x"), "A").as_deref(),
            Some("1"),
            "{env}"
        );
    }
}

#[test]
fn where_output_goes_is_no_word_of_the_command() {
    for script in [
        "exec tlsserver 0 25 x 2> /dev/null",
        "exec tlsserver 0 25 x > log 2>&1",
        "exec tlsserver 0 25 x 2>&1 >>/dev/null < /dev/null",
        "exec tlsserver 0 25 x>log 2>&-",
        "exec tlsserver 0 25 x &> log",
        "exec tlsserver 0 25 x >| \"a log\" 2>& 1",
        "exec tlsserver 2>\\\n /dev/null 0 25 x",
        "exec 2>/dev/null tlsserver 0 25 x",
        "exec > /var/log/x 2>&1\nexec tlsserver 0 25 x",
        "exec 2> /var/log/x\ntlsserver 0 25 x",
        "{ exec tlsserver 0 25 x; } 2> /dev/null",
    ] {
        let script_read = RunScript::parse(script);
        let words: Vec<_> = script_read.command.iter().map(|word| word.text.as_str()).collect();
        assert_eq!(words.join(" "), "tlsserver 0 25 x", "{script}");
    }
    let quoted = RunScript::parse("exec sh -c '> x' \">y\" 2\\>3");
    let words: Vec<_> = quoted.command.iter().map(|word| word.text.as_str()).collect();
    assert_eq!(words, ["sh", "-c", "> x", ">y", "2>3"]);
}

#[test]
fn a_bound_on_memory_is_in_octets() {
    let bound = |script| RunScript::parse(script).memory;
    assert_eq!(bound("ulimit -v 12000\nexec x"), Some((12_288_000, 1)));
    assert_eq!(bound("ulimit -n 12000\nulimit -Sd 1"), Some((1024, 2)));
    assert_eq!(bound("ulimit -v unlimited"), None);
}

#[test]
fn what_the_shell_computes_is_marked() {
    let script =
        RunScript::parse("exec a \"$b\" '$c' `d e` $(f g) -u\"$(h \"i\" j)\" ${k:-l m} $1");
    let said: Vec<_> =
        script.command.iter().map(|word| (word.text.as_str(), word.is_computed)).collect();
    let expected = [
        ("a", false),
        ("$b", true),
        ("$c", false),
        ("`d e`", true),
        ("$(f g)", true),
        ("-u$(h \"i\" j)", true),
        ("${k:-l m}", true),
        ("$1", true),
    ];
    assert_eq!(said, expected);
}

/// What the last word of a script comes to; none where only the shell knows.
fn last(script: &str) -> Option<String> {
    let script = RunScript::parse(script);
    script.command.last().filter(|word| !word.is_computed).map(|word| word.text.clone())
}

#[test]
fn variables_that_the_script_has_set_are_known() {
    for (script, value) in [
        ("export A=/x\nexec env B=\"$A\"", "B=/x"),
        ("A=/x\nexec env B=$A/${A}y", "B=/x//xy"),
        ("export A='/x y'\nexec env \"B=${A}\"", "B=/x y"),
        ("export A=\nexec env B=\"$A\"", "B="),
        ("A=1 B=2$A\nexport C=3$B; exec \"$C\"", "321"),
        ("A=1\nA=2\nexec x $A", "2"),
        ("if test -f /x; then C=1; fi\nA=1\nexec x $A", "1"),
        ("A=1\nexec x \"\\$A\\n\"", "$A\\n"),
        ("A=1\nif [ -z \"$A\" ]; then echo A is not set; exit 1; fi\nexec x $A", "1"),
    ] {
        assert_eq!(last(script).as_deref(), Some(value), "{script}");
    }
}

/// As the run scripts of qmail's handbooks begin.
#[test]
fn the_usual_substitutions_are_known() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("concurrencyincoming");
    std::fs::write(&file, "40\nand more\n\n").unwrap();
    let set = |mode| {
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(mode))
            .unwrap();
    };
    set(0o644);
    let said = |script: &str| last(&script.replace("FILE", file.to_str().unwrap()));
    for (script, value) in [
        ("A=`id -u daemon`\nexec x \"$A\"", "1"),
        ("exec x -g$(/usr/bin/id -g daemon)", "-g1"),
        ("A=`head -1 FILE`\nexec x $A", "40"),
        ("B=FILE\nA=\"$(head -n 1 $B 2>/dev/null)\"\nexec x \"$A\"", "40"),
        ("exec x \"`cat FILE`\"", "40\nand more"),
    ] {
        assert_eq!(said(script).as_deref(), Some(value), "{script}");
    }
    assert!(said("exec x $(hostname)").is_some());
    for script in [
        "exec x `cat FILE`",
        "exec x `cat FILE | head -1`",
        "exec x `cat FILE || echo 20`",
        "exec x `cat FILE.none`",
        "exec x `cat run_script.rs`",
        "exec x $(id -u no-such-user)",
        "exec x $(id -u)",
        "exec x $(id -u $A)",
    ] {
        assert_eq!(said(script), None, "{script}");
    }
    set(0o640);
    assert_eq!(said("exec x $(head -1 FILE)"), None);
}

#[test]
fn quotes_and_documents_go_on_behind_their_line() {
    for script in [
        "A=\"one\n exec y\"\nexec tlsserver 0 25 x",
        "cat <<EOF >/dev/null\nexec y; don't\nEOF\nexec tlsserver 0 25 x",
        "cat <<-'E' && B=1\nexec y\n\tE\nexec tlsserver 0 25 x",
        "test -f z ||\n exit 1\nexec tlsserver 0 25 x # it's done",
        "A=$(cat a\n)\nexec tlsserver 0 25 x",
    ] {
        let read = RunScript::parse(script);
        let words: Vec<_> = read.command.iter().map(|word| word.text.as_str()).collect();
        assert_eq!(words.join(" "), "tlsserver 0 25 x", "{script}");
        let line = 1 + script[..script.find("exec tls").unwrap()].matches('\n').count();
        assert_eq!(read.command[0].line, line, "{script}");
        assert_eq!(read.shell_stays, None, "{script}");
    }
    let read = RunScript::parse("exec envdir ./env sh -c '\n exec tlsserver 0 25 x\n'\n");
    let links = read.links();
    assert_eq!(links.iter().map(Link::name).collect::<Vec<_>>(), ["envdir", "sh"]);
    let beside = RunScript::parse("cat |\ntlsserver 0 25 x");
    assert_eq!(beside.shell_stays, Some(Stays::Beside));
}

#[test]
fn what_cannot_be_known_is_not_asserted() {
    for script in [
        "exec x $A",
        "A=$(b)\nexec x $A",
        "A=\"b c\"\nexec x $A",
        "A=\nexec x $A",
        "A=*\nexec x $A",
        "A=1\n. /etc/default/mail\nexec x $A",
        "A=1\nunset A\nexec x $A",
        "A=1\nread A\nexec x $A",
        "A=1\ntest -f /x && A=2\nexec x $A",
        "A=1\nif test -f /x; then A=2; fi\nexec x $A",
        "A=1\nif test -f /x\nthen\n  export A=2\nfi\nexec x $A",
        "A=1\nfor B in 1 2; do A=$B; done\nexec x $A",
        "A=1 exec x $A",
    ] {
        assert_eq!(last(script), None, "{script}");
    }
}

/// Of each script, what is surely set at its end, and what may be set or not.
#[test]
fn what_stands_behind_a_condition_may_be_so_or_not() {
    for (script, sure, doubtful) in [
        ("if [ -f a ]; then export A=1; else export A=2; fi", "", "A=1 A=2"),
        ("export A=0 B=1\n[ -e a ] && export A=1", "B=1", "A=1"),
        ("export A=0\n[ -e a ] || A=1", "", "A=1"),
        ("export A=0\n[ -e a ] || unset A", "", "A=0"),
        ("[ -e a ] && export A=1\nexport A=2", "A=2", ""),
        ("[ -e a ] && export A=1\nA=2", "", "A=1"),
        ("A=1\n[ -e a ] && export A", "", "A=1"),
        ("A=1\n[ -e a ] && A=2\nexport A", "", "A"),
        ("[ -e a ] && export A=1\nunset A", "", ""),
        (
            "case $(b) in\na) export A=1 ;;\n\"b c\"|d) export A=2;;\n*)\nexport A=3\nesac",
            "",
            "A=1 A=2 A=3",
        ),
        ("case a in b) A=1; export A; esac", "", "A"),
        ("for a in b; do export A=$a; done\nexport B=1", "B=1", "A=$a"),
        ("export LANG", "", "LANG"),
        ("export A=1\nexport A", "A=1", ""),
        ("export A=1\nA+=2\nexport B+=3", "", "A+=2 B+=3"),
        // Every program has one.
        ("PATH=/a", "PATH=/a", ""),
        ("PATH+=:/a", "", "PATH+=:/a"),
        ("PATH=$PATH:/a", "", "PATH=$PATH:/a"),
        ("[ -e a ] && PATH=/a", "", "PATH=/a"),
    ] {
        let script_read = RunScript::parse(&format!("{script}\nexec x\n"));
        let texts = |words: &[Word]| {
            words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
        };
        let found = (texts(&script_read.variables), texts(&script_read.doubtful));
        assert_eq!(found, (sure.to_owned(), doubtful.to_owned()), "{script}");
        assert_eq!(script_read.command[0].text, "x", "{script}");
        assert!(script_read.misnamed.is_empty(), "{script}");
    }
    let sourcing = RunScript::parse("export A=1\n. /etc/default/a\nexec x");
    assert!(sourcing.hides("B") && sourcing.variable("A").is_some());
}

#[test]
fn names_that_no_shell_takes() {
    let misnamed = |script: &str| RunScript::parse(script).misnamed.len();
    for script in ["CERTFILE:a.b=/x", "export A=1 B-C=2", "A.B=1"] {
        assert_eq!(misnamed(script), 1, "{script}");
    }
    for script in
        ["((a=1))", "[[ a == b ]]", "a[1]=2", "A+=1", "export A+=1", "./x=y", "[ -f a ] && A-B=1"]
    {
        assert_eq!(misnamed(script), 0, "{script}");
    }
}
