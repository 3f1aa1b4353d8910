//! CRI-O's own files about some hosts and repositories, for the cases that only CRI-O has.

use anyhow::Result;
use serde_json::{Value, json};

use crate::plan::Plan;
use crate::settings::{FAULTS, make, save};

/// A host that `registries.conf` blocks.
pub const BLOCKED: &str = "blocked.test";
/// A host for which a client certificate without a key is there.
pub const CERTIFICATE: &str = "certificate.test";
/// A host for which a credential helper is named that is not there.
pub const HELPER: &str = "helper.test";
/// A host that stands for the fault registry, with a mirror that does not answer.
pub const MIRROR_CLOSED: &str = "mirror-closed.test";
/// A host that does not answer, with the fault registry as its mirror.
pub const ORIGIN_CLOSED: &str = "origin-closed.test";

/// Case whose signatures the registry cannot give. The policy knows it, and the next three, by repository.
pub const SIGNATURE_DOWN: &str = "signature-down";
/// Case whose images need a signature, and have none.
pub const SIGNATURE_MISSING: &str = "signature-missing";
/// Case whose images the policy refuses.
pub const SIGNATURE_REFUSED: &str = "signature-refused";
/// Case whose signatures are elsewhere, where nothing listens.
pub const SIGNATURE_STORE_CLOSED: &str = "signature-store-closed";

/// Address where nothing listens.
const CLOSED: &str = "10.97.0.1:5998";

/// The policy of images, by repository.
pub fn policy() -> Value {
    let signed = json!([{"type": "sigstoreSigned", "keyPath": "/etc/crio/key.pub"}]);
    let elsewhere =
        json!([{"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/etc/crio/key.gpg"}]);
    json!({
        "default": [{"type": "insecureAcceptAnything"}],
        "transports": {"docker": {
            scope(SIGNATURE_DOWN): signed,
            scope(SIGNATURE_MISSING): signed,
            scope(SIGNATURE_REFUSED): [{"type": "reject"}],
            scope(SIGNATURE_STORE_CLOSED): elsewhere,
        }},
    })
}

/// Lines of `registries.conf`.
pub fn registries() -> String {
    let mirrored = |host: &str, origin: &str, mirror: &str| {
        format!(
            "\n[[registry]]\nprefix = \"{host}\"\nlocation = \"{origin}\"\ninsecure = true\n\
             [[registry.mirror]]\nlocation = \"{mirror}\"\ninsecure = true\n"
        )
    };
    format!("\n[[registry]]\nlocation = \"{BLOCKED}\"\nblocked = true\n")
        + &mirrored(MIRROR_CLOSED, FAULTS, CLOSED)
        + &mirrored(ORIGIN_CLOSED, CLOSED, FAULTS)
}

/// Writes the other files: where signatures are, credentials and certificates.
pub fn write(plan: &Plan) -> Result<()> {
    let folder = plan.layout().etc().join("containers");
    let places = json!({"docker": {
        scope(SIGNATURE_DOWN): {"use-sigstore-attachments": true},
        scope(SIGNATURE_STORE_CLOSED): {"lookaside": format!("http://{CLOSED}")},
    }});
    make(&folder.join("registries.d"))?;
    save(
        &folder.join("registries.d/testbed.yaml"),
        &places.to_string(),
    )?;
    let helpers = json!({"credHelpers": {HELPER: "absent"}});
    save(&folder.join("auth.json"), &helpers.to_string())?;
    let certificates = folder.join("certs.d").join(CERTIFICATE);
    make(&certificates)?;
    save(&certificates.join("client.cert"), "")
}

fn scope(case: &str) -> String {
    format!("{FAULTS}/cases/{case}")
}
