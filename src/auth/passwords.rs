//! Passwords: argon2id, a few at once and the rest in a queue with an end, so that sign-ins cannot take the machine.

use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Semaphore;

use crate::error::{Error, Result};
use crate::validate;

/// Bytes of a password.
const PASSWORD_BYTES_MIN: usize = 8;
/// Likewise; a hash costs the same however long the text, but reading it does not.
const PASSWORD_BYTES_MAX: usize = 1024;
/// Hashes that are computed at once: each takes 19 MiB and a core.
const AT_ONCE_MAX: usize = 2;
/// Callers who may wait for theirs; one more is told to come back.
const WAITING_MAX: usize = 64;

/// What is verified for a user who is not there or has no password, so that its refusal takes as long as another's. It is no password's hash.
const NOBODYS: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IGhhcyBpdCBvaw$bm9ib2R5J3MgcGFzc3dvcmQgaGFzIHRoaXMgaGFzaCE";

/// Computes and verifies hashes.
pub(super) struct Passwords {
    waiting: Arc<Semaphore>,
    at_once: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        let waiting = Arc::new(Semaphore::new(AT_ONCE_MAX + WAITING_MAX));
        Self { waiting, at_once: Arc::new(Semaphore::new(AT_ONCE_MAX)) }
    }
}

impl Passwords {
    /// The hash to keep, as a PHC text with its own salt.
    pub(super) async fn hash(&self, password: SecretString) -> Result<String> {
        let hashed = move || Argon2::default().hash_password(password.expose_secret().as_bytes());
        self.run(hashed).await?.map(|hash| hash.to_string()).map_err(|error| Error::internal(error.to_string()))
    }

    /// Whether the password is the one that was kept. Where none was, it is not, after the same work.
    pub(super) async fn is_right(&self, password: SecretString, kept: Option<String>) -> Result<bool> {
        self.run(move || {
            let hash = kept.as_deref().unwrap_or(NOBODYS);
            let matches = Argon2::default().verify_password(password.expose_secret().as_bytes(), hash).is_ok();
            matches && kept.is_some()
        })
        .await
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let waiting = self.waiting.clone().try_acquire_owned();
        let waiting = waiting.map_err(|_| Error::unavailable("too many sign-ins at once"))?;
        let running = self.at_once.clone().acquire_owned().await.map_err(Error::internal)?;
        // A caller that leaves does not stop a hash that is being computed, so its place is free only when it is done.
        let done = tokio::task::spawn_blocking(move || {
            let _places = (waiting, running);
            work()
        });
        done.await.map_err(Error::internal)
    }
}

/// Checks that a password is not too long to be one.
pub(super) fn check_length(field: &'static str, password: &SecretString) -> Result<()> {
    validate::bytes(field, password.expose_secret(), PASSWORD_BYTES_MAX)
}

/// Checks a new password.
pub(super) fn check(field: &'static str, password: &SecretString) -> Result<()> {
    if (PASSWORD_BYTES_MIN..=PASSWORD_BYTES_MAX).contains(&password.expose_secret().len()) {
        return Ok(());
    }
    let message = format!("password must have {PASSWORD_BYTES_MIN} to {PASSWORD_BYTES_MAX} bytes");
    Err(Error::bad_input(field, message))
}

#[cfg(test)]
mod tests {
    use argon2::password_hash::phc::PasswordHash;

    use super::*;

    #[test]
    fn nobodys_hash_takes_the_work_of_a_real_one() {
        let hash = PasswordHash::new(NOBODYS).expect("a hash");
        let real = Argon2::default().hash_password(b"any").expect("a hash");
        assert_eq!((hash.algorithm, hash.version, &hash.params), (real.algorithm, real.version, &real.params));
        assert_eq!(hash.hash.map(|output| output.len()), real.hash.map(|output| output.len()));
    }

    #[tokio::test]
    async fn only_the_password_that_was_kept_is_right() {
        let passwords = Passwords::default();
        let kept = passwords.hash("correct horse".into()).await.expect("a hash");
        assert!(passwords.is_right("correct horse".into(), Some(kept.clone())).await.expect("an answer"));
        assert!(!passwords.is_right("wrong horse".into(), Some(kept)).await.expect("an answer"));
        assert!(!passwords.is_right("correct horse".into(), None).await.expect("an answer"));
    }

    #[tokio::test]
    async fn a_queue_that_is_full_sends_callers_away() {
        let passwords = Passwords::default();
        let places = passwords.waiting.clone().acquire_many_owned(66).await.expect("all places");
        let refused = passwords.hash("correct horse".into()).await.expect_err("no place");
        assert_eq!(refused.code, crate::error::ErrorCode::Unavailable);
        drop(places);
        assert!(passwords.hash("correct horse".into()).await.is_ok());
    }
}
