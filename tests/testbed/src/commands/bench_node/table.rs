//! What is printed: the measurements beside their goals.

use super::side_by_side::{Asked, Taken};
use super::times::{Times, percentile};

/// Goals as multiples of the floor's.
const RATIO: f64 = 1.5;

/// Prints what the three have taken; whether the goals are reached. The programs' sizes are given for the quiet node.
pub fn taken([agent, floor, usual]: [Taken; 3], sizes: Option<[f64; 3]>) -> bool {
    let row = |what: &str, values: [String; 3], goal: &str| {
        let [agent, floor, usual] = values;
        println!("  {what:<32}{agent:>11}{floor:>11}{usual:>11}   {goal}");
    };
    let each = |what: &str, unit: &str, of: &dyn Fn(&Taken) -> f64, goal: &str| {
        let values = [&agent, &floor, &usual].map(|taken| format!("{:.1}{unit}", of(taken)));
        row(what, values, goal);
    };
    let asked = |what: &str, of: &dyn Fn(&Asked) -> String, goal: &str| {
        let value = |taken: &Taken| taken.api.as_ref().map_or("–".to_owned(), of);
        row(what, [&agent, &floor, &usual].map(value), goal);
    };
    // The floor does the same whatever happens on the node, so only on a quiet one it is a goal.
    let quiet = sizes.is_some();
    let ratio = |of: &dyn Fn(&Taken) -> f64| {
        let ratio = of(&agent) / of(&floor);
        match (quiet, ratio <= RATIO) {
            (false, _) => (true, format!("{ratio:.2} × the floor's")),
            (_, true) => (true, format!("≤ {RATIO} × the floor's: {ratio:.2}")),
            (_, false) => (
                false,
                format!("≤ {RATIO} × the floor's: {ratio:.2}, MISSED"),
            ),
        }
    };
    let names = ["pullwarden", "floor", "usual"].map(str::to_owned);
    row("", names, "goal");
    let (memory_well, memory) = ratio(&|taken| taken.memory.resident);
    each("resident memory", " MiB", &|t| t.memory.resident, &memory);
    each(
        "  of that its own (anonymous)",
        " MiB",
        &|t| t.memory.anonymous,
        "",
    );
    each("  its peak since the start", " MiB", &|t| t.memory.peak, "");
    let (cpu_well, cpu) = ratio(&|taken| taken.cpu);
    each("CPU a minute", " ms", &|taken| taken.cpu, &cpu);
    each("voluntary switches a minute", "", &|t| t.switches, "");
    let requests = agent.api.map_or(0, |api| api.requests);
    let none = if requests == 0 { "0" } else { "0, MISSED" };
    asked(
        "requests to the API server",
        &|api| api.requests.to_string(),
        none,
    );
    asked("connections to it", &|api| api.connections.to_string(), "");
    asked(
        "bytes to and from it, a minute",
        &|api| format!("{:.0}", api.bytes),
        "",
    );
    if let Some(sizes) = sizes {
        let what = "  in all before, from its start";
        asked(what, &|api| api.before.to_string(), "");
        row("program", sizes.map(|size| format!("{size:.1} MiB")), "");
    }
    memory_well && cpu_well && requests == 0
}

/// Most that the agent may take more than another build of it, as a multiple.
const AGAINST: f64 = 1.05;

/// Prints the agent beside another build of it, if there is one. Returns whether the goal is reached.
pub fn against(agent: Taken, before: Option<&Taken>) -> bool {
    let Some(before) = before else { return true };
    let mut well = true;
    let mut row = |what: &str, unit: &str, agent: f64, before: f64| {
        let ratio = agent / before;
        let missed = if ratio <= AGAINST { "" } else { ", MISSED" };
        well &= ratio <= AGAINST;
        println!(
            "  {what:<20}{agent:>8.1} {unit:<4}{before:>8.1} {unit:<4}≤ {AGAINST} ×: {ratio:.3}{missed}"
        );
    };
    println!("\n  {:<20}{:>13}{:>13}   goal", "", "pullwarden", "before");
    let memory = [agent.memory, before.memory];
    row(
        "resident memory",
        "MiB",
        memory[0].resident,
        memory[1].resident,
    );
    row(
        "  anonymous",
        "MiB",
        memory[0].anonymous,
        memory[1].anonymous,
    );
    row("CPU a minute", "ms", agent.cpu, before.cpu);
    well
}

/// Prints how soon the agent has acted.
pub fn times(source: &str, times: &Times, pods: u16) {
    let ms = |value: Option<f64>| value.map_or("–".to_owned(), |ms| format!("{ms:.1}"));
    let row = |what: &str, of: &[f64], goal: &str| {
        let [half, most] = [50, 99].map(|hundredths| ms(percentile(of, hundredths)));
        let last = ms(of.last().copied());
        println!("  {what:<38}{half:>9}{most:>9}{last:>9}   {goal}");
    };
    println!(
        "  {:<38}{:>9}{:>9}{:>9}   goal",
        format!("evidence: {source}"),
        "p50",
        "p99",
        "max"
    );
    row("the API server has heard of it", &times.known, "");
    let goal = match source {
        "kubelet" => "p50 ≤ 50, p99 ≤ 200",
        _ => "",
    };
    row("our second write is made", &times.written, goal);
    row("the API server has phase Failed", &times.failed, "");
    let kinds = times
        .requests
        .iter()
        .map(|(kind, made)| format!("{made} {kind}"));
    let kinds = kinds.collect::<Vec<_>>().join(", ");
    println!("  requests for these {pods} Pods: {kinds}\n");
}
