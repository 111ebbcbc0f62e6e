//! The DNS private resolver, as clients see it.

use serde_json::{Value, json};

use super::{Answer, Lab};
use crate::Pace;

const NETWORK: &str = "/resourceGroups/rg/providers/Microsoft.Network";

struct Resolver(Lab);

impl Resolver {
    /// A hub with two delegated subnets, one that is not, and a resolver `r`; a spoke.
    async fn new() -> Self {
        let lab = Lab::new(Pace::Instant).await;
        lab.group("rg").await;
        let resolver = Self(lab);
        let delegation = json!([{"name": "d", "properties": {"serviceName": "Microsoft.Network/dnsResolvers"}}]);
        let subnet = |name: &str, prefix: &str, delegations: &Value| json!({"name": name, "properties": {"addressPrefix": prefix, "delegations": delegations}});
        let hub = json!({"location": "westeurope", "properties": {
            "addressSpace": {"addressPrefixes": ["10.0.0.0/16"]},
            "subnets": [
                subnet("in", "10.0.1.0/28", &delegation),
                subnet("out", "10.0.2.0/28", &delegation),
                subnet("plain", "10.0.3.0/28", &json!([])),
                subnet("wide", "10.0.16.0/23", &delegation),
            ],
        }});
        assert_eq!(resolver.put("virtualNetworks/hub", hub).await.status, 201);
        let spoke =
            json!({"location": "westeurope", "properties": {"addressSpace": {"addressPrefixes": ["10.1.0.0/16"]}}});
        assert_eq!(resolver.put("virtualNetworks/spoke", spoke).await.status, 201);
        assert_eq!(resolver.resolver("r", "hub").await.status, 201);
        resolver
    }

    fn id(&self, name: &str) -> String {
        format!("/subscriptions/{}{NETWORK}/{name}", self.0.plane.lab().subscription)
    }

    async fn put(&self, name: &str, body: Value) -> Answer {
        self.0.put(&format!("{NETWORK}/{name}"), body).await
    }

    async fn resolver(&self, name: &str, network: &str) -> Answer {
        let network = json!({"id": self.id(&format!("virtualNetworks/{network}"))});
        let body = json!({"location": "westeurope", "properties": {"virtualNetwork": network}});
        self.put(&format!("dnsResolvers/{name}"), body).await
    }

    async fn inbound(&self, name: &str, subnet: &str, address: Option<&str>) -> Answer {
        let mut configuration = json!({"subnet": {"id": self.id(&format!("virtualNetworks/hub/subnets/{subnet}"))}});
        if let Some(address) = address {
            configuration["privateIpAllocationMethod"] = json!("Static");
            configuration["privateIpAddress"] = json!(address);
        }
        let body = json!({"location": "westeurope", "properties": {"ipConfigurations": [configuration]}});
        self.put(&format!("dnsResolvers/r/inboundEndpoints/{name}"), body).await
    }

    async fn outbound(&self, name: &str, subnet: &str) -> Answer {
        let subnet = json!({"id": self.id(&format!("virtualNetworks/hub/subnets/{subnet}"))});
        let body = json!({"location": "westeurope", "properties": {"subnet": subnet}});
        self.put(&format!("dnsResolvers/r/outboundEndpoints/{name}"), body).await
    }

    async fn ruleset(&self, name: &str) -> Answer {
        let endpoint = json!({"id": self.id("dnsResolvers/r/outboundEndpoints/o")});
        let body = json!({"location": "westeurope", "properties": {"dnsResolverOutboundEndpoints": [endpoint]}});
        self.put(&format!("dnsForwardingRulesets/{name}"), body).await
    }

    async fn rule(&self, name: &str, domain: &str, servers: Value) -> Answer {
        let body = json!({"properties": {"domainName": domain, "targetDnsServers": servers}});
        self.put(&format!("dnsForwardingRulesets/s/forwardingRules/{name}"), body).await
    }

    async fn link(&self, ruleset: &str, name: &str, network: &str) -> Answer {
        let network = json!({"id": self.id(&format!("virtualNetworks/{network}"))});
        let body = json!({"properties": {"virtualNetwork": network}});
        self.put(&format!("dnsForwardingRulesets/{ruleset}/virtualNetworkLinks/{name}"), body).await
    }

    async fn delete(&self, name: &str) -> (u16, String) {
        let answer = self.0.delete(&format!("{NETWORK}/{name}")).await;
        (answer.status, answer.code().1.to_owned())
    }
}

#[tokio::test]
async fn an_inbound_endpoint_takes_the_next_address_and_keeps_it() {
    let resolver = Resolver::new().await;
    let made = resolver.inbound("i", "in", None).await;
    let configuration = &made.body["properties"]["ipConfigurations"][0];
    assert_eq!((made.status, &configuration["privateIpAddress"]), (201, &json!("10.0.1.4")), "the subnet's fifth");
    assert_eq!(configuration["privateIpAllocationMethod"], "Dynamic");
    let again = resolver.inbound("i", "in", None).await;
    assert_eq!(again.status, 200);
    assert_eq!(again.body["properties"]["ipConfigurations"][0]["privateIpAddress"], "10.0.1.4");
    assert_eq!(again.body["properties"]["resourceGuid"], made.body["properties"]["resourceGuid"]);

    let fixed = resolver.inbound("i", "in", Some("10.0.1.9")).await;
    assert_eq!(fixed.body["properties"]["ipConfigurations"][0]["privateIpAddress"], "10.0.1.9");
    assert_eq!(resolver.inbound("i", "in", Some("10.0.1.3")).await.code(), (400, "BadRequest"), "reserved");
    assert_eq!(resolver.delete("virtualNetworks/hub/subnets/in").await, (400, "InUseSubnetCannotBeDeleted".into()));
}

