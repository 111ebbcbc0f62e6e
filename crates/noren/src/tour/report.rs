//! The tour as a reader of the article wants it: the question, the picture, one table, the answer.

use std::fmt::Write as _;

use super::{
    Act, ClusterSeen, Row, Tour,
    article::{Address, Place},
    probe::Connection,
};
use crate::{
    cli::style::{self, Mark},
    lab::PlaneStatus,
};

/// Renders the whole tour as text.
pub(crate) fn render(tour: &Tour) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{}\n", style::heading("Why do two private clusters show different API server addresses?"));
    text += &picture();
    text += &portal(&tour.before);
    text += &table(&tour.before);
    text += &nodes(&tour.before);
    let _ = writeln!(
        text,
        "\n{}\n",
        style::heading("az aks update -g aks-public-fqdn -n aks-public --disable-public-fqdn")
    );
    text += &changes(tour);
    text += &answer();
    text += &verdict(tour);
    text
}

fn picture() -> String {
    let drawing = r"
   public DNS                                      private DNS zone  <guid>.privatelink.<region>.azmk8s.io
   aks-….hcp.<region>.azmk8s.io → 10.224.0.4       aks-… → 10.224.0.4
        │ (while the public FQDN is enabled)            │ linked to                 │ linked to
        ▼                                               ▼                           ▼
   ┌──────────┐   no route    ┌─────────────── cluster's network ───────┐      ┌─ peered network ─┐
   │ Internet │ ─ ─ ─ ─ ─ ─ ✗ │ 10.224.0.0/12                           │ peer │ VM  (zone linked)│
   └──────────┘               │  VM     private endpoint 10.224.0.4     │◀────▶└──────────────────┘
   ┌────────────┐    tunnel   │            │ Private Link               │      ┌─ peered network ─┐
   │ VPN client │────────────▶│ VPN gateway▼                            │◀────▶│ VM  (no link)    │
   └────────────┘             │      AKS control plane (Microsoft's)    │ peer └──────────────────┘
   asks public DNS            └─────────────────────────────────────────┘
";
    format!("{}\n", drawing.trim_start_matches('\n'))
}

fn portal(act: &Act) -> String {
    let mut table = style::table(&["", "CLUSTER", "PUBLIC FQDN", "PORTAL SHOWS AS \"API SERVER ADDRESS\""]);
    for cluster in &act.clusters {
        let setting = if cluster.public_fqdn_enabled { "enabled (default)" } else { "disabled" };
        table.add_row([
            cluster.letter.to_string(),
            cluster.name.clone(),
            setting.to_owned(),
            cluster.portal_shows.clone(),
        ]);
    }
    let mut text = style::lines(&table) + "\n";
    for cluster in &act.clusters {
        let _ = writeln!(text, "kubeconfig of {}: {}", cluster.letter, cluster.kubeconfig_server);
    }
    text + "\n"
}

/// The one table: a line for each place, a group of columns for each address.
fn table(act: &Act) -> String {
    let mut table =
        style::table(&["", "FROM", "ADDRESS", "DNS ANSWERS", "ASKED", "TCP", "TLS", "AUTH", "kubectl get nodes"]);
    for cluster in &act.clusters {
        for row in &cluster.rows {
            table.add_row(cells(cluster, row));
        }
    }
    style::lines(&table)
}

fn cells(cluster: &ClusterSeen, row: &Row) -> Vec<String> {
    let dns = if row.sight.addresses.is_empty() { row.sight.dns_status.clone() } else { row.sight.addresses.join(" ") };
    let (tcp, tls, auth, outcome) = match &row.sight.connection {
        Connection::Refused { why } => (Mark::No, Mark::None, Mark::None, why.clone()),
        Connection::TcpOnly { why } => (Mark::Yes, Mark::No, Mark::None, why.clone()),
        Connection::TlsOnly { status } => (Mark::Yes, Mark::Yes, Mark::No, format!("HTTP {status}")),
        Connection::Nodes { table } => (Mark::Yes, Mark::Yes, Mark::Yes, node_count(table)),
    };
    let outcome = if row.as_expected() { outcome } else { format!("{outcome}  ← the article reports otherwise") };
    vec![
        cluster.letter.to_string(),
        row.place.describe().to_owned(),
        row.address.describe().to_owned(),
        dns,
        row.sight.answered_by.clone(),
        style::mark(tcp),
        style::mark(tls),
        style::mark(auth),
        shorten(&outcome, &row.name),
    ]
}

/// The table already shows which name was asked: leave it out of the reason.
fn shorten(outcome: &str, name: &str) -> String {
    outcome.replace(&format!(" {name}"), " such name").replace("has no name such name", "has no such name")
}

fn node_count(table: &[Vec<String>]) -> String {
    let nodes = table.len().saturating_sub(1);
    let ready = table.iter().skip(1).filter(|row| row.get(1).is_some_and(|status| status == "Ready")).count();
    format!("{nodes} nodes, {ready} Ready")
}

fn nodes(act: &Act) -> String {
    let seen =
        act.clusters.first().and_then(|cluster| cluster.rows.iter().find(|row| row.place == Place::ClusterNetwork));
    let Some(Connection::Nodes { table }) = seen.map(|row| &row.sight.connection) else { return String::new() };
    let mut text = format!("\n{}\n", style::command("kubectl get nodes    # A, from the VM in the cluster's network"));
    text += &style::columns(table);
    text
}

/// What A's answers were and are, where they differ.
fn changes(tour: &Tour) -> String {
    let (Some(before), Some(after)) = (tour.before.clusters.first(), tour.after.clusters.first()) else {
        return String::new();
    };
    let mut text = format!(
        "fqdn          {} → null\nportal shows  {} → {}\n\n",
        before.fqdn.as_deref().unwrap_or("null"),
        before.portal_shows,
        after.portal_shows
    );
    let mut table = style::table(&["FROM", "ADDRESS", "BEFORE", "AFTER"]);
    for (was, is) in before.rows.iter().zip(&after.rows) {
        let (old, new) = (summary(was), summary(is));
        if old != new {
            table.add_row([is.place.describe().to_owned(), is.address.describe().to_owned(), old, new]);
        }
    }
    let kept =
        after.rows.iter().filter(|row| row.address == Address::PrivateFqdn && row.sight.connection.is_complete());
    let kept: Vec<&str> = kept.map(|row| row.place.describe()).collect();
    let _ = writeln!(text, "{}\nUnchanged by the private FQDN: {}.", style::lines(&table), kept.join("; "));
    text
}

fn summary(row: &Row) -> String {
    let addresses = row.sight.addresses.join(" ");
    let name = if addresses.is_empty() { row.sight.dns_status.clone() } else { addresses };
    let connects = if row.sight.connection.is_complete() { "connects" } else { "does not connect" };
    format!("{name}, {connects}")
}

fn answer() -> String {
    let question = style::heading("So: why the difference, and when is which setting right?");
    format!(
        "\n{question}\n
Both clusters are equally private: one API server, one private endpoint, no public address. What differs
is the setting *public FQDN* (enablePrivateClusterPublicFqdn). Enabled, AKS also publishes a name in
public DNS, whose answer is the endpoint's private address; the portal shows that name. Disabled, the
private name in the private DNS zone is the only one; the portal shows it instead.

  enabled (default)   clients that can route to the endpoint but cannot ask the zone: VPN and on-premises
                      clients, networks without a link. Use `az aks get-credentials --public-fqdn`, since
                      the kubeconfig names the private FQDN. Price: anybody can look up the private address.
  disabled            every client's network is linked to the zone or forwards to a DNS private resolver
                      that is. Nothing about the cluster stands in public DNS. A VPN client needs a
                      resolver, or a hosts entry that goes stale when a stop and start moves the endpoint.
"
    )
}

/// What carried the packets.
fn carried_by(plane: &PlaneStatus) -> String {
    if plane.name == PlaneStatus::KERNEL {
        return "real packets in network namespaces (kernel plane)".to_owned();
    }
    let why = plane.why.as_ref().map(|why| format!(", {why}")).unwrap_or_default();
    format!("real sockets (proxy plane{why})")
}

fn verdict(tour: &Tour) -> String {
    let rows =
        [&tour.before, &tour.after].map(|act| act.clusters.iter().map(|cluster| cluster.rows.len()).sum::<usize>());
    let total: usize = rows.iter().sum();
    let differences = tour.differences();
    let mut text = format!(
        "
{total} questions over {} in {} ms: ",
        carried_by(&tour.plane),
        tour.elapsed_ms
    );
    if differences.is_empty() {
        text += "all as the article reports.\n";
    } else {
        let _ = writeln!(text, "{} differ from what the article reports:", differences.len());
        for row in differences {
            let _ = writeln!(text, "  {} by {}: {}", row.place.describe(), row.address.describe(), summary(row));
        }
    }
    text
}
