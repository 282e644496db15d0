//! Made-up weather, for tests: the same for a city every time.

use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::Outcome;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Place {
    city: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Days {
    city: String,
    days: Option<u8>,
}

const DAYS_DEFAULT: u8 = 3;
const DAYS_MAX: u8 = 10;
const NOTE: &str = "made up for tests, not the real weather";
const CONDITIONS: [&str; 6] = ["sunny", "partly cloudy", "cloudy", "light rain", "thunderstorm", "snow"];

pub(super) fn current(Place { city }: Place) -> Outcome {
    let mut weather = weather(&checked(&city)?, 0);
    weather["city"] = city.into();
    weather["note"] = NOTE.into();
    Ok(weather)
}

pub(super) fn forecast(Days { city, days }: Days) -> Outcome {
    let name = checked(&city)?;
    let days = days.unwrap_or(DAYS_DEFAULT);
    if !(1..=DAYS_MAX).contains(&days) {
        return Err(format!("days must be 1 to {DAYS_MAX}").into());
    }
    let forecast: Vec<Value> = (1..=days)
        .map(|day| {
            let mut weather = weather(&name, day);
            weather["day"] = day.into();
            weather
        })
        .collect();
    Ok(json!({ "city": city, "forecast": forecast, "note": NOTE }))
}

/// The name by which a city's weather is made up: `BERLIN ` is `berlin`.
fn checked(city: &str) -> Result<String, String> {
    let name = city.trim().to_lowercase();
    if name.is_empty() { Err("city must not be empty".to_owned()) } else { Ok(name) }
}

fn weather(city: &str, day: u8) -> Value {
    let digest = Sha256::new().chain_update(city).chain_update([day]).finalize();
    let pick = |index: usize, count: u8| digest[index] % count;
    json!({
        "condition": CONDITIONS[usize::from(pick(0, 6))],
        "temperature_celsius": i32::from(pick(1, 40)) - 5,
        "humidity_percent": 30 + pick(2, 70),
        "wind_kmh": pick(3, 60),
    })
}
