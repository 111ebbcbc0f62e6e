//! What `--estate` may name.

use std::{convert::Infallible, path::PathBuf, str::FromStr};

/// Where an estate is described.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// `-`: standard input.
    Stdin,
    /// A file, or a directory of files.
    Path(PathBuf),
    /// Azure, or another ARM endpoint.
    Azure(Azure),
}

/// Which part of which Azure.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Azure {
    /// The ARM endpoint, `https://host[:port]`; the public cloud's where there is none.
    pub endpoint: Option<String>,
    /// Subscription ids; all that can be seen where there is none.
    pub subscriptions: Vec<String>,
}

/// `-` is standard input; `azure` and `azure:ID[,ID…]` are Azure, all subscriptions or those;
/// `https://HOST` and `https://HOST/subscriptions/ID` are another ARM endpoint. Everything else is a path.
impl FromStr for Source {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        if text == "-" {
            return Ok(Self::Stdin);
        }
        if text == "azure" {
            return Ok(Self::Azure(Azure::default()));
        }
        if let Some(ids) = text.strip_prefix("azure:") {
            let subscriptions = ids.split(',').map(str::trim).filter(|id| !id.is_empty());
            return Ok(Self::Azure(Azure {
                endpoint: None,
                subscriptions: subscriptions.map(str::to_owned).collect(),
            }));
        }
        if text.starts_with("https://") {
            let (endpoint, subscription) = match text.split_once("/subscriptions/") {
                Some((endpoint, rest)) => (endpoint, rest.split('/').next().filter(|id| !id.is_empty())),
                None => (text, None),
            };
            return Ok(Self::Azure(Azure {
                endpoint: Some(endpoint.trim_end_matches('/').to_owned()),
                subscriptions: subscription.map(str::to_owned).into_iter().collect(),
            }));
        }
        Ok(Self::Path(PathBuf::from(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estate_is_named_by_a_word_an_address_or_a_path() {
        let source = |text: &str| text.parse::<Source>().unwrap();
        let azure = |endpoint: Option<&str>, ids: &[&str]| {
            Source::Azure(Azure {
                endpoint: endpoint.map(str::to_owned),
                subscriptions: ids.iter().map(|id| (*id).to_owned()).collect(),
            })
        };
        assert_eq!(source("-"), Source::Stdin);
        assert_eq!(source("./plan.json"), Source::Path("./plan.json".into()));
        assert_eq!(source("azure"), azure(None, &[]));
        assert_eq!(source("azure:a, b"), azure(None, &["a", "b"]));
        assert_eq!(source("https://localhost:8443/"), azure(Some("https://localhost:8443"), &[]));
        assert_eq!(source("https://localhost:8443/subscriptions/s"), azure(Some("https://localhost:8443"), &["s"]));
    }
}
