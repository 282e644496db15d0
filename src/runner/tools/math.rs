//! A calculator.

use serde::Deserialize;
use serde_json::json;

use super::Outcome;

/// Two numbers.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Numbers {
    a: f64,
    b: f64,
}

pub(super) fn calculate(Numbers { a, b }: Numbers, operation: impl Fn(f64, f64) -> f64) -> Outcome {
    let result = operation(a, b);
    if !result.is_finite() {
        return Err("the result is too large".into());
    }
    Ok(json!({ "result": result }))
}

pub(super) fn divide(numbers: Numbers) -> Outcome {
    if numbers.b == 0.0 {
        return Err("division by zero".into());
    }
    calculate(numbers, |a, b| a / b)
}
