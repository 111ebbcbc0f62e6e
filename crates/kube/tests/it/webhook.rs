//! An admission webhook on a loopback port: it labels what it is asked to change and refuses what is called bad.

use std::{convert::Infallible, net::Ipv4Addr, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use pki::{Authority, ServerCertificate, UnixTime};
use serde_json::{Value, json};
use tokio::{net::TcpListener, runtime::Runtime};
use tokio_rustls::TlsAcceptor;

pub(crate) struct Webhook {
    pub(crate) port: u16,
    /// Its authority's certificate, as `caBundle` has it.
    pub(crate) authority: String,
}

/// Starts one that ends with the runtime.
pub(crate) fn start(runtime: &Runtime) -> Webhook {
    let now = UnixTime(jiff::Timestamp::now().as_second());
    let authority = Authority::generate("webhooks", now, 1).unwrap();
    let names = ["localhost".to_owned(), "judge.default.svc".to_owned()];
    let wanted = ServerCertificate {
        common_name: "webhook",
        names: &names,
        addresses: &[Ipv4Addr::LOCALHOST.into()],
        now,
        lifetime_days: 1,
    };
    let config = pki::server_config(&authority.issue_server(&wanted).unwrap(), None, &[b"http/1.1"]).unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let port = listener.local_addr().unwrap().port();
    runtime.spawn(async move {
        let acceptor = TlsAcceptor::from(Arc::clone(&config));
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let connection = hyper::server::conn::http1::Builder::new();
                let _ = connection.serve_connection(TokioIo::new(stream), service_fn(respond)).await;
            });
        }
    });
    Webhook { port, authority: STANDARD.encode(authority.certificate_pem()) }
}

async fn respond(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let changes = request.uri().path() == "/mutate";
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let mut review: Value = serde_json::from_slice(&body).unwrap();
    review["response"] = answer(&review["request"], changes);
    review["response"]["uid"] = review["request"]["uid"].clone();
    let mut response = Response::new(Full::new(Bytes::from(review.to_string())));
    response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
    Ok(response)
}

fn answer(request: &Value, changes: bool) -> Value {
    if changes {
        let patch = json!([{"op": "add", "path": "/metadata/labels", "value": {"seen": request["operation"]}}]);
        return json!({"allowed": true, "patchType": "JSONPatch", "patch": STANDARD.encode(patch.to_string())});
    }
    match (request["operation"].as_str(), request["name"].as_str()) {
        (Some("CREATE"), Some("bad")) => json!({
            "allowed": false, "status": {"message": "bad is no name", "code": 403}, "warnings": ["bad names are noticed"],
        }),
        (Some("DELETE"), Some("good")) => json!({"allowed": false, "status": {"message": "what is good stays"}}),
        _ => json!({"allowed": true}),
    }
}
