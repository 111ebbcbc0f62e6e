//! Tokens of service accounts: JSON web tokens that the cluster itself signs.
//!
//! The key is made when the first token is asked for, and lies beside the cluster's objects. Source: the Kubernetes
//! documentation "Managing Service Accounts", k8s.io/api `authentication/v1` `TokenRequest`, `TokenReview`.

use std::sync::Arc;

use jiff::ToSpan;
use pki::{Expectation, IssuerPem, TokenIssuer, UnixTime};
use serde::Deserialize;
use serde_json::{Value, json};
use store::{Condition, Transaction};

use crate::{
    object::rfc3339,
    objects::ObjectStore,
    registry,
    request::Objects,
    reviews::User,
    status::{Cause, Status},
};

/// How long tokens are valid when nobody says it, and at least and at most, in seconds.
const LIFETIME_S: i64 = 3600;
const LIFETIME_MIN_S: i64 = 600;
const LIFETIME_MAX_S: i64 = 1 << 32;

/// Issues and checks the tokens of one cluster's service accounts.
pub(crate) struct AccountTokens {
    issuer: Arc<TokenIssuer>,
    /// `iss`, and the audience of tokens for the API server itself.
    pub(crate) url: String,
}

#[derive(Deserialize)]
struct Claims {
    aud: Value,
    #[serde(rename = "kubernetes.io")]
    kubernetes: Bound,
}

#[derive(Deserialize)]
struct Bound {
    namespace: String,
    serviceaccount: Named,
    #[serde(default)]
    pod: Option<Named>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
    uid: String,
}

impl AccountTokens {
    /// Over a key.
    pub(crate) fn new(issuer: Arc<TokenIssuer>, url: String) -> Self {
        Self { issuer, url }
    }

    /// The key of a cluster, which is made if there is none.
    ///
    /// # Errors
    /// 500 when the store fails or no key can be made.
    pub(crate) async fn key(objects: &ObjectStore) -> Result<TokenIssuer, Status> {
        let failed = |_| Status::internal("the key of service accounts is not available");
        let key = format!("{}keys/serviceaccounts", ObjectStore::root(&objects.cluster));
        loop {
            if let Some(entry) = objects.store.get(&key)? {
                let stored: IssuerPem =
                    serde_json::from_slice(&entry.value).map_err(|_| Status::internal("the stored key is damaged"))?;
                return TokenIssuer::from_pem(&stored).map_err(failed);
            }
            let made = tokio::task::spawn_blocking(TokenIssuer::generate).await;
            let made = made.map_err(|_| Status::internal("no key could be made"))?.map_err(failed)?;
            let pem = serde_json::to_string(&made.to_pem()).map_err(|_| Status::internal("no key could be made"))?;
            let absent = Condition::Absent { key: key.clone() };
            // If somebody else was quicker, theirs counts.
            objects.store.commit(Transaction::new().when(absent).put(key.clone(), pem)).await?;
        }
    }

