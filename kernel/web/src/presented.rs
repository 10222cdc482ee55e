//! Tokens as requests present them: as bearer tokens (RFC 6750), or with a proof of the key they are bound to (RFC 9449).
use crate::dpop::{DpopProof, DpopRequest, verify_dpop};
use crate::{Platform, Problem, Request, Verified};
use hitaji_core::ErrorCode;
use http::header;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use std::sync::Arc;
use std::time::Duration;

/// Proofs that this process has seen at its resources, for longer than any is good. The newest stay when it is full.
pub(crate) type SeenProofs = Cache<[u8; 32], ()>;

pub(crate) fn seen_proofs() -> SeenProofs {
    let cache = Cache::builder().max_capacity(200_000).eviction_policy(EvictionPolicy::lru());
    cache.time_to_live(Duration::from_secs(90)).build()
}

impl Platform {
    /// The token in `Authorization`. One that is bound to a key needs `DPoP` and a proof; any other must not claim it.
    pub async fn verify_request(&self, request: &Request) -> Result<Arc<Verified>, Problem> {
        let missing = || Problem::new(ErrorCode::Unauthenticated, "Send an access token.");
        let (scheme, token) =
            request.header(header::AUTHORIZATION).and_then(|value| value.split_once(' ')).ok_or_else(missing)?;
        let token = token.trim();
        if scheme.eq_ignore_ascii_case("bearer") {
            return self.verify(token).await;
        }
        if !scheme.eq_ignore_ascii_case("dpop") {
            return Err(missing());
        }
        let verified = self.examine(token).await.map_err(|problem| problem.of_dpop("invalid_token"))?;
        let Some(jkt) = &verified.jkt else {
            return Err(refused("invalid_token", "the token is bound to no key"));
        };
        let proof = self.dpop_proof(request, Some(token)).map_err(|reason| refused("invalid_dpop_proof", reason))?;
        let proof = proof.ok_or_else(|| refused("invalid_dpop_proof", "there is no proof"))?;
        if proof.jkt != *jkt {
            return Err(refused("invalid_token", "the token is bound to another key"));
        }
        if !self.0.proofs.entry(proof.id).or_insert(()).is_fresh() {
            return Err(refused("invalid_dpop_proof", "the proof was used before"));
        }
        Ok(verified)
    }

    /// The proof in the one `DPoP` header of a request, if there is one; whether it was used before is not looked at.
    pub fn dpop_proof(&self, request: &Request, access_token: Option<&str>) -> Result<Option<DpopProof>, &'static str> {
        let mut sent = request.headers.get_all("dpop").iter();
        let (Some(proof), rest) = (sent.next(), sent.next()) else { return Ok(None) };
        let proof = proof.to_str().ok().filter(|_| rest.is_none()).ok_or("send one proof")?;
        let url = format!("{}{}", self.origin(), request.uri.path());
        let now = self.clock().now().timestamp();
        verify_dpop(proof, &DpopRequest { method: request.method.as_str(), url: &url, now, access_token }).map(Some)
    }
}

pub(crate) fn refused(error: &'static str, reason: &str) -> Problem {
    let told = "The access token, or the proof that its key is yours, is not valid.";
    Problem::new(ErrorCode::Unauthenticated, told).with("reason", reason).of_dpop(error)
}
