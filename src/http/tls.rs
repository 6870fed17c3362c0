//! TLS: the certificate that is shown, read again when its files change.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};
use tokio_rustls::server::TlsStream;

pub const HTTP_2: &[u8] = b"h2";
const HTTP_1: &[u8] = b"http/1.1";

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{path} is no PEM file of {what}", path = path.display())]
    File {
        path: PathBuf,
        what: &'static str,
        #[source]
        cause: rustls::pki_types::pem::Error,
    },
    #[error("{path} holds no certificate", path = .0.display())]
    Empty(PathBuf),
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

fn read(cert: &PathBuf, key: &PathBuf) -> Result<Arc<ServerConfig>, TlsError> {
    let no_file = |path: &PathBuf, what| {
        let path = path.clone();
        move |cause| TlsError::File { path, what, cause }
    };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(cert)
        .map_err(no_file(cert, "certificates"))?
        .collect();
    let chain = chain.map_err(no_file(cert, "certificates"))?;
    if chain.is_empty() {
        return Err(TlsError::Empty(cert.clone()));
    }
    let secret = PrivateKeyDer::from_pem_file(key).map_err(no_file(key, "a private key"))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Pair)?
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(TlsError::Pair)?;
    config.alpn_protocols = vec![HTTP_2.into(), HTTP_1.into()];
    Ok(Arc::new(config))
}
