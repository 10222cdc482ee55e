//! Taking a register: from "present, with exceptions" to one mark a pupil, counts, and whom to tell.
//! Rules: domains/school.md B3 of the project's reference.
use hitaji_core::FieldError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

pub const REASON_LENGTH: usize = 200;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    Present,
    Absent,
    Late,
    Excused,
}

impl Code {
    pub fn as_str(self) -> &'static str {
        match self {
            Code::Present => "present",
            Code::Absent => "absent",
            Code::Late => "late",
            Code::Excused => "excused",
        }
    }

    pub fn parse(text: &str) -> Option<Code> {
        [Code::Present, Code::Absent, Code::Late, Code::Excused].into_iter().find(|code| code.as_str() == text)
    }
}

/// A pupil of the class on that day.
#[derive(Clone, Debug)]
pub struct Pupil {
    pub student_id: Uuid,
    /// Has approved leave on that day.
    pub on_leave: bool,
    /// The mark that holds now, where the register was taken before.
    pub current: Option<Mark>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    pub code: Code,
    pub reason: Option<String>,
    pub version: i16,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    pub student_id: Uuid,
    pub code: Code,
    #[serde(default)]
    pub reason: Option<String>,
}

/// A mark to write: new, or correcting `previous`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub student_id: Uuid,
    pub code: Code,
    pub reason: Option<String>,
    pub previous: Option<Mark>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    pub enrolled: i32,
    pub present: i32,
    pub absent: i32,
    pub late: i32,
    pub excused: i32,
}

impl Counts {
    pub fn add(&mut self, code: Code) {
        self.enrolled += 1;
        match code {
            Code::Present => self.present += 1,
            Code::Absent => self.absent += 1,
            Code::Late => self.late += 1,
            Code::Excused => self.excused += 1,
        }
    }

    pub fn plus(self, other: Counts) -> Counts {
        Counts {
            enrolled: self.enrolled + other.enrolled,
            present: self.present + other.present,
            absent: self.absent + other.absent,
            late: self.late + other.late,
            excused: self.excused + other.excused,
        }
    }

    /// (present + late) / (enrolled − excused) in percent, two decimals, half up. None where nobody was expected.
    pub fn rate(&self) -> Option<String> {
        let expected = i64::from(self.enrolled - self.excused);
        if expected <= 0 {
            return None;
        }
        let hundredths = (i64::from(self.present + self.late) * 20_000 + expected) / (2 * expected);
        Some(format!("{}.{:02}", hundredths / 100, hundredths % 100))
    }
}

/// What taking the register comes to.
#[derive(Debug, PartialEq, Eq)]
pub struct Plan {
    /// Only what differs from the marks that hold now.
    pub changes: Vec<Change>,
    pub counts: Counts,
}

/// Works out every pupil's mark. Leave turns the default and `absent` into `excused`. All errors at once.
pub fn plan(pupils: &[Pupil], default: Code, exceptions: &[Exception]) -> Result<Plan, Vec<FieldError>> {
    let class: HashSet<Uuid> = pupils.iter().map(|pupil| pupil.student_id).collect();
    let errors = check(&class, exceptions);
    if !errors.is_empty() {
        return Err(errors);
    }
    let exceptions: HashMap<Uuid, &Exception> =
        exceptions.iter().map(|exception| (exception.student_id, exception)).collect();
    let (mut changes, mut counts) = (Vec::new(), Counts::default());
    for pupil in pupils {
        let (wished, reason) = match exceptions.get(&pupil.student_id) {
            Some(exception) => (exception.code, tidy(exception.reason.as_deref())),
            None if pupil.on_leave => (Code::Excused, None),
            None => (default, None),
        };
        let code = if pupil.on_leave && wished == Code::Absent { Code::Excused } else { wished };
        counts.add(code);
        let same = pupil.current.as_ref().is_some_and(|mark| mark.code == code && mark.reason == reason);
        if !same {
            changes.push(Change { student_id: pupil.student_id, code, reason, previous: pupil.current.clone() });
        }
    }
    Ok(Plan { changes, counts })
}

