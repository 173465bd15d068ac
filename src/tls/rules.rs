//! Protocols, ciphers and groups: what the directives name in OpenSSL's words, as rustls has them.

use rustls::crypto::{CryptoProvider, SupportedKxGroup, aws_lc_rs};
use rustls::{CipherSuite, NamedGroup, SupportedCipherSuite, SupportedProtocolVersion, version};

/// Versions of the protocol, by `tls-protocols`: those that are spoken here are 1.2 and 1.3.
pub fn protocols(text: &str) -> Result<Vec<&'static SupportedProtocolVersion>, String> {
    let mut found = Vec::new();
    for word in text.split_ascii_whitespace() {
        match &word.to_ascii_lowercase()[..] {
            "tlsv1.2" => found.push(&version::TLS12),
            "tlsv1.3" => found.push(&version::TLS13),
            "tlsv1" | "tlsv1.1" => {
                return Err(format!(
                    "Invalid tls-protocols specified: {word} is not spoken here, TLSv1.2 and TLSv1.3 are"
                ));
            }
            _ => {
                return Err(
                    "Invalid tls-protocols specified. Use a combination of 'TLSv1', 'TLSv1.1', 'TLSv1.2' and 'TLSv1.3'."
                        .to_owned(),
                );
            }
        }
    }
    if found.is_empty() {
        found = vec![&version::TLS13, &version::TLS12];
    }
    Ok(found)
}

