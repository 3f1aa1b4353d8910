//! Kinds of request to the fake API server.

use pullwarden::report::FLEET;

use super::apiserver::Logged;

/// Kind of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    List,
    Watch,
    Get,
    PatchStatus,
    PatchPod,
    /// A PATCH of a Pod with `dryRun`.
    TryPatch,
    /// A DELETE of a Pod with `dryRun`.
    TryDelete,
    DeletePod,
    PostEvent,
    /// The object of the fleet budget is read.
    GetFleet,
    /// Its entries are changed.
    PatchFleet,
    GetNamespace,
    Version,
    /// The question who asks.
    UserReview,
    /// The question whether who asks may do something.
    AccessReview,
    Other,
}

/// Returns the kind of a request.
pub fn kind(request: &Logged) -> Kind {
    let parts: Vec<&str> = request.path.trim_start_matches('/').split('/').collect();
    let watch = request
        .query
        .iter()
        .any(|(key, value)| key == "watch" && value == "true");
    let dry_run = request.query.iter().any(|(key, _)| key == "dryRun");
    match (request.method.as_str(), parts.as_slice()) {
        ("GET", ["api", "v1", "pods"]) if watch => Kind::Watch,
        ("GET", ["api", "v1", "pods"] | ["api", "v1", "namespaces", _, "pods"]) => Kind::List,
        ("GET", ["api", "v1", "namespaces", _, "pods", _]) => Kind::Get,
        ("PATCH", ["api", "v1", "namespaces", _, "pods", _]) if dry_run => Kind::TryPatch,
        ("PATCH", ["api", "v1", "namespaces", _, "pods", _, "status"]) => Kind::PatchStatus,
        ("PATCH", ["api", "v1", "namespaces", _, "pods", _]) => Kind::PatchPod,
        ("DELETE", ["api", "v1", "namespaces", _, "pods", _])
            if request.body["dryRun"].is_array() =>
        {
            Kind::TryDelete
        }
        ("DELETE", ["api", "v1", "namespaces", _, "pods", _]) => Kind::DeletePod,
        ("POST", ["api", "v1", "namespaces", _, "events"]) => Kind::PostEvent,
        ("GET", ["api", "v1", "namespaces", "pullwarden", "configmaps", FLEET]) => Kind::GetFleet,
        ("PATCH", ["api", "v1", "namespaces", "pullwarden", "configmaps", FLEET]) => {
            Kind::PatchFleet
        }
        ("GET", ["api", "v1", "namespaces", _]) => Kind::GetNamespace,
        ("GET", ["version"]) => Kind::Version,
        ("POST", ["apis", "authentication.k8s.io", "v1", "selfsubjectreviews"]) => Kind::UserReview,
        (
            "POST",
            [
                "apis",
                "authorization.k8s.io",
                "v1",
                "selfsubjectaccessreviews",
            ],
        ) => Kind::AccessReview,
        _ => Kind::Other,
    }
}