fn check(class: &HashSet<Uuid>, exceptions: &[Exception]) -> Vec<FieldError> {
    let (mut errors, mut seen) = (Vec::new(), HashSet::new());
    for (index, exception) in exceptions.iter().enumerate() {
        let pointer = format!("/exceptions/{index}/student_id");
        if !class.contains(&exception.student_id) {
            errors.push(FieldError::new(pointer, "not_in_class", "This pupil is not in the class on that day."));
        } else if !seen.insert(exception.student_id) {
            errors.push(FieldError::new(pointer, "repeated", "This pupil is named twice."));
        }
        if exception.reason.as_ref().is_some_and(|reason| reason.chars().count() > REASON_LENGTH) {
            let message = format!("A reason has at most {REASON_LENGTH} characters.");
            errors.push(FieldError::new(format!("/exceptions/{index}/reason"), "too_long", message));
        }
    }
    errors
}

fn tidy(reason: Option<&str>) -> Option<String> {
    reason.map(str::trim).filter(|reason| !reason.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(size: usize) -> Vec<Pupil> {
        let pupil = |n| Pupil { student_id: Uuid::from_u128(n as u128), on_leave: n == 3, current: None };
        (1..=size).map(pupil).collect()
    }

    fn except(n: u128, code: Code) -> Exception {
        Exception { student_id: Uuid::from_u128(n), code, reason: None }
    }

    #[test]
    fn story_e1_counts_and_rates() {
        let exceptions = [
            except(1, Code::Absent),
            except(2, Code::Absent),
            except(3, Code::Absent),
            except(4, Code::Late),
            except(5, Code::Late),
        ];
        let plan = plan(&class(40), Code::Present, &exceptions).unwrap();
        assert_eq!(plan.counts, Counts { enrolled: 40, present: 35, absent: 2, late: 2, excused: 1 });
        assert_eq!(plan.changes.len(), 40);
        assert_eq!(plan.counts.rate().as_deref(), Some("94.87"));
        let corrected = Counts { absent: 1, late: 3, ..plan.counts };
        assert_eq!(corrected.rate().as_deref(), Some("97.44"));
    }

    #[test]
    fn the_same_register_again_changes_nothing() {
        let mut pupils = class(3);
        let exceptions = [except(1, Code::Absent)];
        for change in plan(&pupils, Code::Present, &exceptions).unwrap().changes {
            let pupil = pupils.iter_mut().find(|pupil| pupil.student_id == change.student_id).unwrap();
            pupil.current = Some(Mark { code: change.code, reason: change.reason, version: 1 });
        }
        assert!(plan(&pupils, Code::Present, &exceptions).unwrap().changes.is_empty());
        let corrected = plan(&pupils, Code::Present, &[except(1, Code::Late)]).unwrap();
        assert_eq!(corrected.changes.len(), 1);
        assert_eq!(corrected.changes[0].previous.as_ref().unwrap().code, Code::Absent);
    }

    #[test]
    fn all_errors_come_at_once() {
        let long = Exception { reason: Some("x".repeat(201)), ..except(1, Code::Late) };
        let errors = plan(&class(2), Code::Present, &[except(9, Code::Late), long, except(1, Code::Late)]).unwrap_err();
        let pointers: Vec<_> = errors.iter().map(|error| error.pointer.as_ref()).collect();
        assert_eq!(pointers, ["/exceptions/0/student_id", "/exceptions/1/reason", "/exceptions/2/student_id"]);
    }

    #[test]
    fn rates_round_half_up_and_need_somebody_expected() {
        let rate = |present, absent, excused| {
            Counts { enrolled: present + absent + excused, present, absent, late: 0, excused }.rate()
        };
        assert_eq!(rate(1, 7, 0).as_deref(), Some("12.50"));
        assert_eq!(rate(2, 1, 0).as_deref(), Some("66.67"));
        assert_eq!(rate(1, 799, 0).as_deref(), Some("0.13"));
        assert_eq!(rate(0, 0, 3), None);
        assert_eq!(rate(5, 0, 0).as_deref(), Some("100.00"));
    }
}
