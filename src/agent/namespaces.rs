//! The labels of namespaces: asked for only where the configuration goes by them, and only for namespaces with a Pod that is judged.

use std::collections::BTreeMap;
use std::time::Duration;

use tracing::{debug, warn};

use super::Agent;
use super::reports::Report;
use crate::evidence;
use crate::judge::{Moment, PodView};
use crate::report::Line;

/// Labels are asked for again after this.
const FRESH: Duration = Duration::from_secs(300);

/// What could not be found out is asked for again after this.
const PAUSE: Duration = Duration::from_secs(10);

/// When the labels of each namespace are to be asked for again.
#[derive(Debug, Default)]
pub(super) struct Namespaces(BTreeMap<String, Moment>);

impl Agent {
    /// Asks for the labels of a Pod's namespace, if they matter and are not known or not fresh.
    pub(super) fn ask_for_labels(&mut self, view: &PodView, now: Moment) {
        let policy = &self.config.policy;
        let selects = policy
            .scope
            .namespaces
            .iter()
            .any(|rule| rule.selector.is_some());
        let due = self
            .namespaces
            .0
            .get(&view.namespace)
            .is_none_or(|due| now >= *due);
        let matters = selects && due && !policy.excludes(&view.namespace);
        if !matters {
            return;
        }
        let api = self.api.clone();
        let name = view.namespace.clone();
        self.namespaces.0.insert(name.clone(), now.after(PAUSE));
        self.reports.spawn(async move {
            let labels = match api.client().await {
                Ok(client) => evidence::labels(client, &name).await,
                Err(error) => Err(error),
            };
            Report::Labels { name, labels }
        });
    }

    pub(super) fn labelled(
        &mut self,
        name: String,
        labels: Result<BTreeMap<String, String>, String>,
    ) {
        let now = self.clock.now();
        match labels {
            Ok(labels) => {
                debug!(namespace = name, "labels read");
                self.namespaces.0.retain(|_, due| now < *due);
                let known = &mut self.config.policy.namespace_labels;
                known.retain(|name, _| self.namespaces.0.contains_key(name));
                known.insert(name.clone(), labels);
                self.namespaces.0.insert(name.clone(), now.after(FRESH));
                // They may put the Pods that are judged out of scope.
                let views = self.docket.views(|view| view.namespace == name);
                let line = Line::Labels {
                    namespaces: &self.config.policy.namespace_labels.clone(),
                    namespace: &name,
                };
                self.write_line(now, &line);
                self.judge_again(views, now);
            }
            Err(error) => {
                warn!(namespace = name, %error, "the namespace's labels cannot be read, verdicts on its Pods wait");
            }
        }
    }
}
