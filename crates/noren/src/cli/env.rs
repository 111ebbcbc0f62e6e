//! `noren env`: the variables by which unmodified clients find the lab.

use std::{fmt::Write as _, io::Write, process::ExitCode};

use clap::{Args, ValueEnum};

use super::LabArgs;
use crate::{
    client::not_running,
    lab::{DataDir, Running},
};

/// Loopback names that must not go through a proxy.
const NO_PROXY: &str = "localhost,127.0.0.1";

#[derive(Debug, Args)]
pub(super) struct EnvOptions {
    #[command(flatten)]
    lab: LabArgs,
    /// The shell to print for [default: the one in $SHELL]
    #[arg(long, value_enum)]
    shell: Option<Shell>,
    /// Print a JSON object instead
    #[arg(long, conflicts_with = "shell")]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Shell {
    /// sh, bash, zsh, dash, …
    Sh,
    /// fish
    Fish,
    /// PowerShell
    Powershell,
}

/// Prints the settings.
pub(super) fn run(options: &EnvOptions, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let data = options.lab.directory()?;
    let running: Option<Running> = DataDir::read_json(&data.running())?;
    let running = running.ok_or_else(|| not_running(&data))?;
    let variables = variables(&data, &running, std::env::var("NO_PROXY").ok());
    if options.json {
        let object: serde_json::Map<_, _> =
            variables.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        writeln!(out, "{}", serde_json::to_string_pretty(&object)?)?;
    } else {
        let shell = options.shell.unwrap_or_else(|| of_user(&std::env::var("SHELL").unwrap_or_default()));
        write!(out, "{}", script(shell, &variables))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn variables(data: &DataDir, running: &Running, no_proxy: Option<String>) -> Vec<(&'static str, String)> {
    let path = |path: std::path::PathBuf| path.display().to_string();
    let no_proxy = match no_proxy.filter(|held| !held.is_empty()) {
        Some(held) if held.contains("localhost") => held,
        Some(held) => format!("{held},{NO_PROXY}"),
        None => NO_PROXY.to_owned(),
    };
    let sign_in = &running.sign_in;
    vec![
        ("NOREN_DATA", path(data.path().to_owned())),
        ("NO_PROXY", no_proxy),
        ("KUBECONFIG", path(data.kubeconfig())),
        // az, and whatever else trusts as Python's requests, curl, OpenSSL and Go, or Node.js do.
        ("AZURE_CONFIG_DIR", path(data.az())),
        ("REQUESTS_CA_BUNDLE", path(data.bundle())),
        ("CURL_CA_BUNDLE", path(data.bundle())),
        ("SSL_CERT_FILE", path(data.bundle())),
        ("NODE_EXTRA_CA_CERTS", path(data.bundle())),
        // Azure SDKs: what `DefaultAzureCredential` reads. The endpoint is for the clients' constructors.
        ("AZURE_AUTHORITY_HOST", running.url.clone()),
        ("AZURE_TENANT_ID", sign_in.tenant.clone()),
        ("AZURE_CLIENT_ID", sign_in.client_id.clone()),
        ("AZURE_CLIENT_SECRET", sign_in.client_secret.clone()),
        ("AZURE_SUBSCRIPTION_ID", sign_in.subscription.clone()),
        ("NOREN_ARM", running.url.clone()),
        // Terraform's azurerm provider.
        ("ARM_METADATA_HOSTNAME", running.url.trim_start_matches("https://").to_owned()),
        ("ARM_TENANT_ID", sign_in.tenant.clone()),
        ("ARM_CLIENT_ID", sign_in.client_id.clone()),
        ("ARM_CLIENT_SECRET", sign_in.client_secret.clone()),
        ("ARM_SUBSCRIPTION_ID", sign_in.subscription.clone()),
        ("ARM_RESOURCE_PROVIDER_REGISTRATIONS", "none".to_owned()),
        // `az login --identity` and managed identities of the SDKs.
        ("IDENTITY_ENDPOINT", format!("{}/msi/token", running.url)),
        ("IDENTITY_HEADER", sign_in.identity_secret.clone()),
    ]
}

fn of_user(shell: &str) -> Shell {
    match shell.rsplit('/').next().unwrap_or_default() {
        "fish" => Shell::Fish,
        "pwsh" | "powershell" => Shell::Powershell,
        _ => Shell::Sh,
    }
}

fn script(shell: Shell, variables: &[(&'static str, String)]) -> String {
    let mut text = String::new();
    for (name, value) in variables {
        let _ = match shell {
            Shell::Sh => writeln!(text, "export {name}='{}'", value.replace('\'', r"'\''")),
            Shell::Fish => writeln!(text, "set -gx {name} '{}';", value.replace('\\', r"\\").replace('\'', r"\'")),
            Shell::Powershell => writeln!(text, "$env:{name} = '{}'", value.replace('\'', "''")),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_gets_its_own_quotes() {
        let variables = [("A", "it's".to_owned())];
        assert_eq!(script(Shell::Sh, &variables), "export A='it'\\''s'\n");
        assert_eq!(script(Shell::Fish, &variables), "set -gx A 'it\\'s';\n");
        assert_eq!(script(Shell::Powershell, &variables), "$env:A = 'it''s'\n");
        assert_eq!((of_user("/usr/bin/fish"), of_user("/bin/zsh")), (Shell::Fish, Shell::Sh));
    }
}
