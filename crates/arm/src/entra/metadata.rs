//! `GET /metadata/endpoints`: what a client needs to know of this cloud. Open to everybody, holds
//! no secret.
//!
//! Two shapes, told apart by `api-version` as in Azure: up to 2020 a list of clouds (what
//! `ARM_CLOUD_METADATA_URL` of `az` must answer), from 2022 on one cloud as an object
//! (`az cloud register`, Terraform's `metadata_host`).

use azure::ArmError;
use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::{
    form::Form,
    reply::{arm_error_reply, json_reply},
};
use crate::{provider::Lab, providers::compute::images};

/// What the lab's cloud is called, unless the user registers it under another name.
pub const CLOUD_NAME: &str = "Noren";

/// The first api-version that answers one cloud instead of a list.
const SINGLE_CLOUD_SINCE: &str = "2022";

/// Answers the request.
pub(super) fn reply(lab: &Lab, query: &Form) -> Response<Bytes> {
    let Some(version) = query.get("api-version") else {
        return arm_error_reply(&ArmError::bad_request(
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        ));
    };
    let cloud = cloud(&lab.base_url);
    let body = if version < SINGLE_CLOUD_SINCE { Value::Array(vec![cloud]) } else { cloud };
    json_reply(StatusCode::OK, &body)
}

/// The lab as a cloud.
///
/// - `loginEndpoint` ends in `/adfs`: MSAL asks no public instance about such an authority, so that
///   `az login` works without a setting. The same endpoint with a tenant behind it (how Terraform
///   and the SDKs build theirs) is served as well.
/// - `tenant` and `identityProvider` are those of Azure: Terraform refuses a cloud whose values are not.
/// - suffixes are names that do not exist anywhere (`.test`, RFC 6761): what the lab does not offer
///   cannot leave the machine.
pub(crate) fn cloud(base: &str) -> Value {
    let graph = format!("{base}/graph/");
    json!({
        "name": CLOUD_NAME,
        "portal": base,
        "authentication": {
            "loginEndpoint": format!("{base}/adfs"),
            "audiences": [format!("{base}/"), base],
            "tenant": "common",
            "identityProvider": "AAD"
        },
        "graphAudience": graph,
        "graph": graph,
        "microsoftGraphResourceId": graph,
        "resourceManager": base,
        "gallery": base,
        "batch": base,
        "media": base,
        "sqlManagement": base,
        "activeDirectoryDataLake": base,
        "vmImageAliasDoc": format!("{base}{}", images::ALIASES_PATH),
        "suffixes": {
            "storage": "storage.noren.test",
            "keyVaultDns": "vault.noren.test",
            "acrLoginServer": "azurecr.noren.test",
            "sqlServerHostname": "database.noren.test"
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entra::testing::{BASE, body_of, lab};

    fn ask(query: &str) -> (StatusCode, Value) {
        let response = reply(&lab(), &Form::parse(query.as_bytes()).unwrap());
        (response.status(), body_of(&response))
    }

    #[test]
    fn az_cloud_register_and_terraform_read_one_cloud() {
        let (status, cloud) = ask("api-version=2022-09-01");
        assert_eq!(status, StatusCode::OK);
        assert_eq!(cloud["authentication"]["loginEndpoint"], format!("{BASE}/adfs"));
        assert_eq!(cloud["authentication"]["audiences"][0], format!("{BASE}/"));
        assert_eq!(cloud["authentication"]["identityProvider"], "AAD");
        assert_eq!(cloud["authentication"]["tenant"], "common");
        assert_eq!(cloud["resourceManager"], BASE);
    }

    #[test]
    fn arm_cloud_metadata_url_reads_a_list() {
        let (_, clouds) = ask("api-version=2019-05-01");
        assert_eq!(clouds.as_array().map(Vec::len), Some(1));
        assert_eq!(clouds[0]["name"], CLOUD_NAME);
    }

    #[test]
    fn a_request_without_an_api_version_is_refused_as_azure_does() {
        let (status, body) = ask("");
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert_eq!(body["error"]["code"], "MissingApiVersionParameter");
    }
}
