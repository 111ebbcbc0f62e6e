//! A cluster behind whose door another control plane stands: kubectl cannot tell, save by what is there.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
};

use kube::UpstreamSpec;

use crate::{
    access::{refused, run},
    cluster::Cluster,
};

#[test]
fn another_control_plane_answers_in_the_name_of_who_asks_at_the_door() {
    let behind = Cluster::start();
    let door = Cluster::in_front_of(&behind.as_upstream());
    assert_eq!(run(&door, "create namespace team"), "namespace/team created\n");
    assert!(run(&behind, "get namespaces").contains("team "));
    assert_eq!(run(&door, "create deployment web --image=nginx -n team"), "deployment.apps/web created\n");
    run(&door, "wait --for=condition=Available deployment/web -n team --timeout=60s");
    assert_eq!(run(&door, "get deployment web -n team -o jsonpath={.status.readyReplicas}"), "1");
    assert!(run(&door, "explain deployment.spec").contains("replicas"));

    // The door's certificate was proved at the door; behind it the name is the same, and so is whoever it acts as.
    let who = run(&door, "auth whoami");
    assert!(who.contains("masterclient") && who.contains("system:masters"), "{who}");
    assert!(run(&door, "auth whoami --as=jane --as-group=devs").contains("jane"));
    assert!(refused(&door, "get nodes --as=jane").contains("User \"jane\" cannot list resource \"nodes\""));
    door.sign_in_by_token("wrong");
    assert!(refused(&door, "get nodes").contains("You must be logged in to the server"));

    // A token that was issued behind the door is judged there.
    run(&behind, "create serviceaccount robot -n team");
    let token = run(&behind, "create token robot -n team");
    door.sign_in_by_token(token.trim());
    assert!(run(&door, "auth whoami").contains("system:serviceaccount:team:robot"));
    assert!(refused(&door, "get nodes").contains("User \"system:serviceaccount:team:robot\" cannot list"));
    door.sign_in_by_token("no.such.token");
    assert!(refused(&door, "get nodes").contains("You must be logged in to the server"));
}

#[test]
fn a_watch_streams_through_the_door() {
    let behind = Cluster::start_bare();
    let door = Cluster::in_front_of(&behind.as_upstream());
    run(&behind, "create configmap first");
    let mut watch = door.start_kubectl(&["get", "configmaps", "--watch", "-o", "name"]);
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert_eq!(lines.next().unwrap(), "configmap/first");
    run(&behind, "create configmap second");
    assert_eq!(lines.next().unwrap(), "configmap/second");
    watch.kill().unwrap();
    watch.wait().unwrap();
}

#[test]
fn a_control_plane_that_is_not_there_or_does_not_let_us_in_is_said_to_be() {
    let behind = Cluster::start_bare();
    let nowhere = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let door = Cluster::in_front_of(&UpstreamSpec { server: format!("https://{nowhere}"), ..behind.as_upstream() });
    let said = refused(&door, "get --raw /api/v1/nodes");
    assert!(said.contains(&format!("the control plane at https://{nowhere} cannot be reached: ")), "{said}");
    let door = Cluster::in_front_of(&UpstreamSpec { identity: None, ..behind.as_upstream() });
    let said = refused(&door, "get --raw /api/v1/nodes");
    assert!(said.contains("does not accept the credentials it is given here"), "{said}");
}

#[test]
fn a_connection_changes_its_protocol_through_the_door() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    let behind = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let head: Vec<String> =
            reader.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
        let answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n";
        stream.write_all(answer.as_bytes()).unwrap();
        let mut said = [0; 4];
        reader.read_exact(&mut said).unwrap();
        assert_eq!(&said, b"ping");
        stream.write_all(b"pong").unwrap();
        head.join("\n").to_ascii_lowercase()
    });
    let door = Cluster::in_front_of(&UpstreamSpec {
        server,
        authorization: Some("Bearer of-the-one-behind".to_owned().into()),
        ..UpstreamSpec::default()
    });
    door.speak(
        "POST /api/v1/namespaces/a/pods/p/exec?command=sh HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n",
        &[("upgrade: SPDY/3.1\r\n", "ping"), ("pong", "")],
    );
    let head = behind.join().unwrap();
    assert!(head.starts_with("post /api/v1/namespaces/a/pods/p/exec?command=sh http/1.1"), "{head}");
    for line in ["upgrade: spdy/3.1", "authorization: bearer of-the-one-behind", "impersonate-user: masterclient"] {
        assert!(head.contains(line), "{head}");
    }
}
