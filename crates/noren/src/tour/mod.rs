//! `noren tour`: the article, end to end. Starts a fresh lab, builds two private clusters through
//! ARM, looks at every address from every place over real sockets, turns the public FQDN of A off,
//! looks again, and compares all of it with what the article reports.

mod article;
#[cfg(target_os = "linux")]
pub(crate) mod inside;
mod probe;
mod report;
mod scenario;

use std::{io::Write, time::Instant};

use anyhow::Context;
use serde::Serialize;

use crate::{
    cli::{Output, progress::Progress},
    client::{ArmClient, kubeconfig::Access},
    lab::{Lab, LabOptions, PlaneChoice, PlaneStatus, Status, VantageStatus},
};
use article::{Address, Expectation, Place, expected};
use probe::Sight;
use scenario::{ClusterView, Stage};

/// Everything the tour saw.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Tour {
    /// The data plane connections went through.
    plane: PlaneStatus,
    /// Both clusters as created.
    before: Act,
    /// After `--disable-public-fqdn` on A.
    after: Act,
    /// How long the whole took, in milliseconds.
    elapsed_ms: u128,
    /// Whether everything is as the article reports.
    as_reported: bool,
}

/// The clusters at one time, seen from everywhere.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Act {
    clusters: Vec<ClusterSeen>,
}

/// One cluster, seen from everywhere.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClusterSeen {
    letter: char,
    name: String,
    public_fqdn_enabled: bool,
    /// What the portal shows as "API server address".
    portal_shows: String,
    fqdn: Option<String>,
    private_fqdn: Option<String>,
    /// What `az aks get-credentials` writes into the kubeconfig.
    kubeconfig_server: String,
    rows: Vec<Row>,
}

/// One question and its answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Row {
    place: Place,
    vantage: String,
    address: Address,
    name: String,
    #[serde(flatten)]
    sight: Sight,
    expected: Expectation,
}

impl Row {
    /// Whether the article reports the same.
    fn as_expected(&self) -> bool {
        let endpoint = self.sight.addresses == [scenario::ENDPOINT_ADDRESS];
        let resolves = if self.expected.resolves { endpoint } else { self.sight.addresses.is_empty() };
        resolves && self.sight.connection.is_complete() == self.expected.connects
    }
}

impl Tour {
    /// Rows that differ from what the article reports.
    fn differences(&self) -> Vec<&Row> {
        [&self.before, &self.after].into_iter().flat_map(Act::differences).collect()
    }
}

impl Act {
    fn differences(&self) -> impl Iterator<Item = &Row> {
        self.clusters.iter().flat_map(|cluster| &cluster.rows).filter(|row| !row.as_expected())
    }

    fn as_reported(&self) -> bool {
        self.differences().next().is_none()
    }
}

/// Runs the tour and writes it to `out`; true when everything is as the article reports.
pub(crate) async fn run(plane: PlaneChoice, output: Output, out: &mut impl Write) -> anyhow::Result<bool> {
    let started = Instant::now();
    let progress = Progress::new(output, 5);
    progress.step("starting a lab of its own");
    let lab = Lab::start(LabOptions { plane, ..LabOptions::ephemeral() }).await.context("the lab does not start")?;
    let toured = tour(&lab, &progress, started).await;
    lab.stop().await;
    let tour = toured?;
    progress.finish();
    match output {
        Output::Json => writeln!(out, "{}", serde_json::to_string_pretty(&tour)?)?,
        Output::Table => write!(out, "{}", report::render(&tour))?,
    }
    Ok(tour.as_reported)
}

