//! What comes of pulling: by image, by registry, and by what the node itself is like.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pullwarden::judge::Reference;

use super::fault;

/// What comes of pulling an image. In an error's text `{image}`, `{registry}`, `{repository}` and `{tag}` are filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registry {
    /// It is there.
    Has,
    /// It is there, and takes so long.
    Takes(Duration),
    /// It answers with this error.
    Fails(String),
    /// It neither answers nor refuses, until that changes.
    Hangs,
}

impl Registry {
    /// It answers with this error.
    pub fn failing(text: &str) -> Self {
        Self::Fails(text.to_owned())
    }
}

/// How long a pull takes that neither hangs nor downloads much.
const PULL: Duration = Duration::from_millis(300);

/// All registries, and what is between them and the node.
#[derive(Clone, Debug, Default)]
pub struct Registries {
    images: BTreeMap<String, Registry>,
    /// Whole registries that are in trouble, and the images that a mirror has all the same.
    outages: BTreeMap<String, (Registry, BTreeSet<String>)>,
    /// What every pull comes to that would have been one: the node's disk is full.
    node: Option<Registry>,
    /// What every pull comes to: the runtime is away.
    runtime: Option<Registry>,
}

impl Registries {
    /// What comes of pulling `image` from now on; one that was never told of does not exist.
    pub fn image(&mut self, image: &str, comes_to: Registry) {
        self.images.insert(image.to_owned(), comes_to);
    }

    /// From now on this comes of pulling anything from `host`.
    pub fn outage(&mut self, host: &str, comes_to: Registry) {
        let entry = (comes_to, BTreeSet::new());
        self.outages.insert(host.to_owned(), entry);
    }

    /// A mirror stands in for `host`, which cannot be reached: it has these images, and says of all others that there are none.
    pub fn mirror(&mut self, host: &str, has: &[&str]) {
        let has = has.iter().map(|image| (*image).to_owned()).collect();
        let missing = Registry::Fails(fault::MISSING.to_owned());
        self.outages.insert(host.to_owned(), (missing, has));
    }

    /// Pulls from `host` are what they would be without the trouble.
    pub fn mended(&mut self, host: &str) {
        self.outages.remove(host);
    }

    /// From now on every pull that would go well comes to this; `None`: the node is well.
    pub fn node(&mut self, comes_to: Option<Registry>) {
        self.node = comes_to;
    }

    /// From now on every pull comes to this; `None`: the runtime answers.
    pub fn runtime(&mut self, comes_to: Option<Registry>) {
        self.runtime = comes_to;
    }

    /// What comes of pulling `image` now.
    pub fn pull(&self, image: &str) -> Registry {
        let outage = self.outages.get(Reference::of(image).registry);
        let outage = outage.filter(|(_, has)| !has.contains(image));
        let missing = Registry::Fails(fault::MISSING.to_owned());
        let comes_to = match outage {
            Some((outage, _)) => outage,
            None => self.images.get(image).unwrap_or(&missing),
        };
        let comes_to = match (&self.runtime, &self.node, comes_to) {
            (Some(runtime), _, _) => runtime,
            (_, Some(node), Registry::Has | Registry::Takes(_)) => node,
            (_, _, comes_to) => comes_to,
        };
        match comes_to {
            Registry::Fails(text) => Registry::Fails(fault::of(image, text)),
            other => other.clone(),
        }
    }

    /// How long pulling `image` takes, if it ends at all.
    pub fn takes(&self, image: &str) -> Option<Duration> {
        match self.pull(image) {
            Registry::Has | Registry::Fails(_) => Some(PULL),
            Registry::Takes(time) => Some(time),
            Registry::Hangs => None,
        }
    }
}
