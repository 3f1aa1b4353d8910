//! Sources of evidence: what each of them reports, and what must not be taken twice.

mod back_off;
mod conformance;
mod hostile;
mod kubelet_socket;
mod quiet;
mod redacting;
mod repeats;
mod socket_away;
