//! School: what happens in classes. Its events are published in the organisation's own database.
use chrono::{DateTime, NaiveDate, Utc};
use hitaji_core::Event;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A register was taken or corrected. The counts are those after the change, so that applying it twice is harmless.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AttendanceMarked {
    pub register_id: Uuid,
    pub stream_id: Uuid,
    pub stream_name: String,
    pub date: NaiveDate,
    /// `morning` or `afternoon`.
    pub roll_call: String,
    pub version: i64,
    pub enrolled: i64,
    pub present: i64,
    pub absent: i64,
    pub late: i64,
    pub excused: i64,
    /// Percent with two decimals, or absent where nobody was expected.
    pub rate: Option<String>,
    pub taken_at: DateTime<Utc>,
    pub taken_by: Option<String>,
}

impl Event for AttendanceMarked {
    const TYPE: &'static str = "school.attendance.marked.v1";
}

/// What a guardian is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttendanceNotice {
    Absent,
    /// Marked absent first, then late.
    ArrivedLate,
}

/// One guardian with consent is to get one SMS about one pupil on one day: once per pupil, day, guardian and notice.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GuardianNoticeDue {
    pub student_id: Uuid,
    pub guardian_id: Uuid,
    pub date: NaiveDate,
    pub notice: AttendanceNotice,
    /// Not before this, so that a correction can win.
    pub send_after: DateTime<Utc>,
}

impl Event for GuardianNoticeDue {
    const TYPE: &'static str = "school.guardian_notice.due.v1";
}
