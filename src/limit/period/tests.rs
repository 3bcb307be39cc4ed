//! Days and months, held against a calendar that counts them one by one.

use super::*;

/// Nanoseconds since 1970 of a date and time in UTC.
fn moment(text: &str) -> u64 {
    let time = humantime::parse_rfc3339(text).expect("a moment");
    u64::try_from(time.duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_nanos()).expect("before 2554")
}

/// The period of a moment ends at `end`, and has so many days.
fn check(period: Period, at: &str, end: &str, days: u64) {
    let (now, span) = (moment(at), Span::of(period, moment(at)));
    assert_eq!((span.left_ns(now), span.length_s()), (moment(end) - now, days * 86_400), "{at}");
    assert_eq!(Span::named(span.id()), span, "{at}");
    assert!(!span.is_over(now) && span.is_over(moment(end)) && !span.is_over(moment(end) - 1), "{at}");
}

#[test]
fn a_day_ends_at_midnight_in_utc() {
    check(Period::Day, "2026-11-24T00:00:00Z", "2026-11-25T00:00:00Z", 1);
    check(Period::Day, "2026-11-24T23:59:59.999999999Z", "2026-11-25T00:00:00Z", 1);
    check(Period::Day, "2028-02-28T12:00:00Z", "2028-02-29T00:00:00Z", 1);
    check(Period::Day, "2026-12-31T12:00:00Z", "2027-01-01T00:00:00Z", 1);
    check(Period::Day, "1970-01-01T00:00:00Z", "1970-01-02T00:00:00Z", 1);
}

#[test]
fn a_month_ends_with_its_last_day() {
    check(Period::Month, "2026-11-24T12:00:00Z", "2026-12-01T00:00:00Z", 30);
    check(Period::Month, "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z", 31);
    check(Period::Month, "2026-12-31T23:59:59.999999999Z", "2027-01-01T00:00:00Z", 31);
    check(Period::Month, "2026-02-28T12:00:00Z", "2026-03-01T00:00:00Z", 28);
    check(Period::Month, "2028-02-29T12:00:00Z", "2028-03-01T00:00:00Z", 29);
    check(Period::Month, "2100-02-01T00:00:00Z", "2100-03-01T00:00:00Z", 28);
    check(Period::Month, "2000-02-29T00:00:00Z", "2000-03-01T00:00:00Z", 29);
    check(Period::Month, "1970-01-31T00:00:00Z", "1970-02-01T00:00:00Z", 31);
}

#[test]
fn every_day_of_four_centuries_lies_in_one_month_and_months_follow_each_other() {
    let mut month = Span::of(Period::Month, 0);
    for day in 0..146_097 {
        let now = day * DAY_NS;
        if month.is_over(now) {
            let next = Span::of(Period::Month, now);
            assert_eq!((next.first_day, next.days > 27), (month.first_day + month.days, true));
            month = next;
        }
        assert_eq!((Span::of(Period::Month, now), Span::of(Period::Month, now + DAY_NS - 1)), (month, month), "day {day}");
    }
}

#[test]
fn a_day_and_a_month_that_begin_together_have_different_names() {
    let now = moment("2026-11-01T00:00:00Z");
    assert_ne!(Span::of(Period::Day, now).id(), Span::of(Period::Month, now).id());
}

#[test]
fn what_lies_ahead_by_more_than_its_length_is_far_ahead() {
    let tomorrow = Span::of(Period::Day, moment("2026-11-25T00:00:00Z"));
    assert!(!tomorrow.is_far_ahead(moment("2026-11-25T12:00:00Z")));
    assert!(!tomorrow.is_far_ahead(moment("2026-11-24T00:00:00Z")));
    assert!(tomorrow.is_far_ahead(moment("2026-11-24T00:00:00Z") - 1));
}

#[test]
fn the_end_of_time_and_names_that_nobody_gave_break_nothing() {
    for id in [0, 1, 2, 3, u32::MAX - 1, u32::MAX] {
        let span = Span::named(id);
        assert!(span.left_ns(u64::MAX) <= span.left_ns(0) && span.length_ns() / DAY_NS == span.length_s() / 86_400);
    }
    assert!(Span::of(Period::Month, u64::MAX).left_ns(u64::MAX) < 32 * DAY_NS);
}
