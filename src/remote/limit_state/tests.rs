//! A state file on a real disk: kept, lost, damaged, not writable.

use super::*;
use crate::{
    limit::{Caller, Charge, Limits, Period, PeriodQuota, Plans, Quota, Terms},
    remote::locked_file::tests::Folder,
};
use std::os::unix::fs::PermissionsExt;

const NOW: Now = Now { monotonic_ns: 0, unix_ns: 1_800_000_000_000_000_000 };

fn limits() -> Limits {
    let plenty = Quota::new(1_000_000, 1_000_000).expect("a quota");
    Limits {
        global: plenty,
        per_user: plenty,
        per_address: plenty,
        failures: plenty,
        bulk_in_flight: 0,
        max_users: 100,
        plans: Plans::default(),
        routes: Vec::new(),
        dry_run: false,
    }
}

/// What is left of ann's ten requests of the day after one more.
fn ask(state: &LimitState) -> Option<u64> {
    let quota = Some(PeriodQuota { requests: 10, period: Period::Day });
    let caller = Caller { issuer: "i", subject: "ann", terms: Terms { per_user: limits().per_user, quota } };
    let admission = state.admit(&limits(), &caller, Charge::User, NOW).ok()?;
    admission.quota.map(|numbers| numbers.standing.remaining)
}

fn take(folder: &Folder) -> LimitStateFile {
    LimitStateFile::take(folder.path("quotas")).expect("nobody else has it")
}

fn refused(folder: &Folder) -> Option<io::ErrorKind> {
    LimitStateFile::take(folder.path("quotas")).map_err(|error| error.kind()).err()
}

#[test]
fn who_comes_second_does_not_get_it_until_the_first_is_gone() {
    let folder = Folder::new();
    let first = take(&folder);
    assert_eq!(refused(&folder), Some(io::ErrorKind::WouldBlock));
    // Each write gives the name to another file: the lock stays.
    let state = LimitState::new(100);
    assert_eq!(ask(&state), Some(9));
    first.write(&state, NOW);
    assert_eq!(refused(&folder), Some(io::ErrorKind::WouldBlock));
    assert!(LimitStateFile::take(folder.path("others")).is_ok());
    drop(first);
    assert!(matches!(take(&folder).read(), Ok(Found::Kept(_))));
}

#[test]
fn a_link_in_the_place_of_the_lock_is_not_followed() {
    let folder = Folder::new();
    std::os::unix::fs::symlink(folder.path("elsewhere"), folder.path("quotas.lock")).expect("the folder is new");
    assert!(refused(&folder).is_some());
    assert!(!folder.path("elsewhere").exists());
}

#[test]
fn where_there_is_no_file_nothing_is_kept() {
    let folder = Folder::new();
    assert_eq!(take(&folder).read().ok(), Some(Found::Nothing));
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_and_stays() {
    let folder = Folder::new();
    fs::create_dir(folder.path("quotas")).expect("the folder is new");
    assert!(take(&folder).read().is_err());
    assert!(folder.path("quotas").is_dir());
}

#[test]
fn a_damaged_file_is_put_aside_and_none_replaces_another() {
    let folder = Folder::new();
    for (content, aside) in [("one", "quotas.damaged"), ("two", "quotas.damaged.1"), ("three", "quotas.damaged.2")] {
        fs::write(folder.path("quotas"), content).expect("it is writable");
        let found = take(&folder).read().expect("it can be put aside");
        assert_eq!(found, Found::Damaged(Damage::NotAStateFile, folder.path(aside)));
        assert!(found.to_string().contains(aside), "{found}");
        assert!(!folder.path("quotas").exists());
        assert_eq!(fs::read_to_string(folder.path(aside)).ok().as_deref(), Some(content));
    }
}

#[test]
fn what_was_written_is_found_and_only_the_owner_may_read_it() {
    let folder = Folder::new();
    let (state, file) = (LimitState::new(100), take(&folder));
    file.write(&state, NOW);
    assert!(!folder.path("quotas").exists(), "nothing has changed yet");
    assert_eq!(ask(&state), Some(9));
    file.write(&state, NOW);
    let mode = fs::metadata(folder.path("quotas")).expect("it was written").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let Ok(Found::Kept(kept)) = file.read() else { panic!("it is whole") };
    assert_eq!(ask(&LimitState::restored(100, &kept, NOW)), Some(8));
}

#[test]
fn a_write_that_fails_is_counted_and_tried_again_without_another_change() {
    let folder = Folder::new();
    fs::create_dir(folder.path("gone")).expect("the folder is new");
    let (state, file) = (LimitState::new(100), LimitStateFile::take(folder.path("gone/quotas")).expect("nobody else has it"));
    fs::remove_dir_all(folder.path("gone")).expect("it is ours");
    assert_eq!(ask(&state), Some(9));
    file.write(&state, NOW);
    file.write(&state, NOW);
    assert_eq!(state.quota_snapshots_lost(), 2);
    fs::create_dir(folder.path("gone")).expect("the folder is new");
    file.write(&state, NOW);
    assert_eq!(state.quota_snapshots_lost(), 2);
    assert!(matches!(file.read(), Ok(Found::Kept(kept)) if kept.len() == 1));
}

#[test]
fn a_lock_goes_along_to_the_same_file_by_another_name_and_to_no_other() {
    let folder = Folder::new();
    let limits = LimitState::new(100);
    let file = take(&folder);
    let given = || file.give(&limits, NOW).expect("a file descriptor").expect("a lock");
    let name = folder.path("").file_name().map(PathBuf::from).expect("a folder has a name");
    let same = folder.path("..").join(name).join("quotas");
    let heir = LimitStateFile::inherit(&same, given()).expect("a place");
    assert!(heir.is_some());
    let _other = LimitStateFile::take(folder.path("others")).expect("nobody else has it");
    assert!(LimitStateFile::inherit(&folder.path("others"), given()).expect("a place").is_none());
    drop((file, heir));
    assert_eq!(LimitStateFile::take(same).map(drop).map_err(|error| error.kind()), Ok(()), "once both have let go");
}
