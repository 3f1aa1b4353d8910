//! The binary: its exit codes, and what it says before it does anything.

use std::process::{Command, Output};

fn pullwarden(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pullwarden"));
    command.args(arguments).env_clear().output().unwrap()
}

#[track_caller]
fn check(arguments: &[&str], code: i32) -> (String, String) {
    let output = pullwarden(arguments);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(
        output.status.code(),
        Some(code),
        "{arguments:?}\n{out}\n{err}"
    );
    (out, err)
}

#[test]
fn help_and_version_are_no_failure() {
    let (out, err) = check(&["--help"], 0);
    assert!(
        out.contains("run") && out.contains("status") && err.is_empty(),
        "{out}"
    );
    assert!(
        check(&["run", "--help"], 0)
            .0
            .contains("--image-pull-failure-count")
    );
    let (help, _) = check(&["run", "--help"], 0);
    assert!(help.contains("the main container ends with it"), "{help}");
    assert!(check(&["--version"], 0).0.starts_with("pullwarden "));
}

#[test]
fn usage_errors_are_two() {
    for arguments in [
        &[][..],
        &["rnu"],
        &["run", "--no-such-flag"],
        &["run", "--poll"],
        &["status", "-o", "yaml"],
    ] {
        check(arguments, 2);
    }
}

#[test]
fn a_mistyped_word_is_answered_with_the_nearest_one() {
    for (arguments, nearest) in [
        (
            &["run", "--image-pull-failure-cont", "3"][..],
            "--image-pull-failure-count",
        ),
        (&["status", "--wach"], "--watch"),
        (&["survey", "--namespaces", "a"], "--namespace"),
        (&["stauts"], "status"),
        (&["survey", "--by", "registy"], "registry"),
    ] {
        let (_, err) = check(arguments, 2);
        assert!(err.contains(&format!("'{nearest}'")), "{err}");
    }
}

#[test]
fn the_scripts_and_the_manual_know_the_commands_and_flags() {
    for shell in ["bash", "zsh", "fish"] {
        let (script, err) = check(&["completions", shell], 0);
        assert!(err.is_empty());
        for word in ["survey", "namespace", "image-pull-failure-count"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    check(&["completions", "tcsh"], 2);
    let (page, _) = check(&["man"], 0);
    assert!(page.contains("pullwarden\\-survey(1)"), "{page}");
    let (page, _) = check(&["man", "survey"], 0);
    assert!(page.contains(".TH pullwarden-survey 1"), "{page}");
    assert!(page.contains("\\-\\-namespace"), "{page}");
    let (_, err) = check(&["man", "nothing"], 1);
    assert!(err.contains("there is no command nothing"), "{err}");
}

/// The shell itself takes the script, and completes by it.
#[test]
fn bash_completes_by_its_script() {
    let script = "source <(\"$0\" completions bash); COMP_WORDS=(pullwarden sta); COMP_CWORD=1; \
        _pullwarden pullwarden sta pullwarden; echo \"${COMPREPLY[@]}\"";
    let mut bash = Command::new("bash");
    let program = env!("CARGO_BIN_EXE_pullwarden");
    let output = bash.args(["-c", script, program]).output().unwrap();
    let completed = String::from_utf8_lossy(&output.stdout);
    assert_eq!(completed.trim(), "status", "{output:?}");
}

#[test]
fn a_bad_configuration_is_sixty_four_and_every_fault_is_listed() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.yaml");
    std::fs::write(
        &file,
        "mode: loud\npol: 5s\nbudget: {per: soon}\nscope: {restartPolicies: [Never, Sometimes]}\n",
    )
    .unwrap();
    let path = file.to_str().unwrap();
    let (out, err) = check(&["run", "--config", path, "--cri-socket", "run/x"], 64);
    assert!(out.is_empty());
    let file = format!("(in {path})");
    for fault in [
        "the configuration has 6 faults:".to_owned(),
        format!("  pol: is not a known key {file}"),
        format!("  mode: \"loud\" is none of observe, opt-in, enforce {file}"),
        format!("  budget.per: \"soon\" is not a duration like 10s, 2m, 1h {file}"),
        format!(
            "  scope.restartPolicies[1]: \"Sometimes\" is none of Never, OnFailure, Always {file}"
        ),
        "  criSocket: \"run/x\" is not an absolute path (from --cri-socket)".to_owned(),
        "  nodeName: is not given, and the environment has no NODE_NAME".to_owned(),
    ] {
        assert!(err.contains(&fault), "{fault} is not in\n{err}");
    }
}

#[test]
fn a_configuration_that_is_not_there_is_sixty_four() {
    let (_, err) = check(
        &["run", "--config", "/no/such/file", "--node-name", "n"],
        64,
    );
    assert!(
        err.contains("/no/such/file") && err.contains("cannot be read"),
        "{err}"
    );
}

#[test]
fn an_address_in_use_is_a_failure_that_says_so() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (_, err) = check(&["run", "--node-name", "n", "--admin-address", &address], 1);
    assert!(err.contains(&address), "{err}");
}

#[test]
fn status_without_an_agent_is_a_failure_that_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("none.sock");
    let (out, err) = check(&["status", "--control-socket", socket.to_str().unwrap()], 1);
    assert!(out.is_empty() && err.contains("is it running?"), "{err}");
}
