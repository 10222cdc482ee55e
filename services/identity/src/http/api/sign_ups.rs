//! `POST /identity/v1/sign-ups`: a person and their organisation in one command.
use crate::http::provider::Provider;
use crate::http::sign_up::{Refused, sign_up};
use hitaji_contracts::identity::{SignUp, SignedUp};
use hitaji_core::AccountId;
use hitaji_web::{Answer, Body, PlatformCtx, Problem};

pub async fn create(ctx: PlatformCtx, Body(asked): Body<SignUp>) -> Result<Answer, Problem> {
    let provider = ctx.parts().get::<Provider>();
    let done = sign_up(&ctx, &provider, &asked).await.map_err(Refused::problem)?;
    let answer =
        SignedUp { organisation_id: done.organisation_id, slug: done.slug, account_id: AccountId(done.account.id) };
    Ok(Answer::created(format!("/tenancy/v1/organisations/{}", done.organisation_id), &answer))
}
