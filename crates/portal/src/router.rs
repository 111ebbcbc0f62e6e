//! Which page is where, and what a form does. A page is asked for with `GET` and changes nothing;
//! what changes something is one `POST`, which goes on to ARM.

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use azure::ResourceId;
use bytes::Bytes;
use explain::{Matrix, Role, Verdict};
use http::{HeaderValue, Method, Response, StatusCode, header, request::Parts, response, uri::PathAndQuery};
use maud::Markup;
use network::{Network, Vantage};
use serde_json::json;
use tokio::sync::watch;

use crate::{
    assets::Asset,
    door::{Door, ENTRANCE, Session},
    lab::{self, KubernetesQuestion, Lab, Refusal},
    language::Language,
    page::{self, Page, Reader},
    view,
};

/// Only what this page itself serves is loaded, run or asked; nobody else may frame it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
/// Operations that the activity log shows.
const OPERATIONS_SHOWN: usize = 200;

/// What a request is answered with.
pub enum Reply {
    /// A whole response.
    Whole(Response<Bytes>),
    /// A head, and what pages wait for as events behind it.
    Events(response::Parts, News),
}

/// What pages wait for.
pub struct News {
    /// Every new revision.
    pub revisions: watch::Receiver<u64>,
    /// Every change of the activity log, as a number.
    pub activities: watch::Receiver<u64>,
}

/// The portal of a lab.
pub struct Portal {
    lab: Arc<dyn Lab>,
    door: Door,
    /// The last matrix, with its network: the next one follows from it.
    matrix: Mutex<Option<(Arc<Network>, Arc<Matrix>)>>,
}

type Query<'a> = HashMap<Cow<'a, str>, Cow<'a, str>>;

impl Portal {
    /// The portal of `lab` behind `door`.
    pub fn new(lab: Arc<dyn Lab>, door: Door) -> Self {
        Self { lab, door, matrix: Mutex::default() }
    }

    /// A link that lets one browser in, once.
    pub fn link(&self) -> String {
        self.door.link(self.lab.secret())
    }

    /// Answers a request whose body is whole and bounded.
    pub async fn answer(&self, request: &Parts, body: &[u8]) -> Reply {
        let accepted = request.headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        let language = Language::negotiate(accepted);
        if !self.door.is_meant(&request.headers) {
            let text = language.say("This is not the host that was asked for.", "要求されたホストではありません。");
            return whole(
                StatusCode::MISDIRECTED_REQUEST,
                page::message(language, StatusCode::MISDIRECTED_REQUEST, text, None),
            );
        }
        let path = request.uri.path();
        let query: Query<'_> = form_urlencoded::parse(request.uri.query().unwrap_or_default().as_bytes()).collect();
        if request.method == Method::GET {
            if let Some(asset) = Asset::at(path) {
                return Reply::Whole(file(asset, request.uri.path_and_query().map_or(path, PathAndQuery::as_str)));
            }
            if path == ENTRANCE {
                return self.enter(language, &query);
            }
        }
        let Some(session) = self.door.session(&request.headers) else { return stranger(language) };
        match (&request.method, path) {
            (&Method::GET, "/events") => self.events(),
            (&Method::GET, _) => self.page(language, &session, path, &query).await,
            (&Method::POST, "/act") => {
                let form: Query<'_> = form_urlencoded::parse(body).collect();
                let csrf = form.get("csrf").map_or("", |value| value.as_ref());
                if !self.door.may_change(&session, &request.headers, csrf) {
                    let text = language.say("This form is not from this page.", "このページのフォームではありません。");
                    return whole(StatusCode::FORBIDDEN, page::message(language, StatusCode::FORBIDDEN, text, None));
                }
                self.act(language, &session, &form).await
            }
            _ => not_found(language),
        }
    }

