//! The signing key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum SigningAlgorithm { Rs256, Es256 }

/// A private key; its `Debug` is `[redacted]`.
pub struct SigningKey {}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { formatter.write_str("[redacted]") }
}

/// Why a key cannot be used.
#[derive(Debug)]
#[allow(missing_docs)]
pub enum SigningKeyError { NotPem, WrongKind(SigningAlgorithm), TooShort, Generation }

impl SigningKey {
    /// Makes a fresh key and its PKCS #8 PEM text.
    ///
    /// # Errors
    /// The crypto library failed.
    pub fn generate(algorithm: SigningAlgorithm) -> Result<(Self, String), SigningKeyError> { let _ = algorithm; todo!() }
    /// Reads a PKCS #8 PEM.
    ///
    /// # Errors
    /// Not a usable key of that algorithm.
    pub fn from_pem(pem: &str, algorithm: SigningAlgorithm) -> Result<Self, SigningKeyError> { let _ = (pem, algorithm); todo!() }
}
