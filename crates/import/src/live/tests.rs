//! Reading a lab's own management plane in this process, and ARM's refusals one by one.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use arm::{
    CommandResult, CommandRunner, ManagementPlane, Options, Pace, SystemClock, hooks::BoxFuture, provider::Work,
};
use bytes::Bytes;
use network::{DnsName, Host, Network};
use reqwest::Url;
use serde_json::{Value, json};

use super::{
    arm::{Arm, Refusal, Reply, Transport},
    subscriptions,
};
use crate::{Error, Imported, SourceFinding, draft::Draft};

const BASE: &str = "https://localhost:1";

struct NoCommands;

impl CommandRunner for NoCommands {
    fn run(&self, _: Work) -> BoxFuture<CommandResult> {
        Box::pin(async { CommandResult { exit_code: 1, logs: String::new() } })
    }
}

/// A lab's management plane, asked without a network.
struct Lab {
    plane: ManagementPlane,
    token: String,
}

impl Lab {
    async fn new() -> Self {
        let options = Options {
            pace: Pace::Instant,
            base_url: BASE.into(),
            clock: Arc::new(SystemClock),
            publish: Arc::new(|_, _| {}),
            runner: Arc::new(NoCommands),
        };
        let plane = ManagementPlane::open(store::Store::in_memory().unwrap(), options).await.unwrap();
        let principal = plane.service_principal();
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}&scope={BASE}/.default",
            principal.client_id,
            principal.secret.expose()
        );
        let request = http::Request::post(format!("/{}/oauth2/v2.0/token", plane.lab().tenant))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Bytes::from(form))
            .unwrap();
        let answer: Value = serde_json::from_slice(plane.handle(request).await.body()).unwrap();
        let token = answer["access_token"].as_str().unwrap().to_owned();
        Self { plane, token }
    }

    async fn ask(&self, method: &str, path: &str, body: Bytes) -> http::Response<Bytes> {
        let request = http::Request::builder().method(method).uri(path);
        let request = request.header("authorization", format!("Bearer {}", self.token));
        self.plane.handle(request.body(body).unwrap()).await
    }

    async fn put(&self, path: &str, body: Value) {
        let path = format!("/subscriptions/{}{path}?api-version=2024-05-01", self.plane.lab().subscription);
        let answer = self.ask("PUT", &path, Bytes::from(body.to_string())).await;
        assert!(answer.status().is_success(), "{path}: {}", String::from_utf8_lossy(answer.body()));
    }
}

impl Transport for Lab {
    async fn get(&self, url: &Url) -> Result<Reply, Refusal> {
        let path = format!("{}?{}", url.path(), url.query().unwrap_or_default());
        let answer = self.ask("GET", &path, Bytes::new()).await;
        Ok(Reply { status: answer.status().as_u16(), retry_after: None, body: answer.body().to_vec() })
    }
}

