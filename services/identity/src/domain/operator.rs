//! What the people who run the platform may do, by their role.

/// A role of an operator; each holds all that the one before it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperatorRole {
    /// Looks, and asks organisations for access.
    Support,
    /// Also changes organisations.
    Operator,
    /// Also erases for good.
    Owner,
}

impl OperatorRole {
    pub fn parse(text: &str) -> Option<OperatorRole> {
        [OperatorRole::Support, OperatorRole::Operator, OperatorRole::Owner]
            .into_iter()
            .find(|role| role.as_str() == text)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            OperatorRole::Support => "support",
            OperatorRole::Operator => "operator",
            OperatorRole::Owner => "owner",
        }
    }

    /// Whether the role gives this permission of operators.
    pub fn may(self, scope: &str) -> bool {
        match self {
            OperatorRole::Support => scope.ends_with(":read") || scope.starts_with("tenancy.support:"),
            OperatorRole::Operator => !scope.ends_with(":delete"),
            OperatorRole::Owner => true,
        }
    }
}

/// Whether an operator may do this in an organisation that let them in: look at everything; where it allowed changes,
/// also work in its products, but never on its people, settings and money of the platform.
pub fn support_may(scope: &str, write: bool) -> bool {
    let own_affairs = ["tenancy.", "identity.", "payments."].iter().any(|prefix| scope.starts_with(prefix));
    scope.ends_with(":read") || (write && !own_affairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_holds_what_the_one_before_does() {
        let scopes = [
            ("tenancy.organisations:read", [true, true, true]),
            ("tenancy.support:manage", [true, true, true]),
            ("tenancy.organisations:manage", [false, true, true]),
            ("tenancy.organisations:delete", [false, false, true]),
        ];
        for (scope, expected) in scopes {
            let roles = [OperatorRole::Support, OperatorRole::Operator, OperatorRole::Owner];
            assert_eq!(roles.map(|role| role.may(scope)), expected, "{scope}");
        }
        assert_eq!(OperatorRole::parse("owner"), Some(OperatorRole::Owner));
        assert_eq!(OperatorRole::parse("root"), None);
    }

    #[test]
    fn support_looks_and_never_touches_people_and_settings() {
        assert!(support_may("school.student:read", false) && support_may("identity.member:read", false));
        assert!(!support_may("school.student:write", false) && support_may("school.student:write", true));
        for scope in ["tenancy.organisation:manage", "identity.member:manage"] {
            assert!(!support_may(scope, true), "{scope}");
        }
    }
}
