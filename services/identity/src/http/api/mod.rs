//! The JSON commands and questions of identity.
pub mod adoptions;
pub mod api_keys;
pub mod applications;
pub mod branding;
pub mod client_form;
pub mod clients;
pub mod domains;
pub mod identities;
pub mod invitation_import;
pub mod invitations;
pub mod me;
pub mod member_changes;
pub mod members;
pub mod nodes;
pub mod operator_tokens;
pub mod operators;
pub mod permissions;
pub mod policy;
pub mod providers;
pub mod roles;
pub mod scim_tokens;
pub mod sign_in_events;
pub mod sign_outs;
pub mod sign_ups;
pub mod signing_keys;
pub mod support_tokens;

use hitaji_contracts::identity::{
    Adopt, EndOperator, MakeOperator, OperatorMade, OperatorToken, OperatorTokenRequest, Operators, RotateSigningKeys,
    SignUp, SignedUp, SigningKeysRotated, SupportToken, SupportTokenRequest,
};
use hitaji_web::{Access, Idempotency, Route, Schema};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use std::time::Duration;

const ROLE_READ: Access = Access::Scope("identity.role:read");
const ROLE_MANAGE: Access = Access::Scope("identity.role:manage");
const ORGANISATION_MANAGE: Access = Access::Scope("identity.organisation:manage");
const MEMBER_READ: Access = Access::Scope("identity.member:read");
const MEMBER_MANAGE: Access = Access::Scope("identity.member:manage");
const PROVIDERS: Access = Access::Scope("identity.provider:manage");

pub fn routes() -> Vec<Route> {
    let mut routes = member_routes();
    routes.extend(invitation_routes());
    routes.extend(role_routes());
    routes.extend(place_routes());
    routes.extend(organisation_routes());
    routes.extend(operator_routes());
    routes.extend(sign_in_events::routes());
    routes.extend(sign_outs::routes());
    routes.extend(clients::routes());
    routes.extend(api_keys::routes());
    routes.extend(federation_routes());
    routes
}

fn federation_routes() -> Vec<Route> {
    let member = Access::Member("everybody decides how they themselves sign in");
    vec![
        paged::<providers::ProviderOut>(
            Route::get("/providers", PROVIDERS, providers::list).summary("Providers that people sign in with"),
        ),
        Route::get("/providers/{id}", PROVIDERS, providers::read)
            .summary("One provider")
            .answers::<providers::ProviderOut>(200),
        Route::post("/providers", PROVIDERS, providers::create)
            .summary("Let people sign in with another OpenID provider")
            .body::<providers::NewProvider>()
            .answers::<providers::ProviderOut>(201),
        Route::patch("/providers/{id}", PROVIDERS, providers::change)
            .summary("Change a provider, or give its client a new secret")
            .body::<providers::ProviderPatch>()
            .if_match()
            .answers::<providers::ProviderOut>(200),
        Route::delete("/providers/{id}", PROVIDERS, providers::remove)
            .summary("Nobody signs in with this provider any more")
            .if_match()
            .answers_schema(204, None),
        Route::post("/providers/{id}/test", PROVIDERS, providers::test)
            .summary("Ask a provider for its discovery document and keys")
            .idempotency(Idempotency::None)
            .answers::<providers::TestOut>(200),
        paged::<domains::DomainOut>(
            Route::get("/domains", PROVIDERS, domains::list).summary("Domains of the organisation, proven or not"),
        ),
        Route::get("/domains/{id}", PROVIDERS, domains::read).summary("One domain").answers::<domains::DomainOut>(200),
        Route::post("/domains", PROVIDERS, domains::create)
            .summary("Say that a domain is the organisation's own; a DNS record proves it")
            .body::<domains::NewDomain>()
            .answers::<domains::DomainOut>(201),
        Route::post("/domains/{id}/verify", PROVIDERS, domains::verify)
            .summary("Look whether the DNS proves the domain")
            .idempotency(Idempotency::None)
            .answers::<domains::DomainOut>(200),
        Route::patch("/domains/{id}", PROVIDERS, domains::change)
            .summary("Say how people of a proven domain sign in, and what they become")
            .body::<domains::DomainPatch>()
            .if_match()
            .answers::<domains::DomainOut>(200),
        Route::delete("/domains/{id}", PROVIDERS, domains::remove)
            .summary("Give a domain up")
            .if_match()
            .answers_schema(204, None),
        paged::<scim_tokens::ScimTokenOut>(
            Route::get("/scim-tokens", PROVIDERS, scim_tokens::list).summary("Tokens of directories (SCIM)"),
        ),
        // The secret is in the answer, so no answer is kept for a repeated request.
        Route::post("/scim-tokens", PROVIDERS, scim_tokens::create)
            .summary("Connect a directory (SCIM); the token is shown once")
            .idempotency(Idempotency::None)
            .body::<scim_tokens::NewScimToken>()
            .answers::<scim_tokens::ScimTokenMade>(201),
        Route::delete("/scim-tokens/{id}", PROVIDERS, scim_tokens::revoke)
            .summary("Disconnect a directory")
            .answers_schema(204, None),
        paged::<identities::IdentityOut>(
            Route::get("/me/identities", member, identities::list).summary("Who I am at other providers"),
        ),
        Route::delete("/me/identities/{id}", member, identities::remove)
            .summary("Sign in with this provider no more")
            .answers_schema(204, None),
    ]
}

