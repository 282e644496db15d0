//! The time.

use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};
use serde::Deserialize;
use serde_json::json;

use super::Outcome;

/// Where, and how it shall be written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    timezone: Option<String>,
    format: Option<String>,
}

/// The words of the format `human`.
const HUMAN: &str = "%A, %-d %B %Y, %H:%M:%S %Z";

pub(super) fn current_time(Question { timezone, format }: Question) -> Outcome {
    let name = timezone.unwrap_or_else(|| "UTC".into());
    let zone = TimeZone::get(&name)
        .map_err(|_| format!("there is no time zone {name:?}; an IANA name such as Europe/Berlin is expected"))?;
    let now = Timestamp::now().to_zoned_datetime(zone);
    let time = written(&now, format.as_deref().unwrap_or("rfc3339"))?;
    Ok(json!({ "time": time, "timezone": name }))
}

fn written(now: &ZonedDateTime, format: &str) -> Result<serde_json::Value, String> {
    let pattern = match format {
        "rfc3339" => "%Y-%m-%dT%H:%M:%S%:z",
        "unix" => return Ok(now.timestamp().as_second().into()),
        "human" => HUMAN,
        pattern if pattern.contains('%') => pattern,
        other => return Err(format!("{other:?} is no format; there are rfc3339, unix, human and strftime patterns")),
    };
    let text = strtime::format(pattern, now).map_err(|_| format!("{pattern:?} is no strftime pattern"))?;
    Ok(text.into())
}
