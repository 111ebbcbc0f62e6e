//! The lab's end: starts the fabric and asks it. Two threads stand between the asynchronous lab
//! and the socket, since descriptors travel over it.

use std::{
    collections::HashMap,
    env,
    ffi::OsString,
    io,
    net::{SocketAddrV4, TcpListener, UdpSocket},
    os::{
        fd::OwnedFd,
        unix::{net::UnixStream, process::CommandExt},
    },
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

use network::plan::{Listener, Place, Plan, Step};
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    enter::{Entrance, NamespaceFile},
    wire::{self, Capabilities, Drift, Failed, Program, Reply, Request, SocketKind, Unavailable},
};

/// Requests on their way to the fabric.
const WAITING_MAX: usize = 16;
/// Places that are looked at in one request, so that a change does not wait long.
const PLACES_AT_ONCE: usize = 16;

/// Where programs for administrators are; an ordinary user's `PATH` may not lead there.
const ADMINISTRATORS: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// The directories in which the fabric looks for programs, as a `PATH`.
pub fn search_path() -> OsString {
    let own = env::var_os("PATH").unwrap_or_default();
    let directories = env::split_paths(&own).chain(ADMINISTRATORS.map(PathBuf::from));
    // What was split at colons has none.
    env::join_paths(directories).unwrap_or(own)
}

/// A running fabric. Dropping it takes all of it away.
pub struct Fabric {
    requests: Mutex<Option<mpsc::Sender<(u32, Request)>>>,
    replies: Arc<Replies>,
    next: AtomicU32,
    ended: watch::Receiver<bool>,
    capabilities: Capabilities,
    /// The helper's process, whose files lead into places.
    pid: u32,
}

/// Who waits for which reply; `None` when no reply will come any more.
struct Replies(Mutex<Option<HashMap<u32, oneshot::Sender<Answer>>>>);

type Answer = (Reply, Vec<OwnedFd>);

/// Why the fabric did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum FabricError {
    /// Its process has ended; everything it made is gone.
    #[error("the fabric's process has ended")]
    Ended,
    /// It refused.
    #[error("{0}")]
    Refused(String),
}

/// What came of a plan.
#[derive(Debug, Default)]
pub struct Applied {
    /// The sockets that were opened.
    pub opened: Vec<Opened>,
    /// The steps that could not be carried out.
    pub failed: Vec<Failed>,
}

/// A listener at a place.
#[derive(Debug)]
pub struct Opened {
    /// Where.
    pub place: Place,
    /// At which address.
    pub at: SocketAddrV4,
    /// For whom.
    pub listener: Listener,
    /// TCP, non-blocking.
    pub tcp: TcpListener,
    /// UDP, non-blocking, for DNS.
    pub udp: Option<UdpSocket>,
}

