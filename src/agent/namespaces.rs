//! The labels of namespaces: asked for only where the configuration goes by them, and only for namespaces with a Pod that is judged.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tracing::{debug, warn};

use super::Agent;
use super::reports::Report;
use crate::evidence;
use crate::judge::Moment;
use crate::report::Line;

/// Labels are asked for again after this.
const FRESH: Duration = Duration::from_secs(300);

/// What could not be found out is asked for again after this, and then after twice as long each time, up to [`FRESH`].
const PAUSE: Duration = Duration::from_secs(10);

/// The namespaces whose labels were asked for.
#[derive(Debug, Default)]
pub(super) struct Namespaces(BTreeMap<String, Asked>);

#[derive(Debug)]
struct Asked {
    /// When they are to be asked for again.
    due: Moment,
    /// The pause after that, if there is no answer, before jitter.
    pause: Duration,
    /// The last answer was none, and that was said.
    failed: bool,
}

impl Agent {
    /// Asks for the labels of a namespace, if they matter and are not known or not fresh.
    pub(super) fn ask_for_labels(&mut self, name: &str, now: Moment) {
        let policy = &self.config.policy;
        let rules = &policy.scope.namespaces;
        if policy.excludes(name) || rules.iter().all(|rule| rule.selector.is_none()) {
            return;
        }
        let before = self.namespaces.0.get(name);
        if before.is_some_and(|before| now < before.due) {
            return;
        }
        let failed = before.is_some_and(|before| before.failed);
        let pause = before.map_or(PAUSE, |before| before.pause);
        let asked = Asked {
            due: now.after(pause.mul_f64(1.0 + self.share())),
            pause: (pause * 2).min(FRESH),
            failed,
        };
        self.namespaces.0.insert(name.to_owned(), asked);
        let (api, name) = (self.api.clone(), name.to_owned());
        self.reports.spawn(async move {
            let labels = match api.client().await {
                Ok(client) => evidence::labels(client, &name).await,
                Err(error) => Err(error),
            };
            Report::Labels { name, labels }
        });
    }

    /// Asks again for the labels of every namespace with a Pod that is judged, as far as it is time to.
    pub(super) fn ask_for_labels_again(&mut self, now: Moment) {
        let judged = self.judged_namespaces();
        for name in &judged {
            self.ask_for_labels(name, now);
        }
        self.namespaces
            .0
            .retain(|name, asked| judged.contains(name) || now < asked.due);
    }

    /// The namespaces with a Pod that is judged.
    fn judged_namespaces(&self) -> BTreeSet<String> {
        let latest = self.docket.latest.values();
        latest.map(|latest| latest.view.namespace.clone()).collect()
    }

    pub(super) fn labelled(
        &mut self,
        name: String,
        labels: Result<BTreeMap<String, String>, String>,
    ) {
        let now = self.clock.now();
        let labels = match labels {
            Ok(labels) => labels,
            Err(error) => {
                let asked = self.namespaces.0.get_mut(&name);
                let told = asked.is_some_and(|asked| std::mem::replace(&mut asked.failed, true));
                if !told {
                    warn!(namespace = name, %error, "the namespace's labels cannot be read: those of before hold, verdicts on its Pods wait if there are none");
                }
                return;
            }
        };
        debug!(namespace = name, "labels read");
        let asked = Asked {
            due: now.after(FRESH),
            pause: PAUSE,
            failed: false,
        };
        self.namespaces.0.insert(name.clone(), asked);
        // Labels stay until new ones come, as long as they are of use to anybody.
        let known = &mut self.config.policy.namespace_labels;
        known.insert(name.clone(), labels);
        known.retain(|name, _| self.namespaces.0.contains_key(name));
        self.put_in_force();
        // They may put the Pods that are judged out of scope.
        let views = self.docket.views(|view| view.namespace == name);
        let line = Line::Labels {
            namespaces: &self.config.policy.namespace_labels.clone(),
            namespace: &name,
        };
        self.write_line(now, &line);
        self.judge_again(views, now);
    }
}
