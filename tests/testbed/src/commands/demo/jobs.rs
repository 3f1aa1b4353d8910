//! The Jobs of the demo, and the room that they ask for.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

/// A Job of one Pod that asks for so much CPU and sleeps for a second; if that fails, so does the
/// Job.
pub fn job(name: &str, image: &str, millicores: u64) -> Value {
    let container = json!({
        "name": "main",
        "image": image,
        "args": ["sleep", "1"],
        "resources": {"requests": {"cpu": format!("{millicores}m")}},
    });
    json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"backoffLimit": 0, "template": {"spec": {
            "restartPolicy": "Never", "containers": [container],
        }}},
    })
}

/// A quantity of CPU, as the API has it, in thousandths.
pub fn millicores(quantity: &str) -> Result<u64> {
    let number = match quantity.strip_suffix('m') {
        Some(milli) => milli.parse().ok(),
        None => quantity.parse::<u64>().ok().map(|whole| whole * 1000),
    };
    number.with_context(|| format!("{quantity:?} is no quantity of CPU"))
}

/// Thousandths of a CPU, as a person would say it.
pub fn cpus(millicores: u64) -> String {
    let text = format!("{}.{:03}", millicores / 1000, millicores % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_and_said() -> Result<()> {
        for (quantity, expected, said) in [("2", 2000, "2"), ("1930m", 1930, "1.93")] {
            assert_eq!(millicores(quantity)?, expected);
            assert_eq!(cpus(expected), said);
        }
        assert!(millicores("lots").is_err());
        Ok(())
    }
}
