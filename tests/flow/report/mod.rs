//! Reports on Pods: checks before a write, the writes, and the revert of the condition.

mod changing;
mod conditions;
mod failing;
mod guarding;
mod interleavings;
mod marks;
mod opinions;
mod owners;
mod plugins;
mod races;
mod refusals;
mod renewing;
mod retrying;
mod sparing;
