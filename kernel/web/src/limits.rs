//! Rate limits by GCRA, per organisation and per subject; strict ones for sign-in live in identity.
use crate::Problem;
use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use hitaji_core::ErrorCode;
use http::{HeaderMap, HeaderValue};
use serde::Deserialize;
use std::num::NonZeroU32;
use uuid::Uuid;

type Keyed = RateLimiter<Uuid, DashMapStateStore<Uuid>, DefaultClock, StateInformationMiddleware>;

/// Section `[limits]` of the configuration: requests a second and how many may come at once.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Settings {
    pub organisation_per_s: NonZeroU32,
    pub organisation_burst: NonZeroU32,
    pub subject_per_s: NonZeroU32,
    pub subject_burst: NonZeroU32,
}

pub(crate) struct Limits {
    organisation: Limit,
    subject: Limit,
    clock: DefaultClock,
}

struct Limit {
    name: &'static str,
    burst: NonZeroU32,
    window_s: u32,
    limiter: Keyed,
}

/// What a request was told of its limits.
#[derive(Clone, Copy)]
pub(crate) struct Remaining {
    policy: &'static str,
    burst: u32,
    window_s: u32,
    left: u32,
    /// Seconds until there is room again.
    reset_s: u64,
}

impl Limits {
    pub fn new(settings: &Settings) -> Limits {
        let limit = |name, per_s: NonZeroU32, burst: NonZeroU32| Limit {
            name,
            burst,
            window_s: burst.get().div_ceil(per_s.get()),
            limiter: RateLimiter::keyed(Quota::per_second(per_s).allow_burst(burst)).with_middleware(),
        };
        Limits {
            organisation: limit("organisation", settings.organisation_per_s, settings.organisation_burst),
            subject: limit("subject", settings.subject_per_s, settings.subject_burst),
            clock: DefaultClock::default(),
        }
    }

    /// Counts one request. The tighter of the two limits is reported, with a refusal where one is used up.
    pub fn check(&self, organisation: Uuid, subject: Uuid) -> (Remaining, Result<(), Problem>) {
        let (first, outcome) = self.count(&self.organisation, organisation);
        if outcome.is_err() {
            return (first, outcome);
        }
        let (second, outcome) = self.count(&self.subject, subject);
        let tighter = if outcome.is_ok() && first.left < second.left { first } else { second };
        (tighter, outcome)
    }

    /// Forgets keys that are back at their full burst, so that the maps stay small.
    pub fn forget_idle(&self) {
        self.organisation.limiter.retain_recent();
        self.subject.limiter.retain_recent();
    }

    fn count(&self, limit: &Limit, key: Uuid) -> (Remaining, Result<(), Problem>) {
        let remaining = |left, reset_s| Remaining {
            policy: limit.name,
            burst: limit.burst.get(),
            window_s: limit.window_s,
            left,
            reset_s,
        };
        match limit.limiter.check_key(&key) {
            Ok(snapshot) => (remaining(snapshot.remaining_burst_capacity(), limit.window_s.into()), Ok(())),
            Err(refused) => {
                let wait = refused.wait_time_from(self.clock.now()).as_secs() + 1;
                let detail = format!("Too many requests of this {}; go on in {wait} s.", limit.name);
                (remaining(0, wait), Err(Problem::new(ErrorCode::RateLimited, detail).retry_after(wait)))
            }
        }
    }
}

impl Remaining {
    /// `RateLimit-Policy` and `RateLimit` of the IETF httpapi draft (structured fields).
    pub fn write(&self, headers: &mut HeaderMap) {
        let policy = format!("\"{}\";q={};w={}", self.policy, self.burst, self.window_s);
        let state = format!("\"{}\";r={};t={}", self.policy, self.left, self.reset_s);
        for (name, text) in [("ratelimit-policy", policy), ("ratelimit", state)] {
            if let Ok(value) = HeaderValue::from_str(&text) {
                headers.insert(name, value);
            }
        }
    }
}
