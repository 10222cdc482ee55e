//! A success: what a handler answers, and what is kept for a repeated idempotent request.
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use hitaji_db::StoredAnswer;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

/// A JSON answer with its status and the few headers our conventions know.
#[derive(Clone, Debug)]
pub struct Answer {
    stored: StoredAnswer,
    link: Option<String>,
    replayed: bool,
}

impl Answer {
    /// 200 with `body` as JSON.
    pub fn ok<T: Serialize + ?Sized>(body: &T) -> Answer {
        Answer::json(200, serde_json::to_vec(body).expect("cannot fail: answers have string keys"))
    }

    /// 201 with the record and where it is found.
    pub fn created<T: Serialize + ?Sized>(location: String, body: &T) -> Answer {
        let mut answer = Answer::ok(body);
        answer.stored.status = 201;
        answer.stored.location = Some(location);
        answer
    }

    /// 202: it has begun and goes on after this answer.
    pub fn accepted<T: Serialize + ?Sized>(body: &T) -> Answer {
        let mut answer = Answer::ok(body);
        answer.stored.status = 202;
        answer
    }

    /// 204.
    pub fn no_content() -> Answer {
        Answer::json(204, Vec::new())
    }

    /// A body that is JSON already.
    pub fn json(status: i16, body: Vec<u8>) -> Answer {
        let stored = StoredAnswer { status, location: None, etag: None, body };
        Answer { stored, link: None, replayed: false }
    }

    /// Adds `ETag: "version"`.
    pub fn version(mut self, version: i64) -> Answer {
        self.stored.etag = Some(format!("\"{version}\""));
        self
    }

    /// Adds an `ETag` that is no version; `tag` holds no quotes.
    pub fn etag(mut self, tag: &str) -> Answer {
        self.stored.etag = Some(format!("\"{tag}\""));
        self
    }

    /// 304: what the caller has is what there is.
    pub fn not_modified(tag: &str) -> Answer {
        Answer::json(304, Vec::new()).etag(tag)
    }

    pub fn location(mut self, location: String) -> Answer {
        self.stored.location = Some(location);
        self
    }

    pub fn link(mut self, link: Option<String>) -> Answer {
        self.link = link;
        self
    }

    pub(crate) fn replayed(mut self) -> Answer {
        self.replayed = true;
        self
    }

    pub(crate) fn stored(&self) -> &StoredAnswer {
        &self.stored
    }
}

impl From<StoredAnswer> for Answer {
    fn from(stored: StoredAnswer) -> Answer {
        Answer { stored, link: None, replayed: false }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let empty = self.stored.body.is_empty();
        let mut response = Response::new(Body::from(self.stored.body));
        *response.status_mut() = u16::try_from(self.stored.status)
            .ok()
            .and_then(|status| StatusCode::from_u16(status).ok())
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        if !empty {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        for (name, value) in
            [(header::LOCATION, self.stored.location), (header::ETAG, self.stored.etag), (header::LINK, self.link)]
        {
            if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
                headers.insert(name, value);
            }
        }
        if self.replayed {
            headers.insert("idempotent-replayed", HeaderValue::from_static("true"));
        }
        response
    }
}
