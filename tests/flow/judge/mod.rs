//! The judge alone, or beside a kubelet on virtual time: causes, counts, rules, brakes, verdicts.

mod answers;
mod any_text;
mod braking;
pub mod causes;
mod containers;
mod contents;
pub mod corpus;
mod counting;
mod crio;
mod deciding;
mod defaults;
mod edits;
mod healing;
mod hours;
mod killing;
mod known_bad;
mod mirrors;
mod namespaces;
mod outages;
mod pod_scope;
pub mod properties;
mod registries;
mod runtimes;
mod scope;
mod stepping;
mod threads;
mod workflows;
