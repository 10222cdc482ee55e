//! Permissions: numbered once, for ever, so that a token can carry them as a bit set; roles as named sets of them.
use std::fmt;

/// One right, as it stands in scopes: `school.attendance:write`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permission {
    /// Position in the bit set of tokens. Append only: a number is never given again.
    pub number: u16,
    pub scope: &'static str,
    /// What a person who grants it should know.
    pub description: &'static str,
}

/// How much care a permission asks of whoever gives it away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    Normal,
    /// Takes data out or away: exports, deletions, approvals.
    Sensitive,
    /// Decides who may do what, or over the organisation itself: only owners put it into a role.
    Restricted,
}

impl Tier {
    pub fn as_str(self) -> &'static str {
        match self {
            Tier::Normal => "normal",
            Tier::Sensitive => "sensitive",
            Tier::Restricted => "restricted",
        }
    }
}

impl Permission {
    /// By the scope's words: what changes identity or tenancy is restricted, whatever it is called.
    pub fn tier(&self) -> Tier {
        let (resource, action) = self.scope.split_once(':').unwrap_or((self.scope, ""));
        match action {
            "read" => Tier::Normal,
            _ if resource.starts_with("identity.") || resource.starts_with("tenancy.") => Tier::Restricted,
            "delete" | "export" | "approve" => Tier::Sensitive,
            _ => Tier::Normal,
        }
    }
}

/// These numbers are permissions of the people who run the platform. No role of an organisation ever gives one, whatever
/// its patterns say, and a token with one names no organisation.
const OPERATOR_NUMBERS: std::ops::RangeInclusive<u16> = 16..=31;

/// Whether the permission with this number is one of the people who run the platform.
pub fn is_operators(number: u16) -> bool {
    OPERATOR_NUMBERS.contains(&number)
}

/// A role as a product ships it.
#[derive(Clone, Copy, Debug)]
pub struct RoleTemplate {
    pub key: &'static str,
    pub label: &'static str,
    pub description: &'static str,
    /// Scopes; `school.*` stands for all of a service, `*` for everything.
    pub scopes: &'static [&'static str],
}

const WORDS: usize = 8;

/// A set of permission numbers below 512.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct PermissionSet([u64; WORDS]);

impl PermissionSet {
    pub const CAPACITY: u16 = (WORDS * 64) as u16;

    pub fn insert(&mut self, number: u16) {
        debug_assert!(number < Self::CAPACITY);
        self.0[usize::from(number) / 64 % WORDS] |= 1 << (number % 64);
    }

    pub fn contains(&self, number: u16) -> bool {
        number < Self::CAPACITY && self.0[usize::from(number) / 64] & (1 << (number % 64)) != 0
    }

    pub fn intersection(&self, other: &PermissionSet) -> PermissionSet {
        PermissionSet(std::array::from_fn(|word| self.0[word] & other.0[word]))
    }

    pub fn union(&self, other: &PermissionSet) -> PermissionSet {
        PermissionSet(std::array::from_fn(|word| self.0[word] | other.0[word]))
    }

    /// Whether everything in it is in `other` too.
    pub fn is_subset(&self, other: &PermissionSet) -> bool {
        self.intersection(other) == *self
    }

    pub fn is_empty(&self) -> bool {
        self.0 == [0; WORDS]
    }

    /// Little-endian bytes without trailing zeros: the claim `perm` before base64url.
    pub fn to_bytes(self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.0.iter().flat_map(|word| word.to_le_bytes()).collect();
        while bytes.last() == Some(&0) {
            bytes.pop();
        }
        bytes
    }

    /// The inverse of [`PermissionSet::to_bytes`]; more than 64 bytes are no set.
    pub fn from_bytes(bytes: &[u8]) -> Option<PermissionSet> {
        if bytes.len() > WORDS * 8 {
            return None;
        }
        let mut set = PermissionSet::default();
        for (index, byte) in bytes.iter().enumerate() {
            set.0[index / 8] |= u64::from(*byte) << (index % 8 * 8);
        }
        Some(set)
    }
}

impl fmt::Debug for PermissionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries((0..Self::CAPACITY).filter(|number| self.contains(*number))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_decides_over_people_is_restricted() {
        let tier = |scope| Permission { number: 1, scope, description: "" }.tier();
        assert_eq!(tier("identity.member:manage"), Tier::Restricted);
        assert_eq!(tier("tenancy.organisation:write"), Tier::Restricted);
        assert_eq!(tier("identity.member:read"), Tier::Normal);
        assert_eq!(tier("school.student:delete"), Tier::Sensitive);
        assert_eq!(tier("school.student:write"), Tier::Normal);
    }

    #[test]
    fn sets_contain_each_other() {
        let (mut one, mut both) = (PermissionSet::default(), PermissionSet::default());
        one.insert(64);
        both.insert(64);
        both.insert(300);
        assert!(one.is_subset(&both) && !both.is_subset(&one) && PermissionSet::default().is_subset(&one));
        assert_eq!(one.union(&both), both);
    }

    #[test]
    fn survives_the_token() {
        let mut set = PermissionSet::default();
        for number in [0, 7, 64, 511] {
            set.insert(number);
        }
        assert_eq!(PermissionSet::from_bytes(&set.to_bytes()), Some(set));
        assert!(!set.contains(1) && !set.contains(512) && set.contains(511));
        assert_eq!(PermissionSet::from_bytes(&[0; 65]), None);
    }
}
