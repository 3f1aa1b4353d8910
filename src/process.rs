//! Processor time and memory of the agent itself, read when the metrics are asked for. Every
//! program with Prometheus' usual library has metrics of these names.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use crate::clock;

/// The processor time and the memory of this process.
#[derive(Debug)]
pub struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let used = ConstCounter::new(clock::processor_time().as_secs_f64());
        let help = "Processor time that the agent has used, in user and kernel mode";
        used.encode(encoder.encode_descriptor(
            "process_cpu",
            help,
            Some(&Unit::Seconds),
            prometheus_client::metrics::MetricType::Counter,
        )?)?;
        // Without /proc there is no number, and a wrong one would be worse.
        if let Some(bytes) = resident_bytes() {
            let help = "Memory of the agent that is resident";
            ConstGauge::new(bytes).encode(encoder.encode_descriptor(
                "process_resident_memory",
                help,
                Some(&Unit::Bytes),
                prometheus_client::metrics::MetricType::Gauge,
            )?)?;
        }
        Ok(())
    }
}

fn resident_bytes() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: i64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_more_than_nothing() {
        assert!(resident_bytes().unwrap() > 100_000);
        assert!(!clock::processor_time().is_zero());
    }
}
