//! Rules: what the node's configuration and a Pod's annotations ask for.

pub mod annotation;
pub mod policy;
pub mod selector;
pub mod threshold;
