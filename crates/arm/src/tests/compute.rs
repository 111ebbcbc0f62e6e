//! Machines: what they hold, what they say of themselves, and what goes when they go.

use serde_json::{Value, json};

use super::{Answer, Lab};
use crate::Pace;

const NETWORK: &str = "/resourceGroups/rg/providers/Microsoft.Network";
const COMPUTE: &str = "/resourceGroups/rg/providers/Microsoft.Compute";

impl Lab {
    /// A lab with the network `v`, its subnet `default` and the interfaces `names` in it.
    async fn with_interfaces(names: &[&str]) -> Self {
        let lab = Self::new(Pace::Instant).await;
        lab.group("rg").await;
        lab.network("v", "10.0.0.0/24").await;
        for name in names {
            let made =
                lab.interface(name, json!({"subnet": {"id": lab.id("virtualNetworks/v/subnets/default")}})).await;
            assert_eq!(made.status, 201, "{made:?}");
        }
        lab
    }

    async fn network(&self, name: &str, prefix: &str) {
        let subnets = json!([{"name": "default", "properties": {"addressPrefix": prefix}}]);
        let properties = json!({"addressSpace": {"addressPrefixes": [prefix]}, "subnets": subnets});
        let path = format!("{NETWORK}/virtualNetworks/{name}");
        let made = self.put(&path, json!({"location": "westeurope", "properties": properties})).await;
        assert_eq!(made.status, 201, "{made:?}");
    }

    async fn interface(&self, name: &str, configuration: Value) -> Answer {
        let properties = json!({"ipConfigurations": [{"name": "c", "properties": configuration}]});
        let body = json!({"location": "westeurope", "properties": properties});
        self.put(&format!("{NETWORK}/networkInterfaces/{name}"), body).await
    }

    /// The id of what lies below `Microsoft.Network` in the group.
    fn id(&self, path: &str) -> String {
        format!("/subscriptions/{}{NETWORK}/{path}", self.plane.lab().subscription)
    }

    fn machine(&self, interfaces: &[&str]) -> Value {
        let interface = |(at, name): (usize, &&str)| json!({"id": self.id(&format!("networkInterfaces/{name}")), "properties": {"primary": at == 0}});
        json!({
            "location": "westeurope",
            "properties": {
                "hardwareProfile": {"vmSize": "Standard_B2s"},
                "networkProfile": {"networkInterfaces": interfaces.iter().enumerate().map(interface).collect::<Vec<_>>()},
                "storageProfile": {
                    "imageReference": {
                        "publisher": "Canonical", "offer": "ubuntu-24_04-lts", "sku": "server", "version": "latest",
                    },
                    "osDisk": {"createOption": "FromImage", "deleteOption": "Delete"},
                },
                "osProfile": {"computerName": "one", "adminUsername": "me", "adminPassword": "Geheim-1234"},
            },
        })
    }
}

