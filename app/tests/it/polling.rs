//! A Socket.IO client by hand, over long polling.
use hitaji_testkit::Client;
use serde_json::json;
use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

/// Socket.IO over long polling, by hand: what the proxy can carry.
pub struct Polling {
    pub client: Client,
    url: String,
    /// Packets that came together with others.
    arrived: Mutex<VecDeque<String>>,
}

impl Polling {
    pub async fn connect(client: &Client) -> Polling {
        let base = format!("{}/socket.io/?EIO=4&transport=polling", client.address);
        let hello = client.http.get(&base).send().await.expect("a handshake").text().await.expect("text");
        let sid =
            hello.split("\"sid\":\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a session").to_owned();
        let (client, url, arrived) = (client.clone(), format!("{base}&sid={sid}"), Mutex::default());
        let polling = Polling { client, url, arrived };
        polling.send(format!("40{}", json!({"token": polling.client.token}))).await;
        let connected = polling.next().await;
        assert!(connected.starts_with("40"), "{connected}");
        polling
    }

    pub async fn ask(&self, event: &str, data: &serde_json::Value) -> String {
        self.send(format!("420{}", json!([event, data]))).await;
        self.next().await
    }

    async fn send(&self, packet: String) {
        self.client.http.post(&self.url).body(packet).send().await.expect("a packet taken");
    }

    /// The next packet, or none when the server has closed the connection.
    pub async fn next_or_closed(&self) -> Option<String> {
        if let Some(packet) = self.arrived.lock().expect("a queue").pop_front() {
            return Some(packet).filter(|packet| packet != "1" && packet != "41");
        }
        let poll = self.client.http.get(&self.url).timeout(Duration::from_secs(30)).send();
        let answer = poll.await.ok().filter(|answer| answer.status().is_success())?;
        let packets = answer.text().await.ok()?;
        if packets.split('\u{1e}').any(|packet| packet == "2") {
            self.send("3".to_owned()).await;
        }
        let others = packets.split('\u{1e}').filter(|packet| *packet != "2" && *packet != "6");
        self.arrived.lock().expect("a queue").extend(others.map(str::to_owned));
        Box::pin(self.next_or_closed()).await
    }

    /// The next packet that is no ping; pings are answered.
    pub async fn next(&self) -> String {
        loop {
            if let Some(packet) = self.arrived.lock().expect("a queue").pop_front() {
                return packet;
            }
            let poll = self.client.http.get(&self.url).timeout(Duration::from_secs(20)).send();
            let packets = poll.await.expect("packets").text().await.expect("text");
            let (pings, others): (Vec<&str>, Vec<&str>) = packets.split('\u{1e}').partition(|packet| *packet == "2");
            self.arrived.lock().expect("a queue").extend(others.into_iter().map(str::to_owned));
            if !pings.is_empty() {
                self.send("3".to_owned()).await;
            }
        }
    }
}
