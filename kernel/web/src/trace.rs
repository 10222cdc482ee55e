//! What travels with a request to the services it asks: its W3C trace context and its deadline.
use hitaji_db::secrets::random;
use http::HeaderMap;
use std::future::Future;
use std::time::{Duration, Instant};

tokio::task_local! {
    static CURRENT: String;
    static DEADLINE: Instant;
}

/// Milliseconds that the asking service still has; taken from peers only.
pub(crate) const DEADLINE_HEADER: &str = "x-deadline-ms";

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// A `traceparent` of our own: in the caller's trace where it sent a well-formed one, else in a new trace.
pub(crate) fn continued(headers: &HeaderMap) -> String {
    let given = headers.get("traceparent").and_then(|value| value.to_str().ok()).and_then(parse);
    // Both ids from one draw: each asks the kernel.
    let noise = random::<24>();
    let (trace, span) = noise.split_at(16);
    let (trace, flags) = given.unwrap_or_else(|| (hex(trace), "01".to_owned()));
    format!("00-{trace}-{}-{flags}", hex(span))
}

/// Trace id and flags of a version 00 header that is not all zeros.
fn parse(text: &str) -> Option<(String, String)> {
    let parts: Vec<&str> = text.split('-').collect();
    let [version, trace, span, flags] = parts[..] else { return None };
    let lower_hex =
        |text: &str, length| text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let sound = version == "00" && lower_hex(trace, 32) && lower_hex(span, 16) && lower_hex(flags, 2);
    let zero = |text: &str| text.bytes().all(|byte| byte == b'0');
    (sound && !zero(trace) && !zero(span)).then(|| (trace.to_owned(), flags.to_owned()))
}

/// The trace id within a `traceparent`.
pub(crate) fn id(traceparent: &str) -> &str {
    traceparent.split('-').nth(1).unwrap_or_default()
}

/// Runs `work` as part of a trace.
pub(crate) fn within<F: Future>(traceparent: &str, work: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(traceparent.to_owned(), work)
}

/// The trace of the request that this code works for, if any.
pub(crate) fn current() -> Option<String> {
    CURRENT.try_with(Clone::clone).ok()
}

/// Runs `work` under a deadline; none when it did not end in time.
pub(crate) async fn by_deadline<F: Future>(allowed: Duration, work: F) -> Option<F::Output> {
    let deadline = Instant::now() + allowed;
    tokio::time::timeout(allowed, DEADLINE.scope(deadline, work)).await.ok()
}

/// What is left of the deadline of the request that this code works for, if any.
pub(crate) fn time_left() -> Option<Duration> {
    DEADLINE.try_with(|deadline| deadline.saturating_duration_since(Instant::now())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_trace_is_continued_and_a_bad_one_replaced() {
        let mut headers = HeaderMap::new();
        let given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        headers.insert("traceparent", given.parse().unwrap());
        let ours = continued(&headers);
        assert_eq!(id(&ours), id(given));
        assert_ne!(ours, given);
        for bad in [
            "",
            "00-0-0-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            headers.insert("traceparent", bad.parse().unwrap());
            assert_ne!(id(&continued(&headers)), id(given), "{bad}");
            assert_eq!(continued(&headers).len(), 55);
        }
    }
}