#[tokio::test]
async fn a_machine_is_made_shown_with_its_state_switched_off_and_on_and_deleted() {
    let lab = Lab::with_interfaces(&["nic"]).await;
    let path = format!("{COMPUTE}/virtualMachines/one");
    let made = lab.put(&path, lab.machine(&["nic"])).await;
    assert_eq!(made.status, 201, "{made:?}");
    let properties = &made.body["properties"];
    assert_eq!(properties["storageProfile"]["imageReference"]["exactVersion"], "24.04.202503280");
    assert_eq!(properties["osProfile"]["linuxConfiguration"]["disablePasswordAuthentication"], false);
    assert!(!made.body.to_string().contains("Geheim"), "the password is nobody's to read");
    assert!(!format!("{:?}", lab.plane.estate()).contains("Geheim"));
    let disk = properties["storageProfile"]["osDisk"]["managedDisk"]["id"].as_str().unwrap();
    let disk = &disk[disk.find("/resourceGroups").unwrap()..];
    assert_eq!(lab.get(disk).await.body["managedBy"], made.body["id"]);
    assert_eq!(lab.delete(disk).await.code(), (409, "OperationNotAllowed"));

    let power = async || {
        let shown = lab.get(&format!("{path}?$expand=instanceView")).await;
        shown.body["properties"]["instanceView"]["statuses"][1]["code"].as_str().unwrap().to_owned()
    };
    assert_eq!(power().await, "PowerState/running");
    for (action, state) in [("powerOff", "stopped"), ("start", "running"), ("deallocate", "deallocated")] {
        let done = lab.send("POST", &format!("{path}/{action}"), Value::Null, &[]).await;
        assert_eq!(done.status, 202);
        let operation = lab.get(done.header("azure-asyncoperation")).await;
        assert_eq!(operation.body["status"], "Succeeded");
        assert_eq!(power().await, format!("PowerState/{state}"));
    }
    let id = made.body["id"].as_str().unwrap().parse().unwrap();
    assert!(!lab.plane.estate().virtual_machine(&id).unwrap().running);
    let view = lab.get(&format!("{path}/instanceView")).await;
    assert_eq!(view.body["statuses"][1]["displayStatus"], "VM deallocated");
    let again = lab.send("PATCH", &path, json!({"tags": {"a": "b"}}), &[]).await;
    assert_eq!((again.status, &again.body["properties"]["vmId"]), (200, &properties["vmId"]));
    assert_eq!(power().await, "PowerState/deallocated", "an update does not switch it on");
    // As az vm update does: the whole machine without its image.
    let mut body = again.body.clone();
    body["properties"]["storageProfile"].as_object_mut().unwrap().remove("imageReference");
    body["properties"]["hardwareProfile"] = json!({"vmSize": "Standard_B1s"});
    let data = json!([{"lun": 0, "name": "data", "createOption": "Empty", "diskSizeGB": 5}]);
    body["properties"]["storageProfile"]["dataDisks"] = data;
    let updated = lab.put(&path, body.clone()).await;
    assert_eq!(updated.status, 200, "{updated:?}");
    let now = &updated.body["properties"];
    assert_eq!(now["storageProfile"]["imageReference"], properties["storageProfile"]["imageReference"]);
    assert_eq!(now["storageProfile"]["osDisk"], properties["storageProfile"]["osDisk"]);
    let disks = format!("{COMPUTE}/disks");
    assert_eq!(lab.get(&disks).await.names().len(), 2);
    body["properties"]["storageProfile"]["dataDisks"] = json!([]);
    lab.put(&path, body).await;
    let freed = lab.get(&format!("{disks}/data")).await;
    assert_eq!((freed.status, &freed.body["properties"]["diskState"]), (200, &json!("Unattached")));

    assert_eq!(lab.delete(&path).await.status, 204);
    assert_eq!(lab.get(disk).await.status, 404, "its disk goes along");
    assert_eq!(lab.get(&format!("{NETWORK}/networkInterfaces/nic")).await.status, 200, "its interface stays");
}

#[tokio::test]
async fn an_interface_belongs_to_one_machine_and_stays_while_that_has_it() {
    let lab = Lab::with_interfaces(&["nic", "other"]).await;
    let nic = format!("{NETWORK}/networkInterfaces/nic");
    let mut body = lab.machine(&["nic"]);
    body["properties"]["networkProfile"]["networkInterfaces"][0]["properties"]["deleteOption"] = json!("Delete");
    let made = lab.put(&format!("{COMPUTE}/virtualMachines/one"), body).await;
    assert_eq!(lab.get(&nic).await.body["properties"]["virtualMachine"]["id"], made.body["id"]);
    assert_eq!(lab.delete(&nic).await.code(), (400, "NicInUse"));
    let second = lab.put(&format!("{COMPUTE}/virtualMachines/two"), lab.machine(&["nic"])).await;
    assert_eq!(second.code(), (400, "NicInUse"));
    let second = lab.put(&format!("{COMPUTE}/virtualMachines/two"), lab.machine(&["other"])).await;
    assert_eq!(second.status, 201, "{second:?}");

    lab.delete(&format!("{COMPUTE}/virtualMachines/one")).await;
    assert_eq!(lab.get(&nic).await.status, 404, "deleteOption Delete");
    assert_eq!(lab.delete("/resourceGroups/rg").await.status, 200, "a group goes with its machines");
    assert!(lab.plane.estate().is_empty());
}

#[tokio::test]
async fn what_no_machine_can_be_is_refused() {
    let lab = Lab::with_interfaces(&["nic", "nic2"]).await;
    lab.network("w", "10.1.0.0/24").await;
    lab.interface("far", json!({"subnet": {"id": lab.id("virtualNetworks/w/subnets/default")}})).await;
    let good = || lab.machine(&["nic"]);
    let with = |change: &dyn Fn(&mut Value)| {
        let mut body = good();
        change(&mut body["properties"]);
        body
    };
    for (body, expected) in [
        (lab.machine(&["missing"]), (400, "InvalidResourceReference")),
        (lab.machine(&["nic", "far"]), (400, "SubnetsNotInSameVnet")),
        (with(&|it| it["hardwareProfile"]["vmSize"] = json!("Standard_Nothing")), (400, "InvalidParameter")),
        (lab.machine(&[]), (400, "InvalidParameter")),
        (with(&|it| it["storageProfile"] = json!({})), (400, "InvalidParameter")),
        (with(&|it| it["osProfile"]["adminPassword"] = Value::Null), (400, "InvalidParameter")),
        (with(&|it| it["osProfile"]["adminUsername"] = Value::Null), (400, "InvalidParameter")),
        (
            {
                let mut body = lab.machine(&["nic", "nic2"]);
                body["properties"]["networkProfile"]["networkInterfaces"][0]["properties"] = json!({});
                body
            },
            (400, "VirtualMachineMustHaveOneNetworkInterfaceAsPrimary"),
        ),
    ] {
        let answer = lab.put(&format!("{COMPUTE}/virtualMachines/one"), body.clone()).await;
        assert_eq!(answer.code(), expected, "{body}");
    }
    lab.put(&format!("{COMPUTE}/virtualMachines/one"), good()).await;
    let renamed = with(&|it| it["osProfile"]["computerName"] = json!("two"));
    let answer = lab.put(&format!("{COMPUTE}/virtualMachines/one"), renamed).await;
    assert_eq!(answer.code(), (409, "PropertyChangeNotAllowed"));
    let unknown = lab.send("POST", &format!("{COMPUTE}/virtualMachines/one/fly"), Value::Null, &[]).await;
    assert_eq!(unknown.code(), (404, "InvalidResourceAction"));
}

