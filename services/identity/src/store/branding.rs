//! How the pages look for the people of an organisation.
use chrono::{DateTime, Utc};
use hitaji_db::DbError;
use sqlx::PgConnection;
use uuid::Uuid;

/// Without the logo itself.
#[derive(Clone, Debug, Default, sqlx::FromRow)]
pub struct Branding {
    pub organisation_id: Uuid,
    pub display_name: Option<String>,
    /// `#rrggbb`.
    pub colour_light: Option<String>,
    pub colour_dark: Option<String>,
    /// `png` or `webp`.
    pub logo_type: Option<String>,
    pub hash: String,
    pub version: i64,
}

/// Of several organisations; those without one are left out.
pub async fn find(conn: &mut PgConnection, organisations: &[Uuid]) -> Result<Vec<Branding>, DbError> {
    Ok(sqlx::query_as(
        "select organisation_id, display_name, colour_light, colour_dark, logo_type, hash, version
         from identity.branding where organisation_id = any ($1)",
    )
    .bind(organisations)
    .fetch_all(conn)
    .await?)
}

/// The logo as it was given.
pub async fn logo(conn: &mut PgConnection, organisation_id: Uuid) -> Result<Option<Vec<u8>>, DbError> {
    let found: Option<Option<Vec<u8>>> =
        sqlx::query_scalar("select logo from identity.branding where organisation_id = $1")
            .bind(organisation_id)
            .fetch_optional(conn)
            .await?;
    Ok(found.flatten())
}

pub async fn put(
    conn: &mut PgConnection,
    branding: &Branding,
    logo: Option<&[u8]>,
    at: DateTime<Utc>,
) -> Result<(), DbError> {
    sqlx::query(
        "insert into identity.branding (organisation_id, display_name, colour_light, colour_dark, logo, logo_type, hash, updated_at, version)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         on conflict (organisation_id) do update set display_name = excluded.display_name, colour_light = excluded.colour_light,
             colour_dark = excluded.colour_dark, logo = excluded.logo, logo_type = excluded.logo_type, hash = excluded.hash,
             updated_at = excluded.updated_at, version = excluded.version",
    )
    .bind(branding.organisation_id)
    .bind(&branding.display_name)
    .bind(&branding.colour_light)
    .bind(&branding.colour_dark)
    .bind(logo)
    .bind(&branding.logo_type)
    .bind(&branding.hash)
    .bind(at)
    .bind(branding.version)
    .execute(conn)
    .await?;
    Ok(())
}

impl Branding {
    pub fn logo_path(&self) -> Option<String> {
        self.logo_type.as_ref().map(|kind| self.path(kind))
    }

    /// Where the colours are found as a stylesheet.
    pub fn stylesheet_path(&self) -> Option<String> {
        (self.colour_light.is_some() || self.colour_dark.is_some()).then(|| self.path("css"))
    }

    fn path(&self, kind: &str) -> String {
        format!("/assets-id/branding/{}/{}.{kind}", self.organisation_id, self.hash)
    }
}
