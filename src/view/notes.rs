//! Notes on the rules for a Pod, for `explain`.

use std::collections::BTreeMap;

use crate::judge::{CountRange, Observing, PodView, Policy, Wishes};
use crate::text::Shown;

/// Returns the notes on a Pod, each a sentence.
pub(super) fn notes(policy: &Policy, view: &PodView) -> Vec<String> {
    let mut notes = Vec::new();
    let rules = policy.rules_for(view).ok();
    let observing = rules.and_then(|rules| rules.observing);
    // The node's mode stands beside its name.
    if let Some(why) = observing.filter(|why| *why != Observing::Node) {
        notes.push(format!("observed only: {}", why.text()));
    }
    notes.extend(unreadable(&view.annotations, "ignored"));
    notes.extend(unknown(view));
    let namespace = policy.namespaces.get(&view.namespace);
    if let Some((range, namespace)) = policy.scope.namespace_annotations.zip(namespace) {
        let head = "ignored, on the Namespace";
        notes.extend(unreadable(&namespace.annotations, head));
        notes.extend(out_of_range(&namespace.annotations, &range));
    }
    notes
}

fn unreadable(annotations: &BTreeMap<String, String>, head: &str) -> Vec<String> {
    let complaints = Wishes::of(annotations).complaints.into_iter();
    complaints
        .map(|complaint| format!("{head}: {complaint}"))
        .collect()
}

/// Counts for containers that the Pod does not have.
fn unknown(view: &PodView) -> impl Iterator<Item = String> {
    view.annotations.keys().filter_map(|annotation| {
        let container = Wishes::container_of(annotation)?;
        let is_unknown = !container.is_empty() && !view.has_container(container);
        let (annotation, container) = (Shown(annotation), Shown(container));
        is_unknown.then(|| format!("ignored: {annotation}: the Pod has no container {container}"))
    })
}

/// Counts of a Namespace that are lower or higher than allowed.
fn out_of_range(annotations: &BTreeMap<String, String>, range: &CountRange) -> Vec<String> {
    let one_by_one = annotations.iter().filter_map(|(name, value)| {
        let alone = BTreeMap::from([(name.clone(), value.clone())]);
        let wishes = Wishes::of(&alone);
        let count = wishes.containers.into_values().chain(wishes.count).next()?;
        let nearest = range.nearest(count);
        let name = Shown(name);
        (nearest != count).then(|| {
            format!("on the Namespace, {name}: {count} counts as {nearest}, by the configuration")
        })
    });
    one_by_one.collect()
}