fn member_routes() -> Vec<Route> {
    let member = Access::Member("everybody may know who they are and which roles there are");
    vec![
        Route::post("/sign-ups", Access::Public("a sign-up comes before any account"), sign_ups::create)
            .summary("Sign up a person with an organisation; safe to repeat with the same organisation_id")
            // The answer to a repeated request comes from the organisation's id; a stored request hash would be a
            // fast hash of a password.
            .idempotency(Idempotency::None)
            .body::<SignUp>()
            .answers::<SignedUp>(201),
        Route::get("/me", member, me::show).summary("Who I am, where, and what I may do").answers::<me::Me>(200),
        paged::<applications::ApplicationOut>(
            Route::get("/me/applications", member, applications::list).summary("Applications that I allowed something"),
        ),
        Route::delete("/me/applications/{id}", member, applications::revoke)
            .summary("Take back what I allowed an application, and end what it holds")
            .if_match()
            .answers_schema(204, None),
        paged::<roles::RoleOut>(Route::get("/roles", member, roles::list).summary("Roles that members can have")),
        Route::get("/me/permissions", member, permissions::mine)
            .summary("What I may do now, in the whole organisation and in its places")
            .answers::<permissions::MyPermissions>(200)
            .answers_schema(304, None),
        paged::<members::MemberOut>(
            Route::get("/members", MEMBER_READ, members::list).summary("People of the organisation"),
        ),
        Route::get("/members/{id}", MEMBER_READ, members::read)
            .summary("One of the organisation's people")
            .answers::<members::MemberOut>(200),
        Route::patch("/members/{id}", MEMBER_MANAGE, member_changes::update)
            .summary("Change what somebody is, in the whole organisation and in its places")
            .body::<member_changes::MemberPatch>()
            .if_match()
            .answers::<members::MemberOut>(200),
        Route::delete("/members/{id}", MEMBER_MANAGE, member_changes::end)
            .summary("End a membership; its tokens are honoured no more")
            .if_match()
            .answers_schema(204, None),
    ]
}

fn invitation_routes() -> Vec<Route> {
    vec![
        paged::<invitations::InvitationOut>(
            Route::get("/invitations", MEMBER_READ, invitations::list).summary("Invitations, newest first"),
        ),
        Route::get("/invitations/{id}", MEMBER_READ, invitations::read)
            .summary("One invitation")
            .answers::<invitations::InvitationOut>(200),
        Route::post("/invitations", MEMBER_MANAGE, invitations::create)
            .summary("Invite a person by e-mail")
            .recent_sign_in()
            .body::<invitations::NewInvitation>()
            .answers::<invitations::InvitationOut>(201),
        Route::post("/invitations/import", MEMBER_MANAGE, invitation_import::import)
            .summary("Invite the people of a sheet, all or none: columns email, name, roles, language")
            .parameter("dry_run", "`true` only says what is wrong")
            .body_schema("text/csv", Schema::Value(serde_json::json!({"type": "string"})))
            .answers::<invitation_import::Imported>(200)
            .deadline(Duration::from_secs(60)),
        Route::post("/invitations/{id}/resend", MEMBER_MANAGE, invitations::resend)
            .summary("Send an invitation again, with a new link")
            .recent_sign_in()
            .if_match()
            .answers::<invitations::InvitationOut>(200),
        Route::delete("/invitations/{id}", MEMBER_MANAGE, invitations::revoke)
            .summary("Withdraw an invitation")
            .if_match()
            .answers_schema(204, None),
    ]
}

