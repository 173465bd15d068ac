//! Certificates and keys out of files, as people have them.

use std::fs;
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;

use pkcs8::EncryptedPrivateKeyInfoRef;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey};
use x509_parser::pem::Pem;

use super::der;
use crate::config::special::reason;

/// Files longer than this hold no certificates.
const FILE_MAX: u64 = 16 << 20;

/// A certificate of ours with those that lead to its authority, and its key.
pub fn certified(
    cert: &Path,
    key: &Path,
    passphrase: &[u8],
    provider: &CryptoProvider,
) -> Result<CertifiedKey, String> {
    let chain = certificates(cert)
        .and_then(|chain| match chain.is_empty() {
            true => Err("there is no certificate in it".to_owned()),
            false => Ok(chain),
        })
        .map_err(|why| format!("Failed to load certificate: {}: {why}", cert.display()))?;
    let signing = private_key(key, passphrase, provider)
        .map_err(|why| format!("Failed to load private key: {}: {why}", key.display()))?;
    let ours = der::key_info(&chain[0]);
    if let Some(theirs) = signing.public_key()
        && ours.is_none_or(|ours| theirs.as_ref() != ours)
    {
        return Err(format!(
            "Failed to load private key: {}: key values mismatch: it is not the key of {}",
            key.display(),
            cert.display()
        ));
    }
    Ok(CertifiedKey::new(chain, signing))
}

/// Those whose word is taken for others, from a file and from the files of a folder.
pub fn authorities(
    file: Option<&Path>,
    folder: Option<&Path>,
) -> Result<Vec<CertificateDer<'static>>, String> {
    let mut found = Vec::new();
    let failed = |path: &Path, why: &str| {
        format!(
            "Failed to configure CA certificate(s) file/directory: {}: {why}",
            path.display()
        )
    };
    if let Some(file) = file {
        found = certificates(file).map_err(|why| failed(file, &why))?;
        if found.is_empty() {
            return Err(failed(file, "there is no certificate in it"));
        }
    }
    if let Some(folder) = folder {
        let entries = fs::read_dir(folder).map_err(|error| failed(folder, &reason(&error)))?;
        for entry in entries.flatten() {
            let path = entry.path();
            // There may be other things beside them, and links from their names' hashes to the same.
            if path.is_file()
                && let Ok(certs) = certificates(&path)
            {
                let new = |cert: &CertificateDer<'_>| !found.contains(cert);
                let new: Vec<_> = certs.into_iter().filter(new).collect();
                found.extend(new);
            }
        }
    }
    Ok(found)
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let told = |error: std::io::Error| match error.kind() {
        // In containers files often belong to somebody else.
        ErrorKind::PermissionDenied => {
            let user = rustix::process::geteuid().as_raw();
            format!("{}, as the server runs as user {user}", reason(&error))
        }
        _ => reason(&error),
    };
    // A pipe would have us wait, and a device might never end.
    if !fs::metadata(path).map_err(told)?.is_file() {
        return Err("it is not a file".to_owned());
    }
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(told)?;
    file.take(FILE_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(told)?;
    if bytes.len() as u64 > FILE_MAX {
        return Err(format!("it is longer than {FILE_MAX} bytes"));
    }
    Ok(bytes)
}

/// The certificates in a file, in their order.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let bytes = read(path)?;
    let mut found = Vec::new();
    for section in Pem::iter_from_buffer(&bytes) {
        let section = section.map_err(|error| format!("it is not in PEM form: {error}"))?;
        if matches!(
            &section.label[..],
            "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE"
        ) {
            if der::key_info(&section.contents).is_none() {
                return Err("a certificate in it is damaged".to_owned());
            }
            found.push(CertificateDer::from(section.contents));
        }
    }
    Ok(found)
}

fn private_key(
    path: &Path,
    passphrase: &[u8],
    provider: &CryptoProvider,
) -> Result<Arc<dyn SigningKey>, String> {
    let bytes = read(path)?;
    if memchr::memmem::find(&bytes, b"Proc-Type: 4,ENCRYPTED").is_some() {
        return Err(
            "it is encrypted in the form that OpenSSL had before PKCS #8: `openssl pkcs8 -topk8` makes the other"
                .to_owned(),
        );
    }
    for section in Pem::iter_from_buffer(&bytes) {
        let Pem { label, contents } =
            section.map_err(|error| format!("it is not in PEM form: {error}"))?;
        let key = match &label[..] {
            "PRIVATE KEY" => PrivateKeyDer::Pkcs8(contents.into()),
            "RSA PRIVATE KEY" => PrivateKeyDer::Pkcs1(contents.into()),
            "EC PRIVATE KEY" => PrivateKeyDer::Sec1(contents.into()),
            "ENCRYPTED PRIVATE KEY" => {
                PrivateKeyDer::Pkcs8(decrypted(&contents, passphrase)?.into())
            }
            _ => continue,
        };
        let loaded = provider.key_provider.load_private_key(key);
        return loaded.map_err(|error| format!("{error}"));
    }
    Err("there is no private key in it".to_owned())
}

fn decrypted(contents: &[u8], passphrase: &[u8]) -> Result<Vec<u8>, String> {
    if passphrase.is_empty() {
        return Err("it is encrypted, and no passphrase is configured".to_owned());
    }
    let encrypted = EncryptedPrivateKeyInfoRef::try_from(contents)
        .map_err(|error| format!("it is encrypted in an unknown way: {error}"))?;
    let key = encrypted
        .decrypt(passphrase)
        .map_err(|_| "the passphrase is not its own, or it is damaged".to_owned())?;
    Ok(key.as_bytes().to_vec())
}