    /// Answers a `TokenRequest` for an account.
    ///
    /// # Errors
    /// 404 for an account or a bound object that is not there, 422 for a lifetime that is too short.
    pub(crate) fn issue(
        &self,
        objects: &ObjectStore,
        place: &Objects<'_>,
        name: &str,
        mut request: Value,
    ) -> Result<Value, Status> {
        let account = objects.get(&Objects { subresource: None, ..place.clone() }, name)?;
        let namespace = place.namespace.unwrap_or_default();
        let spec = &mut request["spec"];
        let lifetime = spec["expirationSeconds"].as_i64().unwrap_or(LIFETIME_S);
        let refuse = |detail: &str| {
            let cause = Cause::invalid("spec.expirationSeconds", &json!(lifetime), detail);
            Status::invalid("authentication.k8s.io", "TokenRequest", "", &[cause])
        };
        if lifetime < LIFETIME_MIN_S {
            return Err(refuse("may not specify a duration less than 10 minutes"));
        }
        if lifetime > LIFETIME_MAX_S {
            return Err(refuse("may not specify a duration larger than 2^32 seconds"));
        }
        if spec["audiences"].as_array().is_none_or(Vec::is_empty) {
            spec["audiences"] = json!([self.url]);
        }
        spec["expirationSeconds"] = json!(lifetime);
        let now = objects.now.as_second();
        let mut bound = json!({
            "namespace": namespace,
            "serviceaccount": {"name": name, "uid": account["metadata"]["uid"]},
        });
        if spec["boundObjectRef"]["kind"] == "Pod" {
            let Some(row) = registry::find("", "v1", "pods") else { return Err(Status::no_such_path()) };
            let pods = Objects { resource: Arc::clone(row), namespace: Some(namespace), name: None, subresource: None };
            let pod = objects.get(&pods, spec["boundObjectRef"]["name"].as_str().unwrap_or_default())?;
            bound["pod"] = json!({"name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]});
        }
        let claims = json!({
            "aud": spec["audiences"], "exp": now + lifetime, "iat": now, "iss": self.url,
            "jti": uuid::Uuid::new_v4().to_string(), "kubernetes.io": bound, "nbf": now,
            "sub": format!("system:serviceaccount:{namespace}:{name}"),
        });
        let token = self.issuer.issue(&claims).map_err(|_| Status::internal("the token could not be signed"))?;
        let expires = objects.now.checked_add(lifetime.seconds()).map(rfc3339).unwrap_or_default();
        request["kind"] = json!("TokenRequest");
        request["apiVersion"] = json!("authentication.k8s.io/v1");
        request["metadata"] = json!({"name": name, "namespace": namespace, "creationTimestamp": rfc3339(objects.now)});
        request["status"] = json!({"token": token, "expirationTimestamp": expires});
        Ok(request)
    }

    /// Whose token it is, for one of these audiences (for the API server when there are none), and for which of
    /// them; `None` when it is not to be believed, or its account or pod is gone.
    pub(crate) fn verify(
        &self,
        objects: &ObjectStore,
        token: &str,
        audiences: &[String],
    ) -> Result<Option<(User, Vec<String>)>, Status> {
        let own = [self.url.clone()];
        let wanted = if audiences.is_empty() { &own[..] } else { audiences };
        let issuers = [self.url.clone()];
        let now = UnixTime(objects.now.as_second());
        let expected = Expectation { audiences: wanted, issuers: &issuers, now, leeway_s: 0 };
        let Ok(claims) = self.issuer.verify::<Claims>(token, &expected) else { return Ok(None) };
        let Bound { namespace, serviceaccount, pod } = claims.kubernetes;
        let lives = |plural: &str, named: &Named| -> Result<bool, Status> {
            let Some(row) = registry::find("", "v1", plural) else { return Ok(false) };
            let place =
                Objects { resource: Arc::clone(row), namespace: Some(&namespace), name: None, subresource: None };
            match objects.get(&place, &named.name) {
                Ok(object) => Ok(object["metadata"]["uid"] == named.uid.as_str()),
                Err(status) if status.code == 404 => Ok(false),
                Err(status) => Err(status),
            }
        };
        if !lives("serviceaccounts", &serviceaccount)? || !pod.as_ref().map_or(Ok(true), |pod| lives("pods", pod))? {
            return Ok(None);
        }
        let shared = wanted.iter().filter(|audience| match &claims.aud {
            Value::String(one) => one == *audience,
            several => several.as_array().is_some_and(|all| all.iter().any(|held| held == audience.as_str())),
        });
        let user = User {
            name: format!("system:serviceaccount:{namespace}:{}", serviceaccount.name),
            uid: serviceaccount.uid,
            groups: vec!["system:serviceaccounts".into(), format!("system:serviceaccounts:{namespace}")],
        };
        Ok(Some((user, shared.cloned().collect())))
    }

    /// `/.well-known/openid-configuration`.
    pub(crate) fn configuration(&self) -> Value {
        json!({
            "issuer": self.url,
            "jwks_uri": format!("{}/openid/v1/jwks", self.url),
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        })
    }

    /// `/openid/v1/jwks`.
    pub(crate) fn jwks(&self) -> Value {
        self.issuer.jwks()
    }
}
