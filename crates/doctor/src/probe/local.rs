//! What this machine says without asking anybody: whose agent it is, and how long credentials last.

use std::{collections::BTreeMap, path::Path};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde_json::Value;

use super::tls;
use crate::{kubeconfig::Proof, observation::Credential};

/// The service whose hosted agent this is. Source: the variables that each documents.
pub(super) fn hosted_agent(variables: &BTreeMap<String, String>) -> Option<String> {
    let is = |name: &str, wanted: &str| variables.get(name).is_some_and(|text| text.eq_ignore_ascii_case(wanted));
    let begins = |name: &str, wanted: &str| variables.get(name).is_some_and(|text| text.starts_with(wanted));
    let agent = if is("RUNNER_ENVIRONMENT", "github-hosted") {
        "GitHub Actions"
    } else if is("TF_BUILD", "true") && (is("AGENT_ISSELFHOSTED", "0") || begins("AGENT_NAME", "Hosted Agent")) {
        "Azure Pipelines"
    } else if is("GITLAB_CI", "true") && variables.get("CI_RUNNER_TAGS").is_some_and(|tags| tags.contains("saas-")) {
        "GitLab"
    } else if is("CODESPACES", "true") {
        "GitHub Codespaces"
    } else if begins("AZUREPS_HOST_ENVIRONMENT", "cloud-shell") {
        "Azure Cloud Shell"
    } else {
        return None;
    };
    Some(agent.to_owned())
}

/// Whether this is Windows Subsystem for Linux.
pub(super) fn is_wsl() -> bool {
    let version = fs_err::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    version.to_ascii_lowercase().contains("microsoft")
}

/// Whether there is a proof that can be sent as it is.
pub(super) fn has_static_proof(proof: &Proof) -> bool {
    matches!(proof.certificate, Some(Ok(_))) || matches!(proof.token, Some(Ok(_))) || proof.basic.is_some()
}

/// The proofs, without their secrets. Programs are looked for in `path`.
pub(super) fn credentials(proof: &Proof, path: Option<&str>) -> Vec<Credential> {
    let mut found = Vec::new();
    match &proof.certificate {
        Some(Ok(client)) => found.push(certificate(&client.certificate)),
        Some(Err(error)) => {
            found.push(Credential::Unreadable { error: format!("the client certificate: {error}") });
        }
        None => {}
    }
    match &proof.token {
        Some(Ok(token)) => found.push(Credential::Token { expires: expiry(token.expose()) }),
        Some(Err(error)) => found.push(Credential::Unreadable { error: format!("the token: {error}") }),
        None => {}
    }
    found.extend(proof.basic.as_ref().map(|_| Credential::Basic));
    found.extend(proof.exec.as_ref().map(|exec| Credential::Exec {
        command: exec.command.clone(),
        found: find(&exec.command, path.unwrap_or_default()),
    }));
    found.extend(proof.auth_provider.clone().map(|name| Credential::AuthProvider { name }));
    found
}

fn certificate(pem: &[u8]) -> Credential {
    let der = CertificateDer::from_pem_slice(pem).ok();
    match der.and_then(|der| tls::read(&der)) {
        Some(read) => Credential::Certificate { subject: read.subject, not_after: read.not_after },
        None => Credential::Unreadable { error: "the client certificate: it is none".to_owned() },
    }
}

/// `exp` of a JSON web token; other tokens do not say when they end.
fn expiry(token: &str) -> Option<Timestamp> {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    Timestamp::from_second(claims["exp"].as_i64()?).ok()
}

fn find(command: &str, path: &str) -> Option<String> {
    let is_file = |path: &Path| path.is_file().then(|| path.display().to_string());
    if command.contains(std::path::MAIN_SEPARATOR) {
        return is_file(Path::new(command));
    }
    let names =
        if cfg!(windows) { vec![format!("{command}.exe"), command.to_owned()] } else { vec![command.to_owned()] };
    std::env::split_paths(path)
        .flat_map(|place| names.iter().map(move |name| place.join(name)))
        .find_map(|at| is_file(&at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_when_it_ends_if_it_is_a_json_web_token() {
        let claims = URL_SAFE_NO_PAD.encode(r#"{"exp": 1800000000}"#);
        assert_eq!(expiry(&format!("h.{claims}.s")).map(Timestamp::as_second), Some(1_800_000_000));
        assert_eq!(expiry("opaque"), None);
    }

    #[test]
    fn hosted_agents_are_told_from_ones_own() {
        let agent = |pairs: &[(&str, &str)]| {
            hosted_agent(&pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect())
        };
        assert_eq!(agent(&[("RUNNER_ENVIRONMENT", "github-hosted")]).as_deref(), Some("GitHub Actions"));
        assert_eq!(agent(&[("RUNNER_ENVIRONMENT", "self-hosted")]), None);
        assert_eq!(agent(&[("TF_BUILD", "True"), ("AGENT_ISSELFHOSTED", "0")]).as_deref(), Some("Azure Pipelines"));
        assert_eq!(agent(&[("TF_BUILD", "True"), ("AGENT_ISSELFHOSTED", "1")]), None);
    }

    #[test]
    fn programs_are_found_where_the_path_says() {
        let directory = tempfile::tempdir().unwrap();
        fs_err::write(directory.path().join("kubelogin"), "").unwrap();
        let path = directory.path().display().to_string();
        assert_eq!(find("kubelogin", &path), Some(directory.path().join("kubelogin").display().to_string()));
        assert_eq!(find("nosuch", &path), None);
    }
}
