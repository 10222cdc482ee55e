//! What people who run the platform see and do.
pub mod audit;
pub mod organisations;
pub mod states;
pub mod storage;
pub mod support;

use hitaji_web::{PlatformCtx, Problem, page_limit};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The part of a longer list that is asked for.
pub struct Part<P> {
    pub limit: i64,
    pub after: Option<P>,
}

impl<P: DeserializeOwned> Part<P> {
    pub fn read(ctx: &PlatformCtx, limit: Option<&str>, cursor: Option<&str>) -> Result<Part<P>, Problem> {
        let limit = page_limit(limit)?;
        Ok(Part { limit, after: cursor.map(|cursor| ctx.open_cursor(cursor)).transpose()? })
    }
}

/// Parameters of a list without filters.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageParams {
    pub limit: Option<String>,
    pub cursor: Option<String>,
}

/// Keeps `limit` of the rows, of which one more was read; the position of the last one where more follow.
pub fn cut<R, P>(rows: &mut Vec<R>, limit: i64, position: impl Fn(&R) -> P) -> Option<P> {
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    rows.last().filter(|_| more).map(position)
}
