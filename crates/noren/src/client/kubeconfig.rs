//! Kubeconfigs: reading what AKS hands out, and standing one at a vantage.

use anyhow::Context;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a connection needs of a kubeconfig's current context.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Access {
    /// `https://<name>:<port>`.
    pub(crate) server: String,
    /// The cluster's authority, PEM.
    pub(crate) authority_pem: Vec<u8>,
    /// The client's certificate, PEM.
    pub(crate) certificate_pem: Vec<u8>,
    /// The client's key, PEM.
    pub(crate) key_pem: Vec<u8>,
}

/// The first kubeconfig in the reply to `listCluster…Credential`, decoded.
pub(crate) fn from_credentials(reply: &Value) -> anyhow::Result<String> {
    let encoded = reply["kubeconfigs"][0]["value"].as_str().context("the reply holds no kubeconfig")?;
    String::from_utf8(STANDARD.decode(encoded)?).context("the kubeconfig is not text")
}

/// Reads a kubeconfig with one cluster and one user.
pub(crate) fn parse(kubeconfig: &str) -> anyhow::Result<Access> {
    let config: Value = serde_saphyr::from_str(kubeconfig).context("the kubeconfig is not YAML")?;
    let (cluster, user) = (&config["clusters"][0]["cluster"], &config["users"][0]["user"]);
    let data = |value: &Value, name: &str| {
        let text = value[name].as_str().with_context(|| format!("the kubeconfig has no {name}"))?;
        STANDARD.decode(text).with_context(|| format!("{name} is not base64"))
    };
    Ok(Access {
        server: cluster["server"].as_str().context("the kubeconfig names no server")?.to_owned(),
        authority_pem: data(cluster, "certificate-authority-data")?,
        certificate_pem: data(user, "client-certificate-data")?,
        key_pem: data(user, "client-key-data")?,
    })
}

/// The same kubeconfig for a client that stands behind `proxy_url`.
pub(crate) fn behind_proxy(kubeconfig: &str, proxy_url: &str) -> anyhow::Result<String> {
    let mut config: Value = serde_saphyr::from_str(kubeconfig).context("the kubeconfig is not YAML")?;
    for cluster in config["clusters"].as_array_mut().into_iter().flatten() {
        cluster["cluster"]["proxy-url"] = Value::from(proxy_url);
    }
    serde_saphyr::to_string(&config).context("the kubeconfig cannot be written")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kubeconfig_behind_a_proxy_is_otherwise_the_same() {
        let before = "apiVersion: v1\nclusters:\n- name: a\n  cluster:\n    server: https://a:443\nkind: Config\n";
        let after = behind_proxy(before, "http://127.0.0.1:1080").unwrap();
        let value: Value = serde_saphyr::from_str(&after).unwrap();
        assert_eq!(value["clusters"][0]["cluster"]["proxy-url"], "http://127.0.0.1:1080");
        assert_eq!(value["clusters"][0]["cluster"]["server"], "https://a:443");
        assert_eq!(value["kind"], "Config");
    }
}
