//! One API server, several addresses: which is shown, what each name resolves to from where, who connects.

use std::process::Command;

use crate::bench::{Lab, client, refused, said, says, squeeze};

const CREATE: &str = "aks create -g rg --enable-private-cluster --no-ssh-key";

fn curl(lab: &Lab, arguments: &[&str]) -> Command {
    let mut command = lab.program(client("curl").expect("the story asked for it"));
    command.args(["-sS", "--max-time", "10"]).args(arguments);
    command
}

#[test]
fn the_public_fqdn_is_answered_everywhere_the_private_one_only_where_the_zone_is_linked() {
    let (Some(lab), Some(_)) = (Lab::with_group(), client("dig")) else { return };
    let cluster = lab.az(&format!("{CREATE} -n a"));
    assert_eq!(cluster["provisioningState"], "Succeeded");
    let (public, private) = (cluster["fqdn"].as_str().unwrap(), cluster["privateFqdn"].as_str().unwrap());
    let host = public.strip_suffix(".hcp.japaneast.azmk8s.io").expect(public);
    let zone = private.strip_prefix(&format!("{host}.")).expect(private);
    assert!(zone.ends_with(".privatelink.japaneast.azmk8s.io"), "{zone}");
    says(&squeeze(&lab.az_table("aks list")), &[&format!("a japaneast rg 1.34 1.34.4 Succeeded {public}")]);

    let inside = lab.inside();
    for transport in ["+notcp", "+tcp"] {
        assert_eq!(lab.dig("internet", &format!("+short {transport} {public}")), "10.224.0.4");
        assert_eq!(lab.dig(&inside, &format!("+short {transport} {public}")), "10.224.0.4");
        assert_eq!(lab.dig(&inside, &format!("+short {transport} {private}")), "10.224.0.4");
        says(
            &lab.dig("internet", &format!("{transport} {private}")),
            &["status: NXDOMAIN", "ANSWER: 0, AUTHORITY: 1", "SOA"],
        );
    }
    says(&lab.dig("internet", &format!("{public} AAAA")), &["status: NOERROR", "ANSWER: 0", "EDNS: version: 0"]);

    let updated = lab.az("aks update -g rg -n a --disable-public-fqdn");
    assert_eq!((&updated["fqdn"], &updated["privateFqdn"]), (&serde_json::Value::Null, &cluster["privateFqdn"]));
    assert_eq!(updated["apiServerAccessProfile"]["enablePrivateClusterPublicFqdn"], false);
    says(&squeeze(&lab.az_table("aks list")), &[&format!("Succeeded {private}")]);
    assert_eq!(lab.asks("internet", public), (false, String::new()));
    assert_eq!(lab.dig(&inside, &format!("+short {private}")), "10.224.0.4");
    says(&lab.az_refused("aks get-credentials -g rg -n a --public-fqdn -f -"), &["ERROR"]);

    assert_eq!(lab.az("aks update -g rg -n a --enable-public-fqdn")["fqdn"], public, "the name it had");
    assert_eq!(lab.asks("internet", public), (true, "10.224.0.4".to_owned()));
}

#[test]
fn a_kubeconfig_names_the_private_fqdn_unless_the_public_one_is_asked_for() {
    let (Some(lab), Some(_)) = (Lab::with_group(), client("kubectl")) else { return };
    let cluster = lab.az(&format!("{CREATE} -n a"));
    let server = |fqdn: &str| format!("server: https://{}:443\n", cluster[fqdn].as_str().unwrap());
    let credentials =
        |options: &str| said(&mut lab.az_command(&format!("aks get-credentials -g rg -n a -f - {options}")));
    says(&credentials(""), &[&server("privateFqdn"), "name: clusterUser_rg_a\n", "current-context: a\n"]);
    says(&credentials("--admin"), &[&server("privateFqdn"), "name: clusterAdmin_rg_a\n"]);
    says(&credentials("--public-fqdn"), &[&server("fqdn"), "name: clusterUser_rg_a\n"]);

    let inside = lab.inside();
    let file = lab.path("stands-inside");
    let mut write = lab.noren(&["kubeconfig", "rg/a", "--from", &inside, "--public-fqdn", "--file"]);
    said(write.arg(&file));
    says(&fs_err::read_to_string(&file).unwrap(), &["proxy-url: http://127.0.0.1:"]);
    let mut kubectl = lab.program(client("kubectl").unwrap());
    says(&said(kubectl.arg("--kubeconfig").arg(&file).args(["get", "nodes"])), &["Ready"]);
}

