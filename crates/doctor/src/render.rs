//! A diagnosis as people read it, and as scripts do.

use serde_json::{Value, json};

use crate::{
    address::{AddressKind, Zone},
    diagnose::{Diagnosis, Finding},
    observation::Observations,
};

/// The name of the JSON's form; it changes when a field goes or gets another meaning.
pub const SCHEMA: &str = "noren.doctor/v1";
/// Codes of the Azure side that people are told; scripts get all.
const CANDIDATES_MAX: usize = 4;

/// For scripts: the diagnosis and everything it rests on.
pub fn json(seen: &Observations, diagnosis: &Diagnosis) -> Value {
    json!({
        "schema": SCHEMA,
        "healthy": diagnosis.cause.is_none(),
        "cause": diagnosis.cause,
        "notes": diagnosis.notes,
        "works": diagnosis.works,
        "observations": seen,
    })
}

/// For people, without colour.
pub fn text(seen: &Observations, diagnosis: &Diagnosis) -> String {
    let target = &seen.target;
    let mut text = format!(
        "{}  {}\n{:width$}  {}\n",
        target.context,
        target.server,
        "",
        kind(&target.kind),
        width = target.context.chars().count()
    );
    for line in &diagnosis.works {
        text += &format!("✓ {line}\n");
    }
    match &diagnosis.cause {
        None => text += "\nnothing wrong\n",
        Some(cause) => text += &format!("✗ {}\n\n{}", cause.title, finding(cause, "cause")),
    }
    for note in &diagnosis.notes {
        text += &format!("\n{}", finding(note, "note"));
    }
    text
}

fn finding(finding: &Finding, word: &str) -> String {
    let mut text = format!("{word}: {}\n", finding.code);
    if word == "note" {
        text += &format!("  {}\n", finding.title);
    }
    for line in &finding.evidence {
        text += &format!("  seen  {line}\n");
    }
    for fix in &finding.fixes {
        text += &format!("  do    {}\n", fix.what);
        if let Some(command) = &fix.command {
            text += &format!("          {command}\n");
        }
    }
    if !finding.candidates.is_empty() {
        let likely = finding.candidates.iter().take(CANDIDATES_MAX).copied().collect::<Vec<_>>().join(", ");
        let more = if finding.candidates.len() > CANDIDATES_MAX { ", …" } else { "" };
        text += &format!("  behind it may be {likely}{more}: the Azure side tells them apart (noren explain)\n");
    }
    text
}

fn kind(kind: &AddressKind) -> String {
    match kind {
        AddressKind::PublicFqdn { region } => format!("the public FQDN of a cluster in {region}"),
        AddressKind::PrivateFqdn { zone, zone_name, region } => {
            let whose = match zone {
                Zone::System => "a private FQDN in the zone that AKS made",
                Zone::Own => "a private FQDN in a zone of one's own",
                Zone::Integrated => "a private FQDN of a VNet-integrated API server",
            };
            format!("{whose}, {zone_name} ({region})")
        }
        AddressKind::Loopback => "this machine: the near end of a tunnel, or a local cluster".to_owned(),
        AddressKind::Address => "an address instead of a name".to_owned(),
        AddressKind::Custom => "a name that AKS did not make".to_owned(),
    }
}
