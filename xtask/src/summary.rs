//! What the test harness reported, summed over all test binaries.

/// Tests that passed and tests that failed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
}

impl Summary {
    /// Adds what another binary reported.
    pub(crate) fn add(&mut self, other: &Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// Reads the harness's `test result: ok. 3 passed; 0 failed; …`; any other line counts nothing.
pub(crate) fn read(line: &str) -> Summary {
    let mut summary = Summary::default();
    for part in line.strip_prefix("test result: ").unwrap_or_default().split(['.', ';']) {
        match part.trim().split_once(' ') {
            Some((count, "passed")) => summary.passed += count.parse().unwrap_or(0),
            Some((count, "failed")) => summary.failed += count.parse().unwrap_or(0),
            _ => {}
        }
    }
    summary
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_all_binaries_are_summed() {
        let output = "running 2 tests\ntest result: ok. 2 passed; 0 failed; 0 ignored; finished in 0.1s\n\
                      test result: FAILED. 5 passed; 1 failed; 0 ignored\n";
        let mut summary = Summary::default();
        output.lines().for_each(|line| summary.add(&read(line)));
        assert_eq!(summary, Summary { passed: 7, failed: 1 });
    }
}
