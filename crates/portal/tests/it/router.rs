//! Whom the portal lets in, what every response says to browsers, and that buttons are ARM calls.

use std::sync::Arc;

use http::{HeaderMap, Request, Response, StatusCode, header};
use portal::{Door, Method, Portal, Refusal, router::Reply};
use serde_json::json;

use crate::stage::{Staged, article, cluster};

const HOST: &str = "127.0.0.1:7000";
const ORIGIN: &str = "http://127.0.0.1:7000";

struct Browser {
    lab: Arc<Staged>,
    portal: Portal,
    cookie: String,
}

impl Browser {
    fn outside(lab: Staged) -> Self {
        let lab = Arc::new(lab);
        let portal = Portal::new(Arc::clone(&lab) as Arc<dyn portal::Lab>, Door::new(7000));
        Self { lab, portal, cookie: String::new() }
    }

    async fn inside(refusal: Option<Refusal>) -> Self {
        Self::of(Staged::new(&article(), refusal)).await
    }

    async fn of(lab: Staged) -> Self {
        let browser = Self::outside(lab);
        let link = browser.portal.link();
        let entered = browser.get(link.strip_prefix(ORIGIN).unwrap()).await;
        assert_eq!(entered.status(), StatusCode::OK);
        let cookie = entered.headers()[header::SET_COOKIE].to_str().unwrap().to_owned();
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
        Self { cookie: cookie.split(';').next().unwrap().to_owned(), ..browser }
    }

    async fn send(&self, request: http::request::Builder, body: String) -> Response<String> {
        let request = request.header(header::COOKIE, &self.cookie).body(()).unwrap();
        match self.portal.answer(&request.into_parts().0, body.as_bytes()).await {
            Reply::Whole(response) => response.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap()),
            Reply::Events(head, _) => Response::from_parts(head, String::new()),
        }
    }

    async fn get(&self, path: &str) -> Response<String> {
        self.send(Request::get(path).header(header::HOST, HOST), String::new()).await
    }

    async fn get_in_japanese(&self, path: &str) -> String {
        let request = Request::get(path).header(header::HOST, HOST).header(header::ACCEPT_LANGUAGE, "ja");
        self.send(request, String::new()).await.into_body()
    }

    /// Presses a button of cluster `a`'s page, with the page's own token unless another is given.
    async fn press(&self, act: &str, origin: &str, csrf: Option<&str>) -> Response<String> {
        let page = self.get(&format!("/cluster?id={}", cluster("a"))).await.into_body();
        let own = page.split("name=\"csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        let body = format!("csrf={}&id={}&act={act}", csrf.unwrap_or(own), cluster("a"));
        self.send(Request::post("/act").header(header::HOST, HOST).header(header::ORIGIN, origin), body).await
    }
}

