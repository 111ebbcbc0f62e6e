//! The lab's directory: what lies where, and that only its owner may read it.

use std::{
    io,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use etcetera::BaseStrategy;
use fs_err as fs;
use serde::{Serialize, de::DeserializeOwned};

use crate::failure::Failure;

/// A directory that holds one lab.
#[derive(Debug, Clone)]
pub(crate) struct DataDir(PathBuf);

impl DataDir {
    /// The directory a user meant: `given`, else what `NOREN_DATA` says, else the platform's place for
    /// application data.
    pub(crate) fn locate(given: Option<PathBuf>) -> anyhow::Result<Self> {
        let told = || std::env::var_os("NOREN_DATA").filter(|told| !told.is_empty()).map(PathBuf::from);
        let path = match given.or_else(told) {
            Some(path) => std::path::absolute(path).context("the data directory has no absolute path")?,
            None => etcetera::choose_base_strategy().context("there is no home directory")?.data_dir().join("noren"),
        };
        Ok(Self(path))
    }

    /// Makes the directory, readable by its owner only.
    pub(crate) fn create(&self) -> anyhow::Result<()> {
        fs::create_dir_all(&self.0).and_then(|()| restrict(&self.0, 0o700)).map_err(|error| {
            Failure::new(format!("the lab's directory {} cannot be made", self.0.display()))
                .because(error.to_string())
                .remedy("name one that you may write with `--data`, or keep nothing with `--ephemeral`")
                .into()
        })
    }

    /// The directory itself.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The store.
    pub(crate) fn store(&self) -> PathBuf {
        self.0.join("lab.redb")
    }

    /// Whether a process has the store: a lab that runs, begins or ends.
    pub(crate) fn is_held(&self) -> bool {
        let held = |file: std::fs::File| matches!(file.try_lock(), Err(std::fs::TryLockError::WouldBlock));
        std::fs::File::open(self.store()).is_ok_and(held)
    }

    /// What the real control planes that the lab starts keep, a directory for each cluster.
    pub(crate) fn control_planes(&self) -> PathBuf {
        self.0.join("control-planes")
    }

    /// The audit logs of embedded API servers, a file for each cluster.
    pub(crate) fn audit(&self) -> PathBuf {
        self.0.join("audit")
    }

    /// The lab authority's certificate.
    pub(crate) fn authority(&self) -> PathBuf {
        self.0.join("ca.pem")
    }

    /// The authorities a client needs: the lab's and the system's.
    pub(crate) fn bundle(&self) -> PathBuf {
        self.0.join("ca-bundle.pem")
    }

    /// `AZURE_CONFIG_DIR` for `az`.
    pub(crate) fn az(&self) -> PathBuf {
        self.0.join("az")
    }

    /// `KUBECONFIG` for `az aks get-credentials` and `kubectl`.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.0.join("kube").join("config")
    }

    /// Where the running lab says how to reach it.
    pub(crate) fn running(&self) -> PathBuf {
        self.0.join("running.json")
    }

    /// Where the running lab says at once how to stand at a vantage.
    #[cfg(target_os = "linux")]
    pub(crate) fn stand_socket(&self) -> PathBuf {
        self.0.join("stand.sock")
    }

    /// Writes a file that only its owner can read, all of it or nothing.
    pub(crate) fn write(&self, path: &Path, contents: &[u8]) -> anyhow::Result<()> {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
            restrict(parent, 0o700)?;
        }
        let mut file = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(&self.0))?;
        io::Write::write_all(&mut file, contents)?;
        file.persist(path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(())
    }

    /// Writes `value` as JSON.
    pub(crate) fn write_json(&self, path: &Path, value: &impl Serialize) -> anyhow::Result<()> {
        self.write(path, &serde_json::to_vec_pretty(value)?)
    }

    /// Reads a JSON file; `None` when there is none.
    pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> anyhow::Result<Option<T>> {
        match fs::read(path) {
            Ok(bytes) => {
                Ok(Some(serde_json::from_slice(&bytes).with_context(|| format!("{} is damaged", path.display()))?))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => bail!(error),
        }
    }
}

#[cfg(unix)]
fn restrict(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn restrict(_path: &Path, _mode: u32) -> io::Result<()> {
    Ok(())
}
