//! Whether a chain of certificates is to be trusted, by the rules that OpenSSL has for it.
//!
//! Setups that work with Redis must work here, and rustls's own verifier refuses many of them: certificates of version 1
//! (`openssl x509 -req` makes them, and so does the script for test certificates that comes with Redis), and one
//! self-signed certificate that is both authority and leaf. So the chain is built and checked here: names and
//! key identifiers lead from a certificate to its issuer, until a self-signed one among the trusted; every signature below
//! that one is checked, every certificate's dates, its right to issue others, and what it may be used for. No name of a host is
//! checked, as Redis checks none. What this does not understand and an issuer marked as critical (constraints on names
//! and policies among it) is refused.

use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{ExtendedKeyUsage, KeyUsage, NSCertType, ParsedExtension};
use x509_parser::prelude::FromDer;
use x509_parser::time::ASN1Time;

use super::der;

/// Certificates on one way to a trusted one.
const DEPTH_MAX: usize = 32;
/// Certificates that a peer may show.
const SHOWN_MAX: usize = 32;
/// Signatures that are checked for one chain, whatever ways to issuers of one name there are.
const SIGNATURES_MAX: usize = 64;

/// What the holder of the certificate is to the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Client,
    Server,
}

/// Why a chain is not trusted, in OpenSSL's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    Malformed,
    TooMany,
    Expired,
    NotYetValid,
    SelfSigned,
    SelfSignedInChain,
    NoIssuer,
    Signature,
    InvalidCa,
    PathLength,
    Purpose,
    CriticalExtension,
}

impl Refusal {
    pub fn text(self) -> &'static str {
        match self {
            Refusal::Malformed => "the certificate cannot be read",
            Refusal::TooMany => "certificate chain too long",
            Refusal::Expired => "certificate has expired",
            Refusal::NotYetValid => "certificate is not yet valid",
            Refusal::SelfSigned => "self-signed certificate",
            Refusal::SelfSignedInChain => "self-signed certificate in certificate chain",
            Refusal::NoIssuer => "unable to get local issuer certificate",
            Refusal::Signature => "certificate signature failure",
            Refusal::InvalidCa => "invalid CA certificate",
            Refusal::PathLength => "path length constraint exceeded",
            Refusal::Purpose => "unsuitable certificate purpose",
            Refusal::CriticalExtension => "unhandled critical extension",
        }
    }
}

/// A certificate that was read.
struct Cert<'a> {
    der: &'a [u8],
    x509: X509Certificate<'a>,
}

impl<'a> Cert<'a> {
    fn read(der: &'a [u8]) -> Result<Self, Refusal> {
        match X509Certificate::from_der(der) {
            Ok(([], x509)) => Ok(Cert { der, x509 }),
            _ => Err(Refusal::Malformed),
        }
    }

    fn is_self_issued(&self) -> bool {
        self.x509.subject().as_raw() == self.x509.issuer().as_raw()
    }

