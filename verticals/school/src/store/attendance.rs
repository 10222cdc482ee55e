//! Registers and marks.
use crate::domain::attendance::{Change, Code, Counts, Mark, Plan, Pupil};
use chrono::{DateTime, NaiveDate, Utc};
use hitaji_contracts::school::AttendanceNotice;
use hitaji_db::DbError;
use sqlx::PgConnection;
use uuid::Uuid;

/// Which roll call of which class on which day.
#[derive(Clone, Copy, Debug)]
pub struct RollCall<'a> {
    pub stream_id: Uuid,
    pub date: NaiveDate,
    /// `morning` or `afternoon`.
    pub name: &'a str,
}

/// Who asks, and which classes they reach.
#[derive(Clone, Debug)]
pub struct Viewer {
    pub account_id: Uuid,
    /// Every class.
    pub everyone: bool,
    /// Every class of these places.
    pub nodes: Vec<Uuid>,
    /// Their own ones.
    pub own: bool,
}

/// What must be known of a class on a day before its register is shown or taken.
#[derive(Debug, sqlx::FromRow)]
pub struct ClassDay {
    pub stream_name: String,
    pub closure: Option<String>,
    pub in_year: bool,
    /// The viewer's name.
    pub viewer_name: Option<String>,
}

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Register {
    pub id: Uuid,
    pub version: i64,
    pub enrolled: i32,
    pub present: i32,
    pub absent: i32,
    pub late: i32,
    pub excused: i32,
    pub taken_at: DateTime<Utc>,
    pub taken_by: Option<String>,
}

impl Register {
    pub fn counts(&self) -> Counts {
        Counts {
            enrolled: self.enrolled,
            present: self.present,
            absent: self.absent,
            late: self.late,
            excused: self.excused,
        }
    }
}

/// A class that the viewer reaches, with the day's circumstances.
pub async fn class_day(
    conn: &mut PgConnection,
    roll: RollCall<'_>,
    viewer: Viewer,
) -> Result<Option<ClassDay>, DbError> {
    Ok(sqlx::query_as(
        "select stream.name as stream_name,
             (select closure.name from school.closure where daterange(starts_on, ends_on) @> $2 limit 1) as closure,
             exists (select from school.academic_year where $2 between starts_on and last_day) as in_year,
             (select member.name from school.member where account_id = $3) as viewer_name
         from school.stream
         where stream.id = $1
           and ($4 or stream.node_id = any ($5)
               or $6 and exists (select from school.class_of_teacher own where own.stream_id = $1 and own.account_id = $3))",
    )
    .bind(roll.stream_id)
    .bind(roll.date)
    .bind(viewer.account_id)
    .bind(viewer.everyone)
    .bind(&viewer.nodes)
    .bind(viewer.own)
    .fetch_optional(conn)
    .await?)
}

/// The register, locked against other changes until the transaction ends.
pub async fn lock_register(conn: &mut PgConnection, roll: RollCall<'_>) -> Result<Option<Register>, DbError> {
    Ok(sqlx::query_as(
        "select register.id, register.version, enrolled, present, absent, late, excused, taken_at,
             (select member.name from school.member where account_id = register.taken_by) as taken_by
         from school.attendance_register register
         where stream_id = $1 and date = $2 and roll_call = $3 for update of register",
    )
    .bind(roll.stream_id)
    .bind(roll.date)
    .bind(roll.name)
    .fetch_optional(conn)
    .await?)
}

#[derive(sqlx::FromRow)]
struct PupilRow {
    student_id: Uuid,
    on_leave: bool,
    code: Option<String>,
    reason: Option<String>,
    version: Option<i16>,
}

