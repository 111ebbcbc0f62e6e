//! ARM without `az`, for stories that are not about `az`: a process of Python for each request is most of what they
//! would take.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::Method;
use serde_json::{Value, json};

use crate::bench::Lab;

/// The lab does not gate on it.
const API_VERSION: &str = "2025-07-01";

/// A client that is signed in, and works in the group `rg`.
pub(crate) struct Arm {
    runtime: tokio::runtime::Runtime,
    http: reqwest::Client,
    url: String,
    token: String,
    group: String,
}

impl Arm {
    /// Signs in as `az` does.
    pub(crate) fn of(lab: &Lab) -> Self {
        let authorities = fs_err::read(lab.variable("SSL_CERT_FILE")).unwrap();
        let authorities = reqwest::Certificate::from_pem_bundle(&authorities).unwrap();
        let http = reqwest::Client::builder().tls_certs_only(authorities).no_proxy().timeout(Duration::from_secs(60));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let url = lab.variable("NOREN_ARM").to_owned();
        let group = format!("/subscriptions/{}/resourceGroups/rg", lab.variable("AZURE_SUBSCRIPTION_ID"));
        let mut arm = Self { runtime, http: http.build().unwrap(), url, token: String::new(), group };
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", lab.variable("AZURE_CLIENT_ID")),
            ("client_secret", lab.variable("AZURE_CLIENT_SECRET")),
            ("scope", &format!("{}//.default", arm.url)),
        ];
        let form = form.map(|(name, value)| format!("{name}={value}")).join("&");
        let path = format!("{}/{}/oauth2/v2.0/token", arm.url, lab.variable("AZURE_TENANT_ID"));
        let request = arm.http.post(path).header("content-type", "application/x-www-form-urlencoded").body(form);
        let signed_in = arm.answer(request);
        arm.token = signed_in["access_token"].as_str().unwrap().into();
        arm.send(Method::PUT, &arm.group, Some(&json!({"location": "japaneast"})));
        arm
    }

    /// The id of a resource of the group, from its type and name, as `virtualNetworks/v`; the provider is
    /// `Microsoft.Network` unless one is named. An id is left as it is.
    pub(crate) fn id(&self, path: &str) -> String {
        match path {
            id if id.starts_with('/') => id.to_owned(),
            path if path.starts_with("Microsoft.") || path.starts_with("Noren.") => {
                format!("{}/providers/{path}", self.group)
            }
            path => format!("{}/providers/Microsoft.Network/{path}", self.group),
        }
    }

    /// Creates or replaces a resource; its id.
    pub(crate) fn put(&self, path: &str, properties: &Value) -> String {
        let global = ["privateDnsZones", "Noren.Lab"].iter().any(|kind| path.contains(kind));
        let location = if global { "global" } else { "japaneast" };
        let body = json!({"location": location, "properties": properties});
        self.send(Method::PUT, path, Some(&body))["id"].as_str().unwrap_or_default().to_owned()
    }

    /// Changes one property of a resource.
    pub(crate) fn change(&self, path: &str, property: &str, value: &Value) {
        let mut properties = self.get(path)["properties"].take();
        properties[property] = value.clone();
        self.put(path, &properties);
    }

    /// A private cluster `name` in a subnet, or a public one.
    pub(crate) fn put_cluster(&self, name: &str, subnet: Option<&str>) -> Value {
        self.put_cluster_with(name, subnet, &json!({}))
    }

    /// The same with more settings of its `apiServerAccessProfile`.
    pub(crate) fn put_cluster_with(&self, name: &str, subnet: Option<&str>, access: &Value) -> Value {
        let mut pool = json!({"name": "nodepool1", "count": 1, "vmSize": "Standard_D2s_v3", "mode": "System"});
        if let Some(subnet) = subnet {
            pool["vnetSubnetID"] = json!(self.id(subnet));
        }
        let mut access = access.clone();
        access["enablePrivateCluster"] = json!(subnet.is_some());
        let properties = json!({"dnsPrefix": name, "agentPoolProfiles": [pool], "apiServerAccessProfile": access});
        let body = json!({"location": "japaneast", "identity": {"type": "SystemAssigned"}, "properties": properties});
        self.send(Method::PUT, &cluster(name), Some(&body))
    }

    /// Changes a cluster's `apiServerAccessProfile`.
    pub(crate) fn set_access(&self, name: &str, setting: &str, value: &Value) {
        let mut document = self.get(&cluster(name));
        document["properties"]["apiServerAccessProfile"][setting] = value.clone();
        self.send(Method::PUT, &cluster(name), Some(&document));
    }

    /// A cluster's kubeconfig for users; `query` as `az aks get-credentials` writes it for `--public-fqdn`.
    pub(crate) fn kubeconfig(&self, name: &str, query: &str) -> String {
        let action = format!("{}/listClusterUserCredential?{query}", cluster(name));
        let reply = self.send(Method::POST, &action, Some(&json!({})));
        let text = STANDARD.decode(reply["kubeconfigs"][0]["value"].as_str().unwrap()).unwrap();
        String::from_utf8(text).unwrap()
    }

    /// Starts or stops a cluster.
    pub(crate) fn act(&self, name: &str, action: &str) {
        self.post(&format!("{}/{action}", cluster(name)));
    }

    /// Has an action of a resource done.
    pub(crate) fn post(&self, path: &str) {
        self.send(Method::POST, path, Some(&json!({})));
    }

    /// The id of another group of the subscription.
    pub(crate) fn group(&self, name: &str) -> String {
        self.group.replace("/rg", &format!("/{name}"))
    }

    /// Reads a resource or a collection.
    pub(crate) fn get(&self, path: &str) -> Value {
        self.send(Method::GET, path, None)
    }

    /// Takes a resource away.
    pub(crate) fn delete(&self, path: &str) {
        self.send(Method::DELETE, path, None);
    }

    fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Value {
        let separator = if path.contains('?') { '&' } else { '?' };
        let url = format!("{}{}{separator}api-version={API_VERSION}", self.url, self.id(path));
        let request = self.http.request(method, url).bearer_auth(&self.token);
        self.answer(match body {
            Some(body) => request.json(body),
            None => request,
        })
    }

    fn answer(&self, request: reqwest::RequestBuilder) -> Value {
        let (status, url, text) = self.runtime.block_on(async {
            let reply = request.send().await.unwrap();
            (reply.status(), reply.url().to_string(), reply.text().await.unwrap())
        });
        assert!(status.is_success(), "{url}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }
}

fn cluster(name: &str) -> String {
    format!("Microsoft.ContainerService/managedClusters/{name}")
}
