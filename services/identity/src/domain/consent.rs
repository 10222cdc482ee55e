//! What a person is asked before an application of somebody else gets anything (RFC 6749 section 1.1, OAuth 2.1 section 7.12).
use crate::domain::scope::{Catalogue, Granted};

/// What the application would get, by name. The set `hitaji` is written out: who allows something sees each part of it,
/// and what their roles gain later is not in it.
pub fn wanted(catalogue: &Catalogue, granted: &Granted) -> Vec<String> {
    let standard = granted.standard.iter().copied().filter(|scope| *scope != "hitaji");
    standard.chain(catalogue.names(&granted.permissions)).map(str::to_owned).collect()
}

/// Whether all that is wanted was allowed.
pub fn covers(allowed: &[String], wanted: &[String]) -> bool {
    wanted.iter().all(|scope| allowed.contains(scope))
}

/// Whether people should look twice: it changes how the organisation is run, takes data out in bulk, or is about health.
pub fn is_sensitive(scope: &str) -> bool {
    let Some((resource, action)) = scope.split_once(':') else { return scope == "offline_access" };
    matches!(action, "manage" | "export" | "approve" | "delete")
        || resource.contains("health")
        || resource.starts_with("identity.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::scope::Known;
    use hitaji_core::PermissionSet;

    #[test]
    fn everything_is_written_out() {
        let catalogue = Catalogue::new(vec![
            Known { scope: "school.student:read", number: 64, product: None },
            Known { scope: "school.student:write", number: 65, product: None },
        ]);
        let mut permissions = PermissionSet::default();
        permissions.insert(64);
        let wanted = wanted(&catalogue, &Granted { standard: vec!["openid", "hitaji"], permissions });
        assert_eq!(wanted, ["openid", "school.student:read"]);
    }

    #[test]
    fn more_than_was_allowed_is_asked_for_again() {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert!(covers(&list(&["openid", "email"]), &list(&["email"])));
        assert!(!covers(&list(&["openid"]), &list(&["openid", "email"])));
        assert!(covers(&[], &[]));
    }

    #[test]
    fn what_reaches_far_is_marked() {
        for scope in ["identity.member:read", "school.student_health:read", "school.student:export", "offline_access"] {
            assert!(is_sensitive(scope), "{scope}");
        }
        for scope in ["openid", "email", "school.attendance:read", "school.attendance:write"] {
            assert!(!is_sensitive(scope), "{scope}");
        }
    }
}
