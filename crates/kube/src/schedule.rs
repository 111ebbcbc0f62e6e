//! Schedules of cron jobs: `*/5 8-18 * * mon-fri`, `@hourly`.
//!
//! Source: the five fields of cron as github.com/robfig/cron reads them, which Kubernetes uses.

use jiff::{ToSpan, Zoned, civil::DateTime};

/// When a cron job is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Schedule {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// A day counts when it is one of the month's or one of the week's, if both are restricted.
    either_day: bool,
}

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

impl Schedule {
    /// Reads a schedule.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = match text.trim() {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            text => text,
        };
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields[..] else {
            return Err(format!("expected exactly 5 fields, found {}: [{}]", fields.len(), fields.join(" ")));
        };
        let any = |field: &str| field.starts_with(['*', '?']);
        let weekdays_read = read(weekdays, 0, 7, &WEEKDAYS, 0)?;
        Ok(Self {
            minutes: read(minutes, 0, 59, &[], 0)?,
            hours: read(hours, 0, 23, &[], 0)?,
            days: read(days, 1, 31, &[], 0)?,
            months: read(months, 1, 12, &MONTHS, 1)?,
            // Both 0 and 7 are Sunday.
            weekdays: weekdays_read | (weekdays_read >> 7),
            either_day: !any(days) && !any(weekdays),
        })
    }

    /// The next time after `after`, in its zone; `None` when there is none within five years.
    pub(crate) fn next(&self, after: &Zoned) -> Option<Zoned> {
        let holds = |set: u64, value: i8| set & (1 << value) != 0;
        let mut at = after.datetime().checked_add(1.minute()).ok()?;
        at = DateTime::new(at.year(), at.month(), at.day(), at.hour(), at.minute(), 0, 0).ok()?;
        let end = at.checked_add(5.years()).ok()?;
        while at < end {
            let of_month = holds(self.days, at.day());
            let of_week = holds(self.weekdays, at.weekday().to_sunday_zero_offset());
            let day = if self.either_day { of_month || of_week } else { of_month && of_week };
            if !holds(self.months, at.month()) || !day {
                at = at.date().tomorrow().ok()?.to_datetime(jiff::civil::Time::midnight());
            } else if !holds(self.hours, at.hour()) {
                at = at.checked_add(1.hour()).ok()?.with().minute(0).build().ok()?;
            } else if !holds(self.minutes, at.minute()) {
                at = at.checked_add(1.minute()).ok()?;
            } else {
                return at.to_zoned(after.time_zone().clone()).ok();
            }
        }
        None
    }
}

/// Reads one field into the set of its values.
fn read(field: &str, least: u8, most: u8, names: &[&str], first_name: u8) -> Result<u64, String> {
    let mut set = 0;
    for part in field.split(',') {
        let (range, step) = part.split_once('/').map_or((part, None), |(range, step)| (range, Some(step)));
        let value = |text: &str| -> Result<u8, String> {
            let word = names.iter().position(|name| text.eq_ignore_ascii_case(name));
            let word = word.and_then(|index| u8::try_from(index).ok()).map(|index| index + first_name);
            let number = word.or_else(|| text.parse().ok()).ok_or(format!("failed to parse int from {text}"))?;
            match number {
                number if number < least => {
                    Err(format!("beginning of range ({number}) below minimum ({least}): {part}"))
                }
                number if number > most => Err(format!("end of range ({number}) above maximum ({most}): {part}")),
                number => Ok(number),
            }
        };
        let (from, to) = match range {
            "*" | "?" => (least, if most == 7 { 6 } else { most }),
            range => match range.split_once('-') {
                Some((from, to)) => (value(from)?, value(to)?),
                None if step.is_some() => (value(range)?, most),
                None => (value(range)?, value(range)?),
            },
        };
        let step =
            step.map_or(Ok(1), |step| step.parse::<u8>().map_err(|_| format!("failed to parse int from {step}")))?;
        if step == 0 {
            return Err(format!("step of range should be a positive number: {part}"));
        }
        if from > to {
            return Err(format!("beginning of range ({from}) beyond end of range ({to}): {part}"));
        }
        for value in (from..=to).step_by(step.into()) {
            set |= 1_u64 << value;
        }
    }
    Ok(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(schedule: &str, after: &str) -> String {
        let after: Zoned = format!("{after}[UTC]").parse().unwrap();
        Schedule::parse(schedule).unwrap().next(&after).unwrap().strftime("%Y-%m-%dT%H:%M").to_string()
    }

    #[test]
    fn the_next_time_is_found() {
        assert_eq!(next("*/5 * * * *", "2026-11-25T12:00:30+00:00"), "2026-11-25T12:05");
        assert_eq!(next("0 8-18/2 * * mon-fri", "2026-11-27T18:30:00+00:00"), "2026-11-30T08:00");
        assert_eq!(next("@monthly", "2026-12-05T00:00:00+00:00"), "2027-01-01T00:00");
        assert_eq!(next("0 0 13 * 5", "2026-11-25T00:00:00+00:00"), "2026-11-27T00:00");
        assert_eq!(next("0 0 29 2 *", "2026-11-25T00:00:00+00:00"), "2028-02-29T00:00");
        assert_eq!(next("0 0 * * 7", "2026-11-25T00:00:00+00:00"), "2026-11-29T00:00");
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        for text in ["", "* * * *", "60 * * * *", "5-1 * * * *", "*/0 * * * *", "x * * * *"] {
            assert!(Schedule::parse(text).is_err(), "{text}");
        }
    }
}
