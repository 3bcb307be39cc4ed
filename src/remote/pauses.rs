//! How long to wait until an issuer is asked again.
use std::time::Duration;

/// Between two attempts after failures, at most.
const RETRY: Duration = Duration::from_secs(30);

/// 1 s after the first failure, twice as long after each further one, at most `longest` and [`RETRY`].
pub(super) fn retry_pause(failures: u32, longest: Duration) -> Duration {
    Duration::from_secs(1 << failures.saturating_sub(1).min(20)).min(longest).min(RETRY)
}

/// Up to a tenth earlier, so that gateways that were started together do not ask together for ever.
pub(super) fn earlier(pause: Duration, random: u8) -> Duration {
    pause.saturating_sub(pause / 2560 * u32::from(random))
}

#[cfg(test)]
mod tests;
