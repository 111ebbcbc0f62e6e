//! Kubeconfigs: one context's server, authority and proofs, read as `kubectl` reads them.
//!
//! Secrets are [`Redacted`] from the first moment on. Source: Kubernetes' documentation, "Organizing Cluster Access
//! Using kubeconfig Files": of several files the first that says something wins.

use std::path::{Path, PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use pki::Redacted;
use serde::Deserialize;

/// Why a kubeconfig names no server to look at.
#[derive(Debug, thiserror::Error)]
pub enum KubeconfigError {
    /// A file that cannot be read.
    #[error("the kubeconfig {} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file that is no kubeconfig.
    #[error("{} is not a kubeconfig: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// There is no kubeconfig, so that `kubectl` would ask `localhost`.
    #[error("there is no kubeconfig")]
    Missing,
    /// No context is chosen.
    #[error("the kubeconfig has no current context")]
    NoContext {
        /// The contexts there are.
        known: Vec<String>,
    },
    /// Something that is named is not there.
    #[error("the kubeconfig has no {what} `{name}`")]
    NotFound {
        /// A context, cluster or user.
        what: &'static str,
        /// Its name.
        name: String,
        /// Those there are.
        known: Vec<String>,
    },
    /// The server is not an `https` URL.
    #[error("`{server}` is not a server's URL")]
    BadServer {
        /// As the file says it.
        server: String,
    },
}

/// What a connection needs to know.
#[derive(Debug, Clone)]
pub struct Access {
    /// The context's name.
    pub context: String,
    /// The user's name.
    pub user: String,
    /// The server as the file says it.
    pub server: String,
    /// Its host: a name, or an address without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether it is spoken to by TLS.
    pub tls: bool,
    /// The authority, PEM; `None` means the system's.
    pub authority: Option<Result<Vec<u8>, String>>,
    /// The name the certificate is to have instead of the host.
    pub tls_server_name: Option<String>,
    /// Whether certificates are taken unseen.
    pub insecure: bool,
    /// The proxy this cluster is reached through.
    pub proxy_url: Option<String>,
    /// How the user proves who they are.
    pub proof: Proof,
    /// Hosts of other clusters in the file.
    pub siblings: Vec<String>,
}

/// How a user proves who they are. What cannot be read is said, not fatal.
#[derive(Debug, Clone, Default)]
pub struct Proof {
    /// A client certificate and its key, PEM.
    pub certificate: Option<Result<ClientCertificate, String>>,
    /// A bearer token.
    pub token: Option<Result<Redacted<String>, String>>,
    /// A user's name with a password.
    pub basic: Option<Redacted<(String, String)>>,
    /// A program that gets a token.
    pub exec: Option<Exec>,
    /// A method that `kubectl` no longer has.
    pub auth_provider: Option<String>,
}

/// A client certificate and its key, PEM.
#[derive(Debug, Clone)]
pub struct ClientCertificate {
    /// The certificate.
    pub certificate: Vec<u8>,
    /// Its key.
    pub key: Redacted<Vec<u8>>,
}

/// A program that gets a token, as `kubelogin`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Exec {
    /// The program.
    pub command: String,
    /// What the file says of how to install it.
    #[serde(default)]
    pub install_hint: Option<String>,
}

/// Reads the kubeconfigs and chooses `context`, else the current one. Of several files those that are not there are
/// passed over, as `kubectl` does.
///
/// # Errors
/// [`KubeconfigError`] when they name no server.
pub fn load(paths: &[PathBuf], context: Option<&str>) -> Result<Access, KubeconfigError> {
    let mut files = Vec::new();
    for path in paths {
        let text = match fs_err::read_to_string(path) {
            Ok(text) => text,
            Err(error) if paths.len() > 1 && error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(source) => return Err(KubeconfigError::Unreadable { path: path.clone(), source }),
        };
        files.push(parse(path, &text)?);
    }
    select(&files, context)
}

