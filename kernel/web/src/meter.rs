//! Counts requests and the bytes of their bodies as the connection sees them, and books usage each minute.
use axum::Router;
use axum::body::{Body, Bytes};
use hitaji_db::Databases;
use hitaji_db::meter::{Account, Meter, Served};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tower::ServiceExt as _;

/// Who pays for an answer; travels with it to the connection.
#[derive(Clone)]
pub(crate) struct Bill {
    pub account: Arc<Account>,
    pub meter: Meter,
}

/// Answers a request, and counts it once the last of its answer is handed to the connection.
pub(crate) async fn counted(
    router: Router,
    request: hyper::Request<Incoming>,
) -> Result<hyper::Response<SentBody>, Infallible> {
    let received = Arc::new(AtomicU64::new(0));
    let counter = received.clone();
    let request = request.map(|body| {
        if body.is_end_stream() {
            return Body::empty();
        }
        Body::new(body.map_frame(move |frame| {
            let length = frame.data_ref().map_or(0, |data| data.len() as u64);
            counter.fetch_add(length, Ordering::Relaxed);
            frame
        }))
    });
    let mut response = router.oneshot(request).await?;
    let bill = response.extensions_mut().remove::<Bill>();
    let served = Served { failed: response.status().is_server_error(), ..Served::default() };
    Ok(response.map(|body| SentBody { body, bill, received, served }))
}

/// The body of an answer on its way to the connection.
pub(crate) struct SentBody {
    body: Body,
    bill: Option<Bill>,
    received: Arc<AtomicU64>,
    served: Served,
}

impl hyper::body::Body for SentBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            self.served.bytes_out += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for SentBody {
    fn drop(&mut self) {
        if let Some(bill) = &self.bill {
            let served = Served { bytes_in: self.received.load(Ordering::Relaxed), ..self.served };
            bill.meter.serve(&bill.account, served);
        }
    }
}

/// Books what was counted at each full minute, for as long as the process lives.
pub(crate) async fn book_each_minute(databases: Databases) {
    loop {
        let into_minute_ms = databases.clock().now().timestamp_millis().rem_euclid(60_000).unsigned_abs();
        tokio::time::sleep(Duration::from_millis(60_000 - into_minute_ms)).await;
        if let Err(error) = databases.book_usage().await {
            tracing::warn!(%error, "usage could not be booked; it is kept and booked with the next minute");
        }
    }
}
