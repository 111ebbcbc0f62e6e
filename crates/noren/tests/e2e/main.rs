//! Stories with the program itself and real clients: `az`, `kubectl`. What they print is asserted.

mod bench;
mod vpn;

use bench::{Lab, az, succeed};

#[test]
fn the_tour_finds_everything_as_the_article_reports() {
    let lab = tempfile::tempdir().unwrap();
    let mut tour = std::process::Command::new(env!("CARGO_BIN_EXE_noren"));
    let said = succeed(tour.arg("tour").env("HOME", lab.path()));
    assert!(said.contains("all as the article reports"), "{said}");
    assert!(said.contains("VPN client                           private FQDN  NXDOMAIN"), "{said}");
}

#[test]
fn az_builds_a_private_cluster_and_kubectl_reaches_it_from_inside() {
    let Some(_) = az() else { return };
    let lab = Lab::up();
    lab.az_json("group create -n rg -l japaneast");
    let cluster = lab.az_json("aks create -g rg -n a --enable-private-cluster --no-ssh-key");
    assert_eq!(cluster["provisioningState"], "Succeeded");
    let (public, private) = (cluster["fqdn"].as_str().unwrap(), cluster["privateFqdn"].as_str().unwrap());
    assert!(public.ends_with(".hcp.japaneast.azmk8s.io"), "{public}");
    assert!(private.ends_with(".privatelink.japaneast.azmk8s.io"), "{private}");

    let config = lab.path("config");
    lab.az_json(&format!("aks get-credentials -g rg -n a -f {}", config.display()));
    let text = fs_err::read_to_string(&config).unwrap();
    assert!(text.contains(&format!("https://{private}:443")), "the kubeconfig names the private FQDN");

    let updated = lab.az_json("aks update -g rg -n a --disable-public-fqdn");
    assert!(updated["fqdn"].is_null(), "no public FQDN is left");
    let again = lab.az_json("aks update -g rg -n a --enable-public-fqdn");
    assert_eq!(again["fqdn"], public);

    lab.az_json("aks delete -g rg -n a --yes");
    assert_eq!(lab.az_json("resource list"), serde_json::json!([]));
}

#[test]
fn az_is_refused_what_azure_refuses() {
    let Some(_) = az() else { return };
    let lab = Lab::up();
    lab.az_json("group create -n rg -l westeurope");
    let zone = lab.az_json("network private-dns zone create -g rg -n privatelink.westeurope.azmk8s.io");
    let zone = zone["id"].as_str().unwrap();
    let create = "aks create -g rg -n a --enable-private-cluster --no-ssh-key";
    let system = lab.az_refused(&format!("{create} --private-dns-zone {zone}"));
    assert!(system.contains("SystemAssignedIdentityNotSupportedForCustomPrivateDNSZone"), "{system}");

    let identity = lab.az_json("identity create -g rg -n i");
    let identity = identity["id"].as_str().unwrap();
    let rights = lab.az_refused(&format!("{create} --private-dns-zone {zone} --assign-identity {identity}"));
    assert!(rights.contains("CustomPrivateDNSZoneMissingPermissionError"), "{rights}");

    lab.az_json(&format!("{create} --private-dns-zone none"));
    let hidden = lab.az_refused("aks update -g rg -n a --disable-public-fqdn");
    assert!(hidden.contains("NonePrivateDNSZonePublicFQDNDisabledError") || hidden.contains("none"), "{hidden}");
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let Some(_) = az() else { return };
    let mut lab = Lab::up();
    lab.az_json("group create -n rg -l westeurope");
    let before = lab.az_json("aks create -g rg -n a --enable-private-cluster --no-ssh-key");
    lab.kill();
    lab.start();
    let after = lab.az_json("aks show -g rg -n a");
    assert_eq!(after["privateFqdn"], before["privateFqdn"]);
}

#[test]
fn a_second_lab_on_the_same_data_is_refused() {
    let lab = Lab::up();
    let second = lab.noren(&["up"]).output().unwrap();
    assert!(!second.status.success());
    assert!(!second.stderr.is_empty(), "it says why");
}
