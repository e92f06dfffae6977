//! How long a certificate is valid, and when it should have been renewed.

use super::findings::Findings;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use x509_cert::Certificate;

const HOUR: u64 = 60 * 60;
const DAY: u64 = 24 * HOUR;
/// How long before its end a certificate is spoken of at most: a month is what those
/// need who renew by hand.
const SOON: Duration = Duration::from_secs(30 * DAY);

/// Says it of one certificate of a file, `which` of them before the rest.
pub(super) fn check(path: &Path, which: &str, certificate: &Certificate, findings: &mut Findings) {
    let validity = certificate.tbs_certificate.validity;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (from, to) =
        (validity.not_before.to_unix_duration(), validity.not_after.to_unix_duration());
    if let Some(early) = from.checked_sub(now).filter(|early| !early.is_zero()) {
        findings.error(path, format!("{which}not valid for another {}", span(early)));
    } else if let Some(left) = to.checked_sub(now) {
        let text = format!("{which}valid for {} more", span(left));
        if is_due(to.saturating_sub(from), left) {
            findings.warning(path, format!("{text}: it should have been renewed by now"));
        } else if which.is_empty() {
            findings.note(path, text);
        }
    } else {
        findings.error(path, format!("{which}expired {} ago", span(now.saturating_sub(to))));
    }
}

/// Whether a certificate that lasts so long, with so much of it left, should have been
/// renewed. Those who renew by themselves do so when a third is left, or a month.
fn is_due(lifetime: Duration, left: Duration) -> bool {
    left < (lifetime / 3).min(SOON)
}

/// Days, or hours where days would say too little.
fn span(span: Duration) -> String {
    match span.as_secs() {
        seconds if seconds < 3 * DAY => format!("{} hours", seconds.div_ceil(HOUR)),
        seconds => format!("{} days", seconds / DAY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_due_when_a_third_is_left_or_a_month() {
        let days = |days: u64| Duration::from_secs(days * DAY);
        for (lifetime, left, due) in [
            (6, 3, false),
            (6, 2, false),
            (6, 1, true),
            (45, 16, false),
            (45, 14, true),
            (90, 31, false),
            (90, 29, true),
            (825, 31, false),
            (825, 29, true),
        ] {
            assert_eq!(is_due(days(lifetime), days(left)), due, "{left} of {lifetime}");
        }
    }

    #[test]
    fn short_times_are_said_in_hours() {
        assert_eq!(span(Duration::from_secs(47 * HOUR - 1)), "47 hours");
        assert_eq!(span(Duration::from_secs(90 * DAY - 1)), "89 days");
    }
}
