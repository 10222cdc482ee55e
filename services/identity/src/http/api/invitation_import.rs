//! `POST /identity/v1/invitations/import`: the people of a sheet are invited, all or none.
use crate::domain::invitation_sheet::{self, Flaws, Row};
use crate::http::api::invitations::{LIFETIME, domains_text, may_send, room, send};
use crate::http::rights::Rights;
use crate::store::invitation::{self, Invitation};
use crate::store::{account, organisation, policy};
use chrono::SubsecRound as _;
use hitaji_core::{ErrorCode, new_id};
use hitaji_web::{Answer, Ctx, Params, Problem, Upload};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use std::collections::HashSet;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DryRun {
    #[serde(default)]
    dry_run: bool,
}

#[derive(Serialize, JsonSchema)]
pub struct Imported {
    /// Nobody was invited yet.
    dry_run: bool,
    /// People who were, or would be, invited.
    invited: usize,
}

pub async fn import(ctx: Ctx, Params(params): Params<DryRun>, upload: Upload) -> Result<Answer, Problem> {
    if upload.content_type != "text/csv" {
        return Err(Problem::new(ErrorCode::UnsupportedMediaType, "Send the sheet as text/csv."));
    }
    let mut flaws = Flaws::default();
    let rows = invitation_sheet::read(&upload.bytes, &mut flaws).map_err(Problem::validation)?;
    let count = i64::try_from(rows.len()).unwrap_or(i64::MAX);
    may_send(&ctx, count).await?;
    let now = ctx.now();
    let mut tx = ctx.tx().await?;
    room(&ctx, &mut tx, count).await?;
    check(&ctx, &mut tx, &rows, &mut flaws).await?;
    flaws.end().map_err(Problem::validation)?;
    let answer = Answer::ok(&Imported { dry_run: params.dry_run, invited: rows.len() });
    if params.dry_run {
        return Ok(answer);
    }
    let inviter = account::find(&mut tx, ctx.subject().0).await?.ok_or_else(Problem::not_found)?;
    for row in rows {
        invitation::expire(&mut tx, ctx.tenant().id.0, &row.email, now).await?;
        let new = Invitation {
            id: new_id(),
            organisation_id: ctx.tenant().id.0,
            email: row.email,
            phone: None,
            name: row.name,
            roles: row.roles,
            locale: row.locale.map_or_else(|| inviter.locale.clone(), str::to_owned),
            state: "pending".into(),
            counter: 1,
            invited_by: inviter.id,
            expires_at: (now + LIFETIME).trunc_subsecs(6),
            version: 1,
        };
        invitation::insert(&mut tx, &new, now).await.map_err(|error| match error.constraint() {
            Some("invitation_pending_key") => Problem::new(
                ErrorCode::Conflict,
                "Somebody invited one of these people just now. Send the sheet again.",
            ),
            _ => error.into(),
        })?;
        send(&ctx, &mut tx, &new, "create");
    }
    ctx.commit(tx, answer).await
}

/// What only the organisation knows: its roles and rules, and who is a member or invited already.
async fn check(ctx: &Ctx, conn: &mut PgConnection, rows: &[Row], flaws: &mut Flaws) -> Result<(), Problem> {
    let (rules, rights) = (policy::find(conn, ctx.tenant().id.0).await?, Rights::of(ctx, conn).await?);
    let emails: Vec<String> = rows.iter().map(|row| row.email.clone()).collect();
    let members = organisation::members_among(conn, ctx.tenant().id.0, &emails).await?;
    let invited = invitation::pending_among(conn, ctx.tenant().id.0, &emails, ctx.now()).await?;
    let mut seen = HashSet::new();
    for row in rows {
        if !seen.insert(&row.email) {
            flaws.add(row.line, "email", "repeated", "This address stands in the sheet twice.");
        } else if members.contains(&row.email) {
            flaws.add(row.line, "email", "member", "This person is a member already.");
        } else if invited.contains(&row.email) {
            flaws.add(row.line, "email", "invited", "This person has an open invitation.");
        } else if !rules.may_invite(&row.email) {
            flaws.add(row.line, "email", "domain_not_allowed", domains_text(&rules));
        }
        for error in rights.check_roles(&row.roles, "") {
            let name = error.pointer.trim_start_matches('/').parse().ok().and_then(|index: usize| row.roles.get(index));
            let message = name.map_or_else(|| error.message.clone(), |name| format!("{name}: {}", error.message));
            let code = if error.code == "beyond_own" { "beyond_own" } else { "unknown_value" };
            flaws.add(row.line, "roles", code, message);
        }
    }
    Ok(())
}
