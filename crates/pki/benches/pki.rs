//! What the hot paths and the first start of a lab pay for.

#![expect(clippy::unwrap_used, reason = "a benchmark that fails has nothing to measure")]

use std::{hint::black_box, net::IpAddr, sync::Arc};

use divan::Bencher;
use pki::{Authority, Expectation, ServerCertificate, TokenIssuer, UnixTime, VerifiedTokens};
use serde_json::{Value, json};

const NOW: UnixTime = UnixTime(1_800_000_000);

fn main() {
    divan::main();
}

/// About as large as the tokens that Entra ID issues to a service principal.
fn claims() -> Value {
    let guid = "11111111-2222-3333-4444-555555555555";
    json!({
        "aud": "https://management.core.windows.net/", "iss": format!("https://sts.windows.net/{guid}/"),
        "iat": NOW.0, "nbf": NOW.0, "exp": NOW.0 + 86_399, "appid": guid, "appidacr": "1",
        "idp": format!("https://sts.windows.net/{guid}/"), "idtyp": "app", "oid": guid, "sub": guid, "tid": guid,
        "uti": "AAAAAAAAAAAAAAAAAAAAAA", "ver": "1.0",
    })
}

#[divan::bench(sample_count = 200, sample_size = 1)]
fn generate_token_issuer() -> TokenIssuer {
    TokenIssuer::generate().unwrap()
}

#[divan::bench]
fn issue_token(bencher: Bencher<'_, '_>) {
    let (issuer, claims) = (TokenIssuer::generate().unwrap(), claims());
    bencher.bench(|| issuer.issue(black_box(&claims)).unwrap());
}

#[divan::bench]
fn verify_token(bencher: Bencher<'_, '_>) {
    let issuer = TokenIssuer::generate().unwrap();
    let token = issuer.issue(&claims()).unwrap();
    let audiences = [claims()["aud"].as_str().unwrap().to_owned()];
    let issuers = [claims()["iss"].as_str().unwrap().to_owned()];
    let expected = Expectation { audiences: &audiences, issuers: &issuers, now: NOW, leeway_s: 0 };
    bencher.bench(|| issuer.verify::<Value>(black_box(&token), &expected).unwrap());
}

#[divan::bench(threads = [1, 2])]
fn verified_token(bencher: Bencher<'_, '_>) {
    let token = TokenIssuer::generate().unwrap().issue(&claims()).unwrap();
    let verified = VerifiedTokens::new();
    verified.remember(&token, NOW.plus_days(1), Arc::new(claims()));
    bencher.bench(|| verified.get(black_box(&token), NOW).unwrap());
}

#[divan::bench]
fn generate_authority() -> Authority {
    Authority::generate("ca", NOW, 3650).unwrap()
}

#[divan::bench]
fn issue_server(bencher: Bencher<'_, '_>) {
    let authority = Authority::generate("ca", NOW, 3650).unwrap();
    let names: Vec<String> = ["hcp.japaneast.azmk8s.io", "privatelink.japaneast.azmk8s.io", "kubernetes.default.svc"]
        .map(str::to_owned)
        .into();
    let addresses = [IpAddr::from([10, 224, 0, 4]), IpAddr::from([10, 0, 0, 1])];
    let wanted = ServerCertificate {
        common_name: "apiserver",
        names: &names,
        addresses: &addresses,
        now: NOW,
        lifetime_days: 365,
    };
    bencher.bench(|| authority.issue_server(black_box(&wanted)).unwrap());
}
