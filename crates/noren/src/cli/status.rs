//! `noren status`: what runs, and where.

use std::{io::Write, process::ExitCode};

use clap::Args;

use super::{LabArgs, Output, style, vantages};
use crate::lab::{ClusterStatus, PlaneStatus, Status, VpnServerStatus};

#[derive(Debug, Args)]
pub(super) struct StatusOptions {
    #[command(flatten)]
    lab: LabArgs,
    /// How to print it
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
}

/// Prints the state of the running lab.
pub(super) async fn run(options: &StatusOptions, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let control = options.lab.connect()?;
    let status = control.status().await?;
    match options.output {
        Output::Json => writeln!(out, "{}", serde_json::to_string_pretty(&status)?)?,
        Output::Table => write!(out, "{}", render(&status, &control.portal_link().await?))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn plane(plane: &PlaneStatus) -> String {
    let means = match plane.name.as_str() {
        PlaneStatus::KERNEL => "each vantage is a network namespace, and a SOCKS5 and HTTP CONNECT port",
        _ => "each vantage is a SOCKS5 and HTTP CONNECT port",
    };
    let why = plane.why.as_ref().map(|why| format!("; {why}")).unwrap_or_default();
    format!("{} ({means}{why})", plane.name)
}

fn vpn_server(server: &VpnServerStatus) -> String {
    let address = server.address.map(|address| format!(" at {address}, TCP 443")).unwrap_or_default();
    match &server.why {
        None => format!("VPN server        {}: openvpn{address}\n", server.gateway),
        Some(why) => format!("VPN server        {}: none runs, {why}\n", server.gateway),
    }
}

fn render(status: &Status, portal: &str) -> String {
    let mut text = format!(
        "ARM and Entra ID  {}\nportal            {portal} (works once)\ndata              {}\ndata plane        {}\nresources         {} at revision {}\n",
        status.arm,
        status.data.as_deref().unwrap_or("in memory"),
        plane(&status.plane),
        status.resources,
        status.revision
    );
    text.extend(status.plane.lacks.iter().map(|what| format!("not here          {what}\n")));
    text.extend(status.vpn_servers.iter().map(vpn_server));
    let real = |cluster: &ClusterStatus| Some((cluster.name.clone(), cluster.control_plane.clone()?));
    let real = status.clusters.iter().filter_map(real);
    text.extend(real.map(|(cluster, control_plane)| format!("control plane     {cluster}: {control_plane}\n")));
    let mut clusters = style::table(&["CLUSTER", "GROUP", "POWER", "ADDRESS", "FQDN", "PRIVATE FQDN"]);
    for cluster in &status.clusters {
        let or_null = |value: &Option<String>| value.clone().unwrap_or_else(|| "null".to_owned());
        clusters.add_row([
            cluster.name.clone(),
            cluster.group.clone(),
            cluster.power.clone(),
            or_null(&cluster.address),
            or_null(&cluster.fqdn),
            or_null(&cluster.private_fqdn),
        ]);
    }
    let mut views = style::table(&["DNS VIEW", "UDP AND TCP"]);
    for view in &status.views {
        views.add_row([view.name.clone(), view.address.to_string()]);
    }
    let tables = [
        (style::lines(&clusters), status.clusters.len()),
        (vantages::table(&status.vantages), status.vantages.len()),
        (style::lines(&views), status.views.len()),
    ];
    for (table, _) in tables.iter().filter(|(_, rows)| *rows > 0) {
        text += &format!("\n{table}");
    }
    if !status.findings.is_empty() {
        text += "\nNot as it should be, or kept but not acted on:\n";
    }
    for finding in &status.findings {
        let field = |name: &str| finding[name].as_str().unwrap_or_default().to_owned();
        text += &format!("  {} {}\n    {}\n", field("code"), field("resource"), field("message"));
    }
    text
}
