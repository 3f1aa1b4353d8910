//! What the runtime's log says about the pulls of an image.

use anyhow::{Context, Result};

use super::Node;
use crate::component::Component;

/// The pulls of one image, as the runtime saw them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pulls {
    /// How many it was asked for.
    pub begun: usize,
    /// How those ended that failed, oldest first: gRPC's code and the text.
    pub errors: Vec<String>,
}

impl Node {
    /// The pulls of an image that the runtime itself has begun, and their errors, by its log.
    /// `image` is the reference that the Pod names.
    pub fn pulls(&self, image: &str) -> Result<Pulls> {
        let path = self.log(Component::Runtime);
        let log = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        Ok(self
            .plan
            .runtime
            .pulls(image, &String::from_utf8_lossy(&log)))
    }
}
