//! Admission: what stands between a write that its writer may do and the store.
//!
//! First what changes an object, then whether it is valid, then what refuses it, as the real server's chain of plugins:
//! limit ranges fill in, limit ranges refuse; quotas are charged in the transaction that writes
//! (see `quota::Quotas`). Source: k8s.io/apiserver `pkg/admission`, kubernetes/kubernetes `plugin/pkg/admission`.

mod limits;
pub(crate) mod quota;
mod resources;

use serde_json::Value;

use crate::{
    defaults, object,
    objects::{ObjectStore, Written},
    request::Objects,
    status::Status,
};

impl ObjectStore {
    /// What becomes of a new object: completed by admission, valid, and refused by nobody.
    ///
    /// # Errors
    /// 403 and 422.
    pub(crate) async fn admit_new(
        &self,
        place: &Objects<'_>,
        draft: Written,
        _dry_run: bool,
    ) -> Result<Written, Status> {
        let row = &*place.resource;
        let Written { mut object, created, warnings } = draft;
        let ranges = self.limit_ranges(place)?;
        if limits::fill_in(&ranges, row, &mut object) {
            object["status"]["qosClass"] = defaults::qos_class(&object["spec"]).into();
        }
        object::check(row, &object, None)?;
        self.check_limits(&ranges, place, &object)?;
        Ok(Written { object, created, warnings })
    }

    /// What becomes of the next state of an object.
    ///
    /// # Errors
    /// 403 and 422.
    pub(crate) async fn admit_next(
        &self,
        place: &Objects<'_>,
        before: &Value,
        mut next: Value,
        _dry_run: bool,
    ) -> Result<Written, Status> {
        let row = &*place.resource;
        object::settle(row, place.subresource == Some("status"), before, &mut next)?;
        if row.is_core("PersistentVolumeClaim") && place.subresource.is_none() {
            self.check_limits(&self.limit_ranges(place)?, place, &next)?;
        }
        Ok(Written { object: next, created: false, warnings: Vec::new() })
    }

    fn check_limits(&self, ranges: &[Value], place: &Objects<'_>, object: &Value) -> Result<(), Status> {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let refused = ranges.iter().find_map(|range| limits::broken(range, &place.resource, object));
        refused.map_or(Ok(()), |why| Err(Status::denied(&place.resource, name, &why)))
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