async fn tour(lab: &Lab, progress: &Progress, started: Instant) -> anyhow::Result<Tour> {
    let running = lab.running();
    let arm = ArmClient::sign_in(&running.url, lab.authority_pem().as_bytes(), &running.sign_in).await?;
    progress.step("creating cluster A (public FQDN enabled, the default) and B (--disable-public-fqdn)");
    let stages = [Stage::create_cluster(&arm, 'A', true).await?, Stage::create_cluster(&arm, 'B', false).await?];
    for stage in &stages {
        stage.build_places(&arm).await?;
    }
    progress.step("looking at both clusters from six places");
    let before = act(lab, &arm, &stages, None).await?;
    progress.step("az aks update --disable-public-fqdn on A");
    let [a, _] = &stages;
    a.disable_public_fqdn(&arm).await?;
    progress.step("looking again");
    let old_name = before.clusters.first().and_then(|cluster| cluster.fqdn.clone());
    let after = act(lab, &arm, &stages, old_name).await?;
    let as_reported = [&before, &after].into_iter().all(Act::as_reported);
    let plane = lab.status().plane;
    Ok(Tour { plane, before, after, elapsed_ms: started.elapsed().as_millis(), as_reported })
}

/// Looks at every cluster from every place. `remembered` is the public FQDN of A from before.
async fn act(lab: &Lab, arm: &ArmClient, stages: &[Stage], remembered: Option<String>) -> anyhow::Result<Act> {
    let status = lab.settled_status().await?;
    let mut clusters = Vec::new();
    for stage in stages {
        let (view, access) = (stage.view(arm).await?, stage.access(arm).await?);
        let remembered = remembered.clone().filter(|_| stage.letter == 'A');
        let rows = look_everywhere(lab, &status, stage, &view, &access, remembered).await?;
        clusters.push(ClusterSeen {
            letter: stage.letter,
            name: stage.cluster.name().to_owned(),
            public_fqdn_enabled: view.public_fqdn,
            portal_shows: view.portal_address().unwrap_or_default().to_owned(),
            fqdn: view.fqdn,
            private_fqdn: view.private_fqdn,
            kubeconfig_server: access.server,
            rows,
        });
    }
    Ok(Act { clusters })
}

async fn look_everywhere(
    lab: &Lab,
    status: &Status,
    stage: &Stage,
    view: &ClusterView,
    access: &Access,
    remembered: Option<String>,
) -> anyhow::Result<Vec<Row>> {
    let public = view.fqdn.clone().or(remembered).map(|name| (Address::PublicFqdn, name));
    let private = view.private_fqdn.clone().map(|name| (Address::PrivateFqdn, name));
    let (addresses, names): (Vec<Address>, Vec<String>) = public.into_iter().chain(private).unzip();
    let mut looks = Vec::new();
    for place in Place::ALL {
        let vantage = find(status, &stage.vantage(place))?;
        looks.push((place, vantage, look(lab, status, vantage, &names, access)));
    }
    let (places, looks): (Vec<_>, Vec<_>) =
        looks.into_iter().map(|(place, vantage, look)| ((place, vantage), look)).unzip();
    let sights = futures_util::future::try_join_all(looks).await?;
    let row = |place: Place, vantage: &VantageStatus, address: Address, name: &String, sight: Sight| Row {
        place,
        vantage: vantage.name.clone(),
        address,
        name: name.clone(),
        sight,
        expected: expected(view.public_fqdn, place, address),
    };
    let rows = places.into_iter().zip(sights).flat_map(|((place, vantage), sights)| {
        let sights = sights.into_iter().zip(addresses.iter().zip(&names));
        sights.map(move |(sight, (address, name))| row(place, vantage, *address, name, sight)).collect::<Vec<_>>()
    });
    Ok(rows.collect())
}

/// Looks at all names from one place, by the plane that carries packets there.
async fn look(
    lab: &Lab,
    status: &Status,
    vantage: &VantageStatus,
    names: &[String],
    access: &Access,
) -> anyhow::Result<Vec<Sight>> {
    #[cfg(target_os = "linux")]
    if status.plane.name == PlaneStatus::KERNEL {
        return inside::look(lab, vantage, names, access).await;
    }
    let _ = (lab, status);
    let mut sights = Vec::new();
    for name in names {
        sights.push(probe::look(vantage, name, access).await?);
    }
    Ok(sights)
}

fn find<'a>(status: &'a Status, name: &str) -> anyhow::Result<&'a VantageStatus> {
    let found = status.vantages.iter().find(|vantage| vantage.name == name);
    found.with_context(|| format!("the lab does not know vantage {name}"))
}
