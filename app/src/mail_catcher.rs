//! Mail in development: an SMTP server that delivers to a page instead of to people.
use axum::Router;
use axum::extract::State;
use axum::response::{Html, IntoResponse, Json, Response};
use axum::routing::get;
use http::StatusCode;
use mail_parser::MessageParser;
use minijinja::value::Serde;
use minijinja::{Environment, context};
use serde::Serialize;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

const KEPT: usize = 200;
const LARGEST: u64 = 1 << 20;
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Debug, Serialize)]
struct Mail {
    to: String,
    subject: String,
    text: String,
    links: Vec<String>,
}

#[derive(Clone, Default)]
struct Caught(Arc<Mutex<VecDeque<Mail>>>);

/// Takes mail on `smtp` and shows it on `page` (`/`, and `/messages` as JSON), newest first.
pub fn start(smtp: TcpListener, page: TcpListener) {
    let caught = Caught::default();
    let router = Router::new().route("/", get(show)).route("/messages", get(list)).with_state(caught.clone());
    tokio::spawn(hitaji_web::serve(page, router, std::future::pending()));
    tokio::spawn(async move {
        while let Ok((stream, _)) = smtp.accept().await {
            let caught = caught.clone();
            tokio::spawn(async move {
                if !matches!(tokio::time::timeout(PATIENCE, converse(stream, caught)).await, Ok(Ok(()))) {
                    tracing::debug!("a mail client went away in the middle");
                }
            });
        }
    });
}

/// As much of RFC 5321 as a mail library speaks.
async fn converse(stream: TcpStream, caught: Caught) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read.take(LARGEST));
    let (mut line, mut to) = (String::new(), Vec::new());
    write.write_all(b"220 hitaji mail page\r\n").await?;
    loop {
        line.clear();
        if lines.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let command = line.trim_end();
        let reply: &[u8] = match command.get(..4).unwrap_or_default().to_ascii_uppercase().as_str() {
            "EHLO" | "HELO" => b"250-hitaji\r\n250 8BITMIME\r\n",
            "RCPT" => {
                to.push(command.split(['<', '>']).nth(1).unwrap_or_default().to_owned());
                b"250 ok\r\n"
            }
            "DATA" => {
                write.write_all(b"354 go on\r\n").await?;
                keep(&caught, to.join(", "), &read_message(&mut lines).await?);
                to.clear();
                b"250 taken\r\n"
            }
            "QUIT" => {
                write.write_all(b"221 bye\r\n").await?;
                return Ok(());
            }
            _ => b"250 ok\r\n",
        };
        write.write_all(reply).await?;
    }
}

async fn read_message<R: tokio::io::AsyncBufRead + Unpin>(lines: &mut R) -> std::io::Result<Vec<u8>> {
    let (mut message, mut line) = (Vec::new(), Vec::new());
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line).await? == 0 || line == b".\r\n" {
            return Ok(message);
        }
        message.extend(line.strip_prefix(b".").unwrap_or(&line));
    }
}

fn keep(caught: &Caught, to: String, message: &[u8]) {
    let parsed = MessageParser::default().parse(message);
    let subject = parsed.as_ref().and_then(|message| message.subject()).unwrap_or_default().to_owned();
    let text = parsed.as_ref().and_then(|message| message.body_text(0)).unwrap_or_default().into_owned();
    let links = text.split_whitespace().filter(|word| word.starts_with("http")).map(str::to_owned).collect();
    let mut mails = caught.0.lock().expect("cannot be poisoned: nothing panics while it is held");
    mails.push_front(Mail { to, subject, text, links });
    mails.truncate(KEPT);
}

async fn list(State(caught): State<Caught>) -> Json<Vec<Mail>> {
    Json(caught.0.lock().expect("cannot be poisoned").iter().cloned().collect())
}

const PAGE: &str = "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>\
<meta http-equiv=refresh content=5><title>Mail</title><style>body{font:16px/1.5 system-ui;max-width:44rem;margin:2rem auto;padding:0 1rem;\
color-scheme:light dark}article{border:1px solid #8886;border-radius:.75rem;padding:1rem;margin:1rem 0}pre{white-space:pre-wrap;font:inherit}\
h2{font-size:1.1rem;margin:0}small{opacity:.7}</style><h1>Mail sent by this machine</h1>\
<p>Nothing leaves the machine in development; every message ends here.</p>\
{% for mail in mails %}<article><h2>{{ mail.subject }}</h2><small>to {{ mail.to }}</small><pre>{{ mail.text }}</pre>\
{% for link in mail.links %}<p><a href='{{ link }}'>Open the link</a></p>{% endfor %}</article>{% else %}<p>No mail yet.</p>{% endfor %}";

async fn show(State(caught): State<Caught>) -> Response {
    let mails: Vec<Mail> = caught.0.lock().expect("cannot be poisoned").iter().cloned().collect();
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::Html);
    match environment.render_str(PAGE, context! { mails => Serde(mails) }) {
        Ok(html) => Html(html).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