#[test]
fn only_who_resolves_and_routes_connects_and_a_refusal_says_why() {
    let (Some(lab), Some(_), Some(_)) = (Lab::behind_proxies(), client("curl"), client("kubectl")) else { return };
    let cluster = lab.az(&format!("{CREATE} -n a"));
    let (public, private) = (cluster["fqdn"].as_str().unwrap(), cluster["privateFqdn"].as_str().unwrap());
    lab.az_command("aks get-credentials -g rg -n a").output().unwrap();
    let inside = lab.inside();
    says(
        &squeeze(&lab.kubectl(&inside, "get nodes -o wide")),
        &[
            "NAME STATUS ROLES AGE VERSION INTERNAL-IP EXTERNAL-IP OS-IMAGE",
            "vmss000000 Ready",
            "10.224.0.5",
            "10.224.0.7",
        ],
    );
    let (_, outside) = refused(&mut lab.at("internet", "kubectl get nodes"));
    says(&outside, &[&format!("internet: public DNS has no name {private} (NXDOMAIN)")]);

    assert_eq!(lab.dig(&inside, &format!("+short {private}")), "10.224.0.4");
    let (near, far) = (lab.proxy(&inside), lab.proxy("internet"));
    let url = |name: &str| format!("https://{name}/version");
    let authority = lab.path("authority.pem");
    let encoded =
        lab.kubectl(&inside, "config view --raw -o jsonpath={.clusters[0].cluster.certificate-authority-data}");
    fs_err::write(&authority, base64(&encoded)).unwrap();
    let trusting = ["--cacert", authority.to_str().unwrap()];
    for name in [public, private, "10.224.0.4"] {
        for way in [["--proxy", &format!("http://{near}")], ["--socks5-hostname", &near]] {
            let text = said(curl(&lab, &way).args(trusting).arg(url(name)));
            says(&text, &["\"reason\":\"Unauthorized\"", "\"code\":401"]);
        }
    }
    let (status, text) = refused(&mut curl(&lab, &["--socks5-hostname", &near, &url(private)]));
    assert_eq!(status, 60, "an authority that nobody trusts: {text}");

    let connect = |name: &str| refused(curl(&lab, &["-v", "--proxy", &format!("http://{far}")]).arg(url(name)));
    let (status, text) = connect(private);
    assert_eq!(status, 56);
    says(&text, &[&format!("502 internet: public DNS has no name {private} (NXDOMAIN)")]);
    says(&connect(public).1, &["504 internet: no route leads to 10.224.0.4 from here"]);
    let socks = |name: &str| refused(curl(&lab, &["--socks5-hostname", &far]).arg(url(name))).1;
    says(&socks(private), &["(4)"]);
    says(&socks(public), &["(3)"]);
    let (_, text) = refused(&mut curl(&lab, &["--socks5-hostname", &near, &format!("https://{private}:8443/")]));
    says(&text, &["(5)"]);
    says(
        &said(&mut curl(&lab, &["--proxy", &format!("http://{near}"), "http://a.example/"])),
        &["only CONNECT is served here"],
    );
}

fn base64(text: &str) -> Vec<u8> {
    use ::base64::{Engine as _, engine::general_purpose::STANDARD};
    STANDARD.decode(text.trim()).expect("base64")
}
