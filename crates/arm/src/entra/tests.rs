//! Stories: how each client gets a token, and who is turned away.

use azure::{Change, Estate, Resource as AzureResource, ResourceId};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::Method;
use jiff::SignedDuration;
use pki::TokenIssuer;
use serde_json::{Value, json};

use super::{service::AKS_SERVER, testing::*};
use crate::auth::{Authenticator, Unauthenticated};

fn v2() -> String {
    format!("/{TENANT}/oauth2/v2.0/token")
}

fn arm_scope() -> String {
    format!("{BASE}//.default")
}

/// What `az login --service-principal` sends.
fn sign_in(client: &Client<'_>, path: &str, id: &str, secret: &str, scope: &str) -> (u16, Value) {
    client.post(
        path,
        &[
            ("client_id", id),
            ("grant_type", "client_credentials"),
            ("client_info", "1"),
            ("client_secret", secret),
            ("claims", r#"{"access_token":{"xms_cc":{"values":["CP1"]}}}"#),
            ("scope", scope),
        ],
    )
}

fn app_token(client: &Client<'_>, scope: &str) -> String {
    let (status, reply) = sign_in(client, &v2(), CLIENT, SECRET, scope);
    assert_eq!(status, 200, "{reply}");
    reply["access_token"].as_str().unwrap().to_owned()
}

fn user_sign_in(client: &Client<'_>, path: &str, password: &str) -> (u16, Value) {
    let scope = format!("{} offline_access openid profile", arm_scope());
    client.post(
        path,
        &[
            ("client_id", AZ),
            ("grant_type", "password"),
            ("username", "lab"),
            ("password", password),
            ("client_info", "1"),
            ("scope", &scope),
        ],
    )
}

fn arm(client: &Client<'_>, token: &str) -> Result<String, Box<Unauthenticated>> {
    client
        .entra
        .authenticate(Some(&format!("Bearer {token}")), client.now)
        .map(|caller| caller.object_id)
        .map_err(Box::new)
}

fn refusal(client: &Client<'_>, token: &str) -> (u16, String) {
    let refused = arm(client, token).unwrap_err().error;
    (refused.status, refused.code.into_owned())
}

/// An estate with one user-assigned identity.
fn with_identity() -> (Estate, ResourceId) {
    let id = ResourceId::group("44444444-4444-4444-4444-444444444444", "rg")
        .resource("Microsoft.ManagedIdentity/userAssignedIdentities", "deployer");
    let identity = AzureResource::new(
        id.clone(),
        &json!({"properties": {"principalId": "55555555-5555-5555-5555-555555555555", "clientId": "66666666-6666-6666-6666-666666666666"}}),
    );
    (Estate::default().apply(1, &[Change::put(identity)]), id)
}

#[test]
fn a_service_principal_signs_in_as_az_does_and_calls_arm() {
    let entra = entra();
    let client = Client::new(&entra);
    let (status, reply) = sign_in(&client, &v2(), CLIENT, SECRET, &arm_scope());
    assert_eq!(status, 200);
    assert_eq!((&reply["token_type"], &reply["expires_in"]), (&json!("Bearer"), &json!(86_399)));
    let mut claims = claims_of(&reply["access_token"]);
    claims["uti"] = json!("[random]");
    insta::assert_json_snapshot!(claims, @r#"
    {
      "aud": "https://localhost:8443/",
      "iss": "https://localhost:8443/11111111-1111-1111-1111-111111111111/",
      "iat": 1767322745,
      "nbf": 1767322745,
      "exp": 1767409444,
      "tid": "11111111-1111-1111-1111-111111111111",
      "uti": "[random]",
      "appid": "22222222-2222-2222-2222-222222222222",
      "appidacr": "1",
      "app_displayname": "noren",
      "idp": "https://localhost:8443/11111111-1111-1111-1111-111111111111/",
      "idtyp": "app",
      "oid": "33333333-3333-3333-3333-333333333333",
      "sub": "33333333-3333-3333-3333-333333333333",
      "ver": "1.0"
    }
    "#);
    assert_eq!(arm(&client, reply["access_token"].as_str().unwrap()), Ok(OWNER.to_owned()));
}

#[test]
fn every_way_to_the_token_endpoint_leads_to_the_same_tenant() {
    let entra = entra();
    let client = Client::new(&entra);
    for path in [
        v2(),
        "/noren.test/oauth2/v2.0/token".to_owned(),
        "/organizations/oauth2/v2.0/token".to_owned(),
        "/adfs/oauth2/token".to_owned(),
        format!("/adfs/{TENANT}/oauth2/v2.0/token"),
    ] {
        let (status, reply) = sign_in(&client, &path, CLIENT, SECRET, &arm_scope());
        assert_eq!(status, 200, "{path}: {reply}");
        assert_eq!(reply["expires_in"], 86_399, "{path}");
        assert_eq!(claims_of(&reply["access_token"])["tid"], TENANT, "{path}");
    }
}

#[test]
fn the_v1_endpoint_takes_a_resource_and_writes_numbers_as_text() {
    let entra = entra();
    let client = Client::new(&entra);
    let (status, reply) = client.post(
        &format!("/{TENANT}/oauth2/token"),
        &[
            ("grant_type", "client_credentials"),
            ("client_id", CLIENT),
            ("client_secret", SECRET),
            ("resource", &format!("{BASE}/")),
        ],
    );
    assert_eq!(status, 200);
    assert_eq!(reply["expires_in"], "86399");
    assert_eq!(reply["expires_on"], (NOW.as_second() + 86_399).to_string());
    assert_eq!(reply["resource"], format!("{BASE}/"));
}

#[test]
fn a_client_may_authenticate_with_http_basic() {
    let entra = entra();
    let client = Client::new(&entra);
    // RFC 6749, section 2.3.1: both parts are form-encoded first.
    let credentials = base64::engine::general_purpose::STANDARD.encode(format!("{CLIENT}:the+lab%27s+secret"));
    let body = format!("grant_type=client_credentials&scope={BASE}/.default");
    let response = client.send(Method::POST, &v2(), &[("authorization", &format!("Basic {credentials}"))], &body);
    assert_eq!(response.unwrap().status(), 200);
}

#[test]
fn each_refusal_of_the_token_endpoint_has_entras_error_and_number() {
    let entra = entra();
    let client = Client::new(&entra);
    let scope = arm_scope();
    let outcome = |(status, reply): (u16, Value)| {
        assert!(reply["error_description"].as_str().unwrap().contains(" Trace ID: "), "{reply}");
        (status, reply["error"].as_str().unwrap().to_owned(), reply["error_codes"][0].as_u64().unwrap())
    };
    let refused = |status: u16, error: &str, number: u64| (status, error.to_owned(), number);

    assert_eq!(outcome(sign_in(&client, &v2(), CLIENT, "wrong", &scope)), refused(401, "invalid_client", 7_000_215));
    assert_eq!(outcome(sign_in(&client, &v2(), CLIENT, "", &scope)), refused(401, "invalid_client", 7_000_218));
    assert_eq!(outcome(sign_in(&client, &v2(), AZ, SECRET, &scope)), refused(400, "unauthorized_client", 700_016));
    assert_eq!(
        outcome(sign_in(&client, "/contoso.example/oauth2/v2.0/token", CLIENT, SECRET, &scope)),
        refused(400, "invalid_request", 90_002)
    );
    assert_eq!(
        outcome(sign_in(&client, &v2(), CLIENT, SECRET, "https://vault.azure.net/.default")),
        refused(400, "invalid_resource", 500_011)
    );
    assert_eq!(
        outcome(sign_in(&client, &v2(), CLIENT, SECRET, &format!("{BASE}/user_impersonation"))),
        refused(400, "invalid_scope", 1_002_012)
    );
    assert_eq!(outcome(sign_in(&client, &v2(), CLIENT, SECRET, "")), refused(400, "invalid_request", 900_144));
    assert_eq!(outcome(client.post(&v2(), &[])), refused(400, "invalid_request", 900_144));
    assert_eq!(
        outcome(client.post(&v2(), &[("grant_type", "authorization_code")])),
        refused(400, "unsupported_grant_type", 70_003)
    );
    assert_eq!(
        outcome(client.post(&v2(), &[("grant_type", "password"), ("grant_type", "password")])),
        refused(400, "invalid_request", 90_014)
    );
    assert_eq!(outcome(user_sign_in(&client, &v2(), "wrong")), refused(400, "invalid_grant", 50_126));
    assert_eq!(
        outcome(client.post(
            &v2(),
            &[
                ("grant_type", "client_credentials"),
                ("client_id", CLIENT),
                ("client_assertion", "eyJ.eyJ.x"),
                ("scope", &scope)
            ]
        )),
        refused(401, "invalid_client", 700_027)
    );
    assert_eq!(outcome(client.get(&v2(), &[])), refused(405, "invalid_request", 900_561));
}

#[test]
fn a_wrong_secret_is_answered_in_entras_shape_and_never_repeated() {
    let entra = entra();
    let client = Client::new(&entra);
    let correlation = "77777777-7777-7777-7777-777777777777";
    let body = format!("grant_type=client_credentials&client_id={CLIENT}&client_secret=hunter2&scope={BASE}/.default");
    let response = client.send(Method::POST, &v2(), &[("client-request-id", correlation)], &body).unwrap();
    assert_eq!(response.headers()["cache-control"], "no-store, no-cache");
    let mut reply = body_of(&response);
    assert!(!reply.to_string().contains("hunter2"));
    let trace = reply["trace_id"].as_str().unwrap().to_owned();
    assert_eq!(response.headers()["x-ms-request-id"], trace);
    reply = serde_json::from_str(&reply.to_string().replace(&trace, "[trace]")).unwrap();
    insta::assert_json_snapshot!(reply, @r#"
    {
      "error": "invalid_client",
      "error_description": "AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '22222222-2222-2222-2222-222222222222'. Trace ID: [trace] Correlation ID: 77777777-7777-7777-7777-777777777777 Timestamp: 2026-01-02 03:04:05Z",
      "error_codes": [
        7000215
      ],
      "timestamp": "2026-01-02 03:04:05Z",
      "trace_id": "[trace]",
      "correlation_id": "77777777-7777-7777-7777-777777777777",
      "error_uri": "https://login.microsoftonline.com/error?code=7000215"
    }
    "#);
}

#[test]
fn the_user_signs_in_with_a_password_and_refreshes_after_a_restart() {
    let key = key();
    let entra = entra_with(&key);
    let (status, reply) = user_sign_in(&Client::new(&entra), &v2(), SECRET);
    assert_eq!(status, 200, "{reply}");
    let access = claims_of(&reply["access_token"]);
    assert_eq!((&access["appid"], &access["idtyp"]), (&json!(AZ), &json!("user")));
    assert_eq!(access["scp"], "user_impersonation");
    assert!(reply["scope"].as_str().unwrap().starts_with(&arm_scope()));
    let identity = claims_of(&reply["id_token"]);
    assert_eq!((&identity["aud"], &identity["tid"]), (&json!(AZ), &json!(TENANT)));
    assert_eq!(identity["preferred_username"], "lab@noren.test");
    let client_info = URL_SAFE_NO_PAD.decode(reply["client_info"].as_str().unwrap()).unwrap();
    let client_info: Value = serde_json::from_slice(&client_info).unwrap();
    assert_eq!(client_info, json!({"uid": access["oid"], "utid": TENANT}));

    let restarted = entra_with(&key);
    let client = Client::new(&restarted);
    let refresh = |client_id: &str, token: &str| {
        let scope = format!("{BASE}/graph//.default");
        client.post(
            &v2(),
            &[("client_id", client_id), ("grant_type", "refresh_token"), ("refresh_token", token), ("scope", &scope)],
        )
    };
    let token = reply["refresh_token"].as_str().unwrap();
    let (status, again) = refresh(AZ, token);
    assert_eq!(status, 200, "{again}");
    assert_eq!(claims_of(&again["access_token"])["aud"], format!("{BASE}/graph/"));
    assert_eq!(refresh(CLIENT, token).0, 400, "it belongs to another application");
    assert_eq!(refresh(AZ, again["access_token"].as_str().unwrap()).0, 400, "an access token is none");
    assert_eq!(refresh(AZ, "x").0, 400);
    assert_eq!(refusal(&client, token).1, "InvalidAuthenticationTokenAudience", "and ARM does not take it");
}

#[test]
fn a_device_code_is_good_once_the_user_approved_it_with_his_password() {
    let entra = entra();
    let client = Client::new(&entra);
    let (status, codes) = client.post(
        &format!("/{TENANT}/oauth2/v2.0/devicecode"),
        &[("client_id", AZ), ("scope", &format!("{} openid", arm_scope()))],
    );
    assert_eq!(status, 200);
    assert_eq!(codes["verification_uri"], format!("{BASE}/devicelogin"));
    let poll = || {
        client.post(
            &v2(),
            &[
                ("client_id", AZ),
                ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
                ("device_code", codes["device_code"].as_str().unwrap()),
            ],
        )
    };
    let approve = |password: &str| {
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("code", codes["user_code"].as_str().unwrap())
            .append_pair("password", password)
            .finish();
        client.send(Method::POST, "/devicelogin", &[], &body).unwrap().status().as_u16()
    };
    assert_eq!(poll().1["error"], "authorization_pending");
    assert_eq!(approve("wrong"), 401);
    assert_eq!(poll().1["error"], "authorization_pending");
    assert_eq!(approve(SECRET), 200);
    let (status, tokens) = poll();
    assert_eq!(status, 200, "{tokens}");
    assert_eq!(claims_of(&tokens["access_token"])["aud"], format!("{BASE}/"));
    assert_eq!(poll().1["error"], "bad_verification_code", "it is used up");
}

#[test]
fn the_discovery_documents_name_this_lab_only() {
    let entra = entra();
    let client = Client::new(&entra);
    for path in ["/adfs/.well-known/openid-configuration", "/noren.test/v2.0/.well-known/openid-configuration"] {
        let (status, document) = client.get(path, &[]);
        assert_eq!(status, 200);
        assert_eq!(document["issuer"], format!("{BASE}/{TENANT}/v2.0"), "{path}");
        assert_eq!(document["token_endpoint"], format!("{BASE}/{TENANT}/oauth2/v2.0/token"), "{path}");
        let keys = document["jwks_uri"].as_str().unwrap().strip_prefix(BASE).unwrap().to_owned();
        assert_eq!(client.get(&keys, &[]).1["keys"][0]["alg"], "RS256");
    }
    assert_eq!(client.get("/contoso.example/v2.0/.well-known/openid-configuration", &[]).0, 400);
    let (_, instance) = client.get("/common/discovery/instance?api-version=1.1&authorization_endpoint=x", &[]);
    assert_eq!(instance["metadata"][0]["aliases"][0], "localhost:8443");
}

#[test]
fn arm_takes_its_audience_with_and_without_the_slash_and_remembers_the_token() {
    let entra = entra();
    let client = Client::new(&entra);
    for scope in [arm_scope(), format!("{BASE}/.default"), "https://management.azure.com/.default".into()] {
        let token = app_token(&client, &scope);
        assert_eq!(arm(&client, &token), Ok(OWNER.to_owned()), "{scope}");
        assert_eq!(arm(&client, &token), Ok(OWNER.to_owned()), "{scope}: the second time");
    }
}

#[test]
fn a_token_of_an_earlier_run_of_the_lab_stays_valid_and_another_labs_does_not() {
    let key = key();
    let earlier = entra_with(&key);
    let token = app_token(&Client::new(&earlier), &arm_scope());
    let restarted = entra_with(&key);
    assert_eq!(arm(&Client::new(&restarted), &token), Ok(OWNER.to_owned()));
    let other = entra();
    assert_eq!(refusal(&Client::new(&other), &token), (401, "InvalidAuthenticationToken".into()));
}

#[test]
fn a_request_without_a_header_is_told_where_to_get_a_token() {
    let entra = entra();
    let refused = entra.authenticate(None, NOW).unwrap_err();
    assert_eq!(refused.error.status, 401);
    assert_eq!(refused.error.code, "AuthenticationFailed");
    assert_eq!(refused.error.message, "Authentication failed. The 'Authorization' header is missing.");
    insta::assert_snapshot!(refused.challenge, @r#"Bearer authorization_uri="https://localhost:8443/11111111-1111-1111-1111-111111111111", error="invalid_token", error_description="The authentication failed because of missing 'Authorization' header.""#);
    for header in ["Basic abc", "Bearer", "Bearer  ", ""] {
        let refused = entra.authenticate(Some(header), NOW).unwrap_err();
        assert_eq!(refused.error.code, "AuthenticationFailedInvalidHeader", "{header:?}");
    }
}

#[test]
fn a_forged_token_is_invalid() {
    let entra = entra();
    let client = Client::new(&entra);
    let token = app_token(&client, &arm_scope());
    let parts: Vec<&str> = token.split('.').collect();
    let mut claims = claims_of(&json!(token));
    claims["oid"] = json!("88888888-8888-8888-8888-888888888888");
    let claims = URL_SAFE_NO_PAD.encode(claims.to_string());
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
    for forged in [
        "x".to_owned(),
        "a.b.c".to_owned(),
        format!("{}.{claims}.{}", parts[0], parts[2]),
        format!("{none}.{claims}."),
        format!("{}.{}.", parts[0], parts[1]),
        "x".repeat(100_000),
    ] {
        assert_eq!(refusal(&client, &forged), (401, "InvalidAuthenticationToken".into()));
    }
}

#[test]
fn an_expired_token_says_since_when() {
    let entra = entra();
    let mut client = Client::new(&entra);
    let token = app_token(&client, &arm_scope());
    assert!(arm(&client, &token).is_ok());
    client.now = NOW + SignedDuration::from_hours(24);
    let refused = arm(&client, &token).unwrap_err().error;
    assert_eq!((refused.status, refused.code.as_ref()), (401, "ExpiredAuthenticationToken"));
    insta::assert_snapshot!(refused.message, @"The access token expiry UTC time '1/3/2026 3:04:04 AM' is earlier than current UTC time '1/3/2026 3:04:05 AM'.");
}

#[test]
fn a_token_for_another_service_names_the_audiences_arm_allows() {
    let entra = entra();
    let client = Client::new(&entra);
    let token = app_token(&client, &format!("{AKS_SERVER}/.default"));
    let refused = arm(&client, &token).unwrap_err().error;
    assert_eq!((refused.status, refused.code.as_ref()), (401, "InvalidAuthenticationTokenAudience"));
    insta::assert_snapshot!(refused.message, @"The access token has been obtained for wrong audience or resource '6dae42f8-4368-4678-94ff-3960e28e3630'. It should exactly match with one of the allowed audiences 'https://localhost:8443/','https://localhost:8443','https://management.azure.com/','https://management.azure.com','https://management.core.windows.net/','https://management.core.windows.net'.");
}

#[test]
fn a_token_of_another_tenant_is_told_which_tenant_it_must_be() {
    let key = key();
    let entra = entra_with(&key);
    let client = Client::new(&entra);
    let mut claims = claims_of(&json!(app_token(&client, &arm_scope())));
    claims["iss"] = json!("https://sts.windows.net/99999999-9999-9999-9999-999999999999/");
    let foreign = TokenIssuer::from_pem(&key).unwrap().issue(&claims).unwrap();
    let refused = arm(&client, &foreign).unwrap_err();
    assert_eq!(refused.error.code, "InvalidAuthenticationTokenTenant");
    assert!(refused.error.message.contains("'https://sts.windows.net/99999999-9999-9999-9999-999999999999/'"));
    assert!(!refused.challenge.contains("99999999"), "the header repeats nothing of the token");
}

#[test]
fn az_login_identity_gets_the_machines_identity_as_app_service_hands_it_out() {
    let entra = entra();
    let client = Client::new(&entra);
    let path = format!("/msi/token?api-version=2019-08-01&resource={BASE}/");
    let (status, reply) = client.get(&path, &[("X-IDENTITY-HEADER", IDENTITY_SECRET), ("Metadata", "true")]);
    assert_eq!(status, 200, "{reply}");
    assert_eq!(claims_of(&reply["access_token"])["tid"], TENANT);
    assert_eq!(reply["expires_on"], (NOW.as_second() + 86_399).to_string());
    assert_eq!(arm(&client, reply["access_token"].as_str().unwrap()), Ok(OWNER.to_owned()));
    for headers in [&[][..], &[("X-IDENTITY-HEADER", "wrong")][..], &[("Metadata", "true")][..]] {
        let (status, reply) = client.get(&path, headers);
        assert_eq!(status, 401);
        assert!(reply.get("access_token").is_none());
    }
    let (status, reply) =
        client.get("/msi/token?resource=https://vault.azure.net", &[("X-IDENTITY-HEADER", IDENTITY_SECRET)]);
    assert_eq!(status, 400);
    assert!(reply["message"].as_str().unwrap().starts_with("AADSTS500011"));
}

#[test]
fn a_virtual_machine_must_know_the_secret_as_well() {
    let entra = entra();
    let client = Client::new(&entra);
    let path = format!("/metadata/identity/oauth2/token?api-version=2018-02-01&resource={BASE}/");
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("noren:{IDENTITY_SECRET}"));
    let basic = format!("Basic {basic}");
    let (status, reply) = client.get(&path, &[("Metadata", "true"), ("authorization", &basic)]);
    assert_eq!(status, 200, "{reply}");
    assert_eq!(reply["expires_in"], "86399");
    let (status, reply) = client.get(&path, &[("Metadata", "true")]);
    assert_eq!((status, &reply["error"]), (401, &json!("unauthorized_client")));
    let (status, reply) = client.get(&path, &[("authorization", &basic)]);
    assert_eq!((status, &reply["error_description"]), (400, &json!("Required metadata header not specified")));
}

#[test]
fn a_user_assigned_identity_is_chosen_by_any_of_its_three_names() {
    let entra = entra();
    let mut client = Client::new(&entra);
    let (estate, id) = with_identity();
    client.estate = estate;
    let get = |choice: &str| {
        client.get(&format!("/msi/token?resource={BASE}/&{choice}"), &[("X-IDENTITY-HEADER", IDENTITY_SECRET)])
    };
    for choice in [
        "client_id=66666666-6666-6666-6666-666666666666".to_owned(),
        "object_id=55555555-5555-5555-5555-555555555555".to_owned(),
        format!("mi_res_id={}", id.as_str().to_uppercase()),
    ] {
        let (status, reply) = get(&choice);
        assert_eq!(status, 200, "{choice}: {reply}");
        let claims = claims_of(&reply["access_token"]);
        assert_eq!(claims["oid"], "55555555-5555-5555-5555-555555555555");
        assert_eq!(claims["xms_mirid"], id.as_str());
    }
    assert_eq!(get("client_id=00000000-0000-0000-0000-000000000000").0, 400);
    assert_eq!(get("client_id=a&object_id=b").0, 400);
    assert_eq!(get(&format!("client_id={CLIENT}")).0, 400, "an application is no managed identity");
}

#[test]
fn az_role_assignment_finds_whom_it_names_in_graph() {
    let entra = entra();
    let mut client = Client::new(&entra);
    client.estate = with_identity().0;
    let bearer = format!("Bearer {}", app_token(&client, &format!("{BASE}/graph//.default")));
    let get = |path: &str| client.get(path, &[("authorization", &bearer)]);

    let (status, found) =
        get(&format!("/graph/v1.0/servicePrincipals?$filter=servicePrincipalNames/any(c:c%20eq%20'{CLIENT}')"));
    assert_eq!(status, 200, "{found}");
    assert_eq!(found["value"][0]["id"], OWNER);
    let (_, identity) = get("/graph/v1.0/servicePrincipals/55555555-5555-5555-5555-555555555555");
    assert_eq!(
        (&identity["displayName"], &identity["servicePrincipalType"]),
        (&json!("deployer"), &json!("ManagedIdentity"))
    );

    let response = client
        .send(
            Method::POST,
            "/graph/v1.0/directoryObjects/getByIds",
            &[("authorization", &bearer)],
            &json!({"ids": [OWNER, "55555555-5555-5555-5555-555555555555", "nobody"], "types": ["user"]}).to_string(),
        )
        .unwrap();
    let objects = body_of(&response);
    assert_eq!(objects["value"].as_array().map(Vec::len), Some(2));
    assert_eq!(objects["value"][0]["@odata.type"], "#microsoft.graph.servicePrincipal");

    assert_eq!(get("/graph/v1.0/organization").1["value"][0]["id"], TENANT);
    assert_eq!(get("/graph/v1.0/me").0, 400, "an application is nobody's me");
    assert_eq!(
        get("/graph/v1.0/users?$filter=userPrincipalName%20eq%20'lab@noren.test'").1["value"][0]["displayName"],
        "Lab User"
    );
    assert_eq!(
        get("/graph/v1.0/servicePrincipals?$filter=tags/any(t:t%20eq%20'x')").1["error"]["code"],
        "Request_UnsupportedQuery"
    );
    assert_eq!(get("/graph/v1.0/servicePrincipals/x").1["error"]["code"], "Request_ResourceNotFound");
}

#[test]
fn the_user_is_me_in_graph() {
    let entra = entra();
    let client = Client::new(&entra);
    let (_, reply) = client.post(
        &v2(),
        &[("client_id", AZ), ("grant_type", "password"), ("username", "lab@noren.test"), ("password", SECRET)],
    );
    let bearer = format!("Bearer {}", reply["access_token"].as_str().unwrap());
    assert_eq!(client.get("/graph/v1.0/me", &[("authorization", &bearer)]).1["userPrincipalName"], "lab@noren.test");
}

#[test]
fn graph_takes_no_token_of_arm_and_none_at_all() {
    let entra = entra();
    let client = Client::new(&entra);
    let arm = format!("Bearer {}", app_token(&client, &arm_scope()));
    for headers in [&[][..], &[("authorization", arm.as_str())][..]] {
        let (status, reply) = client.get("/graph/v1.0/organization", headers);
        assert_eq!((status, &reply["error"]["code"]), (401, &json!("InvalidAuthenticationToken")));
    }
}

#[test]
fn what_is_not_entras_is_left_to_arm() {
    let entra = entra();
    let client = Client::new(&entra);
    assert!(client.send(Method::GET, "/subscriptions?api-version=2022-12-01", &[], "").is_none());
    assert!(client.send(Method::GET, "/tenants", &[], "").is_none());
}

#[test]
fn the_browser_is_told_what_there_is_instead() {
    let entra = entra();
    let client = Client::new(&entra);
    let response = client.send(Method::GET, "/organizations/oauth2/v2.0/authorize?client_id=x", &[], "").unwrap();
    assert_eq!(response.status(), 501);
    assert!(String::from_utf8_lossy(response.body()).contains("--use-device-code"));
}

proptest::proptest! {
    #[test]
    fn no_request_makes_the_platform_panic(path in "/[a-z0-9/.%$']{0,40}", body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
        static KEY: std::sync::LazyLock<pki::IssuerPem> = std::sync::LazyLock::new(key);
        let entra = entra_with(&KEY);
        let client = Client::new(&entra);
        let body = String::from_utf8_lossy(&body).into_owned();
        for path in [path, v2(), "/devicelogin".into(), "/adfs/oauth2/devicecode".into()] {
            if path.parse::<http::Uri>().is_ok() {
                let _ = client.send(Method::POST, &path, &[("authorization", "Bearer x")], &body);
                let _ = client.send(Method::GET, &path, &[("authorization", "Basic x")], "");
            }
        }
    }
}
