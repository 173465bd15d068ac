//! Times of expressions: dates of seconds since the epoch, by the patterns of strftime and strptime.

/// A day and a time of it, in the calendar of today.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Date {
    pub year: i64,
    /// From 1 on, as days are.
    pub month: i64,
    pub day: i64,
    pub hour: i64,
    pub minute: i64,
    pub second: i64,
}

const DAY_S: i64 = 86_400;
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];
/// The years that C's `struct tm` can tell.
const YEAR_MAX: i64 = i32::MAX as i64;

/// Days from the epoch to a date, by counting years from March on, so that leap days come last.
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

impl Date {
    pub fn of(seconds: i64) -> Option<Self> {
        let days = seconds.div_euclid(DAY_S) + 719_468;
        let time = seconds.rem_euclid(DAY_S);
        let era = days.div_euclid(146_097);
        let of_era = days.rem_euclid(146_097);
        let years = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * years + years / 4 - years / 100);
        let march = (5 * of_year + 2) / 153;
        let month = if march < 10 { march + 3 } else { march - 9 };
        let year = era * 400 + years + i64::from(month <= 2);
        (year.abs() <= YEAR_MAX).then_some(Date {
            year,
            month,
            day: of_year - (153 * march + 2) / 5 + 1,
            hour: time / 3600,
            minute: time / 60 % 60,
            second: time % 60,
        })
    }

    pub fn seconds(&self) -> i64 {
        let time = self.hour * 3600 + self.minute * 60 + self.second;
        days_of(self.year, self.month, self.day) * DAY_S + time
    }

    /// From 0 on.
    pub fn day_of_year(&self) -> i64 {
        days_of(self.year, self.month, self.day) - days_of(self.year, 1, 1)
    }

    fn day_of_week(&self) -> i64 {
        (days_of(self.year, self.month, self.day) + 4).rem_euclid(7)
    }
}

/// Text longer than that is none, as in RediSearch.
const SHOWN_MAX: usize = 1023;

/// A time by a pattern; nothing if it can't be shown, or is shown as nothing.
pub fn shown(seconds: i64, pattern: &[u8]) -> Option<Vec<u8>> {
    let date = Date::of(seconds)?;
    let mut out = Vec::new();
    show(&date, seconds, pattern, &mut out);
    (!out.is_empty() && out.len() <= SHOWN_MAX).then_some(out)
}

fn show(date: &Date, seconds: i64, pattern: &[u8], out: &mut Vec<u8>) {
    let mut bytes = pattern.iter();
    while let Some(byte) = bytes.next() {
        match (byte, bytes.clone().next()) {
            (b'%', Some(sign)) => {
                bytes.next();
                match compound(*sign) {
                    Some(pattern) => show(date, seconds, pattern, out),
                    None => out.extend(part(date, seconds, *sign).into_bytes()),
                }
            }
            _ => out.push(*byte),
        }
    }
}

/// What a sign is short for.
fn compound(sign: u8) -> Option<&'static [u8]> {
    Some(match sign {
        b'c' => b"%a %b %e %H:%M:%S %Y",
        b'D' | b'x' => b"%m/%d/%y",
        b'F' => b"%Y-%m-%d",
        b'R' => b"%H:%M",
        b'r' => b"%I:%M:%S %p",
        b'T' | b'X' => b"%H:%M:%S",
        _ => return None,
    })
}

