//! `listCluster…Credential`: the kubeconfigs that AKS hands out.
//!
//! Source: azure-truth "Addresses"; az-wire §4 (`get-credentials`).

use azure::{ArmError, Estate, Json, Resource, model::ManagedCluster};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{
    site::Site,
    state::{Access, Credentials, credentials},
};
use crate::provider::Request;

/// The AKS Entra ID server application, the same in every tenant.
const ENTRA_SERVER: &str = "6dae42f8-4368-4678-94ff-3960e28e3630";
/// The AKS Entra ID client application, the same in every tenant.
const ENTRA_CLIENT: &str = "80faf920-1908-4b52-b5ef-a8e7bedfc67a";

/// Whose credentials are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Audience {
    /// `listClusterUserCredential`.
    User,
    /// `listClusterAdminCredential`.
    Admin,
    /// `listClusterMonitoringUserCredential`.
    MonitoringUser,
}

impl Audience {
    /// The name of the reply's entry, and the beginning of the kubeconfig's user.
    fn name(self) -> &'static str {
        match self {
            Self::User => "clusterUser",
            Self::Admin => "clusterAdmin",
            Self::MonitoringUser => "clusterMonitoringUser",
        }
    }
}

/// How the kubeconfig's user proves who they are.
enum Proof<'a> {
    Static(&'a Access),
    Kubelogin { tenant: String },
}

/// The reply to a request for credentials.
///
/// # Errors
/// When the cluster gives no such credentials or has no such name.
pub(super) fn list(request: &Request<'_>, cluster: &Resource, audience: Audience) -> Result<Value, ArmError> {
    let Some(model) = request.estate.managed_cluster(cluster.id()) else {
        return Err(crate::provider::not_found(cluster.id()));
    };
    let server = server(request.estate, model, cluster, request.query("server-fqdn"))?;
    let keys = credentials(cluster).ok_or_else(|| crate::provider::not_found(cluster.id()))?;
    let proof = proof(request, cluster, audience, &keys)?;
    let text = render(cluster, audience, &server, &keys, &proof);
    Ok(json!({"kubeconfigs": [{"name": audience.name(), "value": STANDARD.encode(text)}]}))
}

/// `accessProfiles/<role>` and its `listCredential`: the same kubeconfig under its old name.
///
/// Source: Azure REST specification, `ManagedClusters_GetAccessProfile`.
///
/// # Errors
/// 404 for a role that is none, and as [`list`].
pub(super) fn access_profile(request: &Request<'_>, cluster: &Resource, role: &str) -> Result<Value, ArmError> {
    let audience = [Audience::User, Audience::Admin, Audience::MonitoringUser]
        .into_iter()
        .find(|audience| audience.name().eq_ignore_ascii_case(role))
        .ok_or_else(|| {
            ArmError::not_found("NotFound", format!("The cluster '{}' has no access profile '{role}'.", cluster.id()))
        })?;
    let listed = list(request, cluster, audience)?;
    Ok(json!({
        "id": format!("{}/accessProfiles/{}", cluster.id(), audience.name()),
        "name": audience.name(),
        "type": "Microsoft.ContainerService/ManagedClusters/AccessProfiles",
        "location": Site::of(cluster).region,
        "properties": {"kubeConfig": listed["kubeconfigs"][0]["value"]},
    }))
}

fn server(
    _estate: &Estate,
    model: &ManagedCluster,
    cluster: &Resource,
    wanted: Option<&str>,
) -> Result<String, ArmError> {
    let name =
        match wanted {
            Some(kind) if kind.eq_ignore_ascii_case("public") => model.fqdn.as_ref().ok_or_else(|| {
                ArmError::bad_request(
                "BadRequest",
                format!(
                    "Public FQDN of private cluster '{}' is disabled: there is no kubeconfig with it. Enable it with \
                     enablePrivateClusterPublicFQDN or ask without server-fqdn.",
                    cluster.id()
                ),
            )
            .with_target("server-fqdn")
            })?,
            None | Some("") => model.private_fqdn.as_ref().or(model.fqdn.as_ref()).ok_or_else(|| {
                ArmError::bad_request("BadRequest", format!("Cluster '{}' has no FQDN.", cluster.id()))
            })?,
            Some(kind) if kind.eq_ignore_ascii_case("private") && model.private_fqdn.is_some() => {
                model.private_fqdn.as_ref().ok_or_else(|| crate::provider::not_found(cluster.id()))?
            }
            Some(other) => {
                return Err(super::refusal::invalid_parameter(
                    "server-fqdn",
                    &format!("'{other}' is not supported for cluster '{}'.", cluster.id()),
                ));
            }
        };
    Ok(format!("https://{name}:443"))
}

