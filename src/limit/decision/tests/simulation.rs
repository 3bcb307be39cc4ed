//! Random histories from a seed, through every way into the limiter at once, against the plainest limiter that can be written.
//!
//! A history has users, addresses and clients that come in bursts and pauses, some with an older time than who came before; exempt
//! requests that hold their places, reservations that end much later, reloads of everything, sweeps, restarts, gaps of minutes to
//! weeks, and clocks that step: the monotonic one back, the wall clock by days or years to either side. Each answer, each number it shows and each count must be the oracle's: neither over nor under by one.
//!
//! `LIMIT_STEPS` sets how many steps are played in all, `LIMIT_SEED` plays one history alone.

mod oracle;
mod quota_oracle;

use super::*;
use crate::limit::{
    Attempts, PeriodQuota, RouteQuota,
    plans::{Plan, Terms},
    random::Random,
};
use oracle::{Oracle, Outcome, interval};

const STEPS: u64 = 600;
const DAY: u64 = 86_400 * SECOND;
/// What the wall clock says when a history begins: 2026-11-24.
const TODAY: u64 = 20_781 * DAY;
const ROUTES: [&str; 2] = ["/ai/query", "/incidents"];
/// A client with a plan.
const GOLD: &str = "gold";
/// Seeds that have failed once, and are played in every run.
const KEPT: [u64; 1] = [
    // The bucket that addresses share at the bound kept what a larger quota had left.
    1_091,
];

/// What a history may meet.
impl Random {
    /// Mostly small numbers, whose edges are met often; sometimes the least or the most that can be written.
    fn quota(&mut self, most: u64) -> Quota {
        let rate = match self.below(12) {
            0 => 1,
            1 => Quota::MAX_RATE,
            2 => 1 + self.below(Quota::MAX_RATE),
            _ => 1 + self.below(most),
        };
        let burst = match self.below(12) {
            0 => 1,
            1 => Quota::MAX_BURST,
            _ => 1 + self.below(most),
        };
        quota(rate, burst)
    }

    fn limits(&mut self) -> Limits {
        Limits {
            per_user: self.quota(30),
            global: self.quota(120),
            per_address: self.quota(10),
            failures: self.quota(5),
            bulk_in_flight: u32::try_from(self.below(4)).unwrap_or(0),
            max_users: usize::try_from(1 + self.below(8)).unwrap_or(1),
            plans: Plans::new(vec![self.plan()]),
            // Which of them a request takes is drawn with it; a route may go with a reload, and come back.
            routes: (0..=self.below(2)).map(|route| RouteQuota::new(ROUTES[usize::from(route > 0)], self.quota(30))).collect(),
            dry_run: false,
        }
    }

    fn plan(&mut self) -> Plan {
        let period = if self.one_in(2) { Period::Day } else { Period::Month };
        let requests = if self.one_in(8) { PeriodQuota::MAX_REQUESTS } else { 1 + self.below(20) };
        let quota = Some(PeriodQuota { requests, period }).filter(|_| !self.one_in(4));
        let terms = Terms { per_user: self.quota(30), quota };
        Plan { client_ids: vec![GOLD.to_owned()], groups: vec![], terms }
    }

    fn terms(&mut self, limits: &Limits) -> Terms {
        limits.terms(Some(GOLD).filter(|_| self.one_in(3)), &[])
    }

    fn charge(&mut self, limits: &Limits) -> Charge {
        let route = usize::try_from(self.below(6)).unwrap_or(0);
        limits.routes.get(route).map_or(Charge::User, |route| Charge::Route(*route))
    }
}

/// One history: the limiter and the oracle side by side.
struct History {
    seed: u64,
    random: Random,
    state: Arc<LimitState>,
    oracle: Oracle,
    limits: Limits,
    /// What the monotonic clock says, and what it said at the beginning.
    latest: u64,
    began: u64,
    /// By how much the wall clock is wrong, and whether that has ever changed.
    wrong: i128,
    has_stepped: bool,
    places: Vec<(BulkSlot, u64)>,
    reservations: Vec<Reservation>,
    met: BTreeMap<&'static str, u64>,
}

struct Reservation {
    charge: AddressCharge,
    address: Option<u64>,
    quota: Quota,
    at: i128,
}