fn part(date: &Date, seconds: i64, sign: u8) -> String {
    let (week, of_year) = (date.day_of_week(), date.day_of_year());
    let hour12 = (date.hour + 11) % 12 + 1;
    let month = MONTHS[date.month as usize - 1];
    let day = DAYS[week as usize];
    match sign {
        b'a' => day[..3].into(),
        b'A' => day.into(),
        b'b' | b'h' => month[..3].into(),
        b'B' => month.into(),
        b'C' => format!("{:02}", date.year.div_euclid(100)),
        b'd' => format!("{:02}", date.day),
        b'e' => format!("{:2}", date.day),
        b'g' => format!("{:02}", iso_week(date).0.rem_euclid(100)),
        b'G' => iso_week(date).0.to_string(),
        b'H' => format!("{:02}", date.hour),
        b'I' => format!("{hour12:02}"),
        b'j' => format!("{:03}", of_year + 1),
        b'k' => format!("{:2}", date.hour),
        b'l' => format!("{hour12:2}"),
        b'm' => format!("{:02}", date.month),
        b'M' => format!("{:02}", date.minute),
        b'n' => "\n".into(),
        b'p' => (if date.hour < 12 { "AM" } else { "PM" }).into(),
        b'P' => (if date.hour < 12 { "am" } else { "pm" }).into(),
        b's' => seconds.to_string(),
        b'S' => format!("{:02}", date.second),
        b't' => "\t".into(),
        b'u' => (if week == 0 { 7 } else { week }).to_string(),
        b'U' => format!("{:02}", (of_year + 7 - week) / 7),
        b'V' => format!("{:02}", iso_week(date).1),
        b'w' => week.to_string(),
        b'W' => format!("{:02}", (of_year + 7 - (week + 6) % 7) / 7),
        b'y' => format!("{:02}", date.year.rem_euclid(100)),
        b'Y' => date.year.to_string(),
        b'z' => "+0000".into(),
        b'Z' => "GMT".into(),
        b'%' => "%".into(),
        other => format!("%{}", char::from(other)),
    }
}

/// The year and the week of it that has the date's Thursday.
fn iso_week(date: &Date) -> (i64, i64) {
    let days = days_of(date.year, date.month, date.day);
    let thursday = days - (date.day_of_week() + 6) % 7 + 3;
    let year = Date::of(thursday * DAY_S).map_or(date.year, |date| date.year);
    (year, (thursday - days_of(year, 1, 1)) / 7 + 1)
}

/// The time that a text tells by a pattern; nothing if it doesn't fit. What it doesn't tell is the beginning of 1900.
pub fn parse(text: &[u8], pattern: &[u8]) -> Option<i64> {
    let mut read = TimeReader {
        rest: text,
        date: Date {
            year: 1900,
            month: 1,
            day: 0,
            hour: 0,
            minute: 0,
            second: 0,
        },
        afternoon: None,
        epoch: None,
    };
    read.pattern(pattern)?;
    if let Some(seconds) = read.epoch {
        return Some(seconds);
    }
    if let Some(afternoon) = read.afternoon {
        read.date.hour = read.date.hour % 12 + if afternoon { 12 } else { 0 };
    }
    Some(read.date.seconds())
}

struct TimeReader<'t> {
    rest: &'t [u8],
    date: Date,
    afternoon: Option<bool>,
    epoch: Option<i64>,
}