    /// The extensions that are read here. A certificate of version 1 has none.
    fn extensions(&self) -> impl Iterator<Item = &ParsedExtension<'a>> {
        let extensions = self.x509.extensions().iter();
        extensions.map(|extension| extension.parsed_extension())
    }

    fn key_usage(&self) -> Option<&KeyUsage> {
        self.extensions().find_map(|extension| match extension {
            ParsedExtension::KeyUsage(usage) => Some(usage),
            _ => None,
        })
    }

    fn extended_usage(&self) -> Option<&ExtendedKeyUsage<'a>> {
        self.extensions().find_map(|extension| match extension {
            ParsedExtension::ExtendedKeyUsage(usage) => Some(usage),
            _ => None,
        })
    }

    fn netscape_type(&self) -> Option<&NSCertType> {
        self.extensions().find_map(|extension| match extension {
            ParsedExtension::NSCertType(kind) => Some(kind),
            _ => None,
        })
    }

    fn constraints(&self) -> Option<(bool, Option<u32>)> {
        self.extensions().find_map(|extension| match extension {
            ParsedExtension::BasicConstraints(constraints) => {
                Some((constraints.ca, constraints.path_len_constraint))
            }
            _ => None,
        })
    }

    fn subject_key(&self) -> Option<&'a [u8]> {
        self.extensions().find_map(|extension| match extension {
            ParsedExtension::SubjectKeyIdentifier(key) => Some(key.0),
            _ => None,
        })
    }

    fn issuer_key(&self) -> Option<&'a [u8]> {
        self.extensions().find_map(|extension| match extension {
            ParsedExtension::AuthorityKeyIdentifier(key) => {
                key.key_identifier.as_ref().map(|key| key.0)
            }
            _ => None,
        })
    }

    /// Whether this one's name and key say that it has issued the other.
    fn may_have_issued(&self, other: &Cert<'_>) -> bool {
        let same_key = match (self.subject_key(), other.issuer_key()) {
            (Some(ours), Some(named)) => ours == named,
            _ => true,
        };
        let signs = self.key_usage().is_none_or(|usage| usage.key_cert_sign());
        same_key && signs && self.x509.subject().as_raw() == other.x509.issuer().as_raw()
    }

    /// Whether it may issue others.
    fn is_authority(&self) -> bool {
        if self.key_usage().is_some_and(|usage| !usage.key_cert_sign()) {
            return false;
        }
        match self.constraints() {
            Some((ca, _)) => ca,
            // A root of version 1 can't say so.
            None if self.x509.version().0 == 0 => self.is_self_issued(),
            None => self.key_usage().is_some() || self.netscape_type().is_some_and(is_netscape_ca),
        }
    }

    fn check_dates(&self, now: ASN1Time) -> Result<(), Refusal> {
        let validity = self.x509.validity();
        if now < validity.not_before {
            return Err(Refusal::NotYetValid);
        }
        if now > validity.not_after {
            return Err(Refusal::Expired);
        }
        Ok(())
    }

    fn check_extensions(&self) -> Result<(), Refusal> {
        for extension in self.x509.extensions() {
            let known = match extension.parsed_extension() {
                ParsedExtension::BasicConstraints(_)
                | ParsedExtension::KeyUsage(_)
                | ParsedExtension::ExtendedKeyUsage(_)
                | ParsedExtension::NSCertType(_)
                | ParsedExtension::SubjectAlternativeName(_)
                | ParsedExtension::IssuerAlternativeName(_)
                | ParsedExtension::SubjectKeyIdentifier(_)
                | ParsedExtension::AuthorityKeyIdentifier(_)
                | ParsedExtension::CRLDistributionPoints(_)
                | ParsedExtension::CertificatePolicies(_)
                | ParsedExtension::AuthorityInfoAccess(_) => true,
                ParsedExtension::ParseError { .. } => return Err(Refusal::Malformed),
                _ => false,
            };
            if extension.critical && !known {
                return Err(Refusal::CriticalExtension);
            }
        }
        Ok(())
    }

    fn check_purpose(&self, purpose: Purpose, issues: bool) -> Result<(), Refusal> {
        let extended = self.extended_usage().is_none_or(|usage| match purpose {
            Purpose::Client => usage.client_auth,
            Purpose::Server => usage.server_auth,
        });
        let fits = match issues {
            true => self.is_authority(),
            false => {
                let netscape = self.netscape_type().is_none_or(|kind| match purpose {
                    Purpose::Client => kind.ssl_client(),
                    Purpose::Server => kind.ssl_server(),
                });
                let usage = self.key_usage().is_none_or(|usage| {
                    usage.digital_signature()
                        || usage.key_agreement()
                        || purpose == Purpose::Server && usage.key_encipherment()
                });
                netscape && usage
            }
        };
        match extended && fits {
            true => Ok(()),
            false => Err(Refusal::Purpose),
        }
    }
}

fn is_netscape_ca(kind: &NSCertType) -> bool {
    kind.ssl_ca() || kind.smime_ca() || kind.object_signing_ca()
}

/// Checks a signature by the key of a certificate.
pub fn is_signed_by(
    cert: &[u8],
    algorithm: &[u8],
    message: &[u8],
    signature: &[u8],
    algorithms: &WebPkiSupportedAlgorithms,
) -> bool {
    let Some((key_algorithm, key)) = der::public_key(cert) else {
        return false;
    };
    let mut fitting = algorithms.all.iter().filter(|one| {
        one.public_key_alg_id().as_ref() == key_algorithm
            && one.signature_alg_id().as_ref() == algorithm
    });
    fitting.any(|one| one.verify_signature(key, message, signature).is_ok())
}

/// Certificates that are trusted, each with its subject's name.
#[derive(Debug, Default)]
pub struct Trusted(Vec<(Vec<u8>, CertificateDer<'static>)>);

impl Trusted {
    pub fn new(certs: Vec<CertificateDer<'static>>) -> Self {
        let named = certs.into_iter().filter_map(|der| {
            let subject = Cert::read(&der).ok()?.x509.subject().as_raw().to_vec();
            Some((subject, der))
        });
        Trusted(named.collect())
    }

    /// Those that may stand on the way from one of these issuers to the top: there may be hundreds of others.
    fn above<'t>(&'t self, mut issuers: Vec<Vec<u8>>) -> Vec<Cert<'t>> {
        let mut found: Vec<Cert<'t>> = Vec::new();
        while let Some(issuer) = issuers.pop() {
            let named = self.0.iter().filter(|(subject, _)| *subject == issuer);
            for (_, der) in named {
                let known = found.iter().any(|cert| cert.der == der.as_ref());
                if let Ok(cert) = Cert::read(der)
                    && !known
                {
                    issuers.push(cert.x509.issuer().as_raw().to_vec());
                    found.push(cert);
                }
            }
        }
        found
    }
}

