//! TLS: the certificate that is shown, read again when its files change.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};
use tokio_rustls::server::TlsStream;

pub const HTTP_2: &[u8] = b"h2";
const HTTP_1: &[u8] = b"http/1.1";

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{path} can't be read", path = path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("{path} is no PEM file of {what}", path = path.display())]
    NoPem {
        path: PathBuf,
        what: &'static str,
        #[source]
        cause: pem::Error,
    },
    #[error("{path} holds no certificate", path = .0.display())]
    NoCertificate(PathBuf),
    #[error("{path} holds no private key, or one that asks for a passphrase (`openssl pkey -in {path} -out FILE` writes it without)", path = .0.display())]
    NoKey(PathBuf),
    #[error("the certificate and the key can't be used together")]
    Pair(#[source] rustls::Error),
}

/// A certificate and its key, in use.
pub struct Tls {
    cert: PathBuf,
    key: PathBuf,
    config: ArcSwap<ServerConfig>,
}

impl Tls {
    /// Reads two PEM files: the certificate with those that vouch for it, and its private key.
    pub fn open(cert: PathBuf, key: PathBuf) -> Result<Self, TlsError> {
        let config = ArcSwap::new(read(&cert, &key)?);
        Ok(Self { cert, key, config })
    }

    /// Reads the files again, for connections from now on. What can't be read leaves all as it is.
    pub fn reload(&self) -> Result<(), TlsError> {
        self.config.store(read(&self.cert, &self.key)?);
        Ok(())
    }

    pub async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let acceptor = TlsAcceptor::from(self.config.load_full());
        acceptor.accept(stream).await
    }
}

fn unusable(path: &Path, what: &'static str, error: pem::Error) -> TlsError {
    let path = path.to_owned();
    match error {
        pem::Error::Io(cause) => TlsError::Unreadable { path, cause },
        cause => TlsError::NoPem { path, what, cause },
    }
}

fn read(cert: &PathBuf, key: &PathBuf) -> Result<Arc<ServerConfig>, TlsError> {
    let chain =
        CertificateDer::pem_file_iter(cert).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(|error| unusable(cert, "certificates", error))?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate(cert.clone()));
    }
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| match error {
        pem::Error::NoItemsFound => TlsError::NoKey(key.clone()),
        error => unusable(key, "a private key", error),
    })?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Pair)?
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(TlsError::Pair)?;
    config.alpn_protocols = vec![HTTP_2.into(), HTTP_1.into()];
    Ok(Arc::new(config))
}
