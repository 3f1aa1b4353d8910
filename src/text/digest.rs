//! A hash of a text that stays the same for ever.

/// Returns the FNV-1a hash of a text.
///
/// The state file keeps these hashes across upgrades, so the hash must not change with the standard
/// library.
pub fn digest(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
