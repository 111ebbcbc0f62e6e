//! What unmodified clients need on disk: authorities to trust, and an `AZURE_CONFIG_DIR` in which
//! `az` finds itself signed in. All of it lies in the lab's directory; the user's own `~/.azure`,
//! `~/.kube` and trust store are never touched.
//!
//! Source: az-wire §1a, the four files.

use serde_json::json;

use super::{DataDir, running::Running};

/// The name of the lab's cloud in `az`.
const CLOUD: &str = arm::entra::CLOUD_NAME;
/// Where systems keep the public authorities, in the order they are tried.
const SYSTEM_BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Writes everything anew; called at every start.
pub(super) fn write(data: &DataDir, authority_pem: &str, running: &Running) -> anyhow::Result<()> {
    data.write(&data.authority(), authority_pem.as_bytes())?;
    data.write(&data.bundle(), bundle(authority_pem).as_bytes())?;
    let az = data.az();
    data.write(&az.join("clouds.config"), clouds(running).as_bytes())?;
    data.write(&az.join("config"), config().as_bytes())?;
    data.write_json(&az.join("azureProfile.json"), &profile(running))?;
    let entries = json!([{
        "client_id": running.sign_in.client_id,
        "tenant": running.sign_in.tenant,
        "client_secret": running.sign_in.client_secret,
    }]);
    data.write_json(&az.join("service_principal_entries.json"), &entries)?;
    if let Some(parent) = data.kubeconfig().parent() {
        fs_err::create_dir_all(parent)?;
    }
    data.write_json(&data.running(), running)
}

/// The lab's authority and the public ones: clients that take this file see nothing else.
fn bundle(authority_pem: &str) -> String {
    let system = SYSTEM_BUNDLES.iter().find_map(|path| fs_err::read_to_string(path).ok()).unwrap_or_default();
    format!("{authority_pem}{system}")
}

fn clouds(running: &Running) -> String {
    let url = &running.url;
    let subscription = &running.sign_in.subscription;
    let aliases = arm::providers::compute::images::ALIASES_PATH;
    format!(
        "[{CLOUD}]\n\
         endpoint_resource_manager = {url}\n\
         endpoint_management = {url}/\n\
         endpoint_active_directory = {url}\n\
         endpoint_active_directory_resource_id = {url}/\n\
         endpoint_active_directory_graph_resource_id = {url}/graph/\n\
         endpoint_microsoft_graph_resource_id = {url}/graph/\n\
         endpoint_vm_image_alias_doc = {url}{aliases}\n\
         subscription = {subscription}\n"
    )
}

fn config() -> String {
    format!(
        "[cloud]\nname = {CLOUD}\n[core]\ninstance_discovery = false\ncollect_telemetry = false\n\
         survey_message = false\n[output]\nshow_survey_link = no\n"
    )
}

fn profile(running: &Running) -> serde_json::Value {
    let sign_in = &running.sign_in;
    json!({"installationId": sign_in.subscription, "subscriptions": [{
        "id": sign_in.subscription,
        "name": "noren",
        "state": "Enabled",
        "user": {"name": sign_in.client_id, "type": "servicePrincipal"},
        "isDefault": true,
        "tenantId": sign_in.tenant,
        "environmentName": CLOUD,
        "homeTenantId": sign_in.tenant,
        "managedByTenants": [],
    }]})
}
