//! What a request asks for: its path and its query, typed.

use std::sync::Arc;

use crate::{
    registry::Resource,
    selector::{FieldSelector, LabelSelector},
    status::{Cause, Status},
};

/// What a path names.
#[derive(Debug, PartialEq)]
pub(crate) enum Target<'a> {
    /// Objects of one kind.
    Objects(Objects<'a>),
    /// Anything else: discovery, health, version; the path's segments.
    Other(Vec<&'a str>),
}

/// Objects of one kind: all, those of a namespace, or one; perhaps a subresource.
#[derive(Debug, Clone)]
pub(crate) struct Objects<'a> {
    pub(crate) resource: Arc<Resource>,
    pub(crate) namespace: Option<&'a str>,
    pub(crate) name: Option<&'a str>,
    pub(crate) subresource: Option<&'a str>,
}

impl PartialEq for Objects<'_> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.resource, &other.resource)
            && (self.namespace, self.name, self.subresource) == (other.namespace, other.name, other.subresource)
    }
}

impl<'a> Target<'a> {
    /// Reads a path; `find` knows the kinds by group, version and plural.
    ///
    /// # Errors
    /// 404 when the group, version, kind or subresource is not served.
    pub(crate) fn parse(
        path: &'a str,
        find: impl Fn(&str, &str, &str) -> Result<Option<Arc<Resource>>, Status>,
    ) -> Result<Self, Status> {
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        let (group, version, rest) = match segments.as_slice() {
            ["api", version, rest @ ..] if !rest.is_empty() => ("", *version, rest),
            ["apis", group, version, rest @ ..] if !rest.is_empty() => (*group, *version, rest),
            _ => return Ok(Self::Other(segments)),
        };
        // `namespaces/<ns>/<plural>` lies in a namespace; `namespaces/<ns>[/status]` is the namespace.
        let (namespace, rest) = match rest {
            ["namespaces", _, "status" | "finalize"] => (None, rest),
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (Some(*namespace), rest),
            rest => (None, rest),
        };
        let (plural, name, subresource) = match rest {
            [plural] => (*plural, None, None),
            [plural, name] => (*plural, Some(*name), None),
            [plural, name, subresource] => (*plural, Some(*name), Some(*subresource)),
            _ => return Err(Status::no_such_path()),
        };
        let resource = find(group, version, plural)?.ok_or_else(Status::no_such_path)?;
        let well_placed = resource.namespaced == namespace.is_some() || (resource.namespaced && name.is_none());
        let known = subresource.is_none_or(|subresource| resource.subresources.contains(&subresource));
        if !well_placed || !known {
            return Err(Status::no_such_path());
        }
        Ok(Self::Objects(Objects { resource, namespace, name, subresource }))
    }
}

/// How unknown fields are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum FieldValidation {
    Ignore,
    #[default]
    Warn,
    Strict,
}

/// The query, typed.
#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) labels: LabelSelector,
    pub(crate) fields: FieldSelector,
    pub(crate) limit: usize,
    pub(crate) continue_token: Option<String>,
    pub(crate) resource_version: Option<u64>,
    /// Exactly that version, not a later one.
    pub(crate) exact: bool,
    pub(crate) watch: bool,
    pub(crate) timeout_s: Option<u64>,
    pub(crate) bookmarks: bool,
    pub(crate) send_initial_events: Option<bool>,
    pub(crate) dry_run: bool,
    /// What becomes of what a deleted object owns.
    pub(crate) propagation: Option<String>,
    pub(crate) field_validation: FieldValidation,
    /// Who writes, in the client's words or by its name.
    pub(crate) manager: String,
    /// An apply takes over what others own.
    pub(crate) force: bool,
}

