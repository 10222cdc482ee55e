//! A client of the API with one token, and what it is answered.
use reqwest::Method;
use serde_json::Value;

/// Sends requests in somebody's name.
#[derive(Clone)]
pub struct Client {
    pub http: reqwest::Client,
    pub address: String,
    pub token: Option<String>,
}

/// A status with its JSON body and headers.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub body: Value,
    pub headers: reqwest::header::HeaderMap,
}

impl Reply {
    /// The value, if this is a success; else the test fails and shows the problem.
    #[track_caller]
    pub fn ok(self) -> Value {
        assert!((200..300).contains(&self.status), "{} {}", self.status, self.body);
        self.body
    }

    /// The body of a refusal with this status.
    #[track_caller]
    pub fn refused(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

impl Client {
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.address));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub async fn get(&self, path: &str) -> Reply {
        send(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        send(self.request(Method::POST, path).json(body)).await
    }

    /// A post with an Idempotency-Key.
    pub async fn post_once(&self, path: &str, key: &str, body: &Value) -> Reply {
        send(self.request(Method::POST, path).header("idempotency-key", format!("\"{key}\"")).json(body)).await
    }

    pub async fn patch(&self, path: &str, version: Option<i64>, body: &Value) -> Reply {
        let mut request = self.request(Method::PATCH, path).json(body);
        if let Some(version) = version {
            request = request.header("if-match", format!("\"{version}\""));
        }
        send(request).await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        send(self.request(Method::DELETE, path)).await
    }

    pub async fn post_csv(&self, path: &str, csv: impl Into<Vec<u8>>) -> Reply {
        send(self.request(Method::POST, path).header("content-type", "text/csv").body(csv.into())).await
    }
}

/// Sends anything; a body that is no JSON arrives as text.
pub async fn send(request: reqwest::RequestBuilder) -> Reply {
    let response = request.send().await.expect("the server answers");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let bytes = response.bytes().await.expect("a whole body");
    let body =
        serde_json::from_slice(&bytes).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
    Reply { status, body, headers }
}
