//! Parameters of each patch that an agent sends.

use kube::api::PatchParams;

/// Returns them: the API server notes in `managedFields` whose patch it was.
pub(super) fn parameters() -> PatchParams {
    PatchParams {
        field_manager: Some("pullwarden".to_owned()),
        ..PatchParams::default()
    }
}
