//! Secret links of mails and the tokens of forms: authentic by HMAC, so that nothing secret is stored.
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hitaji_db::secrets::MasterKey;
use uuid::Uuid;

/// What a link is for; a link of one kind is worth nothing as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkKind {
    Invitation,
    PasswordReset,
    EmailProof,
}

impl LinkKind {
    fn purpose(self) -> &'static str {
        match self {
            LinkKind::Invitation => "invitation",
            LinkKind::PasswordReset => "password-reset",
            LinkKind::EmailProof => "email-proof",
        }
    }
}

/// The secret part of a link: id, counter and their HMAC. 52 bytes, 70 characters.
pub fn seal(master: &MasterKey, kind: LinkKind, id: Uuid, counter: i32) -> String {
    let message = message(id, counter);
    let tag = master.sign(kind.purpose(), &message);
    URL_SAFE_NO_PAD.encode([message.as_slice(), &tag].concat())
}

/// The id and counter of a link that [`seal`] made.
pub fn open(master: &MasterKey, kind: LinkKind, token: &str) -> Option<(Uuid, i32)> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok().filter(|bytes| bytes.len() == 52)?;
    let (message, tag) = bytes.split_at(20);
    if !master.verify(kind.purpose(), message, tag) {
        return None;
    }
    let (id, counter) = message.split_at(16);
    Some((Uuid::from_slice(id).ok()?, i32::from_be_bytes(counter.try_into().ok()?)))
}

fn message(id: Uuid, counter: i32) -> Vec<u8> {
    [id.as_bytes().as_slice(), &counter.to_be_bytes()].concat()
}

/// What a form must bring back to show that this browser was given it.
pub fn form_token(master: &MasterKey, cookie: &str) -> String {
    URL_SAFE_NO_PAD.encode(master.sign("form", cookie.as_bytes()))
}

pub fn is_form_token(master: &MasterKey, cookie: &str, token: &str) -> bool {
    URL_SAFE_NO_PAD.decode(token).is_ok_and(|tag| master.verify("form", cookie.as_bytes(), &tag))
}

/// What a browser keeps after a successful sign-in, so that others' failed attempts do not slow its person down.
pub fn device_token(master: &MasterKey, email: &str) -> String {
    URL_SAFE_NO_PAD.encode(master.sign("device", email.as_bytes()))
}

pub fn is_device_token(master: &MasterKey, email: &str, token: &str) -> bool {
    URL_SAFE_NO_PAD.decode(token).is_ok_and(|tag| master.verify("device", email.as_bytes(), &tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: Uuid = Uuid::from_u128(7);

    #[test]
    fn a_link_opens_for_its_kind_and_counter_only() {
        let master = MasterKey::generate();
        let token = seal(&master, LinkKind::Invitation, ID, 3);
        assert_eq!(open(&master, LinkKind::Invitation, &token), Some((ID, 3)));
        assert_eq!(open(&master, LinkKind::PasswordReset, &token), None);
        assert_eq!(open(&MasterKey::generate(), LinkKind::Invitation, &token), None);
        assert_ne!(token, seal(&master, LinkKind::Invitation, ID, 4));
        for bent in ["", "a", &token[1..], &format!("B{}", &token[1..]), &format!("{token}A")] {
            assert_eq!(open(&master, LinkKind::Invitation, bent), None, "{bent}");
        }
    }

    #[test]
    fn a_form_belongs_to_one_browser() {
        let master = MasterKey::generate();
        let token = form_token(&master, "cookie");
        assert!(is_form_token(&master, "cookie", &token));
        assert!(!is_form_token(&master, "other", &token));
        assert!(!is_form_token(&master, "cookie", "") && !is_form_token(&master, "cookie", &token[1..]));
        assert!(!is_form_token(&master, "cookie", &device_token(&master, "cookie")));
    }
}
