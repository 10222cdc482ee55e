//! What the door of an organisation must know of a session: who vouches for it, and whose the domain of its person is.
use chrono::{DateTime, Utc};
use hitaji_db::DbError;
use sqlx::PgConnection;
use uuid::Uuid;

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Door {
    /// When the organisation signed this member out.
    pub signed_out_at: Option<DateTime<Utc>>,
    /// The provider that vouches for the session, and whose own it is.
    pub provider: Option<String>,
    pub provider_owner: Option<Uuid>,
    /// Who has proven the domain of the person's address, and with which provider its people must sign in.
    pub domain_owner: Option<Uuid>,
    pub required_provider: Option<String>,
}

/// `domain` is that of the person's address; empty where there is none.
pub async fn find(
    conn: &mut PgConnection,
    membership_id: Uuid,
    session_id: Uuid,
    domain: &str,
) -> Result<Door, DbError> {
    Ok(sqlx::query_as(
        "select m.signed_out_at, p.provider, p.organisation_id as provider_owner, d.organisation_id as domain_owner,
                d.required_provider
         from (values (1)) one
         left join identity.membership m on m.id = $1
         left join identity.session_provider p on p.session_id = $2
         left join identity.domain d on d.domain = $3 and d.verified_at is not null",
    )
    .bind(membership_id)
    .bind(session_id)
    .bind(domain)
    .fetch_one(conn)
    .await?)
}