impl Fabric {
    /// Starts the helper with `command`, which must come to [`crate::fabric_main`] while its process
    /// has one thread, and waits until it stands.
    ///
    /// # Errors
    /// What is missing on this machine, and what to do about it.
    pub async fn start(mut command: Command) -> Result<Self, Unavailable> {
        let failed = |error: io::Error| {
            Unavailable::new(format!("the fabric's process does not start ({error})"), "look at the log")
        };
        let (ours, theirs) = UnixStream::pair().map_err(failed)?;
        command.env("PATH", search_path());
        // Ctrl-C in a terminal is the lab's to deal with.
        command.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::null()).process_group(0);
        let child = command.spawn().map_err(failed)?;
        // The command holds their end, which must close with their process.
        drop(command);
        let pid = child.id();
        let (stands, ready) = oneshot::channel();
        let (over, ended) = watch::channel(false);
        let (requests, queue) = mpsc::channel(WAITING_MAX);
        let replies = Arc::new(Replies(Mutex::new(Some(HashMap::from([(0, stands)])))));
        let writer = ours.try_clone().map_err(failed)?;
        let write = thread::Builder::new().name("fabric requests".to_owned());
        write.spawn(move || write_requests(&writer, queue)).map_err(failed)?;
        let read = thread::Builder::new().name("fabric replies".to_owned());
        let waiting = replies.clone();
        read.spawn(move || {
            read_replies(&ours, child, &waiting);
            over.send_replace(true);
        })
        .map_err(failed)?;
        let silent = || Unavailable::new("the fabric's process ended at once", "look at the log");
        let Ok((Reply::Ready(stands), _)) = ready.await else { return Err(silent()) };
        Ok(Self {
            requests: Mutex::new(Some(requests)),
            replies,
            next: AtomicU32::new(1),
            ended,
            capabilities: stands?,
            pid,
        })
    }

    /// What this machine lets it do.
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Carries out a plan. Whoever serves what [`Step::Close`] names must have dropped its sockets.
    ///
    /// # Errors
    /// The fabric has ended. Steps that fail are in the result.
    pub async fn apply(&self, plan: &Plan) -> Result<Applied, FabricError> {
        let (reply, descriptors) = self.ask(Request::Apply(plan.steps.clone())).await?;
        let Reply::Applied { failed, opened } = reply else { return Err(unexpected(reply)) };
        let mut descriptors = descriptors.into_iter();
        let sockets = opened.into_iter().filter_map(|(step, count)| {
            let mut sockets = descriptors.by_ref().take(count);
            let (tcp, udp) = (sockets.next()?.into(), sockets.next().map(Into::into));
            let Step::Listen(place, at, listener) = plan.steps.get(step)? else { return None };
            Some(Opened { place: place.clone(), at: *at, listener: listener.clone(), tcp, udp })
        });
        Ok(Applied { opened: sockets.collect(), failed })
    }

    /// How these places differ from what was applied.
    ///
    /// # Errors
    /// The fabric has ended.
    pub async fn observe(&self, places: &[Place]) -> Result<Vec<Drift>, FabricError> {
        let mut found = Vec::new();
        for some in places.chunks(PLACES_AT_ONCE) {
            match self.ask(Request::Observe(some.to_vec())).await?.0 {
                Reply::Drifted(drift) => found.extend(drift),
                other => return Err(unexpected(other)),
            }
        }
        Ok(found)
    }

    /// Makes these places again what was applied; gives the reasons why some could not be.
    ///
    /// # Errors
    /// The fabric has ended.
    pub async fn repair(&self, places: &[Place]) -> Result<Vec<String>, FabricError> {
        let mut reasons = Vec::new();
        for some in places.chunks(PLACES_AT_ONCE) {
            match self.ask(Request::Repair(some.to_vec())).await?.0 {
                Reply::Applied { failed, .. } => reasons.extend(failed.into_iter().map(|failed| failed.reason)),
                other => return Err(unexpected(other)),
            }
        }
        Ok(reasons)
    }

    /// The way into a place, for a process of the same user.
    ///
    /// # Errors
    /// There is no such place; the fabric has ended.
    pub async fn enter(&self, place: &Place) -> Result<Entrance, FabricError> {
        match self.ask(Request::Enter(place.clone())).await?.0 {
            Reply::Entrance { user, net, pid } => {
                let file = |name: &str| {
                    NamespaceFile::of(format!("/proc/{}/{name}", self.pid)).map_err(|_| FabricError::Ended)
                };
                let user = if user { Some(file("ns/user")?) } else { None };
                Ok(Entrance { user, net: file(&format!("fd/{net}"))?, pid: file(&format!("fd/{pid}"))? })
            }
            other => Err(unexpected(other)),
        }
    }

    /// A socket at a place.
    ///
    /// # Errors
    /// There is no such place; the address is taken; the fabric has ended.
    pub async fn open(&self, place: &Place, kind: SocketKind) -> Result<OwnedFd, FabricError> {
        match self.ask(Request::Open(place.clone(), kind)).await? {
            (Reply::Opened, sockets) => sockets.into_iter().next().ok_or(FabricError::Ended),
            (other, _) => Err(unexpected(other)),
        }
    }

    /// The places among these in which a program runs.
    ///
    /// # Errors
    /// The fabric has ended.
    pub async fn inhabited(&self, places: Vec<Place>) -> Result<Vec<Place>, FabricError> {
        match self.ask(Request::Inhabited(places)).await?.0 {
            Reply::Inhabited(places) => Ok(places),
            other => Err(unexpected(other)),
        }
    }

    /// Keeps a program running at its place, in place of one of the same name.
    ///
    /// # Errors
    /// There is no such place; its files cannot be written; the fabric has ended.
    pub async fn spawn(&self, program: Program) -> Result<(), FabricError> {
        self.command(Request::Start(program)).await
    }

    /// Ends a program.
    ///
    /// # Errors
    /// The fabric has ended.
    pub async fn end(&self, program: &str) -> Result<(), FabricError> {
        self.command(Request::Stop(program.to_owned())).await
    }

    /// Waits until the fabric's process has ended, for whatever reason.
    pub async fn ended(&self) {
        // The thread that says so cannot end without saying it.
        let _ = self.ended.clone().wait_for(|ended| *ended).await;
    }

    /// Ends the fabric and waits until its process has ended.
    pub async fn stop(&self) {
        drop(self.requests.lock().unwrap_or_else(PoisonError::into_inner).take());
        self.ended().await;
    }

    async fn command(&self, request: Request) -> Result<(), FabricError> {
        match self.ask(request).await?.0 {
            Reply::Done => Ok(()),
            other => Err(unexpected(other)),
        }
    }

    async fn ask(&self, request: Request) -> Result<Answer, FabricError> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        // A sender that stayed here would keep the wait for its reply from ending.
        self.replies.lock().as_mut().ok_or(FabricError::Ended)?.insert(id, sender);
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let requests = requests.ok_or(FabricError::Ended)?;
        requests.send((id, request)).await.map_err(|_| FabricError::Ended)?;
        receiver.await.map_err(|_| FabricError::Ended)
    }
}

impl Replies {
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<HashMap<u32, oneshot::Sender<Answer>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unexpected(reply: Reply) -> FabricError {
    match reply {
        Reply::Refused(reason) => FabricError::Refused(reason),
        other => FabricError::Refused(format!("an answer to another question: {other:?}")),
    }
}

fn write_requests(stream: &UnixStream, mut queue: mpsc::Receiver<(u32, Request)>) {
    while let Some((id, request)) = queue.blocking_recv() {
        if wire::send(stream, id, &request, &[]).is_err() {
            break;
        }
    }
    // This is how the fabric learns that it is not needed any more.
    let _ = stream.shutdown(std::net::Shutdown::Write);
}

fn read_replies(stream: &UnixStream, mut child: Child, replies: &Replies) {
    loop {
        match wire::receive::<Reply>(stream) {
            Ok(Some((_, Reply::Line { program, line }, _))) => tracing::info!(program, "{line}"),
            Ok(Some((id, reply, descriptors))) => {
                let waiting = replies.lock().as_mut().and_then(|waiting| waiting.remove(&id));
                // Whoever asked may not want to know any more.
                if let Some(waiting) = waiting {
                    let _ = waiting.send((reply, descriptors));
                }
            }
            Ok(None) => break,
            Err(error) => {
                tracing::warn!("the fabric: {error}");
                break;
            }
        }
    }
    *replies.lock() = None;
    // It ends by itself when the socket closes, which it has.
    let _ = stream.shutdown(std::net::Shutdown::Both);
    let _ = child.wait();
}
