//! Encryption of the connections to a database. The modes are libpq's `sslmode`, which Moodle has in
//! `$CFG->dboptions['ssl']` for its other databases, too.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::Server;
use crate::error::{Error, Kind, Result};

/// Encryption of a connection. A socket of this machine is never encrypted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Tls {
    /// None.
    #[default]
    Off,
    /// Where the server has it, whoever that is; PostgreSQL alone.
    Preferred,
    /// Always, whoever the server is.
    Unverified,
    /// Always, and the server has a certificate for its name from one of the usual authorities (Mozilla's list), or from
    /// one in a PEM file (of MariaDB and MySQL, from either).
    Verified(Option<PathBuf>),
}

impl Tls {
    /// Returns what a mode of libpq stands for; nothing: there is no such mode, or it isn't offered.
    #[must_use]
    pub fn mode(name: &str) -> Option<Self> {
        match name {
            "disable" => Some(Self::Off),
            "prefer" => Some(Self::Preferred),
            "require" => Some(Self::Unverified),
            "verify-full" => Some(Self::Verified(None)),
            _ => None,
        }
    }

    /// Returns what the server's own clients, and so Moodle, do without being told.
    #[must_use]
    pub fn usual(kind: Server) -> Self {
        if kind == Server::PostgreSql { Self::Preferred } else { Self::Off }
    }

    /// Returns what Moodle does with a value of `$CFG->dboptions['ssl']`; nothing: it refuses it.
    #[must_use]
    pub fn configured(name: &str, kind: Server) -> Option<Self> {
        let mode = Self::mode(name)?;
        let is_known = kind == Server::PostgreSql || matches!(mode, Self::Unverified | Self::Verified(_));
        is_known.then_some(mode)
    }

    /// Returns the settings of an encrypted connection.
    ///
    /// # Errors
    /// The file with certificates can't be read, or has none.
    pub(super) fn settings(&self) -> Result<ClientConfig> {
        let provider = Arc::new(ring::default_provider());
        let settings = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::new(Kind::Database, "TLS can't be had", "").because(error))?;
        let settings = if let Self::Verified(file) = self {
            settings.with_root_certificates(authorities(file.as_deref())?)
        } else {
            settings.dangerous().with_custom_certificate_verifier(Arc::new(Anyone(provider)))
        };
        Ok(settings.with_no_client_auth())
    }
}

/// Returns the authorities that are trusted: those of a PEM file, or the usual ones.
///
/// # Errors
/// It can't be read, or has none.
pub(super) fn authorities(file: Option<&Path>) -> Result<RootCertStore> {
    let Some(path) = file else { return Ok(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }) };
    let unread = || {
        let what = format!("{} has no certificates that can be read", path.display());
        Error::new(Kind::Usage, what, "give a PEM file with the certificate of the authority")
    };
    let found = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>);
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.map_err(|error| unread().because(error))?);
    if added == 0 { Err(unread()) } else { Ok(roots) }
}

/// Returns what to do about a connection that failed: `fix`, unless it is the server's certificate that is refused.
pub(super) fn fix(said: &str, fix: &str) -> String {
    if said.contains("invalid peer certificate") {
        "give the certificate of the authority that vouches for the server by --db-tls-ca FILE.pem; the server's name must be \
         one of those in its certificate"
            .to_owned()
    } else {
        fix.to_owned()
    }
}

/// Takes a server whoever it is, once it shows that it has its certificate's key.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::{Server, Tls};

    #[test]
    fn moodles_setting_means_what_it_means_to_moodle() {
        for kind in [Server::PostgreSql, Server::MariaDb, Server::MySql] {
            assert_eq!(Tls::configured("require", kind), Some(Tls::Unverified));
            assert_eq!(Tls::configured("verify-full", kind), Some(Tls::Verified(None)));
            assert_eq!((Tls::configured("verify-ca", kind), Tls::configured("on", kind)), (None, None));
        }
        for (mode, tls) in [("disable", Tls::Off), ("prefer", Tls::Preferred)] {
            assert_eq!(Tls::configured(mode, Server::PostgreSql), Some(tls));
            assert_eq!(Tls::configured(mode, Server::MariaDb), None);
        }
    }
}