    fn enter(&self, language: Language, query: &Query<'_>) -> Reply {
        let shown = query.get("once").map_or("", |value| value.as_ref());
        let Some(cookie) = self.door.enter(shown, self.lab.secret(), self.lab.secret()) else {
            return stranger(language);
        };
        let mut response = html(StatusCode::OK, page::entered(language));
        if let Ok(cookie) = HeaderValue::try_from(cookie) {
            response.headers_mut().insert(header::SET_COOKIE, cookie);
        }
        Reply::Whole(response)
    }

    fn events(&self) -> Reply {
        let mut response = Response::new(());
        guard(&mut response, "text/event-stream");
        let news = News { revisions: self.lab.revisions(), activities: self.lab.activities() };
        Reply::Events(response.into_parts().0, news)
    }

    async fn page(&self, language: Language, session: &Session, path: &str, query: &Query<'_>) -> Reply {
        let network = self.lab.network();
        let reader = Reader { language, csrf: session.csrf.clone(), revision: network.revision() };
        if path == "/topology.svg" {
            let picture = page::svg(&reader, &view::picture::picture(&network, &[]), None, true);
            let mut response = Response::new(Bytes::from(picture.into_string()));
            guard(&mut response, "image/svg+xml");
            let name = HeaderValue::from_static("attachment; filename=\"noren-topology.svg\"");
            response.headers_mut().insert(header::CONTENT_DISPOSITION, name);
            return Reply::Whole(response);
        }
        if path == "/vantages" {
            let text = |name: &str| query.get(name).map_or("", |value| value.as_ref());
            let chosen = vantage(&network, query);
            return whole(StatusCode::OK, page::places(&reader, &view::vantages::find(&network, text("q"), chosen)));
        }
        match self.find(&network, &reader, path, query).await {
            Some(page) => whole(StatusCode::OK, page::document(&reader, &page)),
            None => not_found(language),
        }
    }

    async fn find(&self, network: &Arc<Network>, reader: &Reader, path: &str, query: &Query<'_>) -> Option<Page> {
        let text = |name: &str| query.get(name).map_or("", |value| value.as_ref());
        let id = || text("id").parse::<ResourceId>().ok();
        let number = |name: &str| text(name).parse().unwrap_or(0);
        let part = page::Part { search: text("q"), first: number("first") };
        Some(match path {
            "/" => page::clusters(reader, &view::clusters::list(network, part.search), part),
            "/cluster" => page::cluster(reader, &view::cluster::overview(network, &id()?)?, None),
            "/matrix" => {
                let filter = view::matrix::Filter {
                    cluster: text("cluster").to_owned(),
                    vantage: text("vantage").to_owned(),
                    outcome: outcome(text("outcome")),
                    first_column: number("v"),
                    first_cluster: number("c"),
                };
                let matrix = self.matrix(network).await?;
                page::matrix(reader, &view::matrix::page(network, &matrix, &filter), &filter)
            }
            "/networks" => page::networks(reader, &view::network::list(network, part.search), part),
            "/network" => page::network(reader, &view::network::page(network, &id()?)?),
            "/zones" => page::zones(reader, &view::zone::list(network, part.search), part),
            "/zone" => page::zone(reader, &view::zone::zone(network, &id()?)?),
            "/topology" => page::topology(reader, &view::picture::picture(network, &[])),
            "/activity" => {
                // Asked first: what is written down in between is news.
                let number = *self.lab.activities().borrow();
                page::activity(reader, number, &self.lab.operations(OPERATIONS_SHOWN))
            }
            "/path" => path_page(network, reader, &id()?, query)?,
            "/kubernetes" => self.kubernetes(network, reader, &id()?, query).await?,
            _ => return None,
        })
    }

