//! Members of the organisation, as identity tells of them.
use hitaji_contracts::identity::MembershipChanged;
use hitaji_core::{AccountId, new_id};
use hitaji_db::DbError;
use sqlx::PgConnection;

pub async fn put(conn: &mut PgConnection, member: &MembershipChanged) -> Result<(), DbError> {
    sqlx::query(
        "insert into school.member (account_id, email, name, roles, phone) values ($1, lower(nullif($2, '')), $3, $4, $5)
         on conflict (account_id) do update
         set email = excluded.email, name = excluded.name, roles = excluded.roles, phone = excluded.phone",
    )
    .bind(member.account_id.0)
    .bind(&member.email)
    .bind(&member.name)
    .bind(&member.roles)
    .bind(&member.phone)
    .execute(conn)
    .await?;
    Ok(())
}

pub async fn remove(conn: &mut PgConnection, account: AccountId) -> Result<(), DbError> {
    sqlx::query("delete from school.member where account_id = $1").bind(account.0).execute(conn).await?;
    Ok(())
}

/// The calendar year as the first academic year, where there is none yet.
pub async fn begin_year(conn: &mut PgConnection, year: i32) -> Result<(), DbError> {
    sqlx::query(
        "insert into school.academic_year (id, name, starts_on, last_day)
         select $1, $2, make_date($3, 1, 1), make_date($3, 12, 31) where not exists (select from school.academic_year)",
    )
    .bind(new_id())
    .bind(year.to_string())
    .bind(year)
    .execute(conn)
    .await?;
    Ok(())
}
