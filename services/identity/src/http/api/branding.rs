//! `/identity/v1/branding`: name, colours and logo on the pages where the organisation's people sign in.
use crate::domain::branding::{LOGO_BYTES_MAX, carries_black, carries_white, colour, logo_type};
use crate::http::api::given;
use crate::store::branding::{self, Branding};
use crate::store::rights::begin_change;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hitaji_core::{ErrorCode, FieldError};
use hitaji_db::Audit;
use hitaji_db::secrets::sha256;
use hitaji_web::{Answer, Body, Ctx, Problem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Serialize, JsonSchema)]
pub struct BrandingOut {
    /// Instead of the organisation's name.
    display_name: Option<String>,
    /// `#rrggbb`; white text stands on it.
    colour_light: Option<String>,
    /// `#rrggbb`, where the person prefers dark pages; black text stands on it.
    colour_dark: Option<String>,
    /// Where the logo is found.
    logo_path: Option<String>,
    version: i64,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BrandingPatch {
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<String>")]
    display_name: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<String>")]
    colour_light: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<String>")]
    colour_dark: Option<Option<String>>,
    /// A PNG or WebP picture of at most 64 KiB in base64.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<String>")]
    logo: Option<Option<String>>,
}

pub async fn show(ctx: Ctx) -> Result<Answer, Problem> {
    let mut conn = ctx.read().await?;
    let found = branding::find(&mut conn, &[ctx.tenant().id.0]).await?.pop().unwrap_or_else(|| none(&ctx));
    conn.release();
    let version = found.version;
    Ok(Answer::ok(&out(&found)).version(version))
}

pub async fn update(ctx: Ctx, Body(asked): Body<BrandingPatch>) -> Result<Answer, Problem> {
    let if_match = ctx.request().if_match()?;
    let mut tx = ctx.tx().await?;
    // One change after the other: the row may not be there yet, so the organisation's is held.
    begin_change(&mut tx, ctx.tenant().id.0).await?;
    let before = branding::find(&mut tx, &[ctx.tenant().id.0]).await?.pop().unwrap_or_else(|| none(&ctx));
    if if_match.is_some_and(|version| version != before.version) {
        return Err(Problem::new(ErrorCode::Stale, "Somebody changed the look meanwhile; read it again."));
    }
    let kept = branding::logo(&mut tx, ctx.tenant().id.0).await?;
    let (after, logo) = apply(&before, asked, kept)?;
    branding::put(&mut tx, &after, logo.as_deref(), ctx.now()).await?;
    let text = |look: &Branding| Some(json!({"display_name": look.display_name, "hash": look.hash}).to_string());
    let (then, now) = (text(&before), text(&after));
    tx.audit(Audit { action: "update", resource: "identity.branding", record_id: None, before: then, after: now });
    ctx.commit(tx, Answer::ok(&out(&after)).version(after.version)).await
}

/// What it becomes, with its logo.
fn apply(
    before: &Branding,
    asked: BrandingPatch,
    kept: Option<Vec<u8>>,
) -> Result<(Branding, Option<Vec<u8>>), Problem> {
    let mut errors = Vec::new();
    let display_name =
        asked.display_name.map_or_else(|| before.display_name.clone(), |name| name.map(|name| name.trim().to_owned()));
    if display_name
        .as_ref()
        .is_some_and(|name| !(1..=80).contains(&name.chars().count()) || name.chars().any(char::is_control))
    {
        errors.push(FieldError::new("/display_name", "malformed", "A name of at most 80 letters."));
    }
    let mut shade = |asked: Option<Option<String>>,
                     before: &Option<String>,
                     pointer: &'static str,
                     carries: fn(&str) -> bool| {
        let Some(Some(text)) = asked else { return asked.map_or_else(|| before.clone(), |_| None) };
        let found = colour(&text);
        match &found {
            None => errors.push(FieldError::new(pointer, "malformed", "Write a colour like #125546.")),
            Some(found) if !carries(found) => {
                let message = "Text on this colour would be hard to read. Choose a darker one for light pages, a lighter one for dark pages.";
                errors.push(FieldError::new(pointer, "low_contrast", message));
            }
            Some(_) => {}
        }
        found
    };
    let colour_light = shade(asked.colour_light, &before.colour_light, "/colour_light", carries_white);
    let colour_dark = shade(asked.colour_dark, &before.colour_dark, "/colour_dark", carries_black);
    let (logo, kind) = match asked.logo {
        None => (kept, before.logo_type.clone()),
        Some(None) => (None, None),
        Some(Some(text)) => {
            let bytes = STANDARD.decode(text.trim()).ok().filter(|bytes| bytes.len() <= LOGO_BYTES_MAX);
            let kind = bytes.as_deref().and_then(logo_type);
            if kind.is_none() {
                let message = "A logo is a PNG or WebP picture of at most 64 KiB and 2,048 points a side.";
                errors.push(FieldError::new("/logo", "malformed", message));
            }
            (bytes, kind.map(|kind| kind.as_str().to_owned()))
        }
    };
    if !errors.is_empty() {
        return Err(Problem::validation(errors));
    }
    let said = format!("{display_name:?} {colour_light:?} {colour_dark:?} {kind:?}");
    let whole = [said.as_bytes(), logo.as_deref().unwrap_or_default()].concat();
    let hash = sha256(&whole)[..12].iter().map(|byte| format!("{byte:02x}")).collect();
    let after = Branding {
        organisation_id: before.organisation_id,
        display_name,
        colour_light,
        colour_dark,
        logo_type: kind,
        hash,
        version: before.version + 1,
    };
    Ok((after, logo))
}

fn none(ctx: &Ctx) -> Branding {
    Branding { organisation_id: ctx.tenant().id.0, version: 1, ..Branding::default() }
}

fn out(look: &Branding) -> BrandingOut {
    BrandingOut {
        display_name: look.display_name.clone(),
        colour_light: look.colour_light.clone(),
        colour_dark: look.colour_dark.clone(),
        logo_path: look.logo_path(),
        version: look.version,
    }
}