fn role_routes() -> Vec<Route> {
    vec![
        paged::<permissions::PermissionOut>(
            Route::get("/permissions", ROLE_READ, permissions::list).summary("Everything that a role can allow here"),
        ),
        Route::post("/roles", ROLE_MANAGE, roles::create)
            .summary("Make a role of the organisation's own")
            .body::<roles::NewRole>()
            .answers::<roles::RoleOut>(201),
        Route::get("/roles/{id}", ROLE_READ, roles::read)
            .summary("A role of the organisation's own")
            .answers::<roles::RoleOut>(200),
        Route::patch("/roles/{id}", ROLE_MANAGE, roles::update)
            .summary("Change a role of the organisation's own")
            .body::<roles::RolePatch>()
            .if_match()
            .answers::<roles::RoleOut>(200),
        Route::delete("/roles/{id}", ROLE_MANAGE, roles::remove)
            .summary("Remove a role that nobody has")
            .if_match()
            .answers_schema(204, None),
    ]
}

fn place_routes() -> Vec<Route> {
    vec![
        paged::<nodes::NodeOut>(
            Route::get("/nodes", MEMBER_READ, nodes::list).summary("Branches, campuses and departments"),
        ),
        Route::get("/nodes/{id}", MEMBER_READ, nodes::read).summary("One place").answers::<nodes::NodeOut>(200),
        Route::post("/nodes", ORGANISATION_MANAGE, nodes::create)
            .summary("Add a place")
            .body::<nodes::NewNode>()
            .answers::<nodes::NodeOut>(201),
        Route::patch("/nodes/{id}", ORGANISATION_MANAGE, nodes::update)
            .summary("Rename or move a place")
            .body::<nodes::NodePatch>()
            .if_match()
            .answers::<nodes::NodeOut>(200),
        Route::delete("/nodes/{id}", ORGANISATION_MANAGE, nodes::remove)
            .summary("Remove a place, with what people were there")
            .if_match()
            .answers_schema(204, None),
    ]
}

fn organisation_routes() -> Vec<Route> {
    vec![
        Route::get("/policy", ORGANISATION_MANAGE, policy::show)
            .summary("The organisation's rules of signing in")
            .answers::<policy::PolicyOut>(200),
        Route::patch("/policy", ORGANISATION_MANAGE, policy::update)
            .summary("Change the rules of signing in")
            .parameter("force", "`true` takes networks that the caller is not in")
            .body::<policy::PolicyPatch>()
            .if_match()
            .answers::<policy::PolicyOut>(200),
        Route::get("/branding", ORGANISATION_MANAGE, branding::show)
            .summary("How the sign-in pages look for the organisation's people")
            .answers::<branding::BrandingOut>(200),
        Route::patch("/branding", ORGANISATION_MANAGE, branding::update)
            .summary("Change how the sign-in pages look")
            .body::<branding::BrandingPatch>()
            .if_match()
            .answers::<branding::BrandingOut>(200),
    ]
}

/// A field of a merge patch (RFC 7396) that may be null: absent is none, null is some none.
pub fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(field: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(field).map(Some)
}

/// Tokens are never stored, so no answer with one is kept for a repeated request.
fn operator_routes() -> Vec<Route> {
    let command_line = Access::Peer("hitaji operator");
    vec![
        Route::post("/adoptions", Access::Peer("hitaji tenant"), adoptions::create)
            .summary("Give an organisation that was taken in its owner")
            .idempotency(Idempotency::None)
            .body::<Adopt>()
            .answers::<SignedUp>(200)
            .deadline(Duration::from_secs(60)),
        Route::post("/operator-tokens", Access::Peer("hitaji token"), operator_tokens::create)
            .summary("A short-lived access token for the operator")
            .idempotency(Idempotency::None)
            .body::<OperatorTokenRequest>()
            .answers::<OperatorToken>(200),
        Route::post("/support-tokens", Access::Operator("tenancy.support:use"), support_tokens::create)
            .summary("A token for an organisation that let the operator in, for at most five minutes")
            .idempotency(Idempotency::None)
            .body::<SupportTokenRequest>()
            .answers::<SupportToken>(200),
        Route::get("/operators", command_line, operators::list).summary("Operators").answers::<Operators>(200),
        Route::post("/operators", command_line, operators::create)
            .summary("Make somebody an operator")
            .idempotency(Idempotency::None)
            .body::<MakeOperator>()
            .answers::<OperatorMade>(200),
        Route::post("/operators/end", command_line, operators::end)
            .summary("Somebody is an operator no more")
            .idempotency(Idempotency::None)
            .body::<EndOperator>()
            .answers::<OperatorMade>(200),
        Route::post("/signing-keys/rotations", Access::Peer("hitaji keys"), signing_keys::create)
            .summary("Publish the next signing keys, or use them")
            .idempotency(Idempotency::None)
            .body::<RotateSigningKeys>()
            .answers::<SigningKeysRotated>(200)
            .deadline(Duration::from_secs(60)),
    ]
}

/// A list by the conventions of all lists.
fn paged<T: JsonSchema>(route: Route) -> Route {
    route.answers_schema(200, Some(Schema::page_of::<T>())).list()
}