#[tokio::test]
async fn an_endpoints_subnet_is_its_own_delegated_and_of_the_right_size() {
    let resolver = Resolver::new().await;
    assert_eq!(resolver.inbound("i", "plain", None).await.code(), (400, "SubnetMissingRequiredDelegation"));
    assert_eq!(resolver.inbound("i", "wide", None).await.code(), (400, "BadRequest"));
    assert_eq!(resolver.outbound("o", "in").await.status, 201);
    assert_eq!(resolver.inbound("i", "in", None).await.code(), (400, "BadRequest"), "the other endpoint's");
    assert_eq!(resolver.outbound("o", "out").await.code(), (409, "Conflict"), "it does not move");
    assert_eq!(resolver.inbound("i", "none", None).await.code(), (400, "InvalidResourceReference"));
}

#[tokio::test]
async fn a_network_has_one_resolver_which_goes_last() {
    let resolver = Resolver::new().await;
    assert_eq!(resolver.resolver("again", "hub").await.code(), (409, "Conflict"));
    assert_eq!(resolver.resolver("r", "spoke").await.code(), (409, "Conflict"), "it does not move");
    resolver.inbound("i", "in", None).await;
    assert_eq!(resolver.delete("dnsResolvers/r").await, (409, "Conflict".into()));
    let list = resolver.0.get(&format!("{NETWORK}/dnsResolvers/r/inboundEndpoints")).await;
    assert_eq!(list.names(), ["i"]);
    let path = format!("{NETWORK}/virtualNetworks/hub/listDnsResolvers");
    let of_network = resolver.0.send("POST", &path, json!({}), &[]).await;
    assert_eq!(of_network.body["value"], json!([{"id": resolver.id("dnsResolvers/r")}]));
    assert_eq!(resolver.delete("dnsResolvers/r/inboundEndpoints/i").await.0, 204);
    assert_eq!(resolver.delete("dnsResolvers/r").await.0, 204);
}

#[tokio::test]
async fn rules_of_a_ruleset_forward_a_domain_to_servers() {
    let resolver = Resolver::new().await;
    assert_eq!(resolver.ruleset("s").await.code(), (400, "InvalidResourceReference"), "no such endpoint yet");
    resolver.outbound("o", "out").await;
    assert_eq!(resolver.ruleset("s").await.status, 201);
    let servers = json!([{"ipAddress": "192.168.0.53"}]);
    let made = resolver.rule("corp", "corp.example.", servers.clone()).await;
    assert_eq!(made.status, 201);
    assert_eq!(made.body["properties"]["targetDnsServers"], json!([{"ipAddress": "192.168.0.53", "port": 53}]));
    assert_eq!(made.body["properties"]["forwardingRuleState"], "Enabled");
    assert_eq!(resolver.rule("all", ".", servers.clone()).await.status, 201);

    let many = Value::Array(vec![json!({"ipAddress": "10.0.0.1"}); 7]);
    for (name, domain, servers, code) in [
        ("a", "corp.example", servers.clone(), (400, "BadRequest")),
        ("a", "a..b.", servers.clone(), (400, "BadRequest")),
        ("a", "a.example.", json!([]), (400, "BadRequest")),
        ("a", "a.example.", many, (400, "BadRequest")),
        ("a", "a.example.", json!([{"ipAddress": "168.63.129.16"}]), (400, "BadRequest")),
        ("a", "a.example.", json!([{"ipAddress": "10.0.0.1", "port": 0}]), (400, "BadRequest")),
        ("again", "CORP.example.", servers.clone(), (409, "Conflict")),
        ("corp", "other.example.", servers, (409, "Conflict")),
    ] {
        assert_eq!(resolver.rule(name, domain, servers).await.code(), code, "{name} {domain}");
    }
    let path = format!("{NETWORK}/dnsForwardingRulesets/s/forwardingRules/corp");
    let off = resolver.0.send("PATCH", &path, json!({"properties": {"forwardingRuleState": "Disabled"}}), &[]).await;
    assert_eq!((off.status, &off.body["properties"]["forwardingRuleState"]), (200, &json!("Disabled")));
    assert_eq!(off.body["properties"]["domainName"], "corp.example.");
}

#[tokio::test]
async fn a_network_obeys_one_ruleset_and_a_group_goes_with_all_of_it() {
    let resolver = Resolver::new().await;
    resolver.inbound("i", "in", None).await;
    resolver.outbound("o", "out").await;
    for ruleset in ["s", "t"] {
        assert_eq!(resolver.ruleset(ruleset).await.status, 201);
    }
    assert_eq!(resolver.ruleset("u").await.code(), (400, "BadRequest"), "two rulesets for an endpoint");
    assert_eq!(resolver.link("s", "hub", "hub").await.status, 201);
    assert_eq!(resolver.link("s", "spoke", "spoke").await.status, 201);
    assert_eq!(resolver.link("t", "hub", "hub").await.code(), (409, "Conflict"));
    let path = format!("{NETWORK}/virtualNetworks/spoke/listDnsForwardingRulesets");
    let of_spoke = resolver.0.send("POST", &path, json!({}), &[]).await;
    assert_eq!(of_spoke.body["value"][0]["id"], resolver.id("dnsForwardingRulesets/s"));
    assert_eq!(resolver.delete("dnsForwardingRulesets/s").await, (409, "Conflict".into()));
    assert_eq!(resolver.delete("dnsResolvers/r/outboundEndpoints/o").await, (409, "Conflict".into()));
    assert_eq!(resolver.0.delete("/resourceGroups/rg").await.status, 200);
    assert!(resolver.0.plane.estate().is_empty());
}