fn guards(headers: &HeaderMap) {
    let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    for part in
        ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"]
    {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe"));
    assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
    assert_eq!(headers[header::CACHE_CONTROL], "no-store");
}

#[tokio::test]
async fn every_page_is_for_who_came_in_by_a_link_and_says_what_browsers_must_not_do() {
    let (stranger, owner) = (Browser::outside(Staged::new(&article(), None)), Browser::inside(None).await);
    let id = cluster("a");
    let network = id.group_id().unwrap().resource("Microsoft.Network/virtualNetworks", "aks");
    for path in [
        "/".to_owned(),
        format!("/cluster?id={id}"),
        "/matrix".to_owned(),
        "/networks".to_owned(),
        format!("/network?id={network}"),
        "/zones".to_owned(),
        "/topology".to_owned(),
        "/topology.svg".to_owned(),
        "/activity".to_owned(),
        format!("/path?id={id}&from=laptop"),
        format!("/kubernetes?id={id}"),
        "/events".to_owned(),
    ] {
        let refused = stranger.get(&path).await;
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{path}");
        guards(refused.headers());
        let shown = owner.get(&path).await;
        assert_eq!(shown.status(), StatusCode::OK, "{path}");
        guards(shown.headers());
        let body = shown.body();
        assert!(!body.contains("<script>") && !body.contains(" style=") && !body.contains(" onclick="), "{path}");
    }
    for missing in ["/nothing", "/cluster?id=/subscriptions/x", "/cluster", "/path?id=x"] {
        assert_eq!(owner.get(missing).await.status(), StatusCode::NOT_FOUND, "{missing}");
    }
    let page = owner.get("/").await.into_body();
    for file in ["/portal.js", "/portal.css", "/portal.svg"] {
        let kept = page.split('"').find(|text| text.starts_with(file)).unwrap();
        for (address, is_kept) in [(file, false), (kept, true), (&format!("{file}?v=other"), false)] {
            let shown = stranger.get(address).await;
            assert_eq!(shown.status(), StatusCode::OK, "{address}");
            let cached = shown.headers()[header::CACHE_CONTROL].to_str().unwrap();
            assert_eq!(cached.contains("immutable"), is_kept, "{address}: {cached}");
        }
    }
}

#[tokio::test]
async fn a_link_works_once() {
    let browser = Browser::outside(Staged::new(&article(), None));
    let link = browser.portal.link();
    let path = link.strip_prefix(ORIGIN).unwrap();
    assert_eq!(browser.get(path).await.status(), StatusCode::OK);
    assert_eq!(browser.get(path).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(browser.get("/enter?once=guess").await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(browser.get("/enter").await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_name_of_somebody_elses_that_leads_here_gets_nothing() {
    let owner = Browser::inside(None).await;
    for host in ["evil.example", "evil.example:7000", "127.0.0.1", "127.0.0.1:80"] {
        let answer = owner.send(Request::get("/").header(header::HOST, host), String::new()).await;
        assert_eq!(answer.status(), StatusCode::MISDIRECTED_REQUEST, "{host}");
    }
    let local = owner.send(Request::get("/").header(header::HOST, "localhost:7000"), String::new()).await;
    assert_eq!(local.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_button_is_an_arm_call_and_nobody_elses_form_presses_it() {
    let owner = Browser::inside(None).await;
    for (origin, csrf) in [("http://evil.example", None), ("null", None), (ORIGIN, Some("guess")), (ORIGIN, Some(""))] {
        assert_eq!(owner.press("stop", origin, csrf).await.status(), StatusCode::FORBIDDEN, "{origin} {csrf:?}");
    }
    assert!(owner.lab.asked.lock().unwrap().is_empty());

    let done = owner.press("disablePublicFqdn", ORIGIN, None).await;
    assert_eq!(done.status(), StatusCode::SEE_OTHER);
    assert!(done.headers()[header::LOCATION].to_str().unwrap().starts_with("/cluster?id="));
    owner.press("stop", ORIGIN, None).await;
    assert_eq!(owner.press("explode", ORIGIN, None).await.status(), StatusCode::NOT_FOUND);
    let id = cluster("a").to_string();
    let body = json!({"name": "a", "properties": {"apiServerAccessProfile": {
        "enablePrivateCluster": true, "enablePrivateClusterPublicFQDN": false,
    }}});
    let asked = [
        (Method::Get, id.clone(), None),
        (Method::Put, id.clone(), Some(body)),
        (Method::Post, format!("{id}/stop"), None),
    ];
    assert_eq!(*owner.lab.asked.lock().unwrap(), asked);
}

#[tokio::test]
async fn what_arm_refuses_is_said_in_its_words() {
    let refusal =
        Refusal { code: "OperationNotAllowed".to_owned(), message: "An operation <is> in progress.".to_owned() };
    let owner = Browser::inside(Some(refusal)).await;
    let refused = owner.press("stop", ORIGIN, None).await;
    assert_eq!(refused.status(), StatusCode::CONFLICT);
    let body = refused.into_body();
    assert!(body.contains("OperationNotAllowed") && body.contains("An operation &lt;is&gt; in progress."), "{body}");
}

#[tokio::test]
async fn an_unreachable_api_server_is_the_azure_portals_own_error_and_says_why() {
    let owner = Browser::inside(None).await;
    let page = owner.get(&format!("/kubernetes?id={}", cluster("a"))).await.into_body();
    for part in
        ["Network error", "Unable to reach the api server", "https://a.example:443", "no route leads to 10.224.0.4"]
    {
        assert!(page.contains(part), "no {part:?} in {page}");
    }
}

#[tokio::test]
async fn a_list_that_kubernetes_refuses_says_so_in_its_place_and_the_others_are_shown() {
    let owner = Browser::inside(None).await;
    let page = owner.get(&format!("/kubernetes?id={}&from=aks/default", cluster("a"))).await.into_body();
    let nodes = page.split("<section id=\"nodes\"").nth(1).unwrap();
    assert!(text(nodes).contains("Forbidden\nnodes is forbidden"), "{nodes}");
    let pods = page.split("<section id=\"pods\"").nth(1).unwrap().split("</section>").next().unwrap();
    assert!(pods.contains("<td>one</td>"), "{pods}");
    assert!(!page.contains("Network error"));
}

#[tokio::test]
async fn every_vantage_of_many_can_be_found_and_the_page_stays_small() {
    let sketch = (0..300).fold(article(), |sketch, index| sketch.network(&format!("office{index}"), "10.9.0.0/16"));
    let owner = Browser::of(Staged::new(&sketch, None)).await;
    let places = |page: &str| page.matches("<option value=\"").count();
    let page = owner.get(&format!("/path?id={}&from=office299/default", cluster("a"))).await.into_body();
    assert!(page.contains("selected>office299/default (subnet)") && places(&page) < 100, "{}", places(&page));
    let found = owner.get("/vantages?q=OFFICE29&from=internet").await.into_body();
    assert!(found.contains(" selected>Internet<") && found.contains(">office290/default (subnet)"), "{found}");
    assert_eq!(places(&found), 1 + 11, "the chosen one, 29, and 290 to 299");
}

#[tokio::test]
async fn the_page_speaks_the_readers_language() {
    let owner = Browser::inside(None).await;
    let page = owner.get_in_japanese("/").await;
    assert!(page.contains("lang=\"ja\"") && page.contains("API サーバー アドレス"));
    assert!(owner.get("/").await.body().contains("API server address"));
}

#[tokio::test]
async fn a_path_is_told_in_japanese() {
    let owner = Browser::inside(None).await;
    let mut told = String::new();
    for (from, to, by, change) in [
        ("vm-linked", "b", "private", ""),
        ("vm-unlinked", "a", "private", ""),
        ("laptop", "b", "private", "enable the public FQDN of b"),
    ] {
        let id = cluster(to);
        let change = change.replace(' ', "+");
        let page = owner.get_in_japanese(&format!("/path?id={id}&from={from}&by={by}&if={change}")).await;
        let way = page.split("<div class=\"columns\">").nth(1).unwrap();
        let way = way.split("<section aria-labelledby=\"d").next().unwrap();
        told += &format!("== {from} → {to}\n{}\n", text(way));
    }
    insta::assert_snapshot!(told);
}

#[tokio::test]
async fn an_unreachable_api_server_is_explained_in_japanese() {
    let owner = Browser::inside(None).await;
    let page = owner.get_in_japanese(&format!("/kubernetes?id={}", cluster("a"))).await;
    for part in [
        "ネットワーク エラー",
        "に到達できないか、API サーバーがビジー状態で応答できません",
        "パブリック DNS に a.a-zone.privatelink.japaneast.azmk8s.io という名前はありません (NXDOMAIN)",
    ] {
        assert!(page.contains(part), "no {part:?} in {page}");
    }
}

/// What a reader sees of a piece of a page, a line for each element.
fn text(markup: &str) -> String {
    let pieces = markup.split('<').filter_map(|piece| piece.split_once('>'));
    let pieces = pieces.map(|(_, text)| text.trim()).filter(|text| !text.is_empty());
    pieces.collect::<Vec<_>>().join("\n")
}
