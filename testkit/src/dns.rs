//! A name server for TXT records, on this machine: the DNS of the world is nothing that a test may write into.
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::UdpSocket;

/// Answers over UDP (RFC 1035) what the test wrote.
pub struct NameServer {
    pub address: SocketAddr,
    texts: Arc<Mutex<HashMap<String, Vec<String>>>>,
}

impl NameServer {
    pub async fn start() -> NameServer {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        let address = socket.local_addr().expect("an address");
        let texts: Arc<Mutex<HashMap<String, Vec<String>>>> = Arc::default();
        let known = texts.clone();
        tokio::spawn(async move {
            let mut packet = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut packet).await {
                let reply = answer(&packet[..length], &known.lock().expect("no panic while it is held"));
                let _ = socket.send_to(&reply, from).await;
            }
        });
        NameServer { address, texts }
    }

    /// All TXT records of a name.
    pub fn set(&self, name: &str, texts: &[&str]) {
        let texts = texts.iter().map(|text| (*text).to_owned()).collect();
        self.texts.lock().expect("no panic while it is held").insert(name.to_owned(), texts);
    }
}

fn answer(query: &[u8], known: &HashMap<String, Vec<String>>) -> Vec<u8> {
    let (mut at, mut labels) = (12, Vec::new());
    while query[at] != 0 {
        let length = usize::from(query[at]);
        labels.push(String::from_utf8_lossy(&query[at + 1..=at + length]).to_lowercase());
        at += length + 1;
    }
    let question_end = at + 5;
    let is_text = query[at + 1..at + 3] == [0, 16];
    let found = known.get(&labels.join(".")).filter(|_| is_text);
    let texts = found.map(Vec::as_slice).unwrap_or_default();
    // The query's id; an authoritative answer; NXDOMAIN where the name is not known.
    let mut reply = query[..2].to_vec();
    reply.extend([0x84, if found.is_some() { 0 } else { 3 }, 0, 1, 0, texts.len() as u8, 0, 0, 0, 0]);
    reply.extend(&query[12..question_end]);
    for text in texts {
        // A pointer to the question's name, TXT, IN, 0 seconds.
        reply.extend([0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 0]);
        let parts: Vec<&[u8]> = text.as_bytes().chunks(40).collect();
        reply.extend(((text.len() + parts.len()) as u16).to_be_bytes());
        for part in parts {
            reply.push(part.len() as u8);
            reply.extend(part);
        }
    }
    reply
}
