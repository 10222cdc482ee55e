//! What a token may do: requested, as far as the client, the person's roles and the organisation's products allow.
use crate::domain::client::{Client, GrantType};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hitaji_core::PermissionSet;

/// Scopes of OpenID Connect that we know, and the set `hitaji`: everything that the person's roles give.
pub const STANDARD: &[&str] = &["openid", "profile", "email", "phone", "offline_access", "hitaji"];

/// A longer scope would not fit into a request header beside everything else.
const SCOPE_BYTES_MAX: usize = 2048;

/// One permission that there is.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    pub scope: &'static str,
    pub number: u16,
    /// The product it belongs to; none where everybody has it.
    pub product: Option<&'static str>,
}

/// All permissions of the platform, in alphabetical order.
#[derive(Clone, Debug)]
pub struct Catalogue(Vec<Known>);

/// What somebody asks for, and on what grounds.
pub struct Asked<'a> {
    pub requested: &'a str,
    pub client: &'a Client,
    /// What the person's roles in the organisation allow.
    pub roles: PermissionSet,
    pub products: &'a [String],
}

/// What they get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    pub standard: Vec<&'static str>,
    pub permissions: PermissionSet,
}

/// How it stands in an access token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeClaims {
    pub scope: String,
    pub perm: Option<String>,
}

impl Catalogue {
    pub fn new(mut known: Vec<Known>) -> Catalogue {
        known.sort_unstable_by_key(|known| known.scope);
        Catalogue(known)
    }

    /// The names of all permissions.
    pub fn scopes(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.0.iter().map(|known| known.scope)
    }

    /// Whether an organisation with these products can have the permission at all.
    pub fn is_open_to(&self, scope: &str, products: &[String]) -> bool {
        self.0.iter().any(|known| known.scope == scope && has_product(known, products))
    }

    /// requested ∩ client ∩ roles ∩ products. What is unknown or not allowed is left out silently; `scope` says so.
    pub fn grant(&self, asked: &Asked<'_>) -> Granted {
        let requested: Vec<&str> = asked.requested.split_ascii_whitespace().collect();
        let standard: Vec<_> = STANDARD
            .iter()
            .copied()
            .filter(|scope| requested.contains(scope))
            .filter(|scope| *scope != "offline_access" || asked.client.may_use(GrantType::RefreshToken))
            .collect();
        let everything = standard.contains(&"hitaji");
        let mut permissions = PermissionSet::default();
        for known in &self.0 {
            let wanted = everything || requested.contains(&known.scope);
            if wanted && asked.client.may_have(known.scope) && has_product(known, asked.products) {
                permissions.insert(known.number);
            }
        }
        Granted { standard, permissions: permissions.intersection(&asked.roles) }
    }

    /// The names of a set's permissions.
    pub fn names(&self, set: &PermissionSet) -> Vec<&'static str> {
        self.0.iter().filter(|known| set.contains(known.number)).map(|known| known.scope).collect()
    }

    /// Writes the grant for a token: by name, or by number where the names are too many.
    pub fn claims(&self, granted: &Granted) -> ScopeClaims {
        let standard = granted.standard.join(" ");
        let names = self.names(&granted.permissions).join(" ");
        let scope = format!("{standard} {names}").trim().to_owned();
        if scope.len() <= SCOPE_BYTES_MAX {
            return ScopeClaims { scope, perm: None };
        }
        let scope = if granted.standard.contains(&"hitaji") {
            standard
        } else {
            format!("{standard} hitaji").trim().to_owned()
        };
        ScopeClaims { scope, perm: Some(URL_SAFE_NO_PAD.encode(granted.permissions.to_bytes())) }
    }
}

fn has_product(known: &Known, products: &[String]) -> bool {
    known.product.is_none_or(|product| products.iter().any(|has| has == product))
}

/// The organisation that a scope `org:<slug or id>` names.
pub fn organisation_hint(scope: &str) -> Option<&str> {
    scope.split_ascii_whitespace().find_map(|scope| scope.strip_prefix("org:")).filter(|hint| !hint.is_empty())
}

