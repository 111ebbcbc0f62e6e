//! The hosts file (hosts(5)): an address and its names on each line.

use std::net::IpAddr;

/// The addresses that a hosts file gives `name`, in its order.
pub fn entries(text: &str, name: &str) -> Vec<IpAddr> {
    let entry = |line: &str| {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let address = words.next()?.parse().ok()?;
        words.any(|word| word.trim_end_matches('.').eq_ignore_ascii_case(name)).then_some(address)
    };
    text.lines().filter_map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_every_address_that_a_line_gives_it() {
        let text = "127.0.0.1 localhost\n10.0.0.4\tA.Example b # c\n# 10.0.0.5 a.example\n10.0.0.6 a.example.\nbad a.example\n";
        let four = |last| IpAddr::from([10, 0, 0, last]);
        assert_eq!(entries(text, "a.example"), [four(4), four(6)]);
        assert_eq!(entries(text, "c"), Vec::<IpAddr>::new());
    }
}