fn proof<'a>(
    request: &Request<'_>,
    cluster: &Resource,
    audience: Audience,
    keys: &'a Credentials,
) -> Result<Proof<'a>, ArmError> {
    let document = cluster.document().value();
    let properties = Json::new(&document).get("properties");
    let entra = properties.get("aadProfile").is_present();
    if entra && audience == Audience::User {
        let tenant = properties.at("aadProfile.tenantID").text().unwrap_or(&request.lab.tenant).to_owned();
        return Ok(Proof::Kubelogin { tenant });
    }
    if properties.get("disableLocalAccounts").flag() == Some(true) {
        return Err(ArmError::bad_request(
            "BadRequest",
            "Getting static credential is not allowed because this cluster is set to disable local accounts.",
        ));
    }
    Ok(Proof::Static(if audience == Audience::Admin { &keys.admin } else { &keys.user }))
}

/// A cluster's name as YAML takes it for a text: in quotes where a reader of YAML 1.1, as `kubectl` is, would take it for
/// a truth, nothing or a number. Names have letters, digits, `-` and `_` only.
fn scalar(name: &str) -> String {
    let words = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    let is_word = words.iter().any(|word| word.eq_ignore_ascii_case(name));
    let is_number = name.starts_with(|first: char| first.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_hexdigit() || b"xXoO_-".contains(&byte));
    if is_word || is_number { format!("\"{name}\"") } else { name.to_owned() }
}

/// The kubeconfig as AKS writes it: YAML, keys in alphabetical order.
fn render(cluster: &Resource, audience: Audience, server: &str, keys: &Credentials, proof: &Proof<'_>) -> String {
    let name = cluster.id().name();
    let user = format!("{}_{}_{name}", audience.name(), cluster.id().group_name().unwrap_or_default());
    let name = scalar(name);
    let authority = STANDARD.encode(&keys.authority.certificate);
    let proof = match proof {
        Proof::Static(access) => format!(
            "    client-certificate-data: {}\n    client-key-data: {}\n    token: {}\n",
            STANDARD.encode(&access.certificate.certificate_pem),
            STANDARD.encode(access.certificate.key_pem.expose()),
            access.token.expose()
        ),
        Proof::Kubelogin { tenant } => format!(
            "    exec:\n      apiVersion: client.authentication.k8s.io/v1beta1\n      args:\n      - get-token\n      \
             - --environment\n      - AzurePublicCloud\n      - --server-id\n      - {ENTRA_SERVER}\n      \
             - --client-id\n      - {ENTRA_CLIENT}\n      - --tenant-id\n      - {tenant}\n      - --login\n      \
             - devicecode\n      command: kubelogin\n      env: null\n      installHint: |2\n\n        kubelogin is \
             not installed which is required to connect to AAD enabled cluster.\n\n        To learn more, please go \
             to https://aka.ms/aks/kubelogin\n      interactiveMode: IfAvailable\n      provideClusterInfo: false\n"
        ),
    };
    format!(
        "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: {authority}\n    server: {server}\n  \
         name: {name}\ncontexts:\n- context:\n    cluster: {name}\n    user: {user}\n  name: {name}\n\
         current-context: {name}\nkind: Config\npreferences: {{}}\nusers:\n- name: {user}\n  user:\n{proof}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_yaml_takes_for_something_else_is_in_quotes() {
        for name in ["n", "Yes", "null", "12", "1e3", "0x1f", "2024-01-01", "1_000"] {
            assert_eq!(scalar(name), format!("\"{name}\""));
        }
        for name in ["a", "aks-prod", "1st", "no-1", "e5"] {
            assert_eq!(scalar(name), name);
        }
    }
}
