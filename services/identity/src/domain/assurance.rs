//! How strongly somebody proved who they are: methods by RFC 8176, and the levels that clients may ask for (RFC 9470).

/// A knowledge or possession alone.
pub const SINGLE: &str = "urn:hitaji:acr:single";
/// Two different factors.
pub const TWO: &str = "urn:hitaji:acr:two";
/// Phishing-resistant (OpenID Connect EAP ACR values): a passkey whose holder was verified.
pub const PHISHING_RESISTANT: &str = "phr";

/// All levels, weakest first.
pub const LEVELS: [&str; 3] = [SINGLE, TWO, PHISHING_RESISTANT];

/// The level that these methods reach. `pwd`, `otp` (TOTP or recovery code), `sms`, `email`, `fed` (another provider), `pop`
/// (a passkey), `user` (its holder was verified), `mfa` (the other provider said so).
pub fn level_of(amr: &[String]) -> &'static str {
    let has = |method: &str| amr.iter().any(|known| known == method);
    if has("pop") && has("user") {
        return PHISHING_RESISTANT;
    }
    let known = has("pwd") || has("fed");
    let held = has("otp") || has("sms") || has("pop");
    // A phone and an app's secret are two things that are held; who has no password gets no further otherwise.
    let both = has("sms") && has("otp");
    if has("mfa") || (known && held) || both { TWO } else { SINGLE }
}

/// Whether `reached` is at least `wanted`. A level that we do not know is reached by nobody.
pub fn reaches(reached: &str, wanted: &str) -> bool {
    let rank = |level: &str| LEVELS.iter().position(|known| *known == level);
    rank(wanted).is_some_and(|wanted| rank(reached) >= Some(wanted))
}

/// The levels that we know among these, weakest first.
pub fn known(acr_values: &str) -> Vec<&'static str> {
    LEVELS.into_iter().filter(|level| acr_values.split(' ').any(|asked| asked == *level)).collect()
}

/// What is still to be proven: the weakest of the levels asked for, where none of them is reached.
pub fn missing(asked: &[&'static str], amr: &[String]) -> Option<&'static str> {
    asked.first().copied().filter(|weakest| !reaches(level_of(amr), weakest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(amr: &[&str]) -> &'static str {
        level_of(&amr.iter().map(|method| (*method).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn two_of_a_kind_are_not_two_factors() {
        assert_eq!(level(&["pwd"]), SINGLE);
        assert_eq!(level(&["sms"]), SINGLE);
        assert_eq!(level(&["otp"]), SINGLE);
        assert_eq!(level(&["otp", "sms"]), TWO);
        assert_eq!(level(&["pwd", "otp"]), TWO);
        assert_eq!(level(&["fed", "mfa"]), TWO);
        assert_eq!(level(&["pwd", "pop"]), TWO);
        assert_eq!(level(&["pop", "user"]), PHISHING_RESISTANT);
    }

    #[test]
    fn a_stronger_level_includes_the_weaker_ones() {
        assert!(reaches(PHISHING_RESISTANT, TWO) && reaches(TWO, TWO) && reaches(TWO, SINGLE));
        assert!(!reaches(SINGLE, TWO) && !reaches(PHISHING_RESISTANT, "urn:other"));
    }

    #[test]
    fn what_is_asked_is_what_we_know_of_it() {
        let amr = ["pwd".to_owned()];
        assert_eq!(known("urn:other phr urn:hitaji:acr:two"), [TWO, PHISHING_RESISTANT]);
        assert_eq!(missing(&known("phr urn:hitaji:acr:two"), &amr), Some(TWO));
        assert_eq!(missing(&known("phr urn:hitaji:acr:single"), &amr), None);
        assert_eq!(missing(&known("urn:other"), &amr), None);
    }
}
