//! TLS: whom to believe, and who we are, from files that are read whenever a connection is made.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::SystemTime;

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{
    self, AlertDescription, CertificateError, ClientConfig, Error, RootCertStore,
};

use super::file;

/// No certificate file is longer: a bundle of every root there is has a quarter of a megabyte.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// Files that TLS needs besides what it has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Certificates of those who may vouch for a server. Without it those that the system trusts, or, where it has none, as in an
    /// image that holds nothing else, those that Mozilla does.
    pub certificate: Option<PathBuf>,
    /// Who we are to a server that asks.
    pub client: Option<Client>,
}

/// A certificate of our own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// The certificate, with those between it and a root.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// When the files last changed: a connection that was made before is made anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Stamp(Vec<Option<(SystemTime, u64)>>);

impl Options {
    fn files(&self) -> impl Iterator<Item = &Path> {
        let client = self.client.iter();
        let client = client.flat_map(|client| [&client.certificate, &client.key]);
        self.certificate.iter().chain(client).map(PathBuf::as_path)
    }

    /// Whether there are any.
    pub(super) fn has_no_files(&self) -> bool {
        self.files().next().is_none()
    }

    /// Looks at the files, which may take a while.
    pub(super) fn stamp(&self) -> Stamp {
        Stamp(self.files().map(file::stamp).collect())
    }

    /// Reads the files, which may take a while, for connections that then speak `protocol`.
    pub(super) fn connector(&self, protocol: &[u8]) -> Result<TlsConnector, String> {
        let mut roots = RootCertStore::empty();
        if let Some(path) = &self.certificate {
            for certificate in certificates(path)? {
                roots
                    .add(certificate)
                    .map_err(|error| format!("{}: {error}", path.display()))?;
            }
        } else {
            // What cannot be read of the system's is left out: one bad file among hundreds is none of our business.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
            }
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots);
        let mut config = match &self.client {
            Some(client) => {
                let key = PrivateKeyDer::from_pem_slice(&read(&client.key)?)
                    .map_err(|error| format!("{}: {error}", client.key.display()))?;
                builder
                    .with_client_auth_cert(certificates(&client.certificate)?, key)
                    .map_err(|error| {
                        format!(
                            "{} and {}: {error}",
                            client.certificate.display(),
                            client.key.display()
                        )
                    })?
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![protocol.to_vec()];
        Ok(TlsConnector::from(Arc::new(config)))
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&read(path)?)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("{}: {error}", path.display()))?;
    if certificates.is_empty() {
        return Err(format!("{} holds no certificate in PEM", path.display()));
    }
    Ok(certificates)
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    file::read(path, MAX_FILE_BYTES)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))
}

/// What went wrong with a connection, as far as TLS knows.
#[derive(Clone, Debug, Default)]
pub(super) struct Trouble(Arc<Mutex<Option<Error>>>);

impl Trouble {
    /// Takes note of what is wrong, if that is a matter of TLS, and gives it on.
    pub(super) fn note<T>(&self, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(error)) = &polled
            && let Some(error) = of_tls(error)
        {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
        }
        polled
    }

    /// What is wrong.
    pub(super) fn diagnosis(&self) -> Option<Diagnosis> {
        let error = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        error.clone().map(Diagnosis)
    }
}

fn of_tls<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Error> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<Error>() {
            return Some(error);
        }
        // An error of the system keeps what is in it to itself.
        let inner = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        cause = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// What TLS says is wrong, and what to do about it.
pub(super) struct Diagnosis(Error);

impl Diagnosis {
    /// The diagnosis of an error that TLS is the cause of.
    pub(super) fn of(error: &(dyn std::error::Error + 'static)) -> Option<Self> {
        of_tls(error).cloned().map(Self)
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let advice = match &self.0 {
            // An authority that is renewed keeps its name, and then it is the signature that is found to be another's.
            Error::InvalidCertificate(
                CertificateError::UnknownIssuer | CertificateError::BadSignature,
            ) => {
                "its certificate is signed by an authority that is not known here: give that one's certificate with --certificate (OTEL_EXPORTER_OTLP_CERTIFICATE)"
            }
            Error::InvalidCertificate(
                CertificateError::Expired | CertificateError::ExpiredContext { .. },
            ) => "its certificate has expired: renew it there, or set this host's clock",
            Error::InvalidCertificate(
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
            ) => "its certificate is not valid yet: is this host's clock right?",
            Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            ) => "its certificate is for another name than the endpoint has",
            Error::InvalidCertificate(_) => "its certificate cannot be believed",
            Error::InvalidMessage(_) => {
                "it does not speak TLS on this port: write http:// if it is to be spoken to in clear"
            }
            Error::AlertReceived(
                AlertDescription::CertificateRequired | AlertDescription::NoCertificate,
            ) => "it wants a certificate from us: see --client-certificate and --client-key",
            Error::AlertReceived(
                AlertDescription::UnknownCA
                | AlertDescription::BadCertificate
                | AlertDescription::CertificateUnknown
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateRevoked
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::AccessDenied,
            ) => {
                "it does not accept the certificate that it got from us: see --client-certificate and --client-key"
            }
            Error::AlertReceived(AlertDescription::NoApplicationProtocol) => {
                "it does not speak this protocol on this port: grpc and http/protobuf have different ones (--protocol)"
            }
            Error::AlertReceived(
                AlertDescription::HandshakeFailure | AlertDescription::ProtocolVersion,
            ) => {
                "it wants a version or cipher of TLS that is not spoken here, or a certificate from us"
            }
            _ => "TLS failed",
        };
        write!(f, "{advice} ({})", self.0)
    }
}

pub(super) fn server_name(host: &str) -> Result<rustls::pki_types::ServerName<'static>, String> {
    rustls::pki_types::ServerName::try_from(host.to_owned())
        .map_err(|error| format!("no certificate can be for {host:?}: {error}"))
}
