//! As much of a Socket.IO client as a benchmark needs: one WebSocket, one topic.
use crate::http::{Connection, request};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const TEXT: u8 = 1;

pub struct Socket {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Socket {
    /// Connects with a token and subscribes to a topic.
    pub async fn listen(address: &str, authorization: &str, topic: &str) -> Socket {
        let mut connection = Connection::open(address).await;
        let headers = [
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        let upgrade = request("GET", "/socket.io/?EIO=4&transport=websocket", &headers, "");
        connection.stream.write_all(&upgrade).await.expect("the server reads");
        let head = connection.read_until_head().await;
        let (stream, buffer) = connection.into_parts(head);
        let mut socket = Socket { stream, buffer };
        let open = socket.message().await;
        assert!(open.starts_with('0'), "engine.io opens: {open}");
        let token = authorization.trim_start_matches("Bearer ");
        socket.send(&format!("40{}", json!({"token": token}))).await;
        let connected = socket.message().await;
        assert!(connected.starts_with("40"), "socket.io connects: {connected}");
        socket.send(&format!("420{}", json!(["subscribe", {"topic": topic}]))).await;
        let subscribed = socket.message().await;
        assert!(subscribed.starts_with("430") && subscribed.contains("\"ok\":true"), "it subscribes: {subscribed}");
        socket
    }

    /// The next event's payload.
    pub async fn event(&mut self) -> Value {
        loop {
            let message = self.message().await;
            if let Some(event) = message.strip_prefix("42") {
                let event: Value = serde_json::from_str(event).expect("JSON");
                return event[1].clone();
            }
        }
    }

    /// The next packet that is not the heartbeat's, which is answered.
    async fn message(&mut self) -> String {
        loop {
            let (kind, text) = self.frame().await;
            assert!(kind == TEXT, "the server sent a frame of kind {kind}");
            if text != "2" {
                return text;
            }
            self.send("3").await;
        }
    }

    /// One text frame; its mask is zero, which leaves the text as it is.
    async fn send(&mut self, text: &str) {
        let length = u16::try_from(text.len()).expect("a short message");
        let mut frame = vec![0x80 | TEXT];
        match u8::try_from(length) {
            Ok(short @ 0..=125) => frame.push(0x80 | short),
            _ => {
                frame.push(0x80 | 126);
                frame.extend(length.to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend(text.as_bytes());
        self.stream.write_all(&frame).await.expect("the server reads");
    }

    async fn frame(&mut self) -> (u8, String) {
        self.need(2).await;
        let (kind, short) = (self.buffer[0] & 0x0f, usize::from(self.buffer[1] & 0x7f));
        let (start, length) = match short {
            126 => {
                self.need(4).await;
                (4, usize::from(u16::from_be_bytes([self.buffer[2], self.buffer[3]])))
            }
            127 => panic!("the server sends short messages only"),
            _ => (2, short),
        };
        self.need(start + length).await;
        let text = String::from_utf8_lossy(&self.buffer[start..start + length]).into_owned();
        self.buffer.drain(..start + length);
        (kind, text)
    }

    async fn need(&mut self, length: usize) {
        while self.buffer.len() < length {
            let read = self.stream.read_buf(&mut self.buffer).await.expect("the server sends");
            assert!(read > 0, "the server closed the socket");
        }
    }
}
