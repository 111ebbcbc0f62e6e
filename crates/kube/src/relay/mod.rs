//! A cluster whose control plane is another one: who asks is known here, what they get is decided there.
//!
//! Certificates and tokens of this cluster are proved at this door; the request goes on with the credentials that the
//! upstream gave, in the name of whoever was proved (impersonation). A token that this cluster did not hand out is
//! passed on as it is and alone, for the upstream may have issued it to a service account. Bodies, watches and upgraded
//! connections (`exec`, `attach`, `port-forward`) stream. Source of what is passed on and what is not:
//! k8s.io/apimachinery `pkg/util/proxy/upgradeaware.go`, k8s.io/apiserver `pkg/endpoints/filters/impersonation`.

mod headers;
mod upstream;

use std::sync::Arc;

use http::{Request, Response, StatusCode};
use http_body_util::Either;
use hyper::{body::Incoming, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;
use pki::Subject;

pub(crate) use upstream::chain as cause;
pub use upstream::{Upstream, UpstreamError, UpstreamSpec};

use crate::{authentication, body::Body, connection::response, reviews::User, spec::TokenUser, status::Status};

/// What is said here, or what is passed on.
type Relayed = Either<Body, reqwest::Body>;

/// One client's way to a control plane.
pub(crate) struct Relay {
    /// Where to, or why not.
    pub(crate) upstream: Result<Arc<Upstream>, String>,
    /// Whom its certificate proved it to be.
    pub(crate) subject: Option<Subject>,
    /// Who else is known here.
    pub(crate) tokens: Vec<TokenUser>,
}

/// In whose name a request goes on.
enum Caller {
    /// Proved here.
    Known(User),
    /// Shows a token that only the upstream may know.
    Stranger,
}

impl Relay {
    /// Answers one request.
    pub(crate) async fn respond(&self, request: Request<Incoming>) -> Response<Relayed> {
        match self.forward(request).await {
            Ok(response) => response.map(Either::Right),
            Err(status) => response(Err(status)).map(Either::Left),
        }
    }

    async fn forward(&self, mut request: Request<Incoming>) -> Result<Response<reqwest::Body>, Status> {
        let caller = match authentication::user(self.subject.as_ref(), request.headers(), &self.tokens) {
            Some(user) => Caller::Known(user),
            None if authentication::web_token(request.headers()).is_some() => Caller::Stranger,
            None => return Err(Status::unauthorized()),
        };
        let upstream = self.upstream.as_ref().map_err(|why| Status::unavailable(why.clone()))?;
        let upgrade = headers::upgrade_of(request.headers());
        let client_side = upgrade.is_some().then(|| hyper::upgrade::on(&mut request));
        let headers = headers::onward(request.headers(), &caller, upgrade.as_ref())?;
        let answer = upstream.send(request, headers, matches!(caller, Caller::Known(_))).await?;
        let switched = answer.status() == StatusCode::SWITCHING_PROTOCOLS;
        if matches!(caller, Caller::Known(_)) && answer.status() == StatusCode::UNAUTHORIZED {
            return Err(Status::unavailable(format!(
                "the control plane at {} does not accept the credentials it is given here",
                upstream.server()
            )));
        }
        let (mut parts, ()) = Response::new(()).into_parts();
        parts.status = answer.status();
        parts.headers = headers::back(answer.headers(), switched);
        let body = match client_side {
            Some(client_side) if switched => {
                tokio::spawn(join(client_side, answer));
                reqwest::Body::default()
            }
            _ => reqwest::Body::from(answer),
        };
        Ok(Response::from_parts(parts, body))
    }
}

/// Carries bytes both ways until either side ends.
async fn join(client_side: OnUpgrade, answer: reqwest::Response) {
    let sides =
        async { Ok::<_, Box<dyn std::error::Error + Send + Sync>>((client_side.await?, answer.upgrade().await?)) };
    match sides.await {
        Ok((near, mut far)) => {
            // How a connection ends is for the two of them to know.
            _ = tokio::io::copy_bidirectional(&mut TokioIo::new(near), &mut far).await;
        }
        Err(error) => tracing::debug!(%error, "a connection could not be switched to another protocol"),
    }
}