impl Options {
    /// Reads a query.
    ///
    /// # Errors
    /// 400 when a value is malformed.
    pub(crate) fn parse(query: &str) -> Result<Self, Status> {
        let mut options = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = percent_decode(value);
            let number = || value.parse().map_err(|_| Status::bad_request(format!("invalid {name}: {value:?}")));
            let flag = matches!(value.as_str(), "true" | "1");
            match name {
                "labelSelector" => options.labels = LabelSelector::parse(&value)?,
                "fieldSelector" => options.fields = FieldSelector::parse(&value)?,
                "limit" => options.limit = usize::try_from(number()?).unwrap_or(usize::MAX),
                "continue" if !value.is_empty() => options.continue_token = Some(value),
                "resourceVersion" if !value.is_empty() => options.resource_version = Some(number()?),
                "watch" => options.watch = flag,
                "timeoutSeconds" => options.timeout_s = Some(number()?),
                "allowWatchBookmarks" => options.bookmarks = flag,
                "sendInitialEvents" => options.send_initial_events = Some(flag),
                "resourceVersionMatch" => options.exact = value == "Exact",
                "propagationPolicy" if !value.is_empty() => options.propagation = Some(value),
                "fieldManager" => options.manager = value,
                "force" => options.force = flag,
                "dryRun" => options.dry_run = value == "All",
                "fieldValidation" => {
                    options.field_validation = match value.as_str() {
                        "Ignore" => FieldValidation::Ignore,
                        "Warn" => FieldValidation::Warn,
                        "Strict" => FieldValidation::Strict,
                        _ => return Err(Status::bad_request(format!("invalid fieldValidation: {value:?}"))),
                    }
                }
                // Clients send more than this server acts on; the real one ignores what it does not know.
                _ => {}
            }
        }
        Ok(options)
    }

    /// Whether a part of the objects is wanted.
    pub(crate) fn selects(&self) -> bool {
        self.labels != LabelSelector::default() || self.fields != FieldSelector::default()
    }

    /// Names whoever writes by its program when it has not named itself.
    pub(crate) fn name_manager(&mut self, user_agent: &str) {
        if self.manager.is_empty() {
            self.manager = user_agent.split('/').next().unwrap_or_default().chars().take(128).collect();
        }
    }

    /// That a patch which is no apply is not forced.
    ///
    /// # Errors
    /// 422.
    pub(crate) fn check_no_force(&self) -> Result<(), Status> {
        if !self.force {
            return Ok(());
        }
        let cause = Cause {
            reason: "FieldValueForbidden",
            field: "force".to_owned(),
            message: "Forbidden: may not be specified for non-apply patch".to_owned(),
        };
        Err(Status::invalid("meta.k8s.io", "PatchOptions", "", &[cause]))
    }

    /// Whether what is there at revision `current` is as of the version the client asks for.
    ///
    /// # Errors
    /// 504 for a version that is yet to come.
    pub(crate) fn check_version(&self, current: u64) -> Result<(), Status> {
        match self.resource_version {
            Some(wanted) if wanted > current => Err(Status::too_large_version(wanted, current)),
            _ => Ok(()),
        }
    }
}

/// Percent-decodes a path: some clients encode the colons in names of roles.
pub(crate) fn decode_path(path: &str) -> String {
    percent_decode(&path.replace('+', "%2B"))
}

/// Percent-decodes a query value; `+` is a space.
pub(crate) fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits: Vec<u8> = rest.by_ref().take(2).collect();
                let digits = std::str::from_utf8(&digits).unwrap_or_default();
                bytes.extend(u8::from_str_radix(digits, 16));
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry;

    fn parse(path: &str) -> Result<Target<'_>, Status> {
        Target::parse(path, |group, version, plural| Ok(registry::find(group, version, plural).cloned()))
    }

    fn objects(path: &str) -> (String, Option<&str>, Option<&str>, Option<&str>) {
        match parse(path).unwrap() {
            Target::Objects(found) => {
                (found.resource.plural.to_string(), found.namespace, found.name, found.subresource)
            }
            Target::Other(segments) => panic!("{segments:?}"),
        }
    }

    #[test]
    fn paths_name_objects() {
        assert_eq!(objects("/api/v1/pods"), ("pods".to_owned(), None, None, None));
        assert_eq!(objects("/api/v1/namespaces"), ("namespaces".to_owned(), None, None, None));
        assert_eq!(objects("/api/v1/namespaces/a"), ("namespaces".to_owned(), None, Some("a"), None));
        assert_eq!(objects("/api/v1/namespaces/a/status"), ("namespaces".to_owned(), None, Some("a"), Some("status")));
        assert_eq!(objects("/api/v1/namespaces/a/pods/p"), ("pods".to_owned(), Some("a"), Some("p"), None));
        assert_eq!(
            objects("/apis/apps/v1/namespaces/a/deployments/d/scale"),
            ("deployments".to_owned(), Some("a"), Some("d"), Some("scale"))
        );
    }

    #[test]
    fn what_is_not_served_is_not_found() {
        for path in
            ["/api/v1/zebras", "/api/v1/nodes/n/exec", "/api/v1/namespaces/a/nodes", "/api/v1/pods/p", "/apis/x/v1/y"]
        {
            assert_eq!(parse(path).unwrap_err().code, 404, "{path}");
        }
        assert_eq!(parse("/version").unwrap(), Target::Other(vec!["version"]));
    }

    #[test]
    fn queries_are_decoded() {
        let options = Options::parse("labelSelector=a%3Db%2Cc&limit=5&watch=1&fieldValidation=Strict&x=y").unwrap();
        assert_eq!((options.limit, options.watch, options.field_validation), (5, true, FieldValidation::Strict));
        assert!(Options::parse("resourceVersion=abc").is_err());
        assert_eq!(percent_decode("%zz%4"), "\u{4}");
        assert_eq!(decode_path("/roles/system%3Aa+b"), "/roles/system:a+b");
    }
}
