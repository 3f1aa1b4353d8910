//! The judge alone, or beside a kubelet on virtual time: causes, counts, rules, brakes, verdicts.

mod answers;
mod braking;
pub mod causes;
mod contents;
mod corpus;
mod counting;
mod crio;
mod deciding;
mod edits;
mod healing;
mod hours;
mod killing;
mod known_bad;
mod namespaces;
mod outages;
pub mod properties;
mod registries;
mod runtimes;
mod scope;
mod stepping;
mod workflows;
