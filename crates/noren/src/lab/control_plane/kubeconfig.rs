//! A kubeconfig as the way to a control plane.

use std::{net::SocketAddr, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use doctor::{Access, Proof, load};
use kube::{Upstream, UpstreamSpec};
use pki::Redacted;

use crate::failure::Failure;

/// The control plane that `file` leads to.
///
/// # Errors
/// [`Failure`] when the file names none, or says something that is not done here.
pub(super) async fn upstream(file: &Path, context: Option<&str>) -> Result<Upstream, Failure> {
    let failure = |why: String, remedy: &str| {
        Failure::new(format!("the kubeconfig {} leads to no control plane", file.display())).because(why).remedy(remedy)
    };
    let unusable = |why: String| failure(why, "correct the file, or name another one or another context");
    let access = load(&[file.to_owned()], context).map_err(|error| unusable(in_full(&error)))?;
    let spec = spec(access).await.map_err(|(why, remedy)| failure(why, remedy))?;
    Upstream::new(&spec).map_err(|error| unusable(error.to_string()))
}

fn in_full(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

/// What is to be done, or why not and what to do about it.
async fn spec(access: Access) -> Result<UpstreamSpec, (String, &'static str)> {
    const UNREADABLE: &str = "correct the file";
    if access.insecure {
        return Err((
            "it takes any certificate (`insecure-skip-tls-verify`)".to_owned(),
            "name the authority: `certificate-authority-data`",
        ));
    }
    let name = match &access.tls_server_name {
        Some(name) if *name != access.host => {
            Some((name.clone(), address(&access).await.map_err(|why| (why, UNREADABLE))?))
        }
        _ => None,
    };
    let authority = access.authority.transpose().map_err(|why| (format!("its authority: {why}"), UNREADABLE))?;
    let (identity, authorization) = credentials(access.proof)?;
    Ok(UpstreamSpec { server: access.server, authority, name, identity, authorization, proxy: access.proxy_url })
}

/// A client's certificate with its key, or what `Authorization` says; the token counts where there are both, as with
/// `kubectl` it goes along.
type Credentials = (Option<Redacted<Vec<u8>>>, Option<Redacted<String>>);

fn credentials(proof: Proof) -> Result<Credentials, (String, &'static str)> {
    const FIXED: &str = "give the user a certificate or a token";
    if let Some(exec) = proof.exec {
        return Err((format!("its credentials come from a program, `{}`", exec.command), FIXED));
    }
    if let Some(provider) = proof.auth_provider {
        return Err((format!("its credentials come from the provider `{provider}`, which kubectl has no more"), FIXED));
    }
    let certificate = proof.certificate.transpose().map_err(|why| (format!("its certificate: {why}"), FIXED))?;
    let identity =
        certificate.map(|one| Redacted::new([one.certificate, b"\n".to_vec(), one.key.into_inner()].concat()));
    let token = proof.token.transpose().map_err(|why| (format!("its token: {why}"), FIXED))?;
    let basic = || {
        let (name, password) = proof.basic?.into_inner();
        Some(format!("Basic {}", STANDARD.encode(format!("{name}:{password}"))))
    };
    let authorization = token.map(|token| format!("Bearer {}", token.expose())).or_else(basic);
    Ok((identity, authorization.map(Redacted::new)))
}

/// The address behind the server's host.
async fn address(access: &Access) -> Result<SocketAddr, String> {
    if access.proxy_url.is_some() {
        return Err("`tls-server-name` beside `proxy-url`: the name would be asked of the proxy".to_owned());
    }
    let found = tokio::net::lookup_host((access.host.as_str(), access.port)).await;
    let first = found.map_err(|error| format!("{} has no address: {error}", access.host))?.next();
    first.ok_or_else(|| format!("{} has no address", access.host))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Why a kubeconfig with this cluster and this user is none for a control plane.
    async fn refused(cluster: &str, user: &str) -> String {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config");
        let text = format!(
            "clusters: [{{name: c, cluster: {{server: 'https://127.0.0.1:6443'{cluster}}}}}]\n\
             users: [{{name: u, user: {{{user}}}}}]\n\
             contexts: [{{name: x, context: {{cluster: c, user: u}}}}]\ncurrent-context: x\n"
        );
        fs_err::write(&file, text).unwrap();
        upstream(&file, None).await.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn what_is_not_done_here_is_refused_with_the_remedy() {
        let insecure = refused(", insecure-skip-tls-verify: true", "").await;
        assert!(
            insecure.contains("why:    it takes any certificate") && insecure.contains("remedy: name"),
            "{insecure}"
        );
        let exec = refused("", "exec: {command: kubelogin}").await;
        assert!(exec.contains("`kubelogin`") && exec.contains("remedy: give the user a certificate"), "{exec}");
        let half = refused("", "client-certificate-data: YQ==").await;
        assert!(half.contains("without its key"), "{half}");
        let named = refused(", tls-server-name: a, proxy-url: 'http://127.0.0.1:1'", "token: t").await;
        assert!(named.contains("`tls-server-name` beside `proxy-url`"), "{named}");
        let missing = upstream(Path::new("/no/such/file"), None).await.unwrap_err().to_string();
        assert!(missing.contains("/no/such/file cannot be read"), "{missing}");
    }
}
