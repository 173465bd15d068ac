//! TLS by rustls: what the directives and the files that they name make of it, for the listener and for links to other
//! servers.
//!
//! All of it is read at once and taken at once, at start, by CONFIG SET, and when a file has changed. What can't be taken
//! leaves in force what was. Connections keep what they began with.

pub mod chain;
mod der;
mod files;
mod link;
mod rules;
mod sessions;
mod verifier;
mod watch;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use rustls::SupportedProtocolVersion;
use rustls::client::{ClientConfig, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::pki_types::CertificateDer;
use rustls::server::{NoServerSessionStorage, ServerConfig};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer;

pub use chain::is_current;
pub use link::Outward;
pub use watch::{Dates, Watched};

use crate::config::Config;
use crate::config::choices::{TlsAuth, TlsUser};
use crate::util::ranked::{Mutex, rank};
use chain::Trusted;
use sessions::Sessions;
use verifier::Verifier;

/// Sessions kept at most, whatever is configured.
const SESSIONS_MAX: usize = 1 << 20;

/// What TLS is at present; nothing where it isn't wanted.
#[derive(Default)]
pub struct Tls {
    setup: ArcSwapOption<Setup>,
    /// Held while the configuration and its files are read and taken, so that no older reading takes the place of a
    /// newer one.
    reading: Mutex<(), { rank("tls") }>,
}

/// What one reading of the configuration and its files has made.
pub struct Setup {
    pub server: Arc<ServerConfig>,
    pub client: Arc<ClientConfig>,
    /// How other nodes of a cluster are met: they have to show a certificate, whatever clients have to.
    pub bus: Arc<ServerConfig>,
    /// Until when the certificates hold, and the files that they came from.
    pub watched: Watched,
}

impl Tls {
    /// Whether anything here speaks TLS.
    pub fn is_wanted(config: &Config) -> bool {
        config.tls_port.get() != 0 || config.tls_replication.get() || config.tls_cluster.get()
    }

    pub fn setup(&self) -> Option<Arc<Setup>> {
        self.setup.load_full()
    }

    /// How another server is met, if TLS is wanted there. What is wanted and isn't there yet is an error: nothing goes out
    /// in clear instead.
    pub fn client(&self, wanted: bool) -> io::Result<Option<Arc<ClientConfig>>> {
        if !wanted {
            return Ok(None);
        }
        match self.setup() {
            Some(setup) => Ok(Some(setup.client.clone())),
            None => Err(io::Error::other("TLS is not configured yet")),
        }
    }

    /// Takes what the configuration and its files say now. Where that is nothing that can be, it says why, and what was
    /// taken before stays.
    pub fn configure(&self, config: &Config) -> Result<(), String> {
        let _reading = self.reading.lock();
        if !Tls::is_wanted(config) {
            self.setup.store(None);
            return Ok(());
        }
        self.setup.store(Some(Arc::new(Setup::read(config)?)));
        Ok(())
    }
}

/// A file that a directive names, if it names one.
fn file(config: &Config, name: &[u8]) -> Option<PathBuf> {
    (!name.is_empty()).then(|| config.place_of(name))
}

fn words(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

impl Setup {
    fn read(config: &Config) -> Result<Setup, String> {
        // Before the first of them is read: what changes from here on is seen.
        let stamps = watch::stamps(config);
        let cert = file(config, &config.tls_cert_file.get())
            .ok_or_else(|| "No tls-cert-file configured!".to_owned())?;
        let key = file(config, &config.tls_key_file.get())
            .ok_or_else(|| "No tls-key-file configured!".to_owned())?;
        let ca_file = file(config, &config.tls_ca_cert_file.get());
        let ca_folder = file(config, &config.tls_ca_cert_dir.get());
        let auth = config.tls_auth_clients.get();
        let checks =
            auth != TlsAuth::No || config.tls_cluster.get() || config.tls_replication.get();
        if checks && ca_file.is_none() && ca_folder.is_none() {
            return Err("Either tls-ca-cert-file or tls-ca-cert-dir must be specified when tls-cluster, tls-replication or tls-auth-clients are enabled!".to_owned());
        }
        let protocols = rules::protocols(&words(&config.tls_protocols.get()))?;
        let provider = Arc::new(rules::provider(
            &words(&config.tls_ciphers.get()),
            &words(&config.tls_ciphersuites.get()),
            &words(&config.tls_groups.get()),
        )?);
        if !config.tls_dh_params_file.get().is_empty() {
            tracing::info!(
                "tls-dh-params-file is passed over: keys are exchanged by elliptic curves alone."
            );
        }
        let ours = files::certified(&cert, &key, &config.tls_key_file_pass.get(), &provider)?;
        let shown = match (
            file(config, &config.tls_client_cert_file.get()),
            file(config, &config.tls_client_key_file.get()),
        ) {
            (Some(cert), Some(key)) => {
                let passphrase = config.tls_client_key_file_pass.get();
                files::certified(&cert, &key, &passphrase, &provider)?
            }
            _ => ours.clone(),
        };
        let trusted = files::authorities(ca_file.as_deref(), ca_folder.as_deref())?;
        let watched = Watched::of(stamps, &ours, &shown, &trusted);
        let verifier = Arc::new(Verifier {
            trusted: Arc::new(Trusted::new(trusted)),
            algorithms: provider.signature_verification_algorithms,
            mandatory: auth == TlsAuth::Yes,
        });
        let strict = Arc::new(Verifier {
            mandatory: true,
            trusted: verifier.trusted.clone(),
            algorithms: verifier.algorithms,
        });
        Ok(Setup {
            bus: Arc::new(server(
                config,
                provider.clone(),
                &protocols,
                Some(strict),
                ours.clone(),
            )?),
            server: Arc::new(server(
                config,
                provider.clone(),
                &protocols,
                (auth != TlsAuth::No).then(|| verifier.clone()),
                ours,
            )?),
            client: Arc::new(client(provider, &protocols, verifier, shown)?),
            watched,
        })
    }
}

type Protocols = [&'static SupportedProtocolVersion];

fn failed(error: rustls::Error) -> String {
    format!("Failed to configure TLS: {error}")
}

/// How clients are met.
fn server(
    config: &Config,
    provider: Arc<CryptoProvider>,
    protocols: &Protocols,
    verifier: Option<Arc<Verifier>>,
    ours: CertifiedKey,
) -> Result<ServerConfig, String> {
    let builder = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(protocols)
        .map_err(failed)?;
    let builder = match verifier {
        None => builder.with_no_client_auth(),
        Some(verifier) => builder.with_client_cert_verifier(verifier),
    };
    let mut server = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(ours)));
    server.ignore_client_order = config.tls_prefer_server_ciphers.get();
    if config.tls_session_caching.get() {
        let size = match config.tls_session_cache_size.get() {
            0 => SESSIONS_MAX,
            set => SESSIONS_MAX.min(set as usize),
        };
        server.session_storage = Arc::new(Sessions::new(size));
        server.ticketer = Ticketer::new().map_err(failed)?;
    } else {
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
    }
    Ok(server)
}

/// How other servers are met. Links are few and last long, so that no session is resumed.
fn client(
    provider: Arc<CryptoProvider>,
    protocols: &Protocols,
    verifier: Arc<Verifier>,
    shown: CertifiedKey,
) -> Result<ClientConfig, String> {
    let mut client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(protocols)
        .map_err(failed)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
    client.resumption = Resumption::disabled();
    Ok(client)
}

/// The name of the user that a client's certificate stands for, by `tls-auth-clients-user`.
pub fn user_of(cert: &CertificateDer<'_>, by: TlsUser) -> Option<Vec<u8>> {
    let (_, x509) = X509Certificate::from_der(cert).ok()?;
    match by {
        TlsUser::Off => None,
        TlsUser::Cn => {
            let mut names = x509.subject().iter_common_name();
            let name = names.next()?.as_str().ok()?;
            // A name that ends earlier for others than for us is nobody's.
            (!name.is_empty() && !name.contains('\0')).then(|| name.as_bytes().to_vec())
        }
        TlsUser::Uri => x509.extensions().iter().find_map(|extension| {
            let ParsedExtension::SubjectAlternativeName(names) = extension.parsed_extension()
            else {
                return None;
            };
            names.general_names.iter().find_map(|name| match name {
                GeneralName::URI(uri) if !uri.is_empty() && !uri.contains('\0') => {
                    Some(uri.as_bytes().to_vec())
                }
                _ => None,
            })
        }),
    }
}

/// The certificate itself, of a key with its chain.
fn leaf(key: &CertifiedKey) -> Option<&CertificateDer<'static>> {
    key.cert.first()
}
