//! The lab's own controls, under `/lab/` of its HTTPS listener, for the lab's owner only.

use anyhow::{Context, bail};
use fs_err as fs;
use serde::de::DeserializeOwned;

use crate::{
    failure::Failure,
    lab::{DataDir, DeclaredEstate, Lookout, PortalLink, Running, Stand, StandRequest, Status},
};

/// A connection to the controls of a running lab.
pub(crate) struct Control {
    http: reqwest::Client,
    running: Running,
}

impl Control {
    /// Finds the lab that runs on `data`.
    ///
    /// # Errors
    /// When none runs there, with the remedy.
    pub(crate) fn connect(data: &DataDir) -> anyhow::Result<Self> {
        let running: Option<Running> = DataDir::read_json(&data.running())?;
        let Some(running) = running else { bail!(not_running(data)) };
        let authority = fs::read(data.authority())?;
        Ok(Self { http: super::https(&authority)?, running })
    }

    /// What the running lab wrote down about itself.
    pub(crate) fn running(&self) -> &Running {
        &self.running
    }

    /// The lab's state.
    pub(crate) async fn status(&self) -> anyhow::Result<Status> {
        self.call(reqwest::Method::GET, "status").await
    }

    /// What the lab declares.
    pub(crate) async fn estate(&self) -> anyhow::Result<azure::Estate> {
        let declared: DeclaredEstate = self.call(reqwest::Method::GET, "estate").await?;
        Ok(declared.estate())
    }

    /// A link to the portal that lets one browser in, once.
    pub(crate) async fn portal_link(&self) -> anyhow::Result<String> {
        let link: PortalLink = self.call(reqwest::Method::POST, "portal").await?;
        Ok(link.url)
    }

    /// How to stand at the vantage that `text` names.
    pub(crate) async fn stand(&self, text: &str) -> anyhow::Result<Stand> {
        self.find("stand", text, "no place to stand").await
    }

    /// Where the packets of the vantage or endpoint that `text` names are seen.
    pub(crate) async fn look(&self, text: &str) -> anyhow::Result<Lookout> {
        self.find("look", text, "neither a vantage nor an endpoint").await
    }

    async fn find<T: DeserializeOwned>(&self, control: &str, text: &str, unknown: &str) -> anyhow::Result<T> {
        let request = StandRequest { vantage: text.to_owned() };
        let url = format!("{}/lab/{control}", self.running.url);
        let call = self.http.post(url).bearer_auth(&self.running.control_token).json(&request);
        let reply = call.send().await.map_err(|error| self.silent(&error))?;
        let (what, remedy) = match reply.status() {
            http::StatusCode::NOT_FOUND => (format!("`{text}` is {unknown}"), "choose one of `noren vantages`"),
            http::StatusCode::SERVICE_UNAVAILABLE => (
                format!("nobody can stand at `{text}` now"),
                "look at what `noren up` says; with `noren up --plane proxy` the lab does without the kernel's",
            ),
            _ => return understood(reply).await,
        };
        let said: serde_json::Value = reply.json().await.unwrap_or_default();
        let why = said["error"].as_str().unwrap_or("it is not known").to_owned();
        Err(Failure::new(what).because(why).remedy(remedy).into())
    }

    /// Whether the lab still answers.
    pub(crate) async fn answers(&self) -> bool {
        self.http.get(format!("{}/lab/status", self.running.url)).send().await.is_ok()
    }

    /// Asks the lab to stop.
    pub(crate) async fn shut_down(&self) -> anyhow::Result<()> {
        let _: serde_json::Value = self.call(reqwest::Method::POST, "shutdown").await?;
        Ok(())
    }

    async fn call<T: DeserializeOwned>(&self, method: reqwest::Method, path: &str) -> anyhow::Result<T> {
        let url = format!("{}/lab/{path}", self.running.url);
        let reply = self.http.request(method, url).bearer_auth(&self.running.control_token).send().await;
        understood(reply.map_err(|error| self.silent(&error))?).await
    }

    fn silent(&self, error: &reqwest::Error) -> Failure {
        Failure::new("the lab does not answer")
            .because(format!("{} refused the connection: {}", self.running.url, root_cause(error)))
            .remedy("start it with `noren up`")
    }
}

async fn understood<T: DeserializeOwned>(reply: reqwest::Response) -> anyhow::Result<T> {
    let reply = reply.error_for_status().context("the lab refused")?;
    reply.json().await.context("the lab's answer is not understood; do client and lab have the same version?")
}

/// No lab runs on `data`.
pub(crate) fn not_running(data: &DataDir) -> Failure {
    Failure::new("no lab is running")
        .because(format!("nothing is written in {}", data.running().display()))
        .remedy("start one with `noren up`, or name its directory with `--data`")
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
