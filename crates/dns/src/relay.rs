//! Passing questions on to the servers of forwarding rules, some at a time.

use std::{net::SocketAddr, pin::Pin, sync::Arc};

use network::{ForwardingRule, Network, ViewId};
use tokio::{net::UdpSocket, sync::Semaphore};

use crate::message::{Passed, Transport};

/// Questions that a view has passed on and that are not answered yet; further ones are dropped, as
/// datagrams may be.
const IN_FLIGHT_MAX: usize = 256;

/// Asks the servers of forwarding rules.
pub trait Forwarder: Send + Sync + 'static {
    /// Asks the servers of `rule`, one after the other, `question`: a whole DNS message whose id the
    /// forwarder chooses. Gives the first answer; nothing if none comes in time.
    fn ask(
        &self,
        rule: ForwardingRule,
        question: Vec<u8>,
    ) -> Pin<Box<dyn Future<Output = Option<Vec<u8>>> + Send + '_>>;
}

/// Passes a view's questions on.
pub(crate) struct Relay {
    forwarder: Arc<dyn Forwarder>,
    slots: Arc<Semaphore>,
}

impl Relay {
    pub(crate) fn new(forwarder: Arc<dyn Forwarder>) -> Self {
        Self { forwarder, slots: Arc::new(Semaphore::new(IN_FLIGHT_MAX)) }
    }

    /// Passes a datagram's question on, and its answer back through `socket`, beside everything else;
    /// whether the view does that with it.
    pub(crate) fn takes(
        self: &Arc<Self>,
        network: &Network,
        view: &ViewId,
        query: &[u8],
        client: SocketAddr,
        socket: &Arc<UdpSocket>,
    ) -> bool {
        let Some(passed) = Passed::of(network, view, query, Transport::Udp) else { return false };
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else { return true };
        let (relay, socket) = (Arc::clone(self), Arc::clone(socket));
        tokio::spawn(async move {
            if let Some(reply) = relay.pass(&passed).await {
                // A reply that is lost is asked for again.
                let _ = socket.send_to(&reply, client).await;
            }
            drop(slot);
        });
        true
    }

    /// The reply to a question that is passed on.
    pub(crate) async fn pass(&self, passed: &Passed) -> Option<Vec<u8>> {
        let answer = match passed.question() {
            Some(question) => self.forwarder.ask(passed.rule().clone(), question).await,
            None => None,
        };
        passed.reply(answer.as_deref())
    }
}