/// A hub with a gateway, a site, a resolver and a machine; a spoke with a cluster; one with AKS's own network; a laptop.
async fn estate() -> Lab {
    let lab = Lab::new().await;
    let id = |path: &str| json!({"id": format!("/subscriptions/{}/resourceGroups/rg/providers/{path}", lab.plane.lab().subscription)});
    let network = |path: &str| format!("/resourceGroups/rg/providers/Microsoft.Network/{path}");
    let here = |properties: Value| json!({"location": "japaneast", "properties": properties});
    lab.put("/resourcegroups/rg", json!({"location": "japaneast"})).await;
    lab.put(
        &network("networkSecurityGroups/nsg"),
        here(json!({"securityRules": [{"name": "shut", "properties": {
            "priority": 100, "direction": "Outbound", "access": "Deny", "protocol": "*", "sourceAddressPrefix": "*",
            "sourcePortRange": "*", "destinationAddressPrefix": "10.224.0.0/16", "destinationPortRange": "443",
        }}]})),
    )
    .await;
    lab.put(&network("virtualNetworks/hub"), here(json!({
        "addressSpace": {"addressPrefixes": ["10.0.0.0/16"]},
        "subnets": [
            {"name": "default", "properties": {"addressPrefix": "10.0.0.0/24"}},
            {"name": "shut", "properties": {"addressPrefix": "10.0.1.0/24", "networkSecurityGroup": id("Microsoft.Network/networkSecurityGroups/nsg")}},
            {"name": "dns", "properties": {"addressPrefix": "10.0.2.0/24", "delegations": [
                {"name": "d", "properties": {"serviceName": "Microsoft.Network/dnsResolvers"}},
            ]}},
            {"name": "GatewaySubnet", "properties": {"addressPrefix": "10.0.255.0/27"}},
        ],
    }))).await;
    lab.put(
        &network("virtualNetworks/spoke"),
        here(json!({
            "addressSpace": {"addressPrefixes": ["10.224.0.0/16"]},
            "subnets": [{"name": "aks", "properties": {"addressPrefix": "10.224.0.0/24"}}],
        })),
    )
    .await;
    for (from, to) in [("hub", "spoke"), ("spoke", "hub")] {
        let remote = id(&format!("Microsoft.Network/virtualNetworks/{to}"));
        let peering = json!({"remoteVirtualNetwork": remote, "allowVirtualNetworkAccess": true, "allowGatewayTransit": from == "hub"});
        lab.put(
            &network(&format!("virtualNetworks/{from}/virtualNetworkPeerings/to-{to}")),
            json!({"properties": peering}),
        )
        .await;
    }
    lab.put(&network("publicIPAddresses/ip"), json!({"location": "japaneast", "sku": {"name": "Standard"}, "properties": {"publicIPAllocationMethod": "Static"}})).await;
    lab.put(
        &network("virtualNetworkGateways/gw"),
        here(json!({
            "gatewayType": "Vpn", "vpnType": "RouteBased", "sku": {"name": "VpnGw1", "tier": "VpnGw1"},
            "ipConfigurations": [{"name": "c", "properties": {
                "subnet": id("Microsoft.Network/virtualNetworks/hub/subnets/GatewaySubnet"),
                "publicIPAddress": id("Microsoft.Network/publicIPAddresses/ip"),
            }}],
            "vpnClientConfiguration": {"vpnClientAddressPool": {"addressPrefixes": ["172.16.201.0/24"]}},
        })),
    )
    .await;
    lab.put(&network("dnsResolvers/r"), here(json!({"virtualNetwork": id("Microsoft.Network/virtualNetworks/hub")})))
        .await;
    lab.put(
        &network("dnsResolvers/r/inboundEndpoints/in"),
        here(json!({"ipConfigurations": [{
            "subnet": id("Microsoft.Network/virtualNetworks/hub/subnets/dns"), "privateIpAllocationMethod": "Dynamic",
        }]})),
    )
    .await;
    lab.put(
        &network("networkInterfaces/nic"),
        here(json!({"ipConfigurations": [{"name": "c", "properties": {
            "subnet": id("Microsoft.Network/virtualNetworks/hub/subnets/default"),
        }}]})),
    )
    .await;
    let cluster = |subnet: Option<Value>, public_fqdn: bool| {
        let subnet = subnet.map_or(Value::Null, |subnet| subnet["id"].clone());
        json!({"location": "japaneast", "identity": {"type": "SystemAssigned"}, "properties": {
            "dnsPrefix": "c", "apiServerAccessProfile": {"enablePrivateCluster": true, "enablePrivateClusterPublicFQDN": public_fqdn},
            "agentPoolProfiles": [{"name": "pool", "count": 1, "vmSize": "Standard_D2s_v5", "mode": "System", "vnetSubnetID": subnet}],
        }})
    };
    let path = |name: &str| format!("/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/{name}");
    lab.put(&path("a"), cluster(Some(id("Microsoft.Network/virtualNetworks/spoke/subnets/aks")), true)).await;
    lab.put(&path("b"), cluster(None, false)).await;
    lab.put(
        "/resourceGroups/rg/providers/Noren.Lab/clients/laptop",
        json!({"properties": {
            "virtualNetworkGateway": id("Microsoft.Network/virtualNetworkGateways/gw"),
        }}),
    )
    .await;
    lab
}

