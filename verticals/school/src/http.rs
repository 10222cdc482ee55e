//! Commands and questions of the school.
pub mod attendance_day;
pub mod attendance_marks;
pub mod class_list;
pub mod register_sheets;
pub mod submit_register;

use crate::resources::places;
use crate::store::attendance::Viewer;
use chrono::NaiveDate;
use hitaji_web::{Ctx, Problem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A reference to a record as lists show it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Named {
    pub id: Uuid,
    pub title: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RollCallName {
    #[default]
    Morning,
    Afternoon,
}

impl RollCallName {
    pub fn as_str(self) -> &'static str {
        match self {
            RollCallName::Morning => "morning",
            RollCallName::Afternoon => "afternoon",
        }
    }
}

/// `?date=&roll_call=`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DayParams {
    pub date: Option<NaiveDate>,
    #[serde(default)]
    pub roll_call: RollCallName,
}

/// Why no register is taken on a day.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Closed {
    pub code: &'static str,
    pub message: String,
}

impl Closed {
    /// As a refusal of the field that named the day.
    pub fn refuse(self) -> Problem {
        let code = if self.code == "closure" { "closed_day" } else { self.code };
        Problem::field("/date", code, self.message)
    }
}

/// Whether a register can be taken on `date`, and if not, why.
pub fn closed_on(date: NaiveDate, today: NaiveDate, closure: Option<&str>, in_year: bool) -> Option<Closed> {
    if date > today {
        let message = "A register is taken on the day; plan an absence as leave instead.".to_owned();
        return Some(Closed { code: "future_date", message });
    }
    if let Some(name) = closure {
        return Some(Closed { code: "closure", message: format!("The school is closed on this day: {name}.") });
    }
    (!in_year)
        .then(|| Closed { code: "outside_year", message: "This day is in no academic year of the school.".to_owned() })
}

/// Who asks, for what `scope` lets them do.
pub fn viewer(ctx: &Ctx, scope: &str) -> Viewer {
    let places = places(ctx, scope);
    Viewer {
        // A program is nobody's teacher or guardian.
        account_id: ctx.person().map_or(Uuid::nil(), |person| person.0),
        everyone: places.is_none(),
        nodes: places.unwrap_or_default(),
        own: ctx.may(scope),
    }
}
