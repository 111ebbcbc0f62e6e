//! The choices of a control plane, as people write them.

use std::{fmt, path::PathBuf, str::FromStr};

/// All of them.
pub(super) const FORMS: &str = "`embedded`, `envtest[:DIRECTORY]`, `kubeconfig:FILE[#CONTEXT]`";

/// What stands behind a cluster's endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum ControlPlane {
    /// noren's own API server.
    #[default]
    Embedded,
    /// Another one.
    Real(Real),
}

/// A control plane that is not noren's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Real {
    /// A `kube-apiserver` and an `etcd` of the cluster's own, which the lab starts.
    Envtest {
        /// Where the programs are, unless where controller-runtime's envtest looks for them.
        assets: Option<PathBuf>,
    },
    /// Whatever a kubeconfig leads to.
    Kubeconfig {
        /// The file.
        file: PathBuf,
        /// The context, unless the current one.
        context: Option<String>,
    },
}

impl FromStr for ControlPlane {
    type Err = String;

    /// # Errors
    /// Why it is none.
    fn from_str(text: &str) -> Result<Self, String> {
        let path = |text: &str| std::path::absolute(text).map_err(|error| format!("`{text}`: {error}"));
        let (kind, rest) = text.split_once(':').map_or((text, None), |(kind, rest)| (kind, Some(rest)));
        match (kind, rest.filter(|rest| !rest.is_empty())) {
            ("embedded", None) => Ok(Self::Embedded),
            ("envtest", assets) => Ok(Self::Real(Real::Envtest { assets: assets.map(path).transpose()? })),
            ("kubeconfig", Some(rest)) => {
                let (file, context) =
                    rest.split_once('#').map_or((rest, None), |(file, context)| (file, Some(context)));
                Ok(Self::Real(Real::Kubeconfig { file: path(file)?, context: context.map(str::to_owned) }))
            }
            ("kubeconfig", None) => Err("it names no file".to_owned()),
            _ => Err(format!("known are {FORMS}")),
        }
    }
}

impl fmt::Display for ControlPlane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded => f.write_str("embedded"),
            Self::Real(Real::Envtest { assets: None }) => f.write_str("envtest"),
            Self::Real(Real::Envtest { assets: Some(assets) }) => write!(f, "envtest:{}", assets.display()),
            Self::Real(Real::Kubeconfig { file, context: None }) => write!(f, "kubeconfig:{}", file.display()),
            Self::Real(Real::Kubeconfig { file, context: Some(context) }) => {
                write!(f, "kubeconfig:{}#{context}", file.display())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_read_as_they_are_written() {
        for text in ["embedded", "envtest", "envtest:/opt/k8s", "kubeconfig:/k/config", "kubeconfig:/k/config#kind-a"] {
            assert_eq!(text.parse::<ControlPlane>().unwrap().to_string(), text);
        }
        for text in ["", "real", "embedded:x", "kubeconfig", "kubeconfig:"] {
            assert!(text.parse::<ControlPlane>().is_err(), "{text}");
        }
    }
}
