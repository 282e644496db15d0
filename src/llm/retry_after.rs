//! How long a provider asks to wait before it is asked again.

use std::time::Duration;

use http::HeaderMap;
use http::header::{DATE, RETRY_AFTER};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use serde_json::Value;

/// OpenAI's and Azure's, in milliseconds.
const RETRY_AFTER_MS: &str = "retry-after-ms";

/// What the headers say, else the body as Gemini's does; nothing where neither does so in a way that can be read. What is past is no wait.
///
/// Source: RFC 9110, 10.2.3, and <https://cloud.google.com/apis/design/errors> (`RetryInfo`).
pub(super) fn retry_after(headers: &HeaderMap, body: &str) -> Option<Duration> {
    let text = |name: &str| Some(headers.get(name)?.to_str().ok()?.trim());
    let milliseconds = text(RETRY_AFTER_MS).and_then(|text| seconds(text, 0.001));
    let after =
        || text(RETRY_AFTER.as_str()).and_then(|told| seconds(told, 1.0).or_else(|| until(told, text(DATE.as_str()))));
    milliseconds.or_else(after).or_else(|| of_body(body))
}

fn seconds(text: &str, unit: f64) -> Option<Duration> {
    let number: f64 = text.parse().ok()?;
    Duration::try_from_secs_f64(number * unit).ok()
}

/// From the server's own time, where it tells that, until `date`: its clock may be wrong.
fn until(date: &str, server_time: Option<&str>) -> Option<Duration> {
    let read = |text: &str| DateTimeParser::new().parse_timestamp(text).ok();
    let now = server_time.and_then(read).unwrap_or_else(Timestamp::now);
    Some(Duration::try_from(read(date)?.duration_since(now)).unwrap_or_default())
}

fn of_body(body: &str) -> Option<Duration> {
    let body: Value = serde_json::from_str(body).ok()?;
    let error = body.get("error").unwrap_or(&body);
    let delay = error.get("details")?.as_array()?.iter().find_map(|detail| detail.get("retryDelay")?.as_str())?;
    seconds(delay.strip_suffix('s')?, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One header a line.
    fn headers(lines: &str) -> HeaderMap {
        let pairs = lines.lines().map(|line| line.split_once(": ").unwrap());
        pairs.map(|(name, value)| (name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn it_is_read_in_every_form() {
        let gemini = r#"{"error":{"code":429,"details":[{"@type":"x"},{"@type":"RetryInfo","retryDelay":"36.5s"}]}}"#;
        let cases = [
            ("retry-after: 7", "", Some(7_000)),
            ("retry-after:  0 ", "", Some(0)),
            ("retry-after: 0.25", "", Some(250)),
            ("retry-after: 9\nretry-after-ms: 1500", "", Some(1_500)),
            ("retry-after: 9\nretry-after-ms: soon", "", Some(9_000)),
            ("retry-after: Sun, 06 Nov 1994 08:49:47 GMT\ndate: Sun, 06 Nov 1994 08:49:37 GMT", "", Some(10_000)),
            ("retry-after: Sun, 06 Nov 1994 08:49:27 GMT\ndate: Sun, 06 Nov 1994 08:49:37 GMT", "", Some(0)),
            ("retry-after: Sun, 06 Nov 1994 08:49:37 GMT", "", Some(0)),
            ("retry-after: -1", "", None),
            ("retry-after: 1e300", "{", None),
            ("", gemini, Some(36_500)),
            ("", r#"{"error":"canary"}"#, None),
        ];
        for (lines, body, expected) in cases {
            let expected = expected.map(Duration::from_millis);
            assert_eq!(retry_after(&headers(lines), body), expected, "{lines} {body}");
        }
    }
}