#[tokio::test]
async fn a_public_address_says_who_has_it_and_is_one_interfaces_only() {
    let lab = Lab::with_interfaces(&[]).await;
    let public = format!("{NETWORK}/publicIPAddresses/p");
    let made = lab.put(&public, json!({"location": "westeurope", "sku": {"name": "Standard"}})).await;
    let address = made.body["properties"]["ipAddress"].clone();
    let configuration = json!({
        "subnet": {"id": lab.id("virtualNetworks/v/subnets/default")},
        "publicIPAddress": {"id": made.body["id"]},
    });
    let nic = lab.interface("nic", configuration.clone()).await;
    let user = &nic.body["properties"]["ipConfigurations"][0]["id"];
    assert_eq!(&lab.get(&public).await.body["properties"]["ipConfiguration"]["id"], user);
    assert_eq!(lab.interface("nic2", configuration.clone()).await.code(), (400, "PublicIPAddressInUse"));
    assert_eq!(lab.interface("nic", configuration).await.status, 200, "its own again");
    assert_eq!(lab.delete(&public).await.code(), (400, "PublicIPAddressCannotBeDeleted"));
    let again = lab.put(&public, json!({"location": "westeurope", "tags": {"a": "b"}})).await;
    assert_eq!(again.body["properties"]["ipAddress"], address, "the address is its own for life");
    lab.delete(&format!("{NETWORK}/networkInterfaces/nic")).await;
    assert_eq!(lab.delete(&public).await.status, 204);
}

#[tokio::test]
async fn a_public_address_that_somebody_has_is_refused_to_others() {
    let lab = Lab::with_interfaces(&[]).await;
    let client = "/resourceGroups/rg/providers/Noren.Lab/clients/laptop";
    lab.made(client, json!({"location": "global", "properties": {"publicIPAddress": "20.1.0.4"}})).await;
    let ask = async |name: &str, address: &str| {
        let body = json!({"location": "westeurope", "properties": {"ipAddress": address}});
        lab.put(&format!("{NETWORK}/publicIPAddresses/{name}"), body).await
    };
    let refused = ask("p", "20.1.0.4").await;
    assert_eq!(refused.code(), (400, "PublicIPAddressInUse"));
    assert!(lab.words(&refused).ends_with("/clients/laptop'."), "{}", lab.words(&refused));
    assert_eq!(ask("p", "20.1.0.5").await.body["properties"]["ipAddress"], "20.1.0.5", "nobody's");
    assert_eq!(ask("p", "20.1.0.6").await.body["properties"]["ipAddress"], "20.1.0.5", "it keeps what it has");
    assert_eq!(ask("q", "20.1.0.5").await.code(), (400, "PublicIPAddressInUse"));
    assert_eq!(ask("q", "10.0.0.4").await.body["properties"]["ipAddress"], "198.19.0.1", "not a public address");
}

#[tokio::test]
async fn images_sizes_and_aliases_are_there_for_az() {
    let lab = Lab::new(Pace::Instant).await;
    let versions = "/providers/Microsoft.Compute/locations/West Europe/publishers/Canonical/artifacttypes/vmimage/offers/ubuntu-24_04-lts/skus/server/versions";
    assert_eq!(lab.get(&format!("{versions}?$top=1")).await.body[0]["name"], "24.04.202503280");
    let skus = lab.get("/providers/Microsoft.Compute/skus?$filter=location eq 'westeurope'").await;
    assert!(skus.body["value"].as_array().unwrap().iter().all(|sku| sku["locations"] == json!(["westeurope"])));
    let open = http::Request::get("/aliases.json").body(bytes::Bytes::new()).unwrap();
    let aliases = Answer::of(lab.plane.handle(open).await);
    assert!(aliases.body["outputs"]["aliases"]["value"]["Linux"]["Ubuntu2204"].is_object(), "open to everybody");
}