    /// The matrix of a network; made on a thread that may take its time.
    async fn matrix(&self, network: &Arc<Network>) -> Option<Arc<Matrix>> {
        let last = self.matrix.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let wanted = Arc::clone(network);
        let made = tokio::task::spawn_blocking(move || match last {
            Some((before, matrix)) if before.revision() == wanted.revision() => matrix,
            Some((before, matrix)) => Arc::new(matrix.advance(&before, &wanted)),
            None => Arc::new(Matrix::new(&wanted)),
        });
        let matrix = made.await.ok()?;
        *self.matrix.lock().unwrap_or_else(PoisonError::into_inner) = Some((Arc::clone(network), Arc::clone(&matrix)));
        Some(matrix)
    }

    async fn kubernetes(&self, network: &Network, reader: &Reader, id: &ResourceId, query: &Query<'_>) -> Option<Page> {
        let view = view::cluster::overview(network, id)?;
        let (vantage, by) = (vantage(network, query)?, role(&view, query)?);
        let question = KubernetesQuestion {
            cluster: view.id.clone(),
            vantage: vantage.clone(),
            public_fqdn: view.private && by == Role::PublicFqdn,
            paths: view::kubernetes::List::ALL.iter().map(|list| list.path()).collect(),
        };
        let answer = match self.lab.kubernetes(question).await {
            Ok(answers) => page::Answer::Tables(view::kubernetes::tables(answers)),
            Err(unreachable) => page::Answer::Unreachable(unreachable, view::path::end(network, vantage, id, by)),
        };
        Some(page::kubernetes(reader, network, &view, (vantage, by), &answer))
    }

    /// Does what a button says and leads back to the cluster; what ARM refuses stands on the cluster's page.
    async fn act(&self, language: Language, session: &Session, form: &Query<'_>) -> Reply {
        let text = |name: &str| form.get(name).map_or("", |value| value.as_ref());
        let cluster = text("id").parse::<ResourceId>().ok();
        let cluster = cluster.filter(|id| self.lab.network().cluster(id).is_some());
        let (Some(cluster), Some(action)) = (cluster, Action::named(text("act"))) else { return not_found(language) };
        match self.carry_out(&cluster, action).await {
            Ok(()) => {
                let mut response = Response::new(Bytes::new());
                *response.status_mut() = StatusCode::SEE_OTHER;
                guard(&mut response, "text/plain");
                let there = page::href("/cluster", &[("id", cluster.as_str())]);
                if let Ok(there) = HeaderValue::try_from(there) {
                    response.headers_mut().insert(header::LOCATION, there);
                }
                Reply::Whole(response)
            }
            Err(refusal) => {
                let network = self.lab.network();
                let reader = Reader { language, csrf: session.csrf.clone(), revision: network.revision() };
                let Some(view) = view::cluster::overview(&network, &cluster) else { return not_found(language) };
                let page = page::cluster(&reader, &view, Some(refusal));
                whole(StatusCode::CONFLICT, page::document(&reader, &page))
            }
        }
    }

    async fn carry_out(&self, cluster: &ResourceId, action: Action) -> Result<(), Refusal> {
        match action {
            Action::Start => self.lab.arm(lab::Method::Post, format!("{cluster}/start"), None).await?,
            Action::Stop => self.lab.arm(lab::Method::Post, format!("{cluster}/stop"), None).await?,
            // As `az aks update` does it: the whole cluster back with one setting changed.
            Action::PublicFqdn(enabled) => {
                let mut document = self.lab.arm(lab::Method::Get, cluster.to_string(), None).await?;
                document["properties"]["apiServerAccessProfile"]["enablePrivateClusterPublicFQDN"] = json!(enabled);
                self.lab.arm(lab::Method::Put, cluster.to_string(), Some(document)).await?
            }
        };
        Ok(())
    }
}

/// What a button does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Start,
    Stop,
    PublicFqdn(bool),
}

impl Action {
    fn named(text: &str) -> Option<Self> {
        Some(match text {
            "start" => Self::Start,
            "stop" => Self::Stop,
            "enablePublicFqdn" => Self::PublicFqdn(true),
            "disablePublicFqdn" => Self::PublicFqdn(false),
            _ => return None,
        })
    }
}

