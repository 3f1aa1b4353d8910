//! The part of `kubectl describe pod` that the demo shows.

/// Of `kubectl describe pod` what tells why the Pod ended; `…` stands for what is left out.
pub fn excerpt(told: &str) -> String {
    let mut out = String::new();
    let mut section = "";
    let mut left_out = false;
    for line in told.lines() {
        if !line.starts_with(' ') {
            section = line.split(':').next().unwrap_or_default();
        }
        let shown = match section {
            "Name" | "Namespace" | "Status" | "Reason" | "Message" | "Conditions" => true,
            // The headline, its underline, and our own.
            "Events" => {
                let mut words = line.split_whitespace();
                line.contains(" pullwarden ")
                    || matches!(words.next(), Some("Events:" | "Type" | "----"))
            }
            _ => false,
        };
        if shown {
            if left_out {
                out.push_str("…\n");
            }
            out.push_str(line);
            out.push('\n');
        }
        left_out = !shown;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_keeps_the_reason_and_our_event() {
        let told = "Name:  a\nPriority:  0\nStatus:  Failed\nEvents:\n  Type  Reason  From\n  \
                    ----  ------  ----\n  Normal  Pulling  kubelet\n  Warning  Failed  pullwarden  x\n";
        assert_eq!(
            excerpt(told),
            "Name:  a\n…\nStatus:  Failed\nEvents:\n  Type  Reason  From\n  ----  ------  ----\n…\n  \
             Warning  Failed  pullwarden  x\n"
        );
    }
}
