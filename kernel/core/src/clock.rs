//! Time as an argument: the system's clock in production, one that a test moves in tests.
use chrono::{DateTime, NaiveDate, TimeZone, Utc};
use chrono_tz::Tz;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Tells the time. Clones share one source.
#[derive(Clone, Default)]
pub struct Clock {
    fixed_micros: Option<Arc<AtomicI64>>,
}

impl Clock {
    pub fn system() -> Clock {
        Clock::default()
    }

    /// A clock that stands still until [`Clock::set`].
    pub fn fixed(at: DateTime<Utc>) -> Clock {
        Clock { fixed_micros: Some(Arc::new(AtomicI64::new(at.timestamp_micros()))) }
    }

    /// Moves a fixed clock; a system clock ignores it.
    pub fn set(&self, at: DateTime<Utc>) {
        if let Some(fixed) = &self.fixed_micros {
            fixed.store(at.timestamp_micros(), Ordering::SeqCst);
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
    pub fn now(&self) -> DateTime<Utc> {
        match &self.fixed_micros {
            Some(fixed) => Utc.timestamp_micros(fixed.load(Ordering::SeqCst)).single().unwrap_or_default(),
            None => Utc::now(),
        }
    }

    /// The calendar date in `zone`: what people there call today.
    pub fn business_date(&self, zone: Tz) -> NaiveDate {
        self.now().with_timezone(&zone).date_naive()
    }
}
