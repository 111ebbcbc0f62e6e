//! What a request wants to do, read off its method and path alone.
//!
//! Source: k8s.io/apiserver `pkg/endpoints/request/requestinfo.go`.

use http::Method;

use super::Request;

/// Reads a path that is decoded.
pub(crate) fn read<'a>(method: &'a Method, path: &'a str, watch: bool) -> Request<'a> {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let (group, rest) = match segments.as_slice() {
        ["api", _, rest @ ..] if !rest.is_empty() => ("", rest),
        ["apis", group, _, rest @ ..] if !rest.is_empty() => (*group, rest),
        _ => return Request::Path { verb: path_verb(method), path },
    };
    // Of a namespace itself it is in that namespace, too.
    let (namespace, rest) = match rest {
        ["namespaces", name, "status" | "finalize"] | ["namespaces", name] => (Some(*name), rest),
        ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (Some(*namespace), rest),
        rest => (None, rest),
    };
    let at = |index: usize| rest.get(index).copied().unwrap_or_default();
    let (resource, name, subresource) = (at(0), at(1), at(2));
    let verb = match (method, name) {
        (&Method::GET | &Method::HEAD, "") if watch => "watch",
        (&Method::GET | &Method::HEAD, "") => "list",
        (&Method::GET | &Method::HEAD, _) => "get",
        (&Method::POST, _) => "create",
        (&Method::PUT, _) => "update",
        (&Method::PATCH, _) => "patch",
        (&Method::DELETE, "") => "deletecollection",
        (&Method::DELETE, _) => "delete",
        _ => "",
    };
    Request::Resource { verb, group, resource, subresource, namespace, name }
}

fn path_verb(method: &Method) -> &'static str {
    match *method {
        Method::GET => "get",
        Method::HEAD => "head",
        Method::POST => "post",
        Method::PUT => "put",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_known_by_its_method_and_path() {
        let list = read(&Method::GET, "/apis/apps/v1/namespaces/team/deployments", false);
        let wanted = |verb, name, subresource| Request::Resource {
            verb,
            group: "apps",
            resource: "deployments",
            subresource,
            namespace: Some("team"),
            name,
        };
        assert_eq!(list, wanted("list", "", ""));
        assert_eq!(read(&Method::GET, "/apis/apps/v1/namespaces/team/deployments", true), wanted("watch", "", ""));
        let scale = "/apis/apps/v1/namespaces/team/deployments/web/scale";
        assert_eq!(read(&Method::PATCH, scale, false), wanted("patch", "web", "scale"));
        let namespace = read(&Method::DELETE, "/api/v1/namespaces/team", false);
        assert!(matches!(namespace, Request::Resource { verb: "delete", resource: "namespaces", name: "team", .. }));
        assert_eq!(read(&Method::GET, "/version", false), Request::Path { verb: "get", path: "/version" });
    }
}
