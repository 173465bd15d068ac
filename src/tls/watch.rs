//! Files that have changed, and certificates that are about to expire.

use std::path::PathBuf;
use std::time::SystemTime;

use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::{file, leaf};
use crate::config::Config;

const DAY_S: i64 = 86_400;
/// Days before the end at which the log warns.
const WARNINGS: [i64; 3] = [30, 7, 1];

/// When a certificate ends, and its serial number.
#[derive(Clone, Debug, Default)]
pub struct Dates {
    pub ends_s: i64,
    pub serial: String,
}

impl Dates {
    fn of(cert: &CertificateDer<'_>) -> Option<Dates> {
        let (_, x509) = X509Certificate::from_der(cert).ok()?;
        Some(Dates {
            ends_s: x509.validity().not_after.timestamp(),
            serial: x509
                .tbs_certificate
                .raw_serial()
                .iter()
                .map(|byte| format!("{byte:02X}"))
                .collect(),
        })
    }

    /// Of several, that which ends first.
    fn soonest(certs: &[CertificateDer<'_>]) -> Option<Dates> {
        let dates = certs.iter().filter_map(Dates::of);
        dates.min_by_key(|dates| dates.ends_s)
    }
}

/// A file as it was when it was read.
#[derive(PartialEq, Eq)]
pub(super) struct Stamp {
    path: PathBuf,
    /// When it was written, and how long it is; nothing while it can't be looked at.
    seen: Option<(SystemTime, u64)>,
}

impl Stamp {
    fn of(path: PathBuf) -> Self {
        let seen = std::fs::metadata(&path)
            .ok()
            .and_then(|about| Some((about.modified().ok()?, about.len())));
        Stamp { path, seen }
    }
}

/// Until when certificates hold, and the files that they came from.
pub struct Watched {
    pub server: Option<Dates>,
    pub client: Option<Dates>,
    pub ca: Option<Dates>,
    stamps: Vec<Stamp>,
}

impl Watched {
    pub(super) fn of(
        stamps: Vec<Stamp>,
        ours: &CertifiedKey,
        shown: &CertifiedKey,
        trusted: &[CertificateDer<'_>],
    ) -> Self {
        Watched {
            server: leaf(ours).and_then(Dates::of),
            client: leaf(shown).and_then(Dates::of),
            ca: Dates::soonest(trusted),
            stamps,
        }
    }

    /// Whether a file differs from what was read.
    pub fn has_changed(&self, config: &Config) -> bool {
        stamps(config) != self.stamps
    }

    /// Warns of certificates that end within so many days, when that was not so at the time of the last look.
    pub fn warn(&self, last_s: i64, now_s: i64) {
        let all = [
            ("server", &self.server),
            ("client", &self.client),
            ("CA", &self.ca),
        ];
        for (whose, dates) in all {
            let Some(Dates { ends_s, serial }) = dates else {
                continue;
            };
            let (left, before) = (ends_s - now_s, ends_s - last_s);
            if left <= 0 && before > 0 {
                tracing::warn!("The TLS {whose} certificate (serial {serial}) has expired.");
            }
            let due = |days: &&i64| left > 0 && left <= **days * DAY_S && before > **days * DAY_S;
            if WARNINGS.iter().any(|days| due(&days)) {
                let days = (left + DAY_S - 1) / DAY_S;
                tracing::warn!(
                    "The TLS {whose} certificate (serial {serial}) expires in {days} day(s)."
                );
            }
        }
    }
}

pub(super) fn stamps(config: &Config) -> Vec<Stamp> {
    let named = [
        config.tls_cert_file.get(),
        config.tls_key_file.get(),
        config.tls_client_cert_file.get(),
        config.tls_client_key_file.get(),
        config.tls_ca_cert_file.get(),
    ];
    let mut paths: Vec<PathBuf> = named.iter().filter_map(|name| file(config, name)).collect();
    if let Some(folder) = file(config, &config.tls_ca_cert_dir.get()) {
        let entries = std::fs::read_dir(&folder).into_iter().flatten();
        let mut inside: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        inside.sort();
        paths.extend(inside);
    }
    paths.into_iter().map(Stamp::of).collect()
}
