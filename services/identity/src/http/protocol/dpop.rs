//! Proofs of possession at our own endpoints (RFC 9449 sections 5 and 10).
use crate::domain::client::Client;
use crate::domain::request::Parameters;
use crate::http::protocol::reply::OauthError;
use crate::store::dpop;
use chrono::DateTime;
use hitaji_web::PlatformCtx;

/// The thumbprint of the key that the request proves; none where it came without a proof and the client may.
pub async fn proven_key(ctx: &PlatformCtx, client: &Client) -> Result<Option<String>, OauthError> {
    let refused = |reason| OauthError::new("invalid_dpop_proof", reason);
    let Some(proof) = ctx.platform().dpop_proof(ctx.request(), None).map_err(refused)? else {
        if client.dpop {
            return Err(refused("the client is registered to send a proof"));
        }
        return Ok(None);
    };
    let expires_at = DateTime::from_timestamp(proof.expires_at, 0).unwrap_or_default();
    let mut conn = ctx.read().await?;
    // In the database, because another process may be sent the same proof.
    let is_first = dpop::remember(&mut conn, &proof.id, expires_at).await?;
    conn.release();
    if is_first { Ok(Some(proof.jkt)) } else { Err(refused("the proof was used before")) }
}

/// A pushed authorization request with a proof is bound to its key as by `dpop_jkt` (RFC 9449 section 10.1).
pub fn bind_request(parameters: Parameters, proven: Option<&str>) -> Result<Parameters, OauthError> {
    let Some(proven) = proven else { return Ok(parameters) };
    match parameters.first("dpop_jkt") {
        Some(named) if named != proven => {
            Err(OauthError::new("invalid_dpop_proof", "dpop_jkt is not the thumbprint of the proof's key"))
        }
        _ => Ok(parameters.with("dpop_jkt", Some(proven))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pushed_request_is_bound_to_the_key_of_its_proof() {
        let bound = |query: &str, proven| bind_request(Parameters::parse(query), proven).map(|p| p.encode()).ok();
        assert_eq!(bound("a=1", Some("k")).as_deref(), Some("a=1&dpop_jkt=k"));
        assert_eq!(bound("dpop_jkt=k", Some("k")).as_deref(), Some("dpop_jkt=k"));
        assert_eq!(bound("dpop_jkt=k", None).as_deref(), Some("dpop_jkt=k"));
        assert_eq!(bound("dpop_jkt=other", Some("k")), None);
    }
}