struct File {
    directory: PathBuf,
    document: Document,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Document {
    clusters: Option<Vec<NamedCluster>>,
    contexts: Option<Vec<NamedContext>>,
    users: Option<Vec<NamedUser>>,
    current_context: Option<String>,
}

#[derive(Debug, Deserialize)]
struct NamedCluster {
    name: String,
    #[serde(default)]
    cluster: Cluster,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Cluster {
    server: String,
    certificate_authority: Option<PathBuf>,
    certificate_authority_data: Option<String>,
    tls_server_name: Option<String>,
    insecure_skip_tls_verify: Option<bool>,
    proxy_url: Option<String>,
}

#[derive(Debug, Deserialize)]
struct NamedContext {
    name: String,
    #[serde(default)]
    context: Context,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Context {
    cluster: String,
    user: String,
}

#[derive(Debug, Deserialize)]
struct NamedUser {
    name: String,
    #[serde(default)]
    user: Option<User>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct User {
    client_certificate: Option<PathBuf>,
    client_certificate_data: Option<String>,
    client_key: Option<PathBuf>,
    client_key_data: Option<Redacted<String>>,
    token: Option<Redacted<String>>,
    #[serde(rename = "tokenFile")]
    token_file: Option<PathBuf>,
    username: Option<String>,
    password: Option<Redacted<String>>,
    exec: Option<Exec>,
    auth_provider: Option<AuthProvider>,
}

#[derive(Debug, Deserialize)]
struct AuthProvider {
    name: String,
}

fn parse(path: &Path, text: &str) -> Result<File, KubeconfigError> {
    let malformed = |reason: &dyn std::fmt::Display| {
        // The first line says what; the rest quotes the file, which may be a secret.
        let reason = reason.to_string().lines().next().unwrap_or_default().to_owned();
        KubeconfigError::Malformed { path: path.to_owned(), reason }
    };
    let document = if text.trim().is_empty() {
        Document::default()
    } else {
        serde_saphyr::from_str(text).map_err(|error| malformed(&error))?
    };
    Ok(File { directory: path.parent().map(Path::to_owned).unwrap_or_default(), document })
}

fn select(files: &[File], context: Option<&str>) -> Result<Access, KubeconfigError> {
    let contexts: Vec<&NamedContext> = files.iter().flat_map(|file| file.document.contexts.iter().flatten()).collect();
    let known = || contexts.iter().map(|context| context.name.clone()).collect::<Vec<_>>();
    let current =
        files.iter().filter_map(|file| file.document.current_context.as_deref()).find(|name| !name.is_empty());
    let Some(context) = context.or(current) else {
        return Err(if contexts.is_empty() {
            KubeconfigError::Missing
        } else {
            KubeconfigError::NoContext { known: known() }
        });
    };
    let not_found = |what, name: &str, known| KubeconfigError::NotFound { what, name: name.to_owned(), known };
    let chosen =
        contexts.iter().find(|one| one.name == context).ok_or_else(|| not_found("context", context, known()))?;
    let clusters: Vec<(&File, &NamedCluster)> =
        files.iter().flat_map(|file| file.document.clusters.iter().flatten().map(move |one| (file, one))).collect();
    let names = || clusters.iter().map(|(_, one)| one.name.clone()).collect();
    let wanted = &chosen.context.cluster;
    let (file, cluster) = clusters
        .iter()
        .find(|(_, one)| one.name == *wanted)
        .map(|(file, one)| (file, &one.cluster))
        .ok_or_else(|| not_found("cluster", wanted, names()))?;
    let (tls, host, port) = endpoint(&cluster.server)?;
    let users = || files.iter().flat_map(|file| file.document.users.iter().flatten().map(move |one| (file, one)));
    let proof = match users().find(|(_, one)| one.name == chosen.context.user) {
        Some((file, NamedUser { user: Some(user), .. })) => proof(file, user),
        Some(_) => Proof::default(),
        None if chosen.context.user.is_empty() => Proof::default(),
        None => {
            return Err(not_found("user", &chosen.context.user, users().map(|(_, one)| one.name.clone()).collect()));
        }
    };
    let siblings = clusters.iter().filter_map(|(_, one)| Some(endpoint(&one.cluster.server).ok()?.1));
    Ok(Access {
        context: context.to_owned(),
        user: chosen.context.user.clone(),
        server: cluster.server.clone(),
        authority: material(
            file,
            cluster.certificate_authority_data.as_deref(),
            cluster.certificate_authority.as_deref(),
        ),
        tls_server_name: cluster.tls_server_name.clone().filter(|name| !name.is_empty()),
        insecure: cluster.insecure_skip_tls_verify.unwrap_or(false),
        proxy_url: cluster.proxy_url.clone().filter(|url| !url.is_empty()),
        siblings: siblings.filter(|other| *other != host).collect(),
        host,
        port,
        tls,
        proof,
    })
}

/// Whether by TLS, host and port of a server's URL.
fn endpoint(server: &str) -> Result<(bool, String, u16), KubeconfigError> {
    let bad = || KubeconfigError::BadServer { server: server.to_owned() };
    let text = if server.contains("://") { server.to_owned() } else { format!("http://{server}") };
    let uri: http::Uri = text.parse().map_err(|_| bad())?;
    let tls = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => return Err(bad()),
    };
    let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(bad)?;
    let host = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_ascii_lowercase();
    Ok((tls, host, uri.port_u16().unwrap_or(if tls { 443 } else { 80 })))
}

fn proof(file: &File, user: &User) -> Proof {
    let certificate = material(file, user.client_certificate_data.as_deref(), user.client_certificate.as_deref());
    let key =
        material(file, user.client_key_data.as_ref().map(|key| key.expose().as_str()), user.client_key.as_deref());
    let certificate = certificate.map(|certificate| {
        let key = key.unwrap_or_else(|| Err("there is a client certificate without its key".to_owned()))?;
        Ok(ClientCertificate { certificate: certificate?, key: key.into() })
    });
    let token = match (&user.token, &user.token_file) {
        (Some(token), _) => Some(Ok(token.clone())),
        (None, Some(path)) => {
            Some(read(file, path).map(|text| String::from_utf8_lossy(&text).trim().to_owned().into()))
        }
        (None, None) => None,
    };
    let basic = user.username.clone().zip(user.password.clone());
    Proof {
        certificate,
        token,
        basic: basic.map(|(name, password)| Redacted::new((name, password.into_inner()))),
        exec: user.exec.clone(),
        auth_provider: user.auth_provider.as_ref().map(|provider| provider.name.clone()),
    }
}

/// The bytes given in the file or in another one, which the first goes before.
fn material(file: &File, data: Option<&str>, path: Option<&Path>) -> Option<Result<Vec<u8>, String>> {
    match (data.filter(|data| !data.is_empty()), path) {
        (Some(data), _) => Some(STANDARD.decode(data.trim()).map_err(|_| "it is not base64".to_owned())),
        (None, Some(path)) => Some(read(file, path)),
        (None, None) => None,
    }
}

/// A file named in a kubeconfig: relative to where that is.
fn read(file: &File, path: &Path) -> Result<Vec<u8>, String> {
    fs_err::read(file.directory.join(path)).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
apiVersion: v1
kind: Config
clusters:
- name: a
  cluster: {server: 'https://A-06jie3fz.hcp.japaneast.azmk8s.io:443', certificate-authority-data: YQ==}
- name: b
  cluster: {server: 'https://[fd00::1]:6443', tls-server-name: b.example, proxy-url: 'socks5://127.0.0.1:1080'}
contexts:
- name: a
  context: {cluster: a, user: u}
- name: b
  context: {cluster: b, user: nobody}
current-context: a
users:
- name: u
  user: {token: s3cret, exec: {command: kubelogin, installHint: see aka.ms}}
";

    fn access(text: &str, context: Option<&str>) -> Result<Access, KubeconfigError> {
        select(&[parse(Path::new("/k/config"), text)?], context)
    }

    #[test]
    fn the_current_context_is_taken_and_secrets_do_not_show() {
        let access = access(FILE, None).unwrap();
        assert_eq!((access.host.as_str(), access.port, access.tls), ("a-06jie3fz.hcp.japaneast.azmk8s.io", 443, true));
        assert_eq!(access.authority, Some(Ok(b"a".to_vec())));
        assert_eq!(access.siblings, ["fd00::1"]);
        let shown = format!("{access:?}");
        assert!(shown.contains("kubelogin") && !shown.contains("s3cret"), "{shown}");
    }

    #[test]
    fn what_is_missing_is_named_with_what_there_is() {
        let missing = access(FILE, Some("c")).unwrap_err();
        assert!(matches!(missing, KubeconfigError::NotFound { what: "context", known, .. } if known == ["a", "b"]));
        assert!(matches!(access(FILE, Some("b")).unwrap_err(), KubeconfigError::NotFound { what: "user", .. }));
        assert!(matches!(access("", None).unwrap_err(), KubeconfigError::Missing));
        assert!(matches!(access("[", None).unwrap_err(), KubeconfigError::Malformed { .. }));
    }

    #[test]
    fn of_several_files_the_first_wins_and_one_that_is_not_there_is_passed_over() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs_err::write(path("one"), "current-context: b\n").unwrap();
        fs_err::write(path("two"), FILE.replace("nobody", "u")).unwrap();
        let access = load(&[path("none"), path("one"), path("two")], None).unwrap();
        assert_eq!((access.host.as_str(), access.port), ("fd00::1", 6443));
        assert_eq!(access.proxy_url.as_deref(), Some("socks5://127.0.0.1:1080"));
        assert!(matches!(load(&[path("none")], None).unwrap_err(), KubeconfigError::Unreadable { .. }));
    }
}
