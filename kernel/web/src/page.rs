//! Pages of lists: signed cursors that fit only the list that gave them, and the page object around the rows.
use crate::{Answer, Ctx, PlatformCtx, Problem, Request};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hitaji_core::ErrorCode;
use hitaji_db::secrets::MasterKey;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub const DEFAULT_LIMIT: i64 = 50;
pub const MAX_LIMIT: i64 = 200;

const PURPOSE: &str = "cursor";
const TAG: usize = 16;

/// Checks `limit`: 1 to 200, 50 where absent.
pub fn page_limit(limit: Option<&str>) -> Result<i64, Problem> {
    let Some(text) = limit else { return Ok(DEFAULT_LIMIT) };
    match text.parse() {
        Ok(limit @ 1..=MAX_LIMIT) => Ok(limit),
        _ => Err(Problem::new(ErrorCode::Malformed, format!("limit is a number from 1 to {MAX_LIMIT}."))),
    }
}

impl Ctx {
    /// A cursor holding `position`, good only for this organisation, path, filters and sort.
    pub fn seal_cursor<P: Serialize>(&self, position: &P) -> String {
        self.list().seal(position)
    }

    /// The position in a cursor of [`Ctx::seal_cursor`]; 400 when it was made elsewhere or tampered with.
    pub fn open_cursor<P: DeserializeOwned>(&self, cursor: &str) -> Result<P, Problem> {
        self.list().open(cursor)
    }

    /// The `Link: <…>; rel="next"` for a next cursor.
    pub fn next_link(&self, cursor: &str) -> String {
        self.list().next_link(cursor)
    }

    /// A page of rows. `next` is the position of the last row where more follow.
    pub fn page<T: Serialize, P: Serialize>(&self, rows: &[T], limit: i64, next: Option<&P>) -> Answer {
        self.list().page(rows, limit, next)
    }

    fn list(&self) -> List<'_> {
        let master = self.platform().databases().master();
        List { master, whose: self.tenant().id.to_string(), request: self.request() }
    }
}

impl PlatformCtx {
    /// The position in a cursor of [`PlatformCtx::page`]; 400 when it was made elsewhere or tampered with.
    pub fn open_cursor<P: DeserializeOwned>(&self, cursor: &str) -> Result<P, Problem> {
        self.list()?.open(cursor)
    }

    /// A page of rows for an operator.
    pub fn page<T: Serialize, P: Serialize>(
        &self,
        rows: &[T],
        limit: i64,
        next: Option<&P>,
    ) -> Result<Answer, Problem> {
        Ok(self.list()?.page(rows, limit, next))
    }

    fn list(&self) -> Result<List<'_>, Problem> {
        let whose = self.operators_token()?.actor();
        Ok(List { master: self.platform().databases().master(), whose, request: self.request() })
    }
}

/// One list as one caller asked for it.
struct List<'a> {
    master: &'a MasterKey,
    /// The organisation, or the operator.
    whose: String,
    request: &'a Request,
}

impl List<'_> {
    fn seal<P: Serialize>(&self, position: &P) -> String {
        let payload = serde_json::to_vec(position).expect("cannot fail: positions are plain values");
        let tag = self.master.sign(PURPOSE, &self.message(&payload));
        URL_SAFE_NO_PAD.encode([&tag[..TAG], &payload].concat())
    }

    fn open<P: DeserializeOwned>(&self, cursor: &str) -> Result<P, Problem> {
        let refused = || Problem::new(ErrorCode::InvalidCursor, "Start again from the first page.");
        let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| refused())?;
        let (tag, payload) = bytes.split_at_checked(TAG).ok_or_else(refused)?;
        let expected = self.master.sign_all(PURPOSE, &self.message(payload));
        if !expected.iter().any(|expected| hitaji_db::secrets::same(tag, &expected[..TAG])) {
            return Err(refused());
        }
        serde_json::from_slice(payload).map_err(|_| refused())
    }

    fn message(&self, payload: &[u8]) -> Vec<u8> {
        let mut pairs: Vec<&str> =
            self.request.query().split('&').filter(|pair| !is_paging(pair) && !pair.is_empty()).collect();
        pairs.sort_unstable();
        let binding = format!("{}\n{}\n{}\n", self.whose, self.request.uri.path(), pairs.join("&"));
        [binding.as_bytes(), payload].concat()
    }

    fn next_link(&self, cursor: &str) -> String {
        let kept: Vec<&str> =
            self.request.query().split('&').filter(|pair| !pair.starts_with("cursor=") && !pair.is_empty()).collect();
        let query = kept.iter().map(|pair| format!("{pair}&")).collect::<String>();
        format!("<{}?{query}cursor={cursor}>; rel=\"next\"", self.request.uri.path())
    }

    fn page<T: Serialize, P: Serialize>(&self, rows: &[T], limit: i64, next: Option<&P>) -> Answer {
        let next = next.map(|position| self.seal(position));
        let body = serde_json::json!({"data": rows, "page": {"limit": limit, "next": next}});
        Answer::ok(&body).link(next.map(|cursor| self.next_link(&cursor)))
    }
}

fn is_paging(pair: &str) -> bool {
    ["cursor=", "limit=", "count="].iter().any(|name| pair.starts_with(name))
}
