//! Authorities and certificates of the test's own, as PEM files.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};

/// One that vouches for others.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key, in two files.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Identity {
    /// What is in the files of another becomes what is in these, each in one step.
    pub(crate) fn replace_by(&self, other: &Self) {
        replace(&self.certificate, &other.certificate);
        replace(&self.key, &other.key);
    }
}

/// As rotation does it: never a file that is half written.
pub(crate) fn replace(file: &Path, by: &Path) {
    let aside = file.with_extension("new");
    std::fs::copy(by, &aside).unwrap();
    std::fs::rename(aside, file).unwrap();
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { issuer }
    }

    /// Its own certificate, as a file of this name.
    pub(crate) fn write(&self, path: PathBuf) -> PathBuf {
        std::fs::write(&path, self.issuer.pem()).unwrap();
        path
    }

    /// For a server with this name or address.
    pub(crate) fn server(&self, directory: &Path, name: &str) -> Identity {
        self.sign(directory, name, |params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        })
    }

    /// For a server, but years ago.
    pub(crate) fn expired(&self, directory: &Path, name: &str) -> Identity {
        self.sign(directory, name, |params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        })
    }

    /// For somebody who connects.
    pub(crate) fn client(&self, directory: &Path) -> Identity {
        self.sign(directory, "agent.example", |params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        })
    }

    fn sign(
        &self,
        directory: &Path,
        name: &str,
        adapt: impl FnOnce(&mut CertificateParams),
    ) -> Identity {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        adapt(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let file = |what: &str, pem: String| {
            let named = tempfile::Builder::new()
                .prefix(what)
                .suffix(".pem")
                .tempfile_in(directory)
                .unwrap();
            let (_, path) = named.keep().unwrap();
            std::fs::write(&path, pem).unwrap();
            path
        };
        Identity {
            certificate: file("certificate-", certificate.pem()),
            key: file("key-", key.serialize_pem()),
        }
    }
}
