//! Values that are never shown, and by what they are compared.
//!
//! A secret is in no plan, journal or log: these hold its digest, keyed with a random key of the machine that vboxmcp runs on, so
//! that the digest tells nothing to somebody who has only it and guesses.

use std::fmt;

use sha2::{Digest as _, Sha256};

use super::digest::hex;

/// A text that nobody sees.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    text: String,
    /// What stands for it, once there is a key.
    pub digest: Option<String>,
}

impl Secret {
    /// Of a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), digest: None }
    }

    /// The text, for VirtualBox alone.
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// Whether a text is the digest of a secret.
    pub fn is_digest(text: &str) -> bool {
        text.starts_with(Self::DIGEST)
    }

    /// What digests begin with.
    const DIGEST: &str = "hmac-sha256:";

    /// HMAC-SHA-256 (RFC 2104) with a key: `hmac-sha256:HEX`. Two machines that share a secret share no digest: `context` is in it.
    pub fn digest_with(&self, key: &[u8; 32], context: &str) -> String {
        let pad = |byte: u8| {
            let mut block = [byte; 64];
            block.iter_mut().zip(key).for_each(|(block, key)| *block ^= key);
            block
        };
        let mut inner = Sha256::new();
        inner.update(pad(0x36));
        // The length keeps context and secret apart.
        inner.update((context.len() as u64).to_le_bytes());
        inner.update(context);
        inner.update(&self.text);
        let mut outer = Sha256::new();
        outer.update(pad(0x5c));
        outer.update(inner.finalize());
        format!("{}{}", Self::DIGEST, hex(&outer.finalize()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn a_digest_depends_on_text_key_and_context_and_shows_nothing() {
        let digest = |text: &str, key: u8, context: &str| Secret::new(text).digest_with(&[key; 32], context);
        assert_eq!(digest("a", 1, "x"), digest("a", 1, "x"));
        for other in [digest("b", 1, "x"), digest("a", 2, "x"), digest("a", 1, "y"), digest("xa", 1, "")] {
            assert_ne!(digest("a", 1, "x"), other);
        }
        assert!(Secret::is_digest(&digest("", 0, "")) && !Secret::is_digest("a"));
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "(secret)");
    }
}
