//! A school's records, written by SQL: classes of 40 with guardians, ids that can be worked out.
use crate::people::Organisation;
use crate::platform::Platform;

pub const CLASS: usize = 40;
/// Pupils at the head of each class have a guardian who agreed to messages: two are absent in the morning, two others
/// in the afternoon, so that every register makes two notices.
const WITH_GUARDIAN: usize = 4;

pub const STREAM: u8 = 1;
pub const STUDENT: u8 = 2;

/// The id of the record number `n` of a kind.
pub fn id(kind: u8, n: usize) -> String {
    format!("{kind:08x}-0000-7000-8000-{n:012x}")
}

const RECORDS: &str = include_str!("../sql/school.sql");

/// Fills the organisation's database with so many classes.
pub async fn fill(platform: &Platform, organisation: &Organisation, streams: usize) {
    let sql = RECORDS
        .replace("{streams}", &streams.to_string())
        .replace("{class}", &CLASS.to_string())
        .replace("{with_guardian}", &WITH_GUARDIAN.to_string());
    platform.postgres.run(&organisation.database, &sql).await;
    platform.postgres.run(&organisation.database, "vacuum analyze").await;
}

/// Which register comes at turn `n`, counted from 1: a class, and a roll call of today's two.
#[derive(Clone, Copy)]
pub struct Turn {
    pub stream: usize,
    pub afternoon: bool,
}

impl Turn {
    pub fn new(n: usize) -> Turn {
        Turn { stream: (n - 1) / 2 + 1, afternoon: n.is_multiple_of(2) }
    }

    /// The body of the request: 36 present, 2 absent whose guardians want to know, 2 late.
    pub fn body(self, date: &str, register: &str) -> String {
        let pupil = |place: usize| id(STUDENT, (self.stream - 1) * CLASS + place);
        let first = if self.afternoon { 3 } else { 1 };
        let exception = |place, code| format!(r#"{{"student_id":"{}","code":"{code}"}}"#, pupil(place));
        let exceptions =
            [exception(first, "absent"), exception(first + 1, "absent"), exception(5, "late"), exception(6, "late")];
        format!(
            r#"{{"id":"{register}","stream_id":"{}","date":"{date}","roll_call":"{}","default":"present","exceptions":[{}]}}"#,
            id(STREAM, self.stream),
            if self.afternoon { "afternoon" } else { "morning" },
            exceptions.join(",")
        )
    }
}

/// Today in the organisation's time zone.
pub async fn today(platform: &Platform, organisation: &Organisation) -> String {
    platform.postgres.ask(&organisation.database, "select ((now() at time zone 'Africa/Nairobi')::date)::text").await
}

/// Waits until every event of the organisation has its number.
pub async fn drained(platform: &Platform, organisation: &Organisation) {
    let done = "select not exists (select from hitaji.outbox where sequence is null)";
    platform.postgres.wait_for(&organisation.database, done).await;
}

/// Takes all registers away, so that the next run finds what the last one found.
pub async fn clear(platform: &Platform, organisation: &Organisation) {
    drained(platform, organisation).await;
    let tables = "school.attendance_mark, school.attendance_register, school.guardian_notice, hitaji.outbox, hitaji.audit, \
        hitaji.idempotency";
    platform.postgres.run(&organisation.database, &format!("truncate {tables}")).await;
    platform.postgres.run(&organisation.database, "checkpoint").await;
}