/// The pupils of the class on that day, with leave and the marks that hold now.
///
/// `limit 1` keeps the marks a look-up by key: as a plain join, a plan made while the table is empty reads all of it,
/// and a prepared statement keeps that plan while the table grows.
pub async fn pupils(conn: &mut PgConnection, roll: RollCall<'_>) -> Result<Vec<Pupil>, DbError> {
    let rows: Vec<PupilRow> = sqlx::query_as(
        "select enrolment.student_id, mark.code, mark.reason, mark.version,
             exists (select from school.leave where leave.student_id = enrolment.student_id
                     and leave.starts_on <= $2 and leave.ends_on > $2) as on_leave
         from school.enrolment
         left join lateral (select mark.code, mark.reason, mark.version from school.attendance_mark mark
             where mark.student_id = enrolment.student_id and mark.date = $2 and mark.roll_call = $3 limit 1) mark on true
         where enrolment.stream_id = $1 and enrolment.starts_on <= $2 and coalesce(enrolment.ends_on > $2, true)",
    )
    .bind(roll.stream_id)
    .bind(roll.date)
    .bind(roll.name)
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(pupil).collect())
}

fn pupil(row: PupilRow) -> Pupil {
    let code = row.code.as_deref().and_then(Code::parse);
    let current = code.zip(row.version).map(|(code, version)| Mark { code, reason: row.reason, version });
    Pupil { student_id: row.student_id, on_leave: row.on_leave, current }
}

/// Makes the register with its marks, in one statement. None, and nothing written, when somebody else made it meanwhile.
pub async fn insert_register(
    conn: &mut PgConnection,
    id: Uuid,
    roll: RollCall<'_>,
    plan: &Plan,
    by: Uuid,
    at: DateTime<Utc>,
) -> Result<Option<i64>, DbError> {
    keep_corrected(conn, roll, &plan.changes).await?;
    let (students, codes, reasons) = columns(&plan.changes);
    let counts = plan.counts;
    Ok(sqlx::query_scalar(
        "with register as (
             insert into school.attendance_register
                 (id, stream_id, date, roll_call, enrolled, present, absent, late, excused, taken_by, taken_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
             on conflict (stream_id, date, roll_call) do nothing returning id, version
         ), marks as (
             insert into school.attendance_mark (student_id, date, roll_call, register_id, code, reason, recorded_at, recorded_by)
             select new.student_id, $3, $4, register.id, new.code, new.reason, $11, $10
             from register, unnest($12::uuid[], $13::text[], $14::text[]) as new (student_id, code, reason)
             on conflict (student_id, date, roll_call) do update
             set version = attendance_mark.version + 1, register_id = excluded.register_id, code = excluded.code,
                 reason = excluded.reason, recorded_at = excluded.recorded_at, recorded_by = excluded.recorded_by
         )
         select version from register",
    )
    .bind(id)
    .bind(roll.stream_id)
    .bind(roll.date)
    .bind(roll.name)
    .bind(counts.enrolled)
    .bind(counts.present)
    .bind(counts.absent)
    .bind(counts.late)
    .bind(counts.excused)
    .bind(by)
    .bind(at)
    .bind(students)
    .bind(codes)
    .bind(reasons)
    .fetch_optional(conn)
    .await?)
}

pub async fn update_register(
    conn: &mut PgConnection,
    id: Uuid,
    counts: Counts,
    by: Uuid,
    at: DateTime<Utc>,
) -> Result<i64, DbError> {
    Ok(sqlx::query_scalar(
        "update school.attendance_register
         set version = version + 1, updated_at = now(), enrolled = $2, present = $3, absent = $4, late = $5, excused = $6,
             taken_by = $7, taken_at = $8
         where id = $1 returning version",
    )
    .bind(id)
    .bind(counts.enrolled)
    .bind(counts.present)
    .bind(counts.absent)
    .bind(counts.late)
    .bind(counts.excused)
    .bind(by)
    .bind(at)
    .fetch_one(conn)
    .await?)
}

/// Puts marks that are about to be corrected into the history.
async fn keep_corrected(conn: &mut PgConnection, roll: RollCall<'_>, changes: &[Change]) -> Result<(), DbError> {
    let corrected: Vec<Uuid> =
        changes.iter().filter(|change| change.previous.is_some()).map(|change| change.student_id).collect();
    if corrected.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into school.attendance_mark_history
             (student_id, date, roll_call, version, code, reason, recorded_at, recorded_by)
         select student_id, date, roll_call, version, code, reason, recorded_at, recorded_by
         from school.attendance_mark where student_id = any($1) and date = $2 and roll_call = $3",
    )
    .bind(&corrected)
    .bind(roll.date)
    .bind(roll.name)
    .execute(conn)
    .await?;
    Ok(())
}

