//! Formats figures for readers: thousands separators, three digits, a unit.

use std::time::Duration;

/// `1234567` as `1,234,567`.
#[must_use]
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `one` or `many`, with its number in front: `1 load`, `1,000 loads`.
#[must_use]
pub fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// Three digits and a fitting unit: `412 ns`, `87.1 µs`, `3.20 ms`, `12.4 s`.
#[must_use]
pub fn time(span: Duration) -> String {
    let nanos = span.as_secs_f64() * 1e9;
    match nanos {
        ..1e3 => format!("{nanos:.0} ns"),
        ..1e6 => format!("{} µs", three_digits(nanos / 1e3)),
        ..1e9 => format!("{} ms", three_digits(nanos / 1e6)),
        _ => format!("{} s", three_digits(nanos / 1e9)),
    }
}

/// The rate per second of an event that happened `number` times in `span`.
#[must_use]
pub fn per_second(number: u64, span: Duration) -> f64 {
    number as f64 / span.as_secs_f64().max(f64::EPSILON)
}

/// `0.7134` as `71.3 %`.
#[must_use]
pub fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// `4.26` as `4.3x`, `42.6` as `43x`.
#[must_use]
pub fn times(factor: f64) -> String {
    if factor < 9.95 {
        format!("{factor:.1}x")
    } else {
        format!("{}x", count(factor.round() as u64))
    }
}

/// A size in units of a thousand: `66.1 MB`.
#[must_use]
pub fn bytes(number: u64) -> String {
    let number = number as f64;
    match number {
        ..1e6 => format!("{} kB", three_digits(number / 1e3)),
        ..1e9 => format!("{} MB", three_digits(number / 1e6)),
        _ => format!("{} GB", three_digits(number / 1e9)),
    }
}

fn three_digits(number: f64) -> String {
    match number {
        ..9.995 => format!("{number:.2}"),
        ..99.95 => format!("{number:.1}"),
        _ => count(number.round() as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated() {
        let texts = [0, 999, 1_000, 21_000, 1_234_567].map(count);
        assert_eq!(texts, ["0", "999", "1,000", "21,000", "1,234,567"]);
    }

    #[test]
    fn a_time_has_three_digits_and_a_unit() {
        let texts = [7, 412, 8_712, 87_120, 999_600, 3_200_000, 12_400_000_000]
            .map(|n| time(Duration::from_nanos(n)));
        assert_eq!(
            texts,
            [
                "7 ns",
                "412 ns",
                "8.71 µs",
                "87.1 µs",
                "1,000 µs",
                "3.20 ms",
                "12.4 s"
            ]
        );
    }

    #[test]
    fn shares_and_factors() {
        assert_eq!(percent(0.7134), "71.3 %");
        assert_eq!([1.0, 9.96, 1234.4].map(times), ["1.0x", "10x", "1,234x"]);
        assert_eq!(counted(1, "load", "loads"), "1 load");
    }
}
