//! Large answers are compressed for clients that say they can read it.
//!
//! The rule of k8s.io/apiserver `endpoints/handlers/responsewriters/writers.go` (`APIResponseCompression`): more than 128 KiB, gzip,
//! the quickest level.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{HeaderMap, HeaderValue, Response, header};
use http_body_util::BodyExt as _;
use hyper::body::Body as _;

use crate::body::Body;

/// Answers of this many bytes go as they are.
const WORTHWHILE: u64 = 128 * 1024;

/// Whether a client with these request headers reads gzip.
pub(crate) fn accepts_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accepted.split(',').any(|coding| coding.trim() == "gzip")
}

/// The answer, compressed if it is worthwhile.
pub(crate) async fn gzipped(response: Response<Body>) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    let whole = match body {
        Body::Whole(whole) if whole.size_hint().exact().is_some_and(|size| size > WORTHWHILE) => whole,
        body => return Response::from_parts(head, body),
    };
    let Ok(plain) = whole.collect().await.map(http_body_util::Collected::to_bytes);
    // Some ten milliseconds for each megabyte: not on a thread that serves others.
    let packed = tokio::task::spawn_blocking({
        let plain = plain.clone();
        move || gzip(&plain)
    });
    let Ok(Ok(packed)) = packed.await else { return Response::from_parts(head, Body::whole(plain)) };
    head.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    head.headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    Response::from_parts(head, Body::whole(packed.into()))
}

fn gzip(plain: &Bytes) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(plain)?;
    encoder.finish()
}
