//! Days since 1970 and dates, in the calendar of today. Years begin in March here, so that the leap day is the last one of its year.

/// Days from 0000-03-01 to 1970-01-01.
const EPOCH: u64 = 719_468;

/// Days of 400 years.
const ERA: u64 = 146_097;

/// Year, month and day of a day since 1970; months count from 1.
pub(super) const fn civil(days: u64) -> (u64, u64, u64) {
    let days = days.saturating_add(EPOCH);
    let (era, day) = (days / ERA, days % ERA);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let march = (5 * day + 2) / 153;
    let month = if march < 10 { march + 3 } else { march - 9 };
    let year = year + era * 400 + (month <= 2) as u64;
    (year, month, day - (153 * march + 2) / 5 + 1)
}

/// The day since 1970 of a date; months and days count from 1, and years have four digits. `None`: it was before 1970.
pub const fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    if year < 1970 {
        return None;
    }
    let (year, march) = if month <= 2 {
        (year - 1, month + 9)
    } else {
        (year, month - 3)
    };
    let before = year * 365 + year / 4 - year / 100 + year / 400 + (153 * march + 2) / 5;
    (before + day - 1).checked_sub(EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for day in 0..=days(2400, 12, 31).unwrap() {
            let (year, month, of_month) = civil(day);
            assert_eq!(days(year, month, of_month), Some(day));
        }
        assert_eq!(days(1969, 12, 31), None);
    }
}
