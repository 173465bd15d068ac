//! The chain's verdict, where rustls asks for it.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme,
};

use super::chain::{self, Purpose, Refusal, Trusted};
use super::der;

/// Checks what the other end shows against those that are trusted.
#[derive(Debug)]
pub struct Verifier {
    pub trusted: Arc<Trusted>,
    pub algorithms: WebPkiSupportedAlgorithms,
    /// Clients that show nothing are turned away.
    pub mandatory: bool,
}

/// Why a certificate was refused.
#[derive(Debug)]
struct Refused(Refusal);

impl std::fmt::Display for Refused {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "certificate verify failed: {}", self.0.text())
    }
}

impl std::error::Error for Refused {}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        let error = match refused.0 {
            // The peer is told of these by name.
            Refusal::Expired => CertificateError::Expired,
            Refusal::NotYetValid => CertificateError::NotValidYet,
            Refusal::NoIssuer | Refusal::SelfSigned | Refusal::SelfSignedInChain => {
                CertificateError::UnknownIssuer
            }
            Refusal::Signature => CertificateError::BadSignature,
            Refusal::Purpose => CertificateError::InvalidPurpose,
            _ => CertificateError::Other(OtherError(Arc::new(refused))),
        };
        Error::InvalidCertificate(error)
    }
}

impl Verifier {
    fn check(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        purpose: Purpose,
        now: UnixTime,
    ) -> Result<(), Error> {
        let mut shown = vec![leaf.as_ref()];
        shown.extend(others.iter().map(|cert| cert.as_ref()));
        let now_s = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let checked = chain::check(&shown, &self.trusted, purpose, now_s, &self.algorithms);
        checked.map_err(|why| Refused(why).into())
    }

    /// Checks that the other end has its certificate's key: it has signed the handshake.
    fn check_handshake(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
        is_newest: bool,
    ) -> Result<HandshakeSignatureValid, Error> {
        let refused = Error::InvalidCertificate(CertificateError::BadSignature);
        let mut mapping = self.algorithms.mapping.iter();
        let (_, fitting) = mapping
            .find(|(scheme, _)| *scheme == signed.scheme)
            .ok_or(refused.clone())?;
        if is_newest
            && signed
                .scheme
                .as_str()
                .is_some_and(|name| name.starts_with("RSA_PKCS1"))
        {
            // TLS 1.3 has them in certificates alone.
            return Err(refused);
        }
        // From TLS 1.3 on a scheme is one algorithm; before, it left the curve open.
        let fitting = &fitting[..if is_newest { 1 } else { fitting.len() }];
        let (algorithm, key) = der::public_key(cert).ok_or(refused.clone())?;
        let valid = fitting.iter().any(|one| {
            one.public_key_alg_id().as_ref() == algorithm
                && one
                    .verify_signature(key, message, signed.signature())
                    .is_ok()
        });
        match valid {
            true => Ok(HandshakeSignatureValid::assertion()),
            false => Err(refused),
        }
    }
}

impl ClientCertVerifier for Verifier {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // Clients choose theirs without a hint, as Redis gives none.
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(leaf, others, Purpose::Client, now)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_handshake(message, cert, signed, false)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_handshake(message, cert, signed, true)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(leaf, others, Purpose::Server, now)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_handshake(message, cert, signed, false)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_handshake(message, cert, signed, true)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
