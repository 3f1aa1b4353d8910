//! Reports on Pods: checks before a write, the writes, and the revert of the condition.

mod conditions;
mod failing;
mod guarding;
mod interleavings;
mod marks;
mod opinions;
mod races;
mod refusals;
mod retrying;
mod sparing;
