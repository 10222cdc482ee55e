//! In what standing somebody gets a token: as a member of an organisation, as an operator of the platform, or as an
//! operator whom an organisation let in.
use crate::domain::operator::{OperatorRole, support_may};
use crate::http::membership::Belonging;
use crate::http::provider::Provider;
use crate::store::operator;
use chrono::{DateTime, Utc};
use hitaji_core::{PermissionSet, is_operators};
use hitaji_db::Tenant;
use hitaji_web::{Problem, SubjectType};
use sqlx::PgConnection;
use std::sync::Arc;
use uuid::Uuid;

#[derive(Clone)]
pub enum Standing {
    Member(Belonging),
    Operator(OperatorRole),
    Support(Support),
    Program(Program),
}

/// A program that acts for itself in one organisation.
#[derive(Clone)]
pub struct Program {
    pub tenant: Arc<Tenant>,
    pub kind: SubjectType,
    pub permissions: PermissionSet,
}

/// An organisation's consent.
#[derive(Clone)]
pub struct Support {
    pub grant_id: Uuid,
    pub tenant: Arc<Tenant>,
    pub write: bool,
    /// No token outlives this.
    pub until: DateTime<Utc>,
}

impl Standing {
    /// The operator that the person is now.
    pub async fn operator(conn: &mut PgConnection, account_id: Uuid) -> Result<Option<Standing>, Problem> {
        let role = operator::role(conn, account_id).await?;
        Ok(role.and_then(|role| OperatorRole::parse(&role)).map(Standing::Operator))
    }

    pub fn tenant(&self) -> Option<&Tenant> {
        match self {
            Standing::Member(belonging) => Some(&belonging.tenant),
            Standing::Support(support) => Some(&support.tenant),
            Standing::Program(program) => Some(&program.tenant),
            Standing::Operator(_) => None,
        }
    }

    /// Role keys, for people who read tokens.
    pub fn roles(&self) -> Vec<String> {
        match self {
            Standing::Member(belonging) => belonging.roles.clone(),
            Standing::Operator(role) => vec![role.as_str().to_owned()],
            Standing::Support(_) | Standing::Program(_) => Vec::new(),
        }
    }

    /// The membership it rests on.
    pub fn membership_id(&self) -> Option<Uuid> {
        match self {
            Standing::Member(belonging) => Some(belonging.membership_id),
            _ => None,
        }
    }

    /// What it allows in single places beyond `permissions`.
    pub fn nodes(&self) -> &[(Uuid, PermissionSet)] {
        match self {
            Standing::Member(belonging) => &belonging.nodes,
            _ => &[],
        }
    }

    /// The organisation's permission version that it was read at.
    pub fn permission_version(&self) -> Option<i64> {
        match self {
            Standing::Member(belonging) => Some(belonging.permission_version),
            _ => None,
        }
    }

    /// What kind of subject the tokens name.
    pub fn kind(&self) -> SubjectType {
        match self {
            Standing::Program(program) => program.kind,
            _ => SubjectType::User,
        }
    }

    pub fn support(&self) -> Option<&Support> {
        match self {
            Standing::Support(support) => Some(support),
            _ => None,
        }
    }

    /// All that it allows at most.
    pub fn permissions(&self, provider: &Provider) -> PermissionSet {
        let chosen = |wanted: &dyn Fn(&str, u16) -> bool| {
            let mut set = PermissionSet::default();
            provider
                .registry
                .scopes()
                .filter(|(scope, number)| wanted(scope, *number))
                .for_each(|(_, number)| set.insert(number));
            set
        };
        match self {
            Standing::Member(belonging) => belonging.permissions,
            Standing::Program(program) => program.permissions,
            Standing::Operator(role) => chosen(&|scope, number| is_operators(number) && role.may(scope)),
            Standing::Support(support) => {
                chosen(&|scope, number| !is_operators(number) && support_may(scope, support.write))
            }
        }
    }
}
