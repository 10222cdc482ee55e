//! A whole class marked in one request: present, with exceptions. Sent again it changes nothing; sent differently it
//! corrects, and keeps what it corrected.
use crate::domain::attendance::{self, Code, Counts, Exception, Plan};
use crate::http::register_sheets::sheet;
use crate::http::{Named, RollCallName, closed_on, viewer};
use crate::store::attendance::{self as store, ClassDay, Register, RollCall};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use hitaji_contracts::school::{AttendanceMarked, GuardianNoticeDue};
use hitaji_core::{ErrorCode, new_id};
use hitaji_db::{Audit, Tx};
use hitaji_web::{Answer, Body, Ctx, Problem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

/// Corrections within this time reach guardians before the first message does.
const NOTICE_DELAY: TimeDelta = TimeDelta::minutes(10);

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterIn {
    /// Made by the client where it works offline.
    #[serde(default)]
    id: Option<Uuid>,
    stream_id: Uuid,
    date: NaiveDate,
    #[serde(default)]
    roll_call: RollCallName,
    /// The code of every pupil who is not named below.
    default: Code,
    exceptions: Vec<Exception>,
    /// The version the sender saw; 412 when another one is current and the marks differ.
    #[serde(default)]
    base_version: Option<i64>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct RegisterOut {
    id: Uuid,
    stream: Named,
    date: NaiveDate,
    roll_call: RollCallName,
    version: i64,
    counts: Counts,
    rate: Option<String>,
    /// Marks written by this request.
    changed: usize,
    taken_at: DateTime<Utc>,
    taken_by: Option<String>,
}

pub async fn submit(ctx: Ctx, Body(body): Body<RegisterIn>) -> Result<Answer, Problem> {
    let roll = RollCall { stream_id: body.stream_id, date: body.date, name: body.roll_call.as_str() };
    let mut tx = ctx.tx().await?;
    let day = store::class_day(&mut tx, roll, viewer(&ctx, "school.attendance:write"))
        .await?
        .ok_or_else(Problem::not_found)?;
    if let Some(closed) = closed_on(body.date, ctx.business_date(), day.closure.as_deref(), day.in_year) {
        return Err(closed.refuse());
    }
    let register = store::lock_register(&mut tx, roll).await?;
    let pupils = store::pupils(&mut tx, roll).await?;
    if pupils.is_empty() {
        return Err(Problem::field("/stream_id", "empty_class", "No pupil is enrolled in this class on that day."));
    }
    let plan = attendance::plan(&pupils, body.default, &body.exceptions).map_err(Problem::validation)?;
    if let Some(register) = &register {
        if plan.changes.is_empty() {
            let out = answer(&body, &day, register, plan.counts, 0);
            return ctx.commit(tx, Answer::ok(&out).version(out.version)).await;
        }
        if body.base_version.is_some_and(|base| base != register.version) {
            return Err(stale(&ctx, &mut tx, roll, &day).await?);
        }
    }
    let written = write(&ctx, &mut tx, &body, roll, &day, register, &plan).await?;
    announce(&ctx, &mut tx, &body, &day, &written, &plan).await?;
    let out = answer(&body, &day, &written, plan.counts, plan.changes.len());
    let answer = if written.version == 1 {
        Answer::created(format!("/school/v1/register-sheets/{}?date={}", body.stream_id, body.date), &out)
    } else {
        Answer::ok(&out)
    };
    ctx.commit(tx, answer.version(out.version)).await
}

/// Writes register and marks; returns the register as it is now.
async fn write(
    ctx: &Ctx,
    tx: &mut Tx,
    body: &RegisterIn,
    roll: RollCall<'_>,
    day: &ClassDay,
    register: Option<Register>,
    plan: &Plan,
) -> Result<Register, Problem> {
    let (by, at, counts) = (ctx.subject().0, ctx.now(), plan.counts);
    let (id, version) = match register {
        Some(register) => {
            let version = store::update_register(tx, register.id, counts, by, at).await?;
            store::write_marks(tx, register.id, roll, &plan.changes, by, at).await?;
            (register.id, version)
        }
        None => {
            let id = body.id.unwrap_or_else(new_id);
            let made = store::insert_register(tx, id, roll, plan, by, at).await.map_err(id_taken)?;
            // Another request took the same register a moment ago; sent again, this one will correct it or match.
            let version = made.ok_or_else(|| {
                let mut problem =
                    Problem::new(ErrorCode::Conflict, "This register is being taken just now. Send it again.");
                problem.retry_after_s = Some(1);
                problem
            })?;
            (id, version)
        }
    };
    Ok(Register {
        id,
        version,
        enrolled: counts.enrolled,
        present: counts.present,
        absent: counts.absent,
        late: counts.late,
        excused: counts.excused,
        taken_at: at,
        taken_by: day.viewer_name.clone(),
    })
}

fn id_taken(error: hitaji_db::DbError) -> Problem {
    match error.constraint() {
        Some("attendance_register_pkey") => {
            Problem::field("/id", "taken", "Another register has this id. Make a new one.")
        }
        _ => error.into(),
    }
}

/// Audit, the event with absolute counts, and whom to tell.
async fn announce(
    ctx: &Ctx,
    tx: &mut Tx,
    body: &RegisterIn,
    day: &ClassDay,
    register: &Register,
    plan: &Plan,
) -> Result<(), Problem> {
    let noteworthy = plan.changes.iter().filter(|change| change.previous.is_some() || change.code != Code::Present);
    let changes: Vec<_> = noteworthy
        .map(|change| json!({"student_id": change.student_id, "from": change.previous.as_ref().map(|mark| mark.code), "to": change.code}))
        .collect();
    tx.audit(Audit {
        action: if register.version == 1 { "take" } else { "correct" },
        resource: "school.attendance",
        record_id: Some(register.id),
        before: None,
        after: Some(json!({"version": register.version, "counts": plan.counts, "changes": changes}).to_string()),
    });
    tx.emit(register.id, &marked(body, day, register, plan.counts));
    let was_absent =
        |change: &&attendance::Change| change.previous.as_ref().is_some_and(|mark| mark.code == Code::Absent);
    let absent: Vec<Uuid> =
        plan.changes.iter().filter(|change| change.code == Code::Absent).map(|change| change.student_id).collect();
    let arrived_late: Vec<Uuid> = plan
        .changes
        .iter()
        .filter(|change| change.code == Code::Late)
        .filter(was_absent)
        .map(|change| change.student_id)
        .collect();
    // A register written up later must not send messages about days gone by.
    if body.date != ctx.business_date() || (absent.is_empty() && arrived_late.is_empty()) {
        return Ok(());
    }
    let send_after = ctx.now() + NOTICE_DELAY;
    for (student_id, guardian_id, notice) in store::note_guardians(tx, body.date, &absent, &arrived_late).await? {
        tx.emit(student_id, &GuardianNoticeDue { student_id, guardian_id, date: body.date, notice, send_after });
    }
    Ok(())
}

fn marked(body: &RegisterIn, day: &ClassDay, register: &Register, counts: Counts) -> AttendanceMarked {
    AttendanceMarked {
        register_id: register.id,
        stream_id: body.stream_id,
        stream_name: day.stream_name.clone(),
        date: body.date,
        roll_call: body.roll_call.as_str().to_owned(),
        version: register.version,
        enrolled: counts.enrolled.into(),
        present: counts.present.into(),
        absent: counts.absent.into(),
        late: counts.late.into(),
        excused: counts.excused.into(),
        rate: counts.rate(),
        taken_at: register.taken_at,
        taken_by: register.taken_by.clone(),
    }
}

fn answer(body: &RegisterIn, day: &ClassDay, register: &Register, counts: Counts, changed: usize) -> RegisterOut {
    RegisterOut {
        id: register.id,
        stream: Named { id: body.stream_id, title: day.stream_name.clone() },
        date: body.date,
        roll_call: body.roll_call,
        version: register.version,
        counts,
        rate: counts.rate(),
        changed,
        taken_at: register.taken_at,
        taken_by: register.taken_by.clone(),
    }
}

/// 412 with the sheet as it is now, so that the sender can merge.
async fn stale(ctx: &Ctx, tx: &mut Tx, roll: RollCall<'_>, day: &ClassDay) -> Result<Problem, Problem> {
    let current = sheet(ctx, tx, roll, day).await?;
    let problem =
        Problem::new(ErrorCode::Stale, "Somebody changed this register meanwhile. Compare and send yours again.");
    Ok(problem.with("current", serde_json::to_value(current).map_err(Problem::internal)?))
}
