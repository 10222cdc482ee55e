//! A cheap HTTP/1.1 client: one connection kept alive, one request at a time, cookies kept.
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub struct Connection {
    pub stream: TcpStream,
    buffer: Vec<u8>,
    cookies: Vec<(String, String)>,
}

#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header's value; several of one name where it comes several times.
    pub fn headers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .filter(move |(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// The reply, if its status is the expected one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Reply {
        assert_eq!(self.status, status, "{}\n{}", self.head, self.text());
        self
    }
}

/// The bytes of a request, made once and sent often.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if method != "GET" {
        text.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    format!("{text}\r\n{body}").into_bytes()
}

impl Connection {
    pub async fn open(address: &str) -> Connection {
        let stream = TcpStream::connect(address).await.expect("the server takes connections");
        stream.set_nodelay(true).expect("a socket option");
        Connection { stream, buffer: Vec::with_capacity(64 << 10), cookies: Vec::new() }
    }

    /// Sends and reads the whole answer.
    pub async fn send(&mut self, request: &[u8]) -> Reply {
        self.stream.write_all(request).await.expect("the server reads");
        let head_length = self.read_until_head().await;
        let head = String::from_utf8_lossy(&self.buffer[..head_length]).into_owned();
        let mut reply = Reply { status: 0, head, body: Vec::new() };
        reply.status = reply.head.get(9..12).and_then(|code| code.parse().ok()).unwrap_or_default();
        assert!(reply.headers("transfer-encoding").next().is_none(), "this client reads whole bodies only");
        let length: usize = reply.headers("content-length").next().and_then(|text| text.parse().ok()).unwrap_or(0);
        while self.buffer.len() < head_length + length {
            self.read_more().await;
        }
        reply.body = self.buffer[head_length..head_length + length].to_vec();
        self.buffer.drain(..head_length + length);
        reply
    }

    /// Reads up to the end of the headers, and says where that is.
    pub async fn read_until_head(&mut self) -> usize {
        loop {
            if let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                return end + 4;
            }
            self.read_more().await;
        }
    }

    async fn read_more(&mut self) {
        let read = self.stream.read_buf(&mut self.buffer).await.expect("the server answers");
        assert!(read > 0, "the server closed the connection");
    }

    /// What has been read behind the headers, and the socket, for another protocol.
    pub fn into_parts(mut self, head_length: usize) -> (TcpStream, Vec<u8>) {
        let rest = self.buffer.split_off(head_length);
        (self.stream, rest)
    }

    pub async fn json(&mut self, method: &str, path: &str, authorization: &str, body: &Value) -> Reply {
        let key = format!("\"{}\"", hitaji_core::new_id());
        let headers =
            [("authorization", authorization), ("content-type", "application/json"), ("idempotency-key", &key)];
        self.send(&request(method, path, &headers, &body.to_string())).await
    }

    pub async fn get(&mut self, path: &str, authorization: &str) -> Reply {
        self.send(&request("GET", path, &[("authorization", authorization)], "")).await
    }

    /// As a browser: with the cookies it was given.
    pub async fn visit(&mut self, method: &str, path: &str, form: &[(String, String)]) -> Reply {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let headers = [("cookie", cookies.join("; ")), ("content-type", "application/x-www-form-urlencoded".into())];
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let reply = self.send(&request(method, path, &headers, &body)).await;
        for cookie in reply.headers("set-cookie") {
            let Some((name, value)) = cookie.split(';').next().and_then(|pair| pair.split_once('=')) else {
                continue;
            };
            self.cookies.retain(|(known, _)| known != name);
            self.cookies.push((name.to_owned(), value.to_owned()));
        }
        reply
    }
}
