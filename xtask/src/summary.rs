//! What the test harness reported, summed over all test binaries.

/// Tests that passed and tests that failed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
}

/// Sums the harness's `test result: ok. 3 passed; 0 failed; …` lines.
pub(crate) fn read(output: &str) -> Summary {
    let mut summary = Summary::default();
    for line in output.lines().filter_map(|line| line.strip_prefix("test result: ")) {
        for part in line.split(['.', ';']) {
            match part.trim().split_once(' ') {
                Some((count, "passed")) => summary.passed += count.parse().unwrap_or(0),
                Some((count, "failed")) => summary.failed += count.parse().unwrap_or(0),
                _ => {}
            }
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
        assert_eq!(read(output), Summary { passed: 7, failed: 1 });
    }
}