impl History {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let (limits, latest) = (random.limits(), random.below(u64::MAX / 4));
        Self {
            seed,
            state: LimitState::new(10),
            oracle: Oracle::default(),
            limits,
            latest,
            began: latest,
            wrong: 0,
            has_stepped: false,
            places: Vec::new(),
            reservations: Vec::new(),
            met: BTreeMap::new(),
            random,
        }
    }

    fn at(&self, now: u64) -> Now {
        let unix_ns = i128::from(TODAY) + i128::from(now) - i128::from(self.began) + self.wrong;
        Now { monotonic_ns: now, unix_ns: u64::try_from(unix_ns).unwrap_or(0) }
    }

    /// By hours, or by years; half of all histories have a clock that is right.
    fn step_wall_clock(&mut self) {
        if self.seed.is_multiple_of(2) {
            let most = if self.random.one_in(4) { 3_000 * DAY } else { 2 * DAY };
            self.wrong = i128::from(self.random.below(2 * most)) - i128::from(most);
            self.has_stepped = true;
        }
    }

    /// Time passes; who asks may have read the clock before others did that asked earlier, and before a sweep.
    fn time(&mut self) -> u64 {
        let gap = match self.random.below(400) {
            0 => self.random.below(1_000_000 * SECOND),
            1..=4 => self.random.below(20 * SECOND),
            5..=60 => u64::try_from(interval(self.limits.per_user)).unwrap_or(0),
            61..=100 => 0,
            _ => self.random.below(5 * MS),
        };
        self.latest += gap;
        if self.random.one_in(300) {
            self.latest -= self.random.below(5 * SECOND).min(self.latest);
        }
        let back = match self.random.below(80) {
            0 => self.random.below(100 * SECOND),
            1..=4 => self.random.below(SECOND),
            5..=20 => self.random.below(5 * MS),
            _ => 0,
        };
        self.latest.saturating_sub(back)
    }

    fn step(&mut self) {
        let now = self.time();
        match self.random.below(100) {
            0 => match self.random.below(4) {
                0 => self.restart(),
                1 => self.step_wall_clock(),
                _ => self.limits = self.random.limits(),
            },
            1..=2 => self.sweep(),
            3..=10 => self.admit_exempt(now),
            11..=17 => self.leave(),
            18..=22 => self.admit_anonymous(now),
            23..=40 => self.reserve(now),
            41..=52 => self.end_reservation(),
            53..=57 => self.attempt(now),
            58..=62 => self.look(now),
            _ => self.admit(now),
        }
        if self.random.one_in(16) {
            self.compare_totals(now);
        }
    }

    fn admit(&mut self, now: u64) {
        let (user, terms, charge) = (self.random.below(4), self.random.terms(&self.limits), self.random.charge(&self.limits));
        if let Err(refusal) = self.ask(now, "admitted", user, terms, charge) {
            self.obey(now, user, terms, charge, refusal);
        }
    }

    fn ask(&mut self, now: u64, way: &'static str, user: u64, terms: Terms, charge: Charge) -> Result<(), Refusal> {
        let (subject, at) = (user.to_string(), self.at(now));
        let ours = self.state.admit(&self.limits, &Caller { issuer: ISSUER, subject: &subject, terms }, charge, at);
        let (theirs, beyond) = self.oracle.admit(&self.limits, terms, charge, user, at);
        self.compare(now, way, admitted(&ours), theirs);
        let admission = ours.as_ref().ok();
        let shown = [admission.and_then(|admission| admission.route), admission.and_then(|admission| admission.quota)];
        let shown = shown.map(|numbers| numbers.map(|numbers| outcome(Ok(&numbers.standing))));
        assert_eq!(shown, beyond, "seed {} at {now}", self.seed);
        ours.map(drop)
    }

    /// Nobody else comes, and who was refused waits as told: the policy that refused does not refuse again; but for a monotonic
    /// clock that has stepped back, and a wall clock that leads into a day where it has been before.
    fn obey(&mut self, now: u64, user: u64, terms: Terms, charge: Charge, refusal: Refusal) {
        let policy = refusal.numbers.policy;
        if (refusal.retry_after_s > 1_000 && policy != Policy::Quota) || !self.random.one_in(8) {
            return;
        }
        let misled = self.oracle.is_behind(self.latest.into()) || (policy == Policy::Quota && self.has_stepped);
        self.latest = self.latest.max(now) + refusal.retry_after_s * SECOND;
        let again = self.ask(self.latest, "admitted as told", user, terms, charge);
        let refused = again.is_err_and(|again| again.numbers.policy == policy);
        assert!(!refused || misled, "seed {}: {refusal:?}", self.seed);
    }

    fn admit_exempt(&mut self, now: u64) {
        let (user, at) = (self.random.below(4), self.at(now));
        let (subject, terms) = (user.to_string(), self.random.terms(&self.limits));
        let ours = self.state.admit(&self.limits, &Caller { issuer: ISSUER, subject: &subject, terms }, Charge::Exempt, at);
        let (theirs, counted) = self.oracle.admit_exempt(&self.limits, terms.per_user, user, now.into());
        self.compare(now, "admitted exempt", admitted(&ours), theirs);
        let place = ours.ok().and_then(|admission| admission.bulk);
        assert_eq!(place.is_some(), counted, "seed {}", self.seed);
        self.places.extend(place.map(|place| (place, user)));
    }

    fn leave(&mut self) {
        if let Some((place, user)) = self.random_of(|history| &mut history.places) {
            drop(place);
            self.oracle.leave(user);
        }
    }

    fn admit_anonymous(&mut self, now: u64) {
        let (charge, at) = (self.random.charge(&self.limits), self.at(now));
        let ours = self.state.admit_anonymous(&self.limits, charge, at);
        let ours = ours.map(|_| self.state.global.standing(self.limits.global, now));
        let theirs = self.oracle.admit_anonymous(&self.limits, charge, now.into());
        self.compare(now, "admitted anonymous", outcome(ours.as_ref()), theirs);
    }

    fn reserve(&mut self, now: u64) {
        let (address, at) = (self.random.below(5), self.at(now));
        let ours = self.state.charge_address(&self.limits, ip(address), at);
        let (theirs, own) = self.oracle.reserve(&self.limits, address, now.into());
        self.compare(now, "address reserved", outcome(ours.as_ref().map(|charge| &charge.standing)), theirs);
        let (address, quota) = (own.then_some(address), self.limits.per_address);
        let at = self.oracle.not_before_forgotten(now.into());
        self.reservations.extend(ours.map(|charge| Reservation { charge, address, quota, at }));
    }

    fn end_reservation(&mut self) {
        let refund = self.random.one_in(2);
        let Some(ended) = self.random_of(|history| &mut history.reservations) else { return };
        if refund {
            self.state.refund_address(ended.charge);
        } else {
            drop(ended.charge);
        }
        self.oracle.end(ended.address, refund, ended.quota, ended.at);
    }

    fn attempt(&mut self, now: u64) {
        let (client, right, at) = (self.random.below(4), self.random.one_in(3), self.at(now));
        let attempts = Attempts { state: &self.state, limits: &self.limits, address: ip(0), now: at };
        let tried = attempts.of(&client.to_string(), || right.then_some(())).is_ok();
        assert_eq!(tried, self.oracle.attempt(&self.limits, client, right, now.into()), "seed {} at {now}", self.seed);
        *self.met.entry(if tried { "secret tried" } else { "secret refused" }).or_default() += 1;
    }

    /// At the newest time, or a little behind it: requests may be ahead of it, too.
    fn sweep(&mut self) {
        let behind = self.random.below(5 * MS);
        let at = self.at(self.latest.saturating_sub(behind));
        self.state.sweep(&self.limits, at);
        self.oracle.sweep(&self.limits, at);
    }

    /// Of the buckets nothing is kept, of the quotas everything; unless there were more than there is room for now.
    fn restart(&mut self) {
        let at = self.at(self.latest);
        if self.state.quota_counters() > self.limits.max_users {
            return;
        }
        self.state.quota_snapshot_lost();
        let kept = self.state.quota_snapshot(at).expect("it was lost");
        self.state = LimitState::restored(self.limits.max_users, &Kept::decode(&kept).expect("it is whole"), at);
        (self.places, self.reservations) = (Vec::new(), Vec::new());
        self.oracle = self.oracle.restarted(at);
        *self.met.entry("restarted").or_default() += 1;
    }

    fn look(&mut self, now: u64) {
        let (who, at) = (self.random.below(6), self.at(now));
        let (subject, terms) = (who.to_string(), self.random.terms(&self.limits));
        let user = self.state.user_standing(&Caller { issuer: ISSUER, subject: &subject, terms }, at);
        let theirs = self.oracle.user(terms.per_user, who, now.into());
        self.compare(now, "look at a user", outcome(Ok(&user)), theirs);
        let address = self.state.address_standing(&self.limits, ip(who), at);
        let theirs = self.oracle.address(&self.limits, who, now.into());
        self.compare(now, "look at an address", outcome(Ok(&address)), theirs);
    }

    fn compare(&mut self, now: u64, way: &'static str, ours: Outcome, theirs: Outcome) {
        assert_eq!(ours, theirs, "{way}: seed {} at {now} under {:?}", self.seed, self.limits);
        let kind = match theirs {
            Outcome::Admitted { .. } => way,
            Outcome::Refused { policy, .. } => policy,
        };
        *self.met.entry(kind).or_default() += 1;
    }

    fn compare_totals(&mut self, now: u64) {
        let at = self.at(now);
        let tokens = self.state.global_tokens(&self.limits, at);
        let ours = (self.state.users(), self.state.addresses(), i128::from(tokens));
        assert_eq!(ours, self.oracle.totals(&self.limits, now.into()), "seed {} at {now}", self.seed);
        let counts = (self.state.overflow(), self.state.evictions());
        assert_eq!(counts, (self.oracle.overflow, self.oracle.evictions), "seed {} at {now}", self.seed);
        let quotas = (self.state.quota_counters(), self.state.quota_overflow());
        assert_eq!(quotas, self.oracle.quotas.totals(), "seed {} at {now}", self.seed);
    }

    fn random_of<T>(&mut self, list: impl Fn(&mut Self) -> &mut Vec<T>) -> Option<T> {
        let length = list(self).len() as u64;
        let chosen = (length > 0).then(|| self.random.below(length))?;
        Some(list(self).swap_remove(usize::try_from(chosen).unwrap_or(0)))
    }
}

