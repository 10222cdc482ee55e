//! Password hashes (argon2id), made and checked off the executor, as many at once as there are cores.
use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, Params, PasswordHasher as _, PasswordVerifier as _};
use std::sync::{Arc, OnceLock};
use tokio::sync::Semaphore;

/// So many may wait for each one that is worked on; more are sent away, because they would time out anyway.
const QUEUE_PER_SLOT: usize = 16;

/// The workers.
pub struct Passwords {
    slots: Arc<Semaphore>,
    queue: Arc<Semaphore>,
}

/// What a check says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Wrong,
    Right,
    /// Right, but hashed with older parameters: this is the new hash.
    RightRehashed(String),
}

/// The queue is full, or the machine failed us.
#[derive(Clone, Copy, Debug)]
pub struct Busy;

impl Default for Passwords {
    fn default() -> Passwords {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Passwords { slots: Arc::new(Semaphore::new(cores)), queue: Arc::new(Semaphore::new(cores * QUEUE_PER_SLOT)) }
    }
}

impl Passwords {
    pub async fn hash(&self, password: &str) -> Result<String, Busy> {
        let password = password.to_owned();
        self.work(move || hash(&password)).await?.ok_or(Busy)
    }

    /// Takes the same time whether there is an account or not.
    pub async fn check(&self, password: &str, stored: Option<&str>) -> Result<Verdict, Busy> {
        let (password, stored) = (password.to_owned(), stored.map(str::to_owned));
        self.work(move || check(&password, stored.as_deref())).await
    }

    async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Busy> {
        let _place = self.queue.clone().try_acquire_owned().map_err(|_| Busy)?;
        let slot = self.slots.clone().acquire_owned().await.map_err(|_| Busy)?;
        // The slot goes along: a request that was given up still works until it is done.
        let worked = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(slot);
            done
        });
        worked.await.map_err(|_| Busy)
    }
}

/// 19 MiB, two passes, one lane: the parameters of the crate and of OWASP.
fn hasher() -> Argon2<'static> {
    Argon2::default()
}

fn hash(password: &str) -> Option<String> {
    hasher().hash_password(password.as_bytes()).ok().map(|hash| hash.to_string())
}

fn check(password: &str, stored: Option<&str>) -> Verdict {
    static NOBODY: OnceLock<String> = OnceLock::new();
    let phc = stored.unwrap_or_else(|| NOBODY.get_or_init(|| hash("nobody's password").unwrap_or_default()));
    let Ok(parsed) = PasswordHash::new(phc) else {
        return Verdict::Wrong;
    };
    let right = hasher().verify_password(password.as_bytes(), &parsed).is_ok();
    if !right || stored.is_none() {
        return Verdict::Wrong;
    }
    let current = Params::try_from(&parsed).is_ok_and(|params| {
        (params.m_cost(), params.t_cost(), params.p_cost())
            == (Params::DEFAULT_M_COST, Params::DEFAULT_T_COST, Params::DEFAULT_P_COST)
    });
    if current && parsed.algorithm.as_str() == "argon2id" {
        return Verdict::Right;
    }
    hash(password).map_or(Verdict::Right, Verdict::RightRehashed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_names_its_parameters_and_opens_for_its_password() {
        let phc = hash("mvua kubwa").unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
        assert_eq!(check("mvua kubwa", Some(&phc)), Verdict::Right);
        assert_eq!(check("mvua ndogo", Some(&phc)), Verdict::Wrong);
        assert_eq!(check("nobody's password", None), Verdict::Wrong);
        assert_eq!(check("x", Some("not a hash")), Verdict::Wrong);
    }

    #[test]
    fn an_old_hash_is_made_anew() {
        let weak = Argon2::new(Default::default(), Default::default(), Params::new(8, 1, 1, None).unwrap());
        let old = weak.hash_password(b"mvua kubwa").unwrap().to_string();
        assert!(matches!(check("mvua kubwa", Some(&old)), Verdict::RightRehashed(new) if new.contains("m=19456,t=2")));
        assert_eq!(check("other", Some(&old)), Verdict::Wrong);
    }
}