fn matrix(network: &Network) -> Vec<String> {
    let mut lines = Vec::new();
    for vantage in network.vantages() {
        for cluster in network.clusters().values() {
            for name in [&cluster.fqdn, &cluster.private_fqdn].into_iter().flatten() {
                let end = network.reach(vantage, &Host::Name(DnsName::clone(name)), 443).disposition.sentence();
                lines.push(format!("{} {} {end}", vantage.name(), cluster.id.name()));
            }
        }
    }
    lines
}

async fn imported<T: Transport>(transport: T, wanted: &[&str]) -> Result<Imported, Error> {
    let wanted: Vec<String> = wanted.iter().map(|id| (*id).to_owned()).collect();
    let mut draft = Draft::default();
    let origin = subscriptions(&Arm::new(BASE, transport).unwrap(), &mut draft, &wanted, &|_| {}).await?;
    draft.finish(origin)
}

fn said(findings: &[SourceFinding]) -> Vec<String> {
    findings.iter().map(|finding| format!("{} {}", finding.code, finding.message)).collect()
}

#[tokio::test]
async fn a_lab_read_over_arm_answers_as_the_lab_itself() {
    let lab = estate().await;
    let own = Network::compile(&lab.plane.estate());
    let subscription = lab.plane.lab().subscription.clone();
    let imported = imported(lab, &[]).await.unwrap();
    let (theirs, own) = (matrix(&Network::compile(&imported.estate)), matrix(&own));
    assert!(own.iter().any(|line| line.contains("connected")) && own.len() > 20, "{own:#?}");
    assert_eq!(theirs, own);
    assert_eq!(said(&imported.findings), [""; 0]);
    assert_eq!(imported.origin, format!("subscription {subscription} at localhost"));
}

