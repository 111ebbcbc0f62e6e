//! Where `etcd` and `kube-apiserver` are, looked for as controller-runtime's envtest does.
//!
//! Source: sigs.k8s.io/controller-runtime `pkg/internal/testing/process/bin_path_finder.go`, `pkg/envtest/server.go`.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use crate::failure::Failure;

/// Where they are unless somebody says otherwise.
const USUAL_PLACE: &str = "/usr/local/kubebuilder/bin";
/// The directory that holds both.
const PLACE_VARIABLE: &str = "KUBEBUILDER_ASSETS";

/// The programs of a control plane.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Programs {
    pub(super) etcd: PathBuf,
    pub(super) api_server: PathBuf,
}

/// The value of an environment variable, if it has one.
pub(super) fn environment(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Finds both: in `assets`, else where the variable of each program says, else in the directory of
/// `KUBEBUILDER_ASSETS`, else at the usual place.
///
/// # Errors
/// [`Failure`] with what is not where.
pub(super) fn find(assets: Option<&Path>, variable: &dyn Fn(&str) -> Option<OsString>) -> Result<Programs, Failure> {
    let place = || variable(PLACE_VARIABLE).map_or_else(|| PathBuf::from(USUAL_PLACE), PathBuf::from);
    let program = |name: &str, own: &str| {
        let path = match (assets, variable(own)) {
            (Some(assets), _) => assets.join(name),
            (None, Some(path)) => path.into(),
            (None, None) => place().join(name),
        };
        if path.is_file() {
            return Ok(path);
        }
        Err(Failure::new(format!("there is no {name} for a real control plane"))
            .because(format!("{} is not a file", path.display()))
            .remedy(
                "let `setup-envtest use` fetch both programs and set KUBEBUILDER_ASSETS to what `setup-envtest use -p path` \
                 prints, or name their directory: `envtest:DIRECTORY`",
            ))
    };
    Ok(Programs {
        etcd: program("etcd", "TEST_ASSET_ETCD")?,
        api_server: program("kube-apiserver", "TEST_ASSET_KUBE_APISERVER")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_where_envtest_has_them_and_a_missing_one_is_named_with_the_remedy() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path();
        let touch = |name: &str| fs_err::write(place.join(name), "").unwrap();
        let nothing = |_: &str| None;
        touch("etcd");
        let missing = find(Some(place), &nothing).unwrap_err().to_string();
        assert!(missing.starts_with("there is no kube-apiserver for a real control plane\n  why:    "), "{missing}");
        assert!(missing.contains("remedy: let `setup-envtest use` fetch"), "{missing}");
        touch("kube-apiserver");
        let found = Programs { etcd: place.join("etcd"), api_server: place.join("kube-apiserver") };
        assert_eq!(find(Some(place), &nothing).unwrap(), found);
        assert_eq!(find(None, &|name| (name == PLACE_VARIABLE).then(|| place.into())).unwrap(), found);
        touch("other");
        let own = |name: &str| match name {
            "TEST_ASSET_ETCD" => Some(place.join("other").into()),
            PLACE_VARIABLE => Some(place.into()),
            _ => None,
        };
        assert_eq!(find(None, &own).unwrap(), Programs { etcd: place.join("other"), ..found });
    }
}