fn admitted(decided: &Result<Admission, Refusal>) -> Outcome {
    outcome(decided.as_ref().map(|admission| &admission.user))
}

fn outcome(decided: Result<impl std::borrow::Borrow<Standing>, &Refusal>) -> Outcome {
    match decided {
        Ok(standing) => {
            let Standing { remaining, full_in_ns, .. } = *standing.borrow();
            Outcome::Admitted { remaining: remaining.into(), full_in: full_in_ns.into() }
        }
        Err(Refusal { numbers: Numbers { policy, standing, .. }, retry_after_s }) => {
            assert_eq!(standing.remaining, 0);
            Outcome::Refused { policy: policy.label(), wait_s: (*retry_after_s).into(), full_in: standing.full_in_ns.into() }
        }
    }
}

fn ip(index: u64) -> IpAddr {
    IpAddr::from([192, 0, 2, u8::try_from(index).unwrap_or(0)])
}

/// Plays one history; how often each answer was met.
fn play(seed: u64) -> BTreeMap<&'static str, u64> {
    let mut history = History::new(seed);
    for _ in 0..STEPS {
        history.step();
    }
    history.met
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|value| value.parse().expect("BUG: a number was asked for"))
}

/// Whichever is asked for; else the kept seeds and as many others as there are steps for.
fn seeds() -> Vec<u64> {
    let histories = number("LIMIT_STEPS").unwrap_or(60_000) / STEPS;
    number("LIMIT_SEED").map_or_else(|| KEPT.into_iter().chain(1_000..1_000 + histories).collect(), |seed| vec![seed])
}

#[test]
fn histories_decide_as_the_plain_limiter_does() {
    let mut met = BTreeMap::<_, u64>::new();
    for seed in seeds() {
        for (kind, times) in play(seed) {
            *met.entry(kind).or_default() += times;
        }
    }
    println!("{met:?}");
    assert_eq!(met.len(), 16, "every way in and every policy's refusal: {met:?}");
    assert!(number("LIMIT_SEED").is_some() || met.values().all(|times| *times > 10), "each must be met again and again: {met:?}");
}