/// Answers that were thought out beforehand: for a path, one after the other, the last one for ever.
#[derive(Default)]
struct Script {
    answers: Mutex<BTreeMap<String, VecDeque<Reply>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

fn reply(status: u16, body: impl std::fmt::Display) -> Reply {
    Reply { status, retry_after: None, body: body.to_string().into_bytes() }
}

impl Script {
    fn on(self, path: &str, answers: impl IntoIterator<Item = Reply>) -> Self {
        self.answers.lock().unwrap().insert(path.to_owned(), answers.into_iter().collect());
        self
    }
}

impl Transport for Script {
    async fn get(&self, url: &Url) -> Result<Reply, Refusal> {
        let path = url.path().to_owned();
        self.asked.lock().unwrap().push(path.clone());
        let mut answers = self.answers.lock().unwrap();
        let Some(queue) = answers.get_mut(&path) else { return Ok(reply(200, json!({"value": []}))) };
        if queue.len() > 1 {
            Ok(queue.pop_front().unwrap())
        } else {
            let last = queue.front().unwrap();
            Ok(Reply { status: last.status, retry_after: last.retry_after, body: last.body.clone() })
        }
    }
}

const NETWORKS: &str = "/subscriptions/s/providers/Microsoft.Network/virtualNetworks";

fn network(name: &str) -> Value {
    json!({"id": format!("/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/{name}"), "properties": {}})
}

#[tokio::test(start_paused = true)]
async fn pages_are_followed_and_a_throttled_one_is_asked_for_again_when_arm_says_so() {
    let slow_down = Reply {
        retry_after: Some(Duration::from_secs(17)),
        ..reply(429, json!({"error": {"code": "TooManyRequests"}}))
    };
    let first = json!({"value": [network("a")], "nextLink": format!("{BASE}{NETWORKS}?$skiptoken=2")});
    let script = Script::default().on(
        NETWORKS,
        [reply(200, first), slow_down, reply(503, json!({})), reply(200, json!({"value": [network("b")]}))],
    );
    let started = tokio::time::Instant::now();
    let imported = imported(script, &["s"]).await.unwrap();
    assert_eq!(imported.estate.len(), 2);
    let waited = started.elapsed();
    assert!((Duration::from_secs(19)..Duration::from_secs(20)).contains(&waited), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_list_that_may_not_be_read_or_cannot_be_is_a_finding_and_the_rest_goes_on() {
    let script = Script::default()
        .on(NETWORKS, [reply(200, json!({"value": [network("a")]}))])
        .on(
            "/subscriptions/s/providers/Microsoft.Network/privateEndpoints",
            [reply(403, json!({"error": {"code": "AuthorizationFailed"}}))],
        )
        .on(
            "/subscriptions/s/providers/Microsoft.Network/dnsResolvers",
            [reply(404, json!({"error": {"code": "InvalidResourceType"}}))],
        )
        .on(
            "/subscriptions/s/providers/Microsoft.ContainerService/managedClusters",
            [reply(409, json!({"error": {"code": "MissingSubscriptionRegistration"}}))],
        )
        .on(
            "/subscriptions/s/providers/Microsoft.Network/routeTables",
            [reply(500, json!({"error": {"code": "InternalServerError", "message": "Oh."}}))],
        );
    let asked = Arc::clone(&script.asked);
    let imported = imported(script, &["s"]).await.unwrap();
    assert_eq!(
        said(&imported.findings),
        [
            "NoRight no right to read Microsoft.Network/privateEndpoints: what depends on them is missing (the role Reader has it)",
            "Unread Microsoft.Network/routeTables could not be read: 500 InternalServerError: Oh.",
        ]
    );
    assert_eq!(imported.findings[0].place.as_deref(), Some("/subscriptions/s"));
    let tries = asked.lock().unwrap().iter().filter(|path| path.ends_with("routeTables")).count();
    assert_eq!(tries, 5, "and no more");
}

#[tokio::test]
async fn a_token_goes_to_the_endpoint_that_was_named_and_nowhere_else() {
    let elsewhere = json!({"value": [network("a")], "nextLink": "https://evil.example/page"});
    let script = Script::default().on(NETWORKS, [reply(200, elsewhere)]);
    let imported = imported(script, &["s"]).await.unwrap();
    assert_eq!(said(&imported.findings).len(), 1);
    assert!(imported.findings[0].message.ends_with("its next page lies at another host, to which no token goes"));
    for base in ["http://localhost:1", "ftp://x", "nothing"] {
        assert!(Arm::new(base, Script::default()).is_err(), "{base}");
    }
}

#[tokio::test]
async fn nobody_signed_in_and_nothing_to_see_are_errors_that_say_what_to_do() {
    let list = "/subscriptions";
    let refused = Script::default()
        .on(list, [reply(401, json!({"error": {"code": "InvalidAuthenticationToken", "message": "Expired."}}))]);
    let error = imported(refused, &[]).await.unwrap_err().to_string();
    assert_eq!(
        error,
        "Azure cannot be read: subscriptions cannot be listed: the token is not accepted: (InvalidAuthenticationToken) Expired."
    );
    let error = imported(Script::default(), &[]).await.unwrap_err().to_string();
    assert!(error.contains("whoever is signed in sees no subscription"), "{error}");
}

#[tokio::test]
async fn what_is_listed_within_groups_only_is_found_by_the_list_of_resources() {
    let gateway = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworkGateways/gw";
    let firewall = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/azureFirewalls/fw";
    let group_list = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworkGateways";
    let script = Script::default()
        .on("/subscriptions/s/resources", [reply(200, json!({"value": [{"id": gateway}, {"id": firewall}]}))])
        .on(group_list, [reply(200, json!({"value": [{"id": gateway, "properties": {}}]}))]);
    let imported = imported(script, &["s"]).await.unwrap();
    assert_eq!(imported.estate.len(), 1);
    assert_eq!(said(&imported.findings), ["NotModelled 1 of type Microsoft.Network/azureFirewalls: not acted on"]);
}
