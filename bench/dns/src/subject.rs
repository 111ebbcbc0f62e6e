//! A server under measurement: a process of its own on core 0.

use std::{
    fs,
    io::{BufRead as _, BufReader, ErrorKind},
    net::{Ipv4Addr, UdpSocket},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;

use crate::{
    load::{Load, query},
    serve::{RECORDS, ZONE, record},
};

/// How long a server may take to answer for the first time, in tries of [`TRY`].
const TRIES: usize = 250;
const TRY: Duration = Duration::from_millis(20);

/// A server under measurement.
pub(crate) struct Subject {
    name: String,
    process: Child,
    ports: Vec<u16>,
    is_dns: bool,
    load: Load,
    /// Queries a second, and processor time for each in µs, of each round.
    rounds: Vec<(f64, f64)>,
    _files: Option<TempDir>,
}

impl Subject {
    /// A bare UDP echo.
    pub(crate) fn echo(load: Load) -> Result<Self> {
        Self::own("UDP echo", &["echo".to_owned()], false, load)
    }

    /// noren with `n_views` views, all of which are asked; only the last one if the load is for one.
    pub(crate) fn noren(name: &str, n_views: usize, load: Load) -> Result<Self> {
        let mut subject = Self::own(name, &["serve".to_owned(), n_views.to_string()], true, load)?;
        if load.is_for_one() {
            subject.ports.drain(..n_views - 1);
        }
        Ok(subject)
    }

    /// NSD with the same records; `None` where there is none.
    pub(crate) fn nsd(load: Load) -> Result<Option<Self>> {
        let files = TempDir::new()?;
        let port = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let directory = files.path().display();
        let configuration = format!(
            "server:\n server-count: 1\n ip-address: 127.0.0.1@{port}\n username: \"\"\n database: \"\"\n \
             zonesdir: \"{directory}\"\n pidfile: \"{directory}/pid\"\n xfrdfile: \"{directory}/xfrd\"\n \
             zonelistfile: \"{directory}/zones\"\n logfile: \"{directory}/log\"\n minimal-responses: yes\n \
             rrl-ratelimit: 0\n rrl-whitelist-ratelimit: 0\nremote-control:\n control-enable: no\n\
             zone:\n name: {ZONE}\n zonefile: zone\n"
        );
        let mut zone =
            format!("$ORIGIN {ZONE}.\n$TTL 300\n@ SOA ns admin 1 3600 300 2419200 10\n@ NS ns\nns A 10.9.9.9\n");
        for index in 0..RECORDS {
            let (name, address) = record(index);
            zone += &format!("{name} A {address}\n");
        }
        let path = files.path().join("nsd.conf");
        fs::write(&path, configuration)?;
        fs::write(files.path().join("zone"), zone)?;
        if Command::new("nsd")
            .arg("-v")
            .stderr(Stdio::null())
            .status()
            .is_err_and(|error| error.kind() == ErrorKind::NotFound)
        {
            return Ok(None);
        }
        let process = on_core_0("nsd").args(["-d", "-c"]).arg(&path).spawn().context("nsd could not be started")?;
        let subject = Self {
            name: "NSD".to_owned(),
            process,
            ports: vec![port],
            is_dns: true,
            load,
            rounds: vec![],
            _files: Some(files),
        };
        subject.wait()?;
        Ok(Some(subject))
    }

    /// This program in another role.
    fn own(name: &str, arguments: &[String], is_dns: bool, load: Load) -> Result<Self> {
        let program = std::env::current_exe()?;
        let mut process = on_core_0(&program.to_string_lossy()).args(arguments).stdout(Stdio::piped()).spawn()?;
        let out = process.stdout.take().context("no output")?;
        let mut ports = Vec::new();
        for line in BufReader::new(out).lines().map_while(Result::ok).take_while(|line| !line.is_empty()) {
            ports.push(line.parse()?);
        }
        ensure!(!ports.is_empty(), "{name} did not start");
        let subject = Self { name: name.to_owned(), process, ports, is_dns, load, rounds: Vec::new(), _files: None };
        subject.wait()?;
        Ok(subject)
    }

    /// Asks until there is a reply.
    fn wait(&self) -> Result<()> {
        let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        client.set_read_timeout(Some(TRY))?;
        for _ in 0..TRIES {
            client.send_to(&query(0), (Ipv4Addr::LOCALHOST, self.ports[0]))?;
            if client.recv(&mut [0; 512]).is_ok() {
                return Ok(());
            }
        }
        anyhow::bail!("{} does not answer", self.name)
    }

    /// One round.
    pub(crate) fn measure(&mut self) -> Result<()> {
        let before = self.cpu_s()?;
        let outcome = self.load.run(&self.ports, self.is_dns).with_context(|| self.name.clone())?;
        ensure!(outcome.n_replies > 0, "{} answered nothing", self.name);
        let n_replies = f64::from(outcome.n_replies);
        self.rounds.push((n_replies / outcome.seconds, (self.cpu_s()? - before) * 1e6 / n_replies));
        Ok(())
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Medians over the rounds: queries a second, µs of processor time for each.
    pub(crate) fn median(&self) -> (f64, f64) {
        let middle = |of: fn(&(f64, f64)) -> f64| {
            let mut values: Vec<f64> = self.rounds.iter().map(of).collect();
            values.sort_by(f64::total_cmp);
            values.get(values.len() / 2).copied().unwrap_or_default()
        };
        (middle(|round| round.0), middle(|round| round.1))
    }

    /// Resident memory, in MB, of the process and those it started.
    pub(crate) fn rss_mb(&self) -> Result<f64> {
        let mut total_kb = 0.0;
        for process in self.processes() {
            let status = fs::read_to_string(format!("/proc/{process}/status"))?;
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
            total_kb += line.trim().trim_end_matches(" kB").parse::<f64>().unwrap_or_default();
        }
        Ok(total_kb / 1e3)
    }

    /// Processor time used so far, in seconds, by the process and those it started.
    fn cpu_s(&self) -> Result<f64> {
        let mut total_ns = 0.0;
        for process in self.processes() {
            for thread in fs::read_dir(format!("/proc/{process}/task"))? {
                // Nanoseconds on the processor come first (`/proc/<pid>/schedstat`).
                let times = fs::read_to_string(thread?.path().join("schedstat"))?;
                total_ns += times.split(' ').next().unwrap_or_default().parse::<f64>().unwrap_or_default();
            }
        }
        Ok(total_ns / 1e9)
    }

    fn processes(&self) -> Vec<u32> {
        let mut found = vec![self.process.id()];
        let mut next = 0;
        while let Some(process) = found.get(next) {
            let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
            found.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
            next += 1;
        }
        found
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        // NSD's children end with their parent only if it is asked, not killed.
        let parent = nix::unistd::Pid::from_raw(self.process.id().cast_signed());
        let _ = nix::sys::signal::kill(parent, nix::sys::signal::Signal::SIGTERM);
        let _ = self.process.wait();
    }
}

fn on_core_0(program: &str) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", "0", program]).stdin(Stdio::null());
    command
}
