//! Admission: what stands between a write that its writer may do and the store.
//!
//! First what changes an object, then whether it is valid, then what refuses it, as the real server's chain of plugins:
//! limit ranges and webhooks change; limit ranges, policies and webhooks refuse; quotas are charged in the transaction
//! that writes (see `quota::Quotas`). What goes with its owner or its namespace is not asked about. Source: k8s.io/apiserver
//! `pkg/admission`, kubernetes/kubernetes `plugin/pkg/admission`.

mod limits;
mod matching;
mod policy;
pub(crate) mod quota;
mod resources;
mod webhook;

use serde_json::Value;

use crate::{
    defaults, object,
    objects::{ObjectStore, Written},
    request::Objects,
    scale,
    status::Status,
};
use matching::Request;
pub(crate) use matching::malformed;

impl ObjectStore {
    /// What becomes of a new object: completed by admission, valid, and refused by nobody.
    ///
    /// # Errors
    /// 403, 422, and whatever a webhook says.
    pub(crate) async fn admit_new(
        &self,
        place: &Objects<'_>,
        draft: Written,
        dry_run: bool,
    ) -> Result<Written, Status> {
        let row = &*place.resource;
        let Written { object: mut drafted, created, mut warnings } = draft;
        let ranges = self.limit_ranges(place)?;
        limits::fill_in(&ranges, row, &mut drafted);
        let mut request = Request { place, operation: "CREATE", object: drafted, before: Value::Null, dry_run };
        warnings.extend(self.ask_mutating(&mut request).await?);
        if row.is_core("Pod") {
            request.object["status"]["qosClass"] = defaults::qos_class(&request.object["spec"]).into();
        }
        object::check(row, &request.object, None)?;
        check_limits(&ranges, place, &request.object)?;
        warnings.extend(self.validate(&request).await?);
        Ok(Written { object: request.object, created, warnings })
    }

    /// What becomes of the next state of an object.
    ///
    /// # Errors
    /// 403, 422, and whatever a webhook says.
    pub(crate) async fn admit_next(
        &self,
        place: &Objects<'_>,
        before: &Value,
        next: Value,
        dry_run: bool,
    ) -> Result<Written, Status> {
        let row = &*place.resource;
        let is_scale = place.subresource == Some("scale");
        let mut request = Request { place, operation: "UPDATE", object: next, before: before.clone(), dry_run };
        let mut warnings = Vec::new();
        // A scale is no object of its own here: it can be refused, and not be changed.
        if !is_scale {
            warnings = self.ask_mutating(&mut request).await?;
        }
        object::settle(row, place.subresource == Some("status"), before, &mut request.object)?;
        if row.is_core("PersistentVolumeClaim") && place.subresource.is_none() {
            check_limits(&self.limit_ranges(place)?, place, &request.object)?;
        }
        if is_scale {
            let shown = Request { object: scale::of(row, &request.object), before: scale::of(row, before), ..request };
            warnings.extend(self.validate(&shown).await?);
            return Ok(Written { object: request.object, created: false, warnings });
        }
        warnings.extend(self.validate(&request).await?);
        Ok(Written { object: request.object, created: false, warnings })
    }

    /// That an object may go. Gives the warnings.
    ///
    /// # Errors
    /// 422, and whatever a webhook says.
    pub(crate) async fn admit_deletion(
        &self,
        place: &Objects<'_>,
        object: &Value,
        dry_run: bool,
    ) -> Result<Vec<String>, Status> {
        let (object, before) = (Value::Null, object.clone());
        let mut request = Request { place, operation: "DELETE", object, before, dry_run };
        let mut warnings = self.ask_mutating(&mut request).await?;
        request.object = Value::Null;
        warnings.extend(self.validate(&request).await?);
        Ok(warnings)
    }

    async fn validate(&self, request: &Request<'_>) -> Result<Vec<String>, Status> {
        let mut warnings = self.check_policies(request)?;
        warnings.extend(self.ask_validating(request).await?);
        Ok(warnings)
    }

    /// The limit ranges that speak of the kind in the place.
    fn limit_ranges(&self, place: &Objects<'_>) -> Result<Vec<Value>, Status> {
        let limited = place.resource.is_core("Pod") || place.resource.is_core("PersistentVolumeClaim");
        match place.namespace.filter(|_| limited) {
            Some(namespace) => self.stored_of("", "limitranges", Some(namespace)),
            None => Ok(Vec::new()),
        }
    }
}

fn check_limits(ranges: &[Value], place: &Objects<'_>, object: &Value) -> Result<(), Status> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let refused = ranges.iter().find_map(|range| limits::broken(range, &place.resource, object));
    refused.map_or(Ok(()), |why| Err(Status::denied(&place.resource, name, &why)))
}