impl TimeReader<'_> {
    fn blanks(&mut self) {
        self.rest = self.rest.trim_ascii_start();
    }

    fn pattern(&mut self, pattern: &[u8]) -> Option<()> {
        let mut bytes = pattern.iter();
        while let Some(byte) = bytes.next() {
            match (byte, bytes.clone().next()) {
                (b'%', Some(sign)) => {
                    bytes.next();
                    match compound(*sign) {
                        Some(pattern) => self.pattern(pattern)?,
                        None => self.part(*sign)?,
                    }
                }
                (byte, _) if byte.is_ascii_whitespace() => self.blanks(),
                (byte, _) => self.rest = self.rest.strip_prefix(&[*byte])?,
            }
        }
        Some(())
    }

    /// A number of so many digits at most, in these bounds.
    fn number(&mut self, digits: usize, bounds: std::ops::RangeInclusive<i64>) -> Option<i64> {
        self.blanks();
        let held = self.rest.iter().take(digits);
        let len = held.take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.rest.split_at(len);
        let n = std::str::from_utf8(digits).ok()?.parse().ok()?;
        self.rest = rest;
        bounds.contains(&n).then_some(n)
    }

    /// The place of a name, whole or its first three letters, in a list.
    fn name(&mut self, names: &[&str]) -> Option<i64> {
        let begins = |rest: &[u8], name: &str| {
            let head = rest.get(..name.len());
            head.is_some_and(|head| head.eq_ignore_ascii_case(name.as_bytes()))
        };
        let at = names
            .iter()
            .position(|name| begins(self.rest, &name[..3]))?;
        let len = if begins(self.rest, names[at]) {
            names[at].len()
        } else {
            3
        };
        self.rest = &self.rest[len..];
        Some(at as i64)
    }

    fn part(&mut self, sign: u8) -> Option<()> {
        match sign {
            b'a' | b'A' => drop(self.name(&DAYS)?),
            b'b' | b'B' | b'h' => self.date.month = self.name(&MONTHS)? + 1,
            b'd' | b'e' => self.date.day = self.number(2, 1..=31)?,
            b'H' | b'k' => self.date.hour = self.number(2, 0..=23)?,
            b'I' | b'l' => self.date.hour = self.number(2, 1..=12)?,
            b'j' => {
                let of_year = self.number(3, 1..=366)?;
                self.date.day = of_year;
                self.date.month = 1;
            }
            b'm' => self.date.month = self.number(2, 1..=12)?,
            b'M' => self.date.minute = self.number(2, 0..=59)?,
            b'S' => self.date.second = self.number(2, 0..=61)?,
            b'y' => {
                let year = self.number(2, 0..=99)?;
                self.date.year = if year < 69 { 2000 + year } else { 1900 + year };
            }
            b'Y' => self.date.year = self.number(4, 0..=9999)?,
            b's' => self.epoch = Some(self.number(18, 0..=i64::MAX)?),
            b'p' | b'P' => {
                let head = self.rest.get(..2)?.to_ascii_lowercase();
                self.afternoon = Some(match &head[..] {
                    b"am" => false,
                    b"pm" => true,
                    _ => return None,
                });
                self.rest = &self.rest[2..];
            }
            b'n' | b't' => self.blanks(),
            b'%' => self.rest = self.rest.strip_prefix(b"%")?,
            // Zones are passed over, as all times are universal.
            b'z' | b'Z' => {
                let is_zone = |byte: &&u8| byte.is_ascii_alphanumeric() || b"+-:".contains(byte);
                let len = self.rest.iter().take_while(is_zone).count();
                self.rest = &self.rest[len..];
            }
            _ => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_and_read_by_patterns() {
        let text = |seconds, pattern: &str| {
            String::from_utf8(shown(seconds, pattern.as_bytes()).unwrap()).unwrap()
        };
        assert_eq!(text(1_700_000_000, "%FT%TZ"), "2023-11-14T22:13:20Z");
        assert_eq!(text(-1, "%FT%TZ"), "1969-12-31T23:59:59Z");
        assert_eq!(text(1_000_000_000_000, "%FT%TZ"), "33658-09-27T01:46:40Z");
        let all = "%A %B %d %H:%M:%S %p %Z %z %c %x %X %U %e %% %j %V %G";
        let wanted = "Tuesday November 14 22:13:20 PM GMT +0000 Tue Nov 14 22:13:20 2023 11/14/23 22:13:20 46 14 % 318 46 2023";
        assert_eq!(text(1_700_000_000, all), wanted);
        assert_eq!(
            parse(b"2023-11-14T22:13:20Z", b"%Y-%m-%dT%H:%M:%SZ"),
            Some(1_700_000_000)
        );
        assert_eq!(
            parse(b"14 Nov 23, 10:13 pm", b"%d %b %y, %I:%M %p"),
            Some(1_699_999_980)
        );
        assert_eq!(parse(b"x", b"%Y"), None);
        for seconds in [0, 951_782_399, 951_782_400, 4_102_444_800, -86_401] {
            assert_eq!(Date::of(seconds).unwrap().seconds(), seconds);
        }
    }
}
