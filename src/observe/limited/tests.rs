//! That who is refused most is seen, however many others are refused a little, and that nothing grows.

use super::*;

fn names(users: &LimitedUsers, most: usize, now_ns: u64) -> Vec<(String, u64)> {
    users.top(most, now_ns).into_iter().map(|user| (user.subject, user.refusals)).collect()
}

#[test]
fn the_most_refused_come_first() {
    let users = LimitedUsers::default();
    for subject in ["ann", "bob", "ann", "cy", "ann", "bob"] {
        users.count("https://a", subject, 0);
    }
    assert_eq!(names(&users, 2, 0), [("ann".to_owned(), 3), ("bob".to_owned(), 2)]);
}

#[test]
fn one_name_at_two_issuers_is_two_users() {
    let users = LimitedUsers::default();
    users.count("https://a", "ann", 0);
    users.count("https://b", "ann", 0);
    assert_eq!(names(&users, 9, 0), [("ann".to_owned(), 1), ("ann".to_owned(), 1)]);
}

#[test]
fn a_flood_of_names_hides_nobody_and_does_not_grow() {
    let users = LimitedUsers::default();
    for number in 0..10_000 {
        users.count("https://a", &format!("stranger-{number}"), 0);
        if number % 10 == 0 {
            users.count("https://a", "greedy", 0);
        }
    }
    let all = names(&users, 10_000, 0);
    assert_eq!(all.len(), COUNTED);
    let greedy = all.iter().position(|(name, _)| name == "greedy");
    assert!(greedy.is_some_and(|place| all[place].1 >= 1000), "{all:?}");
}

#[test]
fn refusals_are_shown_for_a_minute_at_least_and_two_at_most() {
    let users = LimitedUsers::default();
    users.count("https://a", "ann", WINDOW_NS);
    users.count("https://a", "ann", 2 * WINDOW_NS - 1);
    assert_eq!(names(&users, 1, 2 * WINDOW_NS), [("ann".to_owned(), 2)]);
    users.count("https://a", "ann", 2 * WINDOW_NS);
    assert_eq!(names(&users, 1, 3 * WINDOW_NS - 1), [("ann".to_owned(), 3)]);
    assert_eq!(names(&users, 1, 3 * WINDOW_NS), [("ann".to_owned(), 1)]);
    assert_eq!(names(&users, 1, 9 * WINDOW_NS), []);
}
