//! Which kinds a cluster serves: the built-in ones, and those that its custom resource definitions bring.

use std::sync::Arc;

use store::RangeOptions;

use crate::{
    objects::ObjectStore,
    registry::{self, Resource},
    status::Status,
};

impl ObjectStore {
    /// The row of a resource; `None` when it is not served.
    ///
    /// # Errors
    /// 500 when the store fails.
    pub(crate) fn kind(&self, group: &str, version: &str, plural: &str) -> Result<Option<Arc<Resource>>, Status> {
        if let Some(row) = registry::find(group, version, plural) {
            return Ok(Some(Arc::clone(row)));
        }
        if !group.contains('.') {
            return Ok(None);
        }
        let entry = self.store.get(&format!("{}{plural}.{group}", self.definitions()))?;
        let served = entry.map(|entry| self.compiled.of(&entry));
        Ok(served.and_then(|served| served.iter().find(|row| row.version == version).cloned()))
    }

    /// The row of the kind that an owner reference names.
    ///
    /// # Errors
    /// 500 when the store fails.
    pub(crate) fn kind_named(&self, api_version: &str, kind: &str) -> Result<Option<Arc<Resource>>, Status> {
        let is_it = |row: &&Arc<Resource>| row.kind == kind && row.api_version() == api_version;
        if let Some(row) = registry::built_in().iter().find(is_it) {
            return Ok(Some(Arc::clone(row)));
        }
        Ok(self.custom_kinds()?.iter().find(is_it).cloned())
    }

    /// The kinds that the cluster's own definitions bring.
    ///
    /// # Errors
    /// 500 when the store fails.
    pub(crate) fn custom_kinds(&self) -> Result<Vec<Arc<Resource>>, Status> {
        let entries = self.store.range(&self.definitions(), &RangeOptions::default())?.entries;
        Ok(entries.iter().flat_map(|entry| self.compiled.of(entry).to_vec()).collect())
    }

    /// All kinds.
    ///
    /// # Errors
    /// 500 when the store fails.
    pub(crate) fn kinds(&self) -> Result<Vec<Arc<Resource>>, Status> {
        let mut kinds = registry::built_in().to_vec();
        kinds.extend(self.custom_kinds()?);
        Ok(kinds)
    }

    /// One row for each place where objects of namespaces are kept.
    ///
    /// # Errors
    /// 500 when the store fails.
    pub(crate) fn namespaced_kinds(&self) -> Result<Vec<Arc<Resource>>, Status> {
        let mut kinds = self.kinds()?;
        let mut seen = Vec::new();
        kinds.retain(|row| {
            let place = (row.home().to_owned(), row.plural.clone());
            let new = row.namespaced && !seen.contains(&place);
            seen.push(place);
            new
        });
        Ok(kinds)
    }

    fn definitions(&self) -> String {
        format!("/kube/{}/apiextensions.k8s.io/customresourcedefinitions/", self.cluster)
    }
}
