//! From which state an organisation may come into which, by an operator's hand.
use hitaji_contracts::tenancy::StateAction;
use hitaji_core::FieldError;
use hitaji_db::TenantState;

/// The state that follows, or why there is none.
pub fn follow(state: TenantState, action: StateAction) -> Result<TenantState, String> {
    use TenantState::{Active, Archived, Erased, Erasing, Provisioning, Suspended};
    match (action, state) {
        (StateAction::Suspend, Active) => Ok(Suspended),
        (StateAction::Resume, Suspended | Archived) => Ok(Active),
        (StateAction::Archive, Active | Suspended) => Ok(Archived),
        (StateAction::Suspend, Archived) => {
            Err("The organisation is archived; nobody works in it. Resume it before suspending it.".to_owned())
        }
        (_, Provisioning) => Err("The organisation is still being made.".to_owned()),
        (_, Erased) => Err("The organisation was erased.".to_owned()),
        (_, Erasing) => Err("The organisation is being erased.".to_owned()),
        (_, state) => Err(format!("The organisation is {} already.", state.as_str())),
    }
}

/// Audit lines say why; a word is not enough.
pub fn check_reason(reason: &str) -> Result<String, FieldError> {
    let reason = reason.trim();
    if (3..=500).contains(&reason.chars().count()) {
        return Ok(reason.to_owned());
    }
    Err(FieldError::new("/reason", "length", "Say why, in 3 to 500 characters."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_these_ways_lead_from_state_to_state() {
        use StateAction::{Archive, Resume, Suspend};
        use TenantState::{Active, Archived, Erasing, Provisioning, Suspended};
        let legal = [
            (Active, Suspend, Suspended),
            (Active, Archive, Archived),
            (Suspended, Archive, Archived),
            (Suspended, Resume, Active),
            (Archived, Resume, Active),
        ];
        for state in [Provisioning, Active, Suspended, Archived, Erasing] {
            for action in [Suspend, Resume, Archive] {
                let expected = legal.iter().find(|known| (known.0, known.1) == (state, action)).map(|known| known.2);
                assert_eq!(follow(state, action).ok(), expected, "{state:?} {action:?}");
            }
        }
    }

    #[test]
    fn a_reason_is_more_than_a_word_of_two_letters() {
        assert_eq!(check_reason(" unpaid since May "), Ok("unpaid since May".to_owned()));
        assert!(check_reason("  x ").is_err() && check_reason(&"x".repeat(501)).is_err());
    }
}
