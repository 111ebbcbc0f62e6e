//! The files that pages load. They are part of the program, so a browser may keep each as long as its address, which
//! has a digest of what is in it: a page then asks for nothing but itself.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};

/// A file that pages load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asset {
    /// What HTML alone does not do.
    Script,
    /// How pages look.
    Style,
    /// The icon.
    Icon,
}

/// Where each of [`Asset::ALL`] is.
static ADDRESSES: LazyLock<[String; Asset::ALL.len()]> = LazyLock::new(|| {
    Asset::ALL.map(|asset| {
        let digest = digest(&SHA256, asset.text().as_bytes());
        digest
            .as_ref()
            .iter()
            .take(8)
            .fold(format!("{}?v=", asset.path()), |address, byte| format!("{address}{byte:02x}"))
    })
});

impl Asset {
    const ALL: [Self; 3] = [Self::Script, Self::Style, Self::Icon];

    /// The one at a path.
    pub(crate) fn at(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|asset| asset.path() == path)
    }

    const fn path(self) -> &'static str {
        match self {
            Self::Script => "/portal.js",
            Self::Style => "/portal.css",
            Self::Icon => "/portal.svg",
        }
    }

    /// Its address, which is another one as soon as the file is.
    pub(crate) fn address(self) -> &'static str {
        &ADDRESSES[self as usize]
    }

    /// Its media type.
    pub(crate) const fn kind(self) -> &'static str {
        match self {
            Self::Script => "text/javascript; charset=utf-8",
            Self::Style => "text/css; charset=utf-8",
            Self::Icon => "image/svg+xml",
        }
    }

    /// What is in it.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Script => include_str!("../assets/portal.js"),
            Self::Style => concat!(include_str!("../assets/portal.css"), include_str!("../assets/picture.css")),
            Self::Icon => include_str!("../assets/portal.svg"),
        }
    }
}