/// Whether a certificate holds at this time.
pub fn is_current(cert: &[u8], now_s: i64) -> bool {
    let now = ASN1Time::from_timestamp(now_s);
    Cert::read(cert).is_ok_and(|cert| now.is_ok_and(|now| cert.check_dates(now).is_ok()))
}

/// Checks what a peer has shown, its own certificate first, against those that are trusted.
pub fn check(
    shown: &[&[u8]],
    trusted: &Trusted,
    purpose: Purpose,
    now_s: i64,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<(), Refusal> {
    let [leaf, others @ ..] = shown else {
        return Err(Refusal::Malformed);
    };
    if others.len() >= SHOWN_MAX {
        return Err(Refusal::TooMany);
    }
    let others: Vec<Cert<'_>> = others
        .iter()
        .map(|der| Cert::read(der))
        .collect::<Result<_, _>>()?;
    let leaf = Cert::read(leaf)?;
    let issuers = std::iter::once(&leaf)
        .chain(&others)
        .map(|cert| cert.x509.issuer().as_raw().to_vec());
    let trusted = trusted.above(issuers.collect());
    let mut climb = Climb {
        shown: &others,
        trusted: &trusted,
        algorithms,
        signatures: SIGNATURES_MAX,
    };
    let mut path = vec![&leaf];
    climb.on_from_last(&mut path)?;
    check_path(&path, purpose, now_s)
}

/// Checks dates, rights and purposes of a path from a leaf to a trusted certificate.
fn check_path(path: &[&Cert<'_>], purpose: Purpose, now_s: i64) -> Result<(), Refusal> {
    let now = ASN1Time::from_timestamp(now_s).map_err(|_| Refusal::NotYetValid)?;
    // Issuers below this one that have another name than their own issuer.
    let mut below = 0;
    for (depth, cert) in path.iter().enumerate() {
        cert.check_extensions()?;
        if depth > 0 && !cert.is_authority() {
            return Err(Refusal::InvalidCa);
        }
        cert.check_purpose(purpose, depth > 0)?;
        if depth > 0 {
            let most = cert.constraints().and_then(|(_, path_len)| path_len);
            if most.is_some_and(|most| below > most) {
                return Err(Refusal::PathLength);
            }
            below += u32::from(!cert.is_self_issued());
        }
    }
    // From the trusted one down, as OpenSSL tells of the topmost first.
    path.iter().rev().try_for_each(|cert| cert.check_dates(now))
}

struct Climb<'s, 'a> {
    shown: &'s [Cert<'a>],
    trusted: &'s [Cert<'a>],
    algorithms: &'s WebPkiSupportedAlgorithms,
    /// How many more are checked.
    signatures: usize,
}

impl<'s, 'a> Climb<'s, 'a> {
    /// Adds issuers to the path until there is one that is trusted and has issued itself.
    fn on_from_last(&mut self, path: &mut Vec<&'s Cert<'a>>) -> Result<(), Refusal> {
        let last = *path.last().expect("a path begins with a leaf");
        let (shown, trusted) = (self.shown, self.trusted);
        if last.is_self_issued() && trusted.iter().any(|root| root.der == last.der) {
            return Ok(());
        }
        if path.len() >= DEPTH_MAX {
            return Err(Refusal::TooMany);
        }
        let mut refusal = match (last.is_self_issued(), path.len()) {
            (true, 1) => Refusal::SelfSigned,
            (true, _) => Refusal::SelfSignedInChain,
            (false, _) => Refusal::NoIssuer,
        };
        for issuer in trusted.iter().chain(shown) {
            let known = path.iter().any(|cert| cert.der == issuer.der);
            if known || !issuer.may_have_issued(last) {
                continue;
            }
            if self.signatures == 0 {
                return Err(Refusal::TooMany);
            }
            self.signatures -= 1;
            if !self.has_signed(issuer, last) {
                refusal = Refusal::Signature;
                continue;
            }
            path.push(issuer);
            match self.on_from_last(path) {
                Ok(()) => return Ok(()),
                Err(why) => refusal = why,
            }
            path.pop();
        }
        Err(refusal)
    }

    fn has_signed(&self, issuer: &Cert<'_>, cert: &Cert<'_>) -> bool {
        let Some(parts) = der::signed(cert.der) else {
            return false;
        };
        is_signed_by(
            issuer.der,
            parts.algorithm,
            parts.message,
            parts.signature,
            self.algorithms,
        )
    }
}
