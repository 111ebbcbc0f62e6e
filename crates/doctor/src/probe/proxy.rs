//! What a proxy's behaviour is called.

use super::way::WayError;
use crate::observation::ProxyOutcome;

/// The outcome of opening a connection through a proxy; no error at all means that it took too long.
pub(super) fn outcome(opened: Result<(), Option<WayError>>) -> ProxyOutcome {
    match opened {
        Ok(()) => ProxyOutcome::Connected,
        Err(None) => ProxyOutcome::Silent,
        Err(Some(WayError::Io(error))) => ProxyOutcome::Unreachable { error: error.to_string() },
        Err(Some(WayError::Refused(answer))) => ProxyOutcome::Refused { answer },
    }
}
