//! Rules: what the node's configuration and a Pod's annotations ask for.

pub mod annotation;
pub mod counts;
pub mod defaults;
pub mod mirrors;
pub mod observing;
pub mod pods;
pub mod policy;
pub mod selector;
pub mod threshold;