/// Ciphers of TLS 1.2 by OpenSSL's names.
const CIPHERS: [(&str, CipherSuite); 6] = [
    (
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    ),
    (
        "ECDHE-RSA-AES256-GCM-SHA384",
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    ),
    (
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
    (
        "ECDHE-RSA-CHACHA20-POLY1305",
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
    (
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    ),
    (
        "ECDHE-RSA-AES128-GCM-SHA256",
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    ),
];

/// Ciphers of TLS 1.3, whose names are everybody's.
const SUITES: [(&str, CipherSuite); 3] = [
    (
        "TLS_AES_256_GCM_SHA384",
        CipherSuite::TLS13_AES_256_GCM_SHA384,
    ),
    (
        "TLS_CHACHA20_POLY1305_SHA256",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
    ),
    (
        "TLS_AES_128_GCM_SHA256",
        CipherSuite::TLS13_AES_128_GCM_SHA256,
    ),
];

/// Words of OpenSSL's lists for whole kinds of ciphers, all of those here among them.
const WHOLE_KINDS: [&str; 10] = [
    "DEFAULT",
    "ALL",
    "COMPLEMENTOFALL",
    "HIGH",
    "TLSV1.2",
    "ECDHE",
    "EECDH",
    "KECDHE",
    "KEECDH",
    "AEAD",
];

/// A part of a cipher's name that stands for all that have it, as `AESGCM` does.
fn is_part(word: &str, name: &str) -> bool {
    let part = match word {
        "AESGCM" => "-GCM-",
        "AES" => "-AES",
        "AES128" => "-AES128-",
        "AES256" => "-AES256-",
        "CHACHA20" => "-CHACHA20-",
        "ARSA" | "RSA" => "-RSA-",
        "AECDSA" | "ECDSA" => "-ECDSA-",
        "SHA256" => "-SHA256",
        "SHA384" => "-SHA384",
        _ => return false,
    };
    name.contains(part)
}

/// Ciphers of TLS 1.2 by OpenSSL's list: names and kinds with colons between them, `!`, `-` and `+` in front of some.
fn listed(text: &str) -> Vec<CipherSuite> {
    let mut found: Vec<(&str, CipherSuite)> = Vec::new();
    let mut banned: Vec<&str> = Vec::new();
    for word in text.split([':', ',', ' ']).filter(|word| !word.is_empty()) {
        let (sign, word) = match word.as_bytes()[0] {
            sign @ (b'!' | b'-' | b'+') => (sign, &word[1..]),
            _ => (b' ', word),
        };
        if word.starts_with('@') {
            continue;
        }
        // Several with a plus between them mean what is all of them.
        let all: Vec<String> = word.split('+').map(str::to_ascii_uppercase).collect();
        let meant = CIPHERS.iter().filter(|(name, _)| {
            all.iter()
                .all(|word| word == name || WHOLE_KINDS.contains(&&word[..]) || is_part(word, name))
        });
        for (name, suite) in meant {
            match sign {
                b'!' => {
                    banned.push(name);
                    found.retain(|(held, _)| held != name);
                }
                b'-' => found.retain(|(held, _)| held != name),
                b'+' => {
                    if let Some(at) = found.iter().position(|(held, _)| held == name) {
                        let moved = found.remove(at);
                        found.push(moved);
                    }
                }
                _ if banned.contains(name) => {}
                _ if found.iter().any(|(held, _)| held == name) => {}
                _ => found.push((name, *suite)),
            }
        }
    }
    found.into_iter().map(|(_, suite)| suite).collect()
}

/// What the provider knows under these names, in their order.
fn known(suites: &[CipherSuite]) -> Vec<SupportedCipherSuite> {
    let known = |suite: &CipherSuite| {
        let mut all = aws_lc_rs::ALL_CIPHER_SUITES.iter();
        all.find(|known| known.suite() == *suite).copied()
    };
    suites.iter().filter_map(known).collect()
}

/// Groups of keys by the names that OpenSSL has for them.
fn groups(text: &str) -> Result<Vec<&'static dyn SupportedKxGroup>, String> {
    let mut found = Vec::new();
    for word in text.split([':', ' ']).filter(|word| !word.is_empty()) {
        let name = match &word.trim_start_matches('?').to_ascii_lowercase()[..] {
            "x25519" => NamedGroup::X25519,
            "p-256" | "prime256v1" | "secp256r1" => NamedGroup::secp256r1,
            "p-384" | "secp384r1" => NamedGroup::secp384r1,
            "x25519mlkem768" => NamedGroup::X25519MLKEM768,
            _ if word.starts_with('?') => continue,
            _ => {
                return Err(format!(
                    "Failed to configure groups: '{word}' is none of X25519, P-256, P-384 and X25519MLKEM768"
                ));
            }
        };
        let mut all = aws_lc_rs::ALL_KX_GROUPS.iter();
        found.extend(all.find(|group| group.name() == name).copied());
    }
    Ok(found)
}

/// Algorithms by `tls-ciphers`, `tls-ciphersuites` and `tls-groups`; nothing in one of them means its usual ones.
pub fn provider(ciphers: &str, suites: &str, group: &str) -> Result<CryptoProvider, String> {
    let usual = aws_lc_rs::default_provider();
    let newer = match suites {
        "" => SUITES.map(|(_, suite)| suite).to_vec(),
        list => list
            .split(':')
            .map(|word| {
                let mut all = SUITES.iter();
                let found = all.find(|(name, _)| name.eq_ignore_ascii_case(word));
                found.map(|(_, suite)| *suite).ok_or_else(|| {
                    format!("Failed to configure ciphersuites: '{word}' is not spoken here")
                })
            })
            .collect::<Result<_, _>>()?,
    };
    let older = match ciphers {
        "" => CIPHERS.map(|(_, suite)| suite).to_vec(),
        list => listed(list),
    };
    if older.is_empty() {
        return Err(format!(
            "Failed to configure ciphers: of '{ciphers}' none is spoken here; {} are",
            CIPHERS.map(|(name, _)| name).join(", ")
        ));
    }
    let kx_groups = match groups(group)? {
        none if none.is_empty() => usual.kx_groups.clone(),
        named => named,
    };
    Ok(CryptoProvider {
        cipher_suites: known(&[newer, older].concat()),
        kx_groups,
        ..usual
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &str) -> Vec<&'static str> {
        let name = |suite: CipherSuite| {
            let mut all = CIPHERS.iter();
            all.find(|(_, known)| *known == suite)
                .expect("it is one of ours")
                .0
        };
        listed(list).into_iter().map(name).collect()
    }

    #[test]
    fn lists_of_ciphers_are_read_as_openssl_reads_them() {
        assert_eq!(names("DEFAULT:!MEDIUM").len(), 6);
        assert_eq!(names("HIGH:!aNULL:!MD5").len(), 6);
        assert_eq!(
            names("ECDHE-RSA-AES128-GCM-SHA256:AES256-SHA"),
            ["ECDHE-RSA-AES128-GCM-SHA256"]
        );
        assert_eq!(
            names("ECDHE+AESGCM:!aECDSA"),
            ["ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-AES128-GCM-SHA256"]
        );
        assert_eq!(names("AES256-SHA:DHE-RSA-AES128-GCM-SHA256"), [""; 0]);
        assert_eq!(
            names("AES128:CHACHA20:-ECDSA:+AES128"),
            ["ECDHE-RSA-CHACHA20-POLY1305", "ECDHE-RSA-AES128-GCM-SHA256"]
        );
    }

    #[test]
    fn protocols_are_named_or_refused() {
        assert_eq!(protocols("").unwrap().len(), 2);
        assert_eq!(protocols("tlsv1.2").unwrap(), [&version::TLS12]);
        assert!(
            protocols("TLSv1.2 TLSv1.1")
                .unwrap_err()
                .contains("TLSv1.1 is not spoken")
        );
        assert!(
            protocols("SSLv3")
                .unwrap_err()
                .starts_with("Invalid tls-protocols")
        );
    }

    #[test]
    fn what_is_named_alone_is_spoken() {
        let provider = provider("AESGCM", "TLS_AES_128_GCM_SHA256", "P-384:?nosuch").unwrap();
        assert_eq!(provider.cipher_suites.len(), 5);
        assert_eq!(provider.kx_groups.len(), 1);
        assert!(super::provider("RC4-MD5", "", "").is_err());
        assert!(super::provider("", "TLS_NO_SUCH", "").is_err());
        assert!(super::provider("", "", "nosuch").is_err());
    }
}
