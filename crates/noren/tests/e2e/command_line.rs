//! The command line: what it prints to whom, and how it says what went wrong.

use std::process::Stdio;

use serde_json::Value;

use crate::bench::{Lab, client, noren, refused, said, says};

#[test]
fn help_and_completions_need_no_lab() {
    says(&said(&mut noren(&["--help"])), &["noren up", "eval \"$(noren env)\"", "az aks create"]);
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        says(&said(&mut noren(&["completions", shell])), &["noren", "kubeconfig"]);
    }
    let (status, usage) = refused(&mut noren(&["nosuch"]));
    assert_eq!(status, 2);
    says(&usage, &["unrecognized subcommand 'nosuch'", "Usage: noren <COMMAND>"]);
}

#[test]
fn without_a_lab_every_command_says_what_why_and_what_to_do() {
    let data = tempfile::tempdir().unwrap();
    for command in [
        &["status"][..],
        &["env"],
        &["down"],
        &["dig", "a.example"],
        &["kubeconfig", "a", "--from", "internet"],
        &["exec", "--from", "internet", "--", "true"],
    ] {
        let (status, text) = refused(noren(command).env("NOREN_DATA", data.path()));
        assert_eq!(status, 3, "{command:?}");
        says(&text, &["error: no lab is running\n  why:    ", "running.json\n  remedy: start one with `noren up`"]);
    }
    let file = data.path().join("file");
    fs_err::write(&file, "").unwrap();
    let (_, text) = refused(noren(&["up", "--data"]).arg(file.join("lab")));
    says(
        &text,
        &["error: the lab's directory ", "cannot be made\n  why:    ", "\n  remedy: name one that you may write"],
    );
}

#[test]
fn a_lab_says_where_it_listens_and_stops_when_told() {
    let mut lab = Lab::up();
    let environment: Value = serde_json::from_str(&lab.noren_says(&["env", "--json"])).unwrap();
    let url = environment["NOREN_ARM"].as_str().unwrap().to_owned();
    assert!(url.starts_with("https://localhost:"), "{url}");
    says(&lab.noren_says(&["env", "--shell", "sh"]), &["export AZURE_CONFIG_DIR='", &format!("NOREN_ARM='{url}'")]);
    says(&lab.noren_says(&["env", "--shell", "fish"]), &["set -gx AZURE_CONFIG_DIR '", "';\n"]);
    says(&lab.noren_says(&["env", "--shell", "powershell"]), &["$env:AZURE_CONFIG_DIR = '"]);
    says(
        &lab.noren_says(&["status"]),
        &[
            &format!("ARM and Entra ID  {url}"),
            "VANTAGE   IS A      PROXY",
            "DNS VIEW  UDP AND TCP",
            "public    127.0.0.1:",
        ],
    );

    let (status, text) = refused(&mut lab.noren(&["up"]));
    assert_eq!(status, 3);
    says(&text, &["error: another lab runs on this data", "is in use (process ", "stop it with `noren down`"]);

    says(&lab.noren_says(&["down"]), &[&format!("stopped {url}")]);
    lab.start(&[]);
    assert_eq!(lab.status()["arm"], url, "it listens where it did");
}

#[test]
fn a_start_right_after_a_lab_was_killed_waits_until_its_data_is_free() {
    let mut lab = Lab::up();
    lab.kill();
    // As a process does that was killed and has not gone yet.
    let dying = std::fs::File::open(lab.path("lab").join("lab.redb")).unwrap();
    dying.lock().unwrap();
    let mut up = lab.noren(&["up", "--output", "json"]);
    let mut process = up.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let mut stderr = std::io::BufReader::new(process.stderr.take().unwrap());
    std::io::BufRead::read_line(&mut stderr, &mut line).unwrap();
    says(&line, &["waiting for a lab that has ended to let go of "]);
    drop(dying);
    let mut stdout = std::io::BufReader::new(process.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
    says(&line, &["\"arm\":\"https://localhost:"]);
    said(&mut lab.noren(&["down"]));
    assert!(process.wait().unwrap().success());
}

#[test]
fn an_ephemeral_lab_starts_in_a_shell_that_knows_another_lab_and_leaves_nothing() {
    let lab = Lab::up();
    let scratch = tempfile::tempdir().unwrap();
    let mut up = noren(&["up", "--ephemeral", "--output", "json"]);
    up.env("NOREN_DATA", lab.path("lab")).env("TMPDIR", scratch.path()).stdout(Stdio::piped());
    let mut process = up.spawn().unwrap();
    let mut line = String::new();
    let mut stdout = std::io::BufReader::new(process.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
    let status: Value = serde_json::from_str(&line).unwrap();
    assert_ne!(status["arm"], lab.status()["arm"]);
    let data = status["data"].as_str().unwrap();
    said(&mut noren(&["down", "--data", data]));
    assert!(process.wait().unwrap().success());
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0);
}

#[test]
fn who_names_a_place_that_is_not_there_is_told_which_are() {
    let lab = Lab::up();
    let (status, text) = refused(&mut lab.noren(&["dig", "--from", "nowhere", "a.example"]));
    assert_eq!(status, 3);
    says(
        &text,
        &["error: there is no vantage `nowhere`\n", "why:    the lab has internet\n", "`noren status` lists all"],
    );
    let (_, text) = refused(&mut lab.noren(&["kubeconfig", "a", "--from", "internet"]));
    says(&text, &["error: there is no cluster `a`\n", "the lab has no cluster yet", "az aks create"]);
    let (status, text) = refused(&mut lab.noren(&["exec", "--from", "internet", "--", "nosuch"]));
    assert_eq!(status, 127, "as a shell");
    says(&text, &["error: there is no command `nosuch`", "it is not on the PATH"]);
    fs_err::write(lab.path("text"), "no program").unwrap();
    let text = lab.path("text");
    let (status, said) = refused(&mut lab.noren(&["exec", "--from", "internet", "--", text.to_str().unwrap()]));
    assert_eq!(status, 126, "as a shell");
    says(&said, &["cannot be run\n  why:    you may not run it", "look at its permissions"]);
    let (status, _) = refused(&mut lab.noren(&["exec", "--from", "internet", "--", "sh", "-c", "exit 7"]));
    assert_eq!(status, 7, "the command's own");
}

#[test]
fn a_body_that_is_too_large_is_refused_over_either_http() {
    let Some(curl) = client("curl") else { return };
    let lab = Lab::up();
    fs_err::write(lab.path("large"), vec![b'x'; 5 * 1024 * 1024]).unwrap();
    for version in ["--http1.1", "--http2"] {
        let mut command = lab.program(curl.clone());
        command.args(["-sS", version, "-X", "PUT", "-w", " %{http_code}", "--data-binary", "@large"]);
        command.current_dir(lab.path(".")).arg(format!("{}/subscriptions/s?api-version=1", lab.variable("NOREN_ARM")));
        says(&said(&mut command), &["\"code\":\"RequestEntityTooLarge\"", "maximum size of 4 MB", " 413"]);
    }
}
