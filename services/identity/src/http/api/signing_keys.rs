//! `POST /identity/v1/signing-keys/rotations`: the command line changes signing keys without waiting for the job.
use crate::http::provider::Provider;
use crate::http::rotation::{Wish, rotate};
use hitaji_contracts::identity::{RotateSigningKeys, SigningKeysRotated};
use hitaji_web::{Answer, Body, PlatformCtx, Problem};

pub async fn create(ctx: PlatformCtx, Body(asked): Body<RotateSigningKeys>) -> Result<Answer, Problem> {
    let wish = match asked.step.as_str() {
        "publish" => Wish::Publish,
        "use" => Wish::Use,
        _ => return Err(Problem::field("/step", "unknown_value", "Choose publish or use.")),
    };
    let changed = rotate(ctx.databases(), wish).await?;
    ctx.parts().get::<Provider>().keys.forget();
    Ok(Answer::ok(&SigningKeysRotated { changed }))
}