/// Whether every scope of `subset` stands in `whole`: a refresh may only ask for less.
pub fn is_subset(subset: &str, whole: &str) -> bool {
    let whole: Vec<&str> = whole.split_ascii_whitespace().collect();
    let everything = whole.contains(&"hitaji");
    subset.split_ascii_whitespace().all(|scope| whole.contains(&scope) || (everything && !STANDARD.contains(&scope)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalogue() -> Catalogue {
        Catalogue::new(vec![
            Known { scope: "school.student:read", number: 64, product: Some("school") },
            Known { scope: "identity.member:read", number: 32, product: None },
            Known { scope: "retail.sale:write", number: 200, product: Some("retail") },
        ])
    }

    fn set(numbers: &[u16]) -> PermissionSet {
        let mut set = PermissionSet::default();
        numbers.iter().for_each(|number| set.insert(*number));
        set
    }

    fn grant(requested: &str, client: &Client, roles: &[u16], products: &[&str]) -> Granted {
        let products: Vec<String> = products.iter().map(|product| (*product).to_owned()).collect();
        catalogue().grant(&Asked { requested, client, roles: set(roles), products: &products })
    }

    #[test]
    fn every_side_can_only_take_away() {
        let web = Client::web("https://h.example");
        let all = [32, 64, 200];
        assert_eq!(grant("openid hitaji", &web, &all, &["school"]).permissions, set(&[32, 64]), "no retail");
        assert_eq!(grant("openid hitaji", &web, &[32], &["school", "retail"]).permissions, set(&[32]), "roles");
        assert_eq!(grant("school.student:read x.y:z", &web, &all, &["school"]).permissions, set(&[64]), "requested");
        let limited = Client { scopes: Some(vec!["school.*".into()]), ..web.clone() };
        assert_eq!(grant("hitaji", &limited, &all, &["school", "retail"]).permissions, set(&[64]), "client");
        assert!(grant("openid", &web, &all, &["school"]).permissions.is_empty());
    }

    #[test]
    fn offline_access_is_for_clients_with_refresh_tokens() {
        let web = Client::web("https://h.example");
        assert_eq!(grant("openid offline_access", &web, &[], &[]).standard, ["openid"]);
        let native = Client { grants: vec![GrantType::RefreshToken], ..web };
        assert_eq!(grant("openid offline_access", &native, &[], &[]).standard, ["openid", "offline_access"]);
    }

    #[test]
    fn too_many_names_become_numbers() {
        let names: Vec<&'static str> =
            (0..100).map(|n| &*Box::leak(format!("school.resource_{n:04}:manage").into_boxed_str())).collect();
        let known = names.iter().zip(64..).map(|(scope, number)| Known { scope, number, product: None }).collect();
        let catalogue = Catalogue::new(known);
        let few = Granted { standard: vec!["openid"], permissions: set(&[64]) };
        assert_eq!(
            catalogue.claims(&few),
            ScopeClaims { scope: "openid school.resource_0000:manage".into(), perm: None }
        );
        let many = Granted { standard: vec!["openid"], permissions: set(&(64..164).collect::<Vec<_>>()) };
        let claims = catalogue.claims(&many);
        assert_eq!(claims.scope, "openid hitaji");
        let bytes = URL_SAFE_NO_PAD.decode(claims.perm.unwrap()).unwrap();
        assert_eq!(PermissionSet::from_bytes(&bytes), Some(many.permissions));
    }

    #[test]
    fn a_refresh_only_narrows() {
        assert!(is_subset("openid", "openid email"));
        assert!(!is_subset("openid profile", "openid email"));
        assert!(is_subset("school.student:read", "openid hitaji"));
        assert!(!is_subset("offline_access", "openid hitaji"));
    }

    #[test]
    fn a_scope_may_name_the_organisation() {
        assert_eq!(organisation_hint("openid org:uhuru-academy"), Some("uhuru-academy"));
        assert_eq!(organisation_hint("openid org:"), None);
    }
}