fn path_page(network: &Network, reader: &Reader, id: &ResourceId, query: &Query<'_>) -> Option<Page> {
    let view = view::cluster::overview(network, id)?;
    let (vantage, by) = (vantage(network, query)?, role(&view, query)?);
    let found = view::path::path(network, vantage, id, by)?;
    let offers = view::path::offers(network, vantage, id);
    let chosen = query.get("if").and_then(|key| offers.iter().find(|offer| offer.key() == *key));
    let tried = chosen.and_then(|offer| Some((offer, view::path::what_if(network, vantage, id, by, offer)?)));
    let then = tried.as_ref().and_then(|(_, difference)| difference.path.as_ref());
    let spots: Vec<_> = then.into_iter().chain([&found]).flat_map(view::path::Path::spots).cloned().collect();
    let picture = view::picture::picture(network, &spots);
    let asked = page::Asked { vantage, by, offers: &offers, tried };
    Some(page::path(reader, network, &view, &asked, &found, &picture))
}

/// The vantage that a query names; the Internet if it names none.
fn vantage<'a>(network: &'a Network, query: &Query<'_>) -> Option<&'a Vantage> {
    let named = query.get("from").map(AsRef::as_ref).filter(|text: &&str| !text.is_empty());
    network.find_vantage(named.unwrap_or("internet")).ok()
}

/// The address that a query names; if the cluster has none such, the one in its kubeconfig.
fn role(view: &view::cluster::Overview, query: &Query<'_>) -> Option<Role> {
    let named = match query.get("by").map(AsRef::as_ref) {
        Some("public") => Some(Role::PublicFqdn),
        Some("private") => Some(Role::PrivateFqdn),
        _ => None,
    };
    let held = named.filter(|role| view.addresses.iter().any(|address| address.role == *role));
    held.or_else(|| view.addresses.iter().find(|address| address.in_kubeconfig).map(|address| address.role))
}

fn outcome(text: &str) -> Option<Verdict> {
    match text {
        "connects" => Some(Verdict::Connects),
        "public" => Some(Verdict::ConnectsByPublicFqdn),
        "fails" => Some(Verdict::Fails),
        _ => None,
    }
}

fn stranger(language: Language) -> Reply {
    let text = language.say(
        "This page is for the lab's owner. Each link to it works once; get a fresh one with:",
        "このページはラボの所有者専用です。リンクは 1 回だけ有効です。新しいリンクは次のコマンドで取得できます:",
    );
    whole(StatusCode::UNAUTHORIZED, page::message(language, StatusCode::UNAUTHORIZED, text, Some("noren portal")))
}

fn not_found(language: Language) -> Reply {
    let text =
        language.say("There is no such page, or what it showed is gone.", "ページがないか、表示対象が削除されました。");
    whole(StatusCode::NOT_FOUND, page::message(language, StatusCode::NOT_FOUND, text, None))
}

fn whole(status: StatusCode, markup: Markup) -> Reply {
    Reply::Whole(html(status, markup))
}

fn html(status: StatusCode, markup: Markup) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(markup.into_string()));
    *response.status_mut() = status;
    guard(&mut response, "text/html; charset=utf-8");
    response
}

/// A file, to be kept for good if it was asked for by the address that has its digest.
fn file(asset: Asset, asked: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(asset.text().as_bytes()));
    guard(&mut response, asset.kind());
    if asked == asset.address() {
        let kept = HeaderValue::from_static("private, max-age=31536000, immutable");
        response.headers_mut().insert(header::CACHE_CONTROL, kept);
    }
    response
}

/// The headers that every response has.
fn guard<T>(response: &mut Response<T>, kind: &'static str) {
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Without a referrer at all, browsers would not say where a form comes from either.
        (header::REFERRER_POLICY, "same-origin"),
        (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
}