type MarkColumns<'a> = (Vec<Uuid>, Vec<&'static str>, Vec<Option<&'a str>>);

fn columns(changes: &[Change]) -> MarkColumns<'_> {
    let mut columns = MarkColumns::default();
    for change in changes {
        columns.0.push(change.student_id);
        columns.1.push(change.code.as_str());
        columns.2.push(change.reason.as_deref());
    }
    columns
}

/// Writes marks; a corrected one goes to the history first.
pub async fn write_marks(
    conn: &mut PgConnection,
    register_id: Uuid,
    roll: RollCall<'_>,
    changes: &[Change],
    by: Uuid,
    at: DateTime<Utc>,
) -> Result<(), DbError> {
    keep_corrected(conn, roll, changes).await?;
    let (students, codes, reasons) = columns(changes);
    sqlx::query(
        "insert into school.attendance_mark (student_id, date, roll_call, register_id, code, reason, recorded_at, recorded_by)
         select new.student_id, $4, $5, $6, new.code, new.reason, $7, $8
         from unnest($1::uuid[], $2::text[], $3::text[]) as new (student_id, code, reason)
         on conflict (student_id, date, roll_call) do update
         set version = attendance_mark.version + 1, register_id = excluded.register_id, code = excluded.code,
             reason = excluded.reason, recorded_at = excluded.recorded_at, recorded_by = excluded.recorded_by",
    )
    .bind(students)
    .bind(codes)
    .bind(reasons)
    .bind(roll.date)
    .bind(roll.name)
    .bind(register_id)
    .bind(at)
    .bind(by)
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes whom to tell, once each: guardians with consent and a phone, most important first. "Arrived late" goes
/// only to those who were told of the absence. Returns what was not noted before.
///
/// The arrays stand in sub-selects so that their lengths do not change the plan: PostgreSQL would plan it anew each time.
pub async fn note_guardians(
    conn: &mut PgConnection,
    date: NaiveDate,
    absent: &[Uuid],
    arrived_late: &[Uuid],
) -> Result<Vec<(Uuid, Uuid, AttendanceNotice)>, DbError> {
    let rows: Vec<(Uuid, Uuid, String)> = sqlx::query_as(
        "insert into school.guardian_notice (student_id, guardian_id, date, notice)
         select link.student_id, link.guardian_id, $3, due.notice
         from (select student_id, 'absent' as notice from unnest((select $1::uuid[])) as absent (student_id)
               union all select student_id, 'arrived_late' from unnest((select $2::uuid[])) as late (student_id)) due
         join school.guardian_link link on link.student_id = due.student_id
         join school.guardian on guardian.id = link.guardian_id
         left join lateral (select true as absence from school.guardian_notice earlier where due.notice = 'arrived_late'
             and earlier.student_id = link.student_id and earlier.guardian_id = link.guardian_id
             and earlier.date = $3 and earlier.notice = 'absent' limit 1) told on true
         where link.sms_consent and guardian.phone is not null and (due.notice = 'absent' or told.absence)
         order by link.student_id, link.priority
         on conflict do nothing returning student_id, guardian_id, notice",
    )
    .bind(absent)
    .bind(arrived_late)
    .bind(date)
    .fetch_all(conn)
    .await?;
    let notice = |text: String| if text == "absent" { AttendanceNotice::Absent } else { AttendanceNotice::ArrivedLate };
    Ok(rows.into_iter().map(|(student, guardian, text)| (student, guardian, notice(text))).collect())
}

/// One line of a register as a teacher sees it.
#[derive(Debug, sqlx::FromRow, serde::Serialize, schemars::JsonSchema)]
pub struct SheetPupil {
    pub student_id: Uuid,
    pub admission_number: String,
    pub name: String,
    /// `excused` where leave is approved.
    pub planned: Option<String>,
    pub planned_reason: Option<String>,
    pub code: Option<String>,
    pub reason: Option<String>,
}

pub async fn sheet_pupils(conn: &mut PgConnection, roll: RollCall<'_>) -> Result<Vec<SheetPupil>, DbError> {
    Ok(sqlx::query_as(
        "select student.id as student_id, student.admission_number,
             coalesce(student.preferred_name, student.first_name) || ' ' || student.last_name as name,
             case when leave.reason is not null then 'excused' end as planned, leave.reason as planned_reason,
             mark.code, mark.reason
         from school.enrolment
         join school.student on student.id = enrolment.student_id
         left join lateral (select leave.reason from school.leave where leave.student_id = student.id
             and leave.starts_on <= $2 and leave.ends_on > $2 limit 1) leave on true
         left join lateral (select mark.code, mark.reason from school.attendance_mark mark
             where mark.student_id = student.id and mark.date = $2 and mark.roll_call = $3 limit 1) mark on true
         where enrolment.stream_id = $1 and enrolment.starts_on <= $2 and coalesce(enrolment.ends_on > $2, true)
         order by student.last_name, student.first_name, student.id",
    )
    .bind(roll.stream_id)
    .bind(roll.date)
    .bind(roll.name)
    .fetch_all(conn)
    .await?)
}

/// The register without a lock.
pub async fn register(conn: &mut PgConnection, roll: RollCall<'_>) -> Result<Option<Register>, DbError> {
    Ok(sqlx::query_as(
        "select register.id, register.version, enrolled, present, absent, late, excused, taken_at, member.name as taken_by
         from school.attendance_register register left join school.member on member.account_id = register.taken_by
         where stream_id = $1 and date = $2 and roll_call = $3",
    )
    .bind(roll.stream_id)
    .bind(roll.date)
    .bind(roll.name)
    .fetch_optional(conn)
    .await?)
}

#[derive(Debug, sqlx::FromRow)]
pub struct MarkRow {
    pub student_id: Uuid,
    pub student_name: String,
    pub date: NaiveDate,
    pub roll_call: String,
    pub register_id: Uuid,
    pub code: String,
    pub reason: Option<String>,
    pub version: i16,
    pub recorded_at: DateTime<Utc>,
}

/// A question for marks, newest day first.
#[derive(Debug)]
pub struct MarkQuery {
    pub student_id: Option<Uuid>,
    pub from: Option<NaiveDate>,
    pub before: Option<NaiveDate>,
    pub after: Option<(NaiveDate, Uuid, String)>,
    pub limit: i64,
}

/// Marks of pupils that the viewer reaches.
pub async fn marks(
    conn: &mut PgConnection,
    viewer: Viewer,
    today: NaiveDate,
    query: &MarkQuery,
) -> Result<Vec<MarkRow>, DbError> {
    let (date, student, roll_call) =
        query.after.clone().map_or((None, None, None), |(date, student, roll)| (Some(date), Some(student), Some(roll)));
    Ok(sqlx::query_as(
        "select mark.student_id, student.first_name || ' ' || student.last_name as student_name, mark.date, mark.roll_call,
             mark.register_id, mark.code, mark.reason, mark.version, mark.recorded_at
         from school.attendance_mark mark join school.student on student.id = mark.student_id
         where ($1 or mark.student_id in (
                 select own.student_id from school.pupil_of_teacher own where own.account_id = $2
                 and own.starts_on <= $3 and coalesce(own.ends_on > $3, true)
                 union all select own.student_id from school.child_of_guardian own where own.account_id = $2))
           and ($4::uuid is null or mark.student_id = $4)
           and mark.date >= coalesce($5, '-infinity'::date) and mark.date < coalesce($6, 'infinity'::date)
           and ($7::date is null or (mark.date, mark.student_id, mark.roll_call) < ($7, $8, $9))
         order by mark.date desc, mark.student_id desc, mark.roll_call desc limit $10",
    )
    .bind(viewer.everyone)
    .bind(viewer.account_id)
    .bind(today)
    .bind(query.student_id)
    .bind(query.from)
    .bind(query.before)
    .bind(date)
    .bind(student)
    .bind(roll_call)
    .bind(query.limit)
    .fetch_all(conn)
    .await?)
}
