use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use futures_util::{StreamExt as _, pin_mut};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{WatchEvent, WatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use pullwarden::judge::Cause;
use pullwarden::pod_fields::{CONDITION, CONDITION_UNAVAILABLE};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// How long anything may take; generous, because only a failing test waits for it.
pub static LONG: LazyLock<Duration> = LazyLock::new(|| testbed::longest_after(200, 40));

/// The API server as its admin sees it, in one namespace.
#[derive(Clone)]
pub struct Cluster {
    /// The client.
    pub client: Client,
    /// The test's namespace.
    pub namespace: String,
}

impl Cluster {
    /// Connects, and makes the namespace if need be.
    pub async fn connect(kubeconfig: &Path, namespace: &str) -> Self {
        let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .unwrap();
        let cluster = Self {
            client: Client::try_from(config).unwrap(),
            namespace: namespace.to_owned(),
        };
        let body =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        cluster
            .request("POST", "/api/v1/namespaces", Some(&body))
            .await
            .ok();
        // A Pod is refused until its namespace has a service account.
        let path = cluster.path("api/v1", "serviceaccounts/default");
        cluster
            .until("the service account", || async { cluster.get(&path).await })
            .await;
        cluster
    }

    /// Sends a request, with any body, to any path.
    pub async fn request(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> kube::Result<Value> {
        let body = body.map_or(Vec::new(), |body| serde_json::to_vec(body).unwrap());
        let content_type = match method {
            "PATCH" => "application/strategic-merge-patch+json",
            _ => "application/json",
        };
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("Content-Type", content_type)
            .body(body)
            .unwrap();
        self.client.request(request).await
    }

    /// A path in the test's namespace.
    pub fn path(&self, api: &str, rest: &str) -> String {
        format!("/{api}/namespaces/{}/{rest}", self.namespace)
    }

    /// An object, if there is an answer.
    pub async fn get(&self, path: &str) -> Option<Value> {
        match self.request("GET", path, None).await {
            Ok(found) => Some(found),
            Err(kube::Error::Api(status)) if status.code == 404 => None,
            // The API server may be down on purpose; whoever waits tries again.
            Err(_) => None,
        }
    }

    /// Makes a Pod, a Job or a Secret.
    pub async fn create(&self, object: Value) {
        let path = match object["kind"].as_str() {
            Some("Pod") => self.path("api/v1", "pods"),
            Some("Job") => self.path("apis/batch/v1", "jobs"),
            Some("Secret") => self.path("api/v1", "secrets"),
            other => panic!("{other:?} is not known here"),
        };
        self.request("POST", &path, Some(&object)).await.unwrap();
    }

    /// A Pod, if there is one of this name.
    pub async fn pod(&self, name: &str) -> Option<Value> {
        self.get(&self.path("api/v1", &format!("pods/{name}")))
            .await
    }

    /// All Pods of the namespace.
    pub async fn pods(&self) -> Vec<Value> {
        self.items(&self.path("api/v1", "pods")).await
    }

    /// The Pods of a Job.
    pub async fn pods_of(&self, job: &str) -> Vec<Value> {
        self.pods_labelled("job-name", job).await
    }

    /// The Pods with this label.
    pub async fn pods_labelled(&self, key: &str, value: &str) -> Vec<Value> {
        let selector = format!("labelSelector={key}%3D{value}");
        self.items(&self.path("api/v1", &format!("pods?{selector}")))
            .await
    }

    /// A Job.
    pub async fn job(&self, name: &str) -> Option<Value> {
        self.get(&self.path("apis/batch/v1", &format!("jobs/{name}")))
            .await
    }

    /// All Jobs of the namespace.
    pub async fn jobs(&self) -> Vec<Value> {
        self.items(&self.path("apis/batch/v1", "jobs")).await
    }

    /// The Events about a Pod that pullwarden wrote.
    pub async fn events(&self, pod: &str) -> Vec<Value> {
        let selector = format!("involvedObject.name%3D{pod},source%3Dpullwarden");
        let path = self.path("api/v1", &format!("events?fieldSelector={selector}"));
        self.items(&path).await
    }

    async fn items(&self, path: &str) -> Vec<Value> {
        let list = self.get(path).await.unwrap_or_default();
        list["items"].as_array().cloned().unwrap_or_default()
    }

    /// Deletes a Pod, and waits until it is gone.
    pub async fn delete_pod(&self, name: &str) {
        let path = self.path("api/v1", &format!("pods/{name}?gracePeriodSeconds=0"));
        self.request("DELETE", &path, None).await.unwrap();
        let gone = || async { self.pod(name).await.is_none().then_some(()) };
        self.until("the Pod to be gone", gone).await;
    }

    /// Deletes a Job; its Pods follow.
    pub async fn delete_job(&self, name: &str) {
        let path = self.path(
            "apis/batch/v1",
            &format!("jobs/{name}?propagationPolicy=Background"),
        );
        self.request("DELETE", &path, None).await.unwrap();
    }

    /// A strategic merge patch of a Pod.
    pub async fn patch_pod(&self, pod: &str, patch: Value) {
        let path = self.path("api/v1", &format!("pods/{pod}"));
        self.request("PATCH", &path, Some(&patch)).await.unwrap();
    }

    /// A strategic merge patch of a Pod's status.
    pub async fn patch_status(&self, pod: &str, patch: Value) -> kube::Result<Value> {
        let path = self.path("api/v1", &format!("pods/{pod}/status"));
        self.request("PATCH", &path, Some(&patch)).await
    }

    /// Asks again and again until there is an answer.
    pub async fn until<T, F>(&self, what: &str, ask: impl Fn() -> F) -> T
    where
        F: Future<Output = Option<T>>,
    {
        let asking = async {
            loop {
                if let Some(answer) = ask().await {
                    return answer;
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        let answer = tokio::time::timeout(*LONG, asking).await;
        answer.unwrap_or_else(|_| panic!("waited in vain for {what}"))
    }

    /// Waits until a Pod is Failed, and returns it.
    pub async fn until_failed(&self, pod: &str) -> Value {
        self.until(&format!("Pod {pod} to be Failed"), || async {
            self.pod(pod).await.filter(|pod| phase(pod) == "Failed")
        })
        .await
    }

    /// Waits until a container of a Pod has a waiting reason that `wanted` accepts.
    pub async fn until_waiting(&self, pod: &str, wanted: &str) {
        self.until(&format!("Pod {pod} to wait with {wanted}"), || async {
            let found = self.pod(pod).await?;
            waiting_reasons(&found)
                .iter()
                .any(|reason| reason == wanted)
                .then_some(())
        })
        .await;
    }

    /// Follows every change of the namespace's Pods from now on.
    pub async fn follow(&self) -> Follow {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let version = api
            .list(&Default::default())
            .await
            .unwrap()
            .metadata
            .resource_version;
        let mut version = version.unwrap_or_default();
        let (sender, seen) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            loop {
                let Ok(stream) = api.watch(&WatchParams::default(), &version).await else {
                    continue;
                };
                pin_mut!(stream);
                while let Some(Ok(event)) = stream.next().await {
                    if let WatchEvent::Added(pod) | WatchEvent::Modified(pod) = event {
                        version = pod.metadata.resource_version.clone().unwrap_or_default();
                        // Nobody listens any more once the test is over.
                        let _ = sender.send(serde_json::to_value(pod).unwrap());
                    }
                }
            }
        });
        Follow { seen, task }
    }
}

/// Every change of a namespace's Pods.
pub struct Follow {
    seen: mpsc::UnboundedReceiver<Value>,
    task: JoinHandle<()>,
}

impl Follow {
    /// What was seen so far and not taken yet.
    pub fn take(&mut self) -> Vec<Value> {
        std::iter::from_fn(|| self.seen.try_recv().ok()).collect()
    }
}

impl Drop for Follow {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A Pod's phase.
pub fn phase(pod: &Value) -> &str {
    pod["status"]["phase"].as_str().unwrap_or_default()
}

/// A Pod's name.
pub fn name(pod: &Value) -> &str {
    pod["metadata"]["name"].as_str().unwrap_or_default()
}

/// The condition of ours that is on each failed Pod.
pub fn condition(pod: &Value) -> Option<&Value> {
    condition_of(pod, CONDITION)
}

fn condition_of<'a>(pod: &'a Value, kind: &str) -> Option<&'a Value> {
    let conditions = pod["status"]["conditions"].as_array()?;
    conditions.iter().find(|c| c["type"] == kind)
}

/// The waiting reasons of a Pod's containers.
pub fn waiting_reasons(pod: &Value) -> Vec<String> {
    let status = &pod["status"];
    let lists = [
        &status["initContainerStatuses"],
        &status["containerStatuses"],
    ];
    let statuses = lists.into_iter().filter_map(Value::as_array).flatten();
    let reasons = statuses.filter_map(|status| status["state"]["waiting"]["reason"].as_str());
    reasons.map(str::to_owned).collect()
}

/// A Pod that the kubelet ended because of us, with all that a user should find on it.
pub fn assert_failed_by_us(pod: &Value, cause: &str, image: &str) {
    assert_eq!(phase(pod), "Failed");
    assert_eq!(
        pod["status"]["reason"], "DeadlineExceeded",
        "the kubelet itself ended it"
    );
    let condition = condition(pod).expect("the condition is kept");
    assert_eq!(condition["status"], "True");
    assert_eq!(condition["reason"], cause);
    let unavailable = condition_of(pod, CONDITION_UNAVAILABLE);
    let known = Cause::ALL.into_iter().find(|c| c.as_str() == cause);
    match known.expect(cause).fails_everywhere() {
        true => assert_eq!(unavailable.expect("both conditions")["status"], "True"),
        false => assert!(unavailable.is_none(), "{pod}"),
    }
    let message = condition["message"].as_str().unwrap();
    assert!(
        message.contains(image) && message.contains(cause),
        "{message}"
    );
    assert!(pod["metadata"]["annotations"]["pullwarden.io/failed-at"].is_string());
}

/// A Pod that nothing of ours is on.
pub fn assert_untouched(pod: &Value) {
    assert!(condition(pod).is_none(), "{pod}");
    assert!(condition_of(pod, CONDITION_UNAVAILABLE).is_none(), "{pod}");
    assert!(
        pod["metadata"]["annotations"]["pullwarden.io/failed-at"].is_null(),
        "{pod}"
    );
    assert!(pod["spec"]["activeDeadlineSeconds"].is_null(), "{pod}");
}
