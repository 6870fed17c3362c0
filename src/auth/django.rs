//! Hashes of Django's own hasher, which come with the accounts of the original: verified, never made.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

/// Django's default of 2026 is 1,200,000, which takes an eighth of a second; who asks for more than
/// this means to hold up a core for seconds with each login.
pub const ITERATIONS_MAX: u32 = 10_000_000;

const ALGORITHM: &str = "pbkdf2_sha256";
/// As many bytes as SHA-256 gives, which is what Django derives.
const DIGEST_BYTES: usize = 32;

/// `pbkdf2_sha256$1200000$salt$digest`, as `django.contrib.auth.hashers.PBKDF2PasswordHasher`
/// writes it: PBKDF2 (RFC 8018, section 5.2) with HMAC-SHA-256, the salt's characters taken as
/// bytes, the digest in base64.
pub struct DjangoHash<'a> {
    iterations: u32,
    salt: &'a str,
    digest: [u8; DIGEST_BYTES],
}

impl<'a> DjangoHash<'a> {
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split('$');
        let (algorithm, iterations) = (parts.next()?, parts.next()?);
        let (salt, digest) = (parts.next()?, parts.next()?);
        let is_whole = algorithm == ALGORITHM && !salt.is_empty() && parts.next().is_none();
        let iterations = iterations.parse().ok();
        let iterations = iterations.filter(|count| (1..=ITERATIONS_MAX).contains(count));
        let digest = STANDARD.decode(digest).ok()?.try_into().ok()?;
        is_whole.then_some(Self {
            iterations: iterations?,
            salt,
            digest,
        })
    }

    pub fn is_of(&self, password: &str) -> bool {
        let (password, salt) = (password.as_bytes(), self.salt.as_bytes());
        let mut derived = [0; DIGEST_BYTES];
        pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, self.iterations, &mut derived);
        derived.ct_eq(&self.digest).into()
    }
}
