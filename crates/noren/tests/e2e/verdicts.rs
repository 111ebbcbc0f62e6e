//! Three answers to one question, of the same client at the same moment: what `noren explain` predicts from the
//! estate, what `noren doctor` finds standing there, and whether `kubectl` gets through.
//!
//! They agree when kubectl gets through exactly where the doctor finds nothing wrong; where the doctor says what the
//! row says; and where explain says what the row says, which is either that the client connects, as the doctor finds, or a
//! cause that is the doctor's own or among its `candidates`: of several causes with one symptom only the Azure side knows which.

use serde_json::Value;

use crate::bench::Lab;

/// What nobody can read from an estate: proxies, tokens, tunnels, a program that serves DNS.
pub(crate) const UNSEEN: &str = "not in the estate";
/// The doctor's word and explain's for a client that gets through.
pub(crate) const HEALTHY: &str = "healthy";
/// Rows that are looked at side by side; most of what they take is waiting.
const ABREAST: usize = 6;

/// One client at one moment.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    /// What is staged.
    pub(crate) case: &'a str,
    /// Where the client stands.
    pub(crate) vantage: &'a str,
    /// Variables of its environment.
    pub(crate) variables: &'a str,
    /// `CLUSTER-private` or `CLUSTER-public`, if explain is asked as well; options of the doctor's may stand behind it.
    pub(crate) kubeconfig: &'a str,
    /// The doctor's code, or [`HEALTHY`].
    pub(crate) doctor: &'a str,
    /// Explain's code, [`HEALTHY`] or [`UNSEEN`].
    pub(crate) explain: &'a str,
}

/// A row, without variables.
pub(crate) fn row<'a>(
    case: &'a str,
    vantage: &'a str,
    kubeconfig: &'a str,
    doctor: &'a str,
    explain: &'a str,
) -> Row<'a> {
    Row { case, vantage, variables: "", kubeconfig, doctor, explain }
}

/// What the doctor said of each row; fails when any of the three answers to any row is wrong, and tells all that are.
pub(crate) fn judge(lab: &Lab, rows: &[Row<'_>]) -> Vec<Value> {
    let mut said = Vec::new();
    for some in rows.chunks(ABREAST) {
        std::thread::scope(|scope| {
            let asked: Vec<_> = some.iter().map(|row| scope.spawn(|| look(lab, row))).collect();
            said.extend(asked.into_iter().map(|one| one.join().unwrap()));
        });
    }
    let wrong: Vec<String> = said.iter().filter_map(|(_, wrong)| wrong.clone()).collect();
    assert!(wrong.is_empty(), "{} of {} rows are wrong:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
    said.into_iter().map(|(doctor, _)| doctor).collect()
}

fn look(lab: &Lab, row: &Row<'_>) -> (Value, Option<String>) {
    let (file, options) = row.kubeconfig.split_once(' ').unwrap_or((row.kubeconfig, ""));
    let path = lab.path(file).display().to_string();
    let explained = (row.explain != UNSEEN).then(|| explained(lab, row.vantage, file));
    let (doctor, through) = std::thread::scope(|scope| {
        let line = format!("env {} kubectl --kubeconfig {path} get --raw /api/v1/nodes", row.variables);
        let kubectl =
            scope.spawn(move || lab.at(row.vantage, &format!("{line} --request-timeout=4s")).output().unwrap());
        let doctor = lab.doctor(row.vantage, row.variables, &format!("--kubeconfig {path} {options}"));
        (doctor, kubectl.join().unwrap())
    });
    let code = doctor["cause"]["code"].as_str().unwrap_or(HEALTHY);
    let candidates = doctor["cause"]["candidates"].as_array();
    let mut wrong = Vec::new();
    if code != row.doctor {
        wrong.push(format!("doctor says {code} instead of {}: {doctor:#}", row.doctor));
    }
    if through.status.success() != (code == HEALTHY) {
        wrong.push(format!("doctor says {code}, and kubectl: {}", String::from_utf8_lossy(&through.stderr)));
    }
    if let Some((predicted, whole)) = explained {
        if predicted != row.explain {
            wrong.push(format!("explain says {predicted} instead of {}: {whole:#}", row.explain));
        }
        if predicted != code && !candidates.is_some_and(|known| known.iter().any(|known| *known == *predicted)) {
            wrong.push(format!("explain says {predicted}, which is not behind the doctor's {code}"));
        }
    }
    let told = (!wrong.is_empty()).then(|| format!("{}, at {}: {}", row.case, row.vantage, wrong.join("\n")));
    (doctor, told)
}

/// What explain says of `CLUSTER-private` or `CLUSTER-public`.
fn explained(lab: &Lab, vantage: &str, kubeconfig: &str) -> (String, Value) {
    let (cluster, name) = kubeconfig.split_once('-').unwrap();
    let output = lab.noren(&["explain", "--from", vantage, cluster, "--output", "json"]).output().unwrap();
    let said: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let named = said["names"].as_array().unwrap().iter().find(|one| one["role"] == format!("{name}Fqdn"));
    let cause = said["cause"]["code"].as_str();
    let code = match named {
        Some(named) if named["connects"] == true => HEALTHY,
        // Explain names the cause for the kubeconfig's default name; of a name that the cluster has not, that it has it not.
        None if cause != Some("CLUSTER_STOPPED") => "PUBLIC_FQDN_DISABLED",
        _ => cause.expect("what does not connect has a cause"),
    };
    (code.to_owned(), said)
}
