//! The records that are there from the start: the same ones at every start, so that examples and tests can name them.

use super::{
    fields::{Priority, Text, Timestamp},
    records::{Article, Change, ChangeKind, Ci, Incident, IncidentState},
};

/// 2026-01-05T08:00:00Z, a Monday: when the first seeded incident was opened.
const FIRST_OPENED_S: u64 = 1_767_600_000;

const GROUPS: [&str; 8] = [
    "Service Desk",
    "Network Operations",
    "Identity and Access",
    "Database Administration",
    "Workplace Devices",
    "Messaging",
    "Application Support",
    "Cloud Platform",
];
const SYMPTOMS: [(&str, &str); 12] = [
    ("VPN connection drops every few minutes", "Network Operations"),
    ("Password reset mail does not arrive", "Identity and Access"),
    ("Printer on the second floor is offline", "Workplace Devices"),
    ("Shared mailbox is missing in Outlook", "Messaging"),
    ("Login fails with an expired certificate", "Identity and Access"),
    ("Report export times out", "Application Support"),
    ("Disk space low on a database server", "Database Administration"),
    ("Laptop does not wake from sleep", "Workplace Devices"),
    ("Order form returns an error on submit", "Application Support"),
    ("Wi-Fi is slow in the meeting rooms", "Network Operations"),
    ("Deployment pipeline is stuck in queue", "Cloud Platform"),
    ("Phone shows no dial tone", "Service Desk"),
];
const SITES: [&str; 6] = ["Berlin", "Lisbon", "Austin", "Osaka", "Toronto", "Leeds"];
const PEOPLE: [&str; 8] =
    ["abel.tuter", "beth.anglin", "david.loo", "fred.luddy", "joe.employee", "maria.reyes", "priya.nair", "sam.sorokin"];
const CHANGES: [&str; 6] = [
    "Replace core switch",
    "Patch database cluster",
    "Rotate TLS certificates",
    "Upgrade mail gateway",
    "Raise storage quota",
    "Move DNS zone",
];
/// Class of configuration item, stem of its name, who supports it.
const CI_CLASSES: [(&str, &str, &str); 5] = [
    ("server", "app", "Cloud Platform"),
    ("database", "db", "Database Administration"),
    ("network_switch", "sw", "Network Operations"),
    ("load_balancer", "lb", "Network Operations"),
    ("workstation", "ws", "Workplace Devices"),
];
const TOPICS: [(&str, &str); 10] = [
    ("Connect to the VPN", "Network"),
    ("Reset a forgotten password", "Access"),
    ("Set up a shared mailbox", "Messaging"),
    ("Install a network printer", "Devices"),
    ("Request access to a database", "Access"),
    ("Encrypt a laptop disk", "Devices"),
    ("Report a phishing mail", "Security"),
    ("Book a change window", "Processes"),
    ("Read a failed pipeline log", "Cloud"),
    ("Move a phone number", "Telephony"),
];
const EDITIONS: [&str; 4] = ["on Windows", "on macOS", "on Linux", "from a phone"];

pub(super) fn incidents() -> Vec<Incident> {
    (0..1250).map(incident).collect()
}

fn incident(place: usize) -> Incident {
    let (symptom, group) = pick(&SYMPTOMS, place, 1);
    let opened_s = FIRST_OPENED_S + 1380 * wide(place) + mixed(place, 2) % 1200;
    let state = state_after(place);
    Incident {
        number: Incident::number(place),
        short_description: Text::fixed(format!("{symptom} ({})", pick(&SITES, place, 3))),
        description: None,
        state,
        priority: Priority::fixed([1, 2, 3, 3, 3, 4, 4, 5][index(place, 4, 8)]),
        assignment_group: Text::fixed(group),
        opened_by: pick(&PEOPLE, place, 5).into(),
        opened_at: Timestamp(opened_s),
        updated_at: Timestamp(if state == IncidentState::New { opened_s } else { opened_s + mixed(place, 6) % 172_800 }),
        version: 1 + u64::from(state != IncidentState::New) * (1 + mixed(place, 7) % 5),
    }
}

/// Older incidents are mostly done with, the newest mostly not.
fn state_after(place: usize) -> IncidentState {
    use IncidentState::{Closed, InProgress, New, OnHold, Resolved};
    let mix = match place {
        0..900 => [Closed, Closed, Closed, Resolved, Closed, Closed, Resolved, OnHold],
        900..1150 => [Resolved, InProgress, Closed, OnHold, Resolved, InProgress, Resolved, New],
        _ => [New, New, InProgress, New, OnHold, InProgress, New, Resolved],
    };
    mix[index(place, 8, 8)]
}

pub(super) fn changes() -> Vec<Change> {
    (0..60).map(change).collect()
}

fn change(place: usize) -> Change {
    let opened_s = FIRST_OPENED_S + 28_800 * wide(place) + mixed(place, 20) % 14_400;
    Change {
        number: Change::number(place),
        short_description: Text::fixed(format!("{} ({})", pick(&CHANGES, place, 21), pick(&SITES, place, 22))),
        kind: pick(&[ChangeKind::Standard, ChangeKind::Normal, ChangeKind::Normal, ChangeKind::Emergency], place, 23),
        state: pick(&["new", "assess", "authorize", "scheduled", "implement", "closed"], place, 24),
        risk: pick(&["low", "low", "moderate", "high"], place, 25),
        assignment_group: Text::fixed(pick(&GROUPS, place, 26)),
        opened_by: pick(&PEOPLE, place, 27).into(),
        opened_at: Timestamp(opened_s),
        planned_start: Some(Timestamp(opened_s + 86_400 * (2 + mixed(place, 28) % 12))),
    }
}

pub(super) fn cis() -> Vec<Ci> {
    (0..400).map(ci).collect()
}

fn ci(place: usize) -> Ci {
    let (class, stem, support_group) = pick(&CI_CLASSES, place, 40);
    let environment = pick(&["production", "production", "staging", "test"], place, 41);
    Ci {
        id: format!("CI{:07}", place + 1),
        name: format!("{stem}-{}-{:03}", &environment[..4], place + 1),
        class,
        environment,
        status: pick(&["operational", "operational", "operational", "maintenance", "retired"], place, 42),
        support_group,
        updated_at: Timestamp(FIRST_OPENED_S + mixed(place, 43) % 1_728_000),
    }
}

pub(super) fn articles() -> Vec<Article> {
    (0..TOPICS.len() * EDITIONS.len()).map(article).collect()
}

fn article(place: usize) -> Article {
    let (topic, category) = TOPICS[place % TOPICS.len()];
    Article {
        number: format!("KB{:07}", place + 10_001),
        title: format!("{topic} {}", EDITIONS[place / TOPICS.len() % EDITIONS.len()]),
        category,
        author: pick(&PEOPLE, place, 60),
        views: mixed(place, 61) % 5000,
        published_at: Timestamp(FIRST_OPENED_S - mixed(place, 62) % 31_536_000),
    }
}

fn pick<T: Copy>(choices: &[T], place: usize, salt: u64) -> T {
    choices[index(place, salt, choices.len())]
}

fn index(place: usize, salt: u64, len: usize) -> usize {
    usize::try_from(mixed(place, salt) % wide(len)).expect("BUG: below len, which is a usize")
}

/// `SplitMix64` of place and salt: looks random, always the same.
fn mixed(place: usize, salt: u64) -> u64 {
    let mut z = wide(place).wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(salt.wrapping_mul(0xD1B5_4A32_D192_ED03));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// No platform has a `usize` above 64 bits.
fn wide(number: usize) -> u64 {
    number as u64
}
