//! How long ago, as `kubectl` says it: the two largest units while small, one when large.
//!
//! Source: k8s.io/apimachinery `util/duration.HumanDuration`.

/// `s` seconds in words: `57s`, `3m12s`, `24m`, `5h1m`, `47h`, `3d2h`, `12d`, `2y10d`, `8y`.
pub(crate) fn human(seconds: i64) -> String {
    if seconds < -1 {
        return "<invalid>".to_owned();
    }
    let seconds = seconds.max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let pair = |large: i64, unit: &str, small: i64, small_unit: &str| match small {
        0 => format!("{large}{unit}"),
        small => format!("{large}{unit}{small}{small_unit}"),
    };
    match seconds {
        0..120 => format!("{seconds}s"),
        _ if minutes < 10 => pair(minutes, "m", seconds % 60, "s"),
        _ if minutes < 180 => format!("{minutes}m"),
        _ if hours < 8 => pair(hours, "h", minutes % 60, "m"),
        _ if hours < 48 => format!("{hours}h"),
        _ if days < 8 => pair(days, "d", hours % 24, "h"),
        _ if days < 365 * 2 => format!("{days}d"),
        _ if days < 365 * 8 => pair(days / 365, "y", days % 365, "d"),
        _ => format!("{}y", days / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::human;

    #[test]
    fn durations_read_as_kubectls_do() {
        const DAY: i64 = 86_400;
        let cases = [
            (-5, "<invalid>"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (192, "3m12s"),
            (24 * 60, "24m"),
            (5 * 3600 + 60, "5h1m"),
            (47 * 3600, "47h"),
            (3 * DAY + 7200, "3d2h"),
            (12 * DAY, "12d"),
            (740 * DAY, "2y10d"),
            (365 * 9 * DAY, "9y"),
        ];
        for (seconds, text) in cases {
            assert_eq!(human(seconds), text);
        }
    }
}
