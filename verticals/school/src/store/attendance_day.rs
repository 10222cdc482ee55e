//! A day over all classes: what the head teacher's dashboard and a teacher's home show.
use crate::domain::attendance::Counts;
use crate::store::attendance::Viewer;
use chrono::{DateTime, NaiveDate, Utc};
use hitaji_db::DbError;
use sqlx::PgConnection;
use uuid::Uuid;

/// One class on the day; counts only where the register is taken, else `enrolled` alone.
#[derive(Debug, sqlx::FromRow)]
pub struct ClassRow {
    pub stream_id: Uuid,
    pub stream_name: String,
    pub year_group_id: Uuid,
    pub year_group_name: String,
    pub register_id: Option<Uuid>,
    pub version: Option<i64>,
    pub enrolled: i32,
    pub present: i32,
    pub absent: i32,
    pub late: i32,
    pub excused: i32,
    pub taken_at: Option<DateTime<Utc>>,
    pub taken_by: Option<String>,
}

impl ClassRow {
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

/// Classes with pupils on that day that the viewer reaches, in order of year group and name.
pub async fn classes(
    conn: &mut PgConnection,
    date: NaiveDate,
    roll_call: &str,
    viewer: Viewer,
) -> Result<Vec<ClassRow>, DbError> {
    Ok(sqlx::query_as(
        "select stream.id as stream_id, stream.name as stream_name, stream.year_group_id, year_group.name as year_group_name,
             register.id as register_id, register.version, coalesce(register.enrolled, class.enrolled) as enrolled,
             coalesce(register.present, 0) as present, coalesce(register.absent, 0) as absent,
             coalesce(register.late, 0) as late, coalesce(register.excused, 0) as excused,
             register.taken_at, member.name as taken_by
         from school.stream
         join school.year_group on year_group.id = stream.year_group_id
         join (select stream_id, count(*)::integer as enrolled from school.enrolment
               where starts_on <= $1 and coalesce(ends_on > $1, true) group by stream_id) class on class.stream_id = stream.id
         left join school.attendance_register register
             on register.stream_id = stream.id and register.date = $1 and register.roll_call = $2
         left join school.member on member.account_id = register.taken_by
         where $3 or stream.node_id = any ($5)
            or $6 and stream.id in (select own.stream_id from school.class_of_teacher own where own.account_id = $4)
         order by year_group.position, stream.name, stream.id",
    )
    .bind(date)
    .bind(roll_call)
    .bind(viewer.everyone)
    .bind(viewer.account_id)
    .bind(&viewer.nodes)
    .bind(viewer.own)
    .fetch_all(conn)
    .await?)
}

#[derive(Debug, sqlx::FromRow)]
pub struct Away {
    pub student_id: Uuid,
    pub student_name: String,
    pub stream_id: Uuid,
    pub stream_name: String,
    pub code: String,
    pub reason: Option<String>,
    /// JSON: `[{"name", "phone"}]`, whom to call first.
    pub guardians: serde_json::Value,
}

/// Who is absent or late, with the people to call.
pub async fn away(conn: &mut PgConnection, date: NaiveDate, roll_call: &str) -> Result<Vec<Away>, DbError> {
    Ok(sqlx::query_as(
        "select mark.student_id, student.first_name || ' ' || student.last_name as student_name,
             stream.id as stream_id, stream.name as stream_name, mark.code, mark.reason,
             coalesce((select json_agg(json_build_object('name', guardian.name, 'phone', guardian.phone) order by link.priority)
                 from school.guardian_link link join school.guardian on guardian.id = link.guardian_id
                 where link.student_id = mark.student_id), '[]'::json) as guardians
         from school.attendance_mark mark
         join school.attendance_register register on register.id = mark.register_id
         join school.stream on stream.id = register.stream_id
         join school.student on student.id = mark.student_id
         where mark.date = $1 and mark.roll_call = $2 and mark.code in ('absent', 'late')
         order by mark.code, stream.name, student.last_name, student.id limit 1000",
    )
    .bind(date)
    .bind(roll_call)
    .fetch_all(conn)
    .await?)
}

/// Counts of the last ten days with registers up to `date`, oldest first.
pub async fn trend(
    conn: &mut PgConnection,
    date: NaiveDate,
    roll_call: &str,
) -> Result<Vec<(NaiveDate, Counts)>, DbError> {
    let rows: Vec<(NaiveDate, i64, i64, i64, i64, i64)> = sqlx::query_as(
        "select date, sum(enrolled), sum(present), sum(absent), sum(late), sum(excused)
         from school.attendance_register where roll_call = $2 and date <= $1 and date > $1 - 60
         group by date order by date desc limit 10",
    )
    .bind(date)
    .bind(roll_call)
    .fetch_all(conn)
    .await?;
    let counts = |(date, enrolled, present, absent, late, excused)| {
        let narrow = |count: i64| i32::try_from(count).unwrap_or(i32::MAX);
        let counts = Counts {
            enrolled: narrow(enrolled),
            present: narrow(present),
            absent: narrow(absent),
            late: narrow(late),
            excused: narrow(excused),
        };
        (date, counts)
    };
    Ok(rows.into_iter().rev().map(counts).collect())
}

/// Why there is no school on that day: a closure's name, or a day outside every academic year.
pub async fn closed(conn: &mut PgConnection, date: NaiveDate) -> Result<(Option<String>, bool), DbError> {
    Ok(sqlx::query_as(
        "select (select closure.name from school.closure where daterange(starts_on, ends_on) @> $1 limit 1),
             exists (select from school.academic_year where $1 between starts_on and last_day)",
    )
    .bind(date)
    .fetch_one(conn)
    .await?)
}
