-- Federation: other OpenID providers that people sign in with, domains that organisations proved to own, and SCIM.

-- An organisation's own providers. Those for everybody stand in the configuration.
create table identity.provider (
    id              uuid primary key,
    organisation_id uuid not null references identity.organisation,
    kind            text not null check (kind in ('google', 'microsoft', 'oidc')),
    label           text not null constraint provider_label_check check (length(label) between 1 and 60),
    -- As the provider itself writes it (OpenID Connect Discovery section 3).
    issuer          text not null constraint provider_issuer_check check (length(issuer) between 8 and 500),
    client_id       text not null constraint provider_client_id_check check (length(client_id) between 1 and 255),
    -- Sealed under the master key; none for a client that proves itself by PKCE alone.
    client_secret   bytea,
    scopes          text[] not null check (cardinality(scopes) between 1 and 20),
    -- Whether we believe it when it says that somebody proved two factors.
    trust_mfa       boolean not null default false,
    enabled         boolean not null default true,
    version         bigint not null default 1,
    created_at      timestamptz not null
);
create unique index provider_label_key on identity.provider (organisation_id, lower(label));
create index provider_list on identity.provider (organisation_id, id);

-- One person on the way to another provider and back: for ten minutes, once, in one browser.
create table identity.federation_attempt (
    id           uuid primary key,
    -- SHA-256 of the state and the browser's form cookie: from another browser it is not found.
    state_hash   bytea not null constraint federation_attempt_state_key unique,
    -- A row of identity.provider, or a configured one.
    provider     text not null check (length(provider) <= 60),
    nonce        text not null,
    -- The PKCE verifier, sealed.
    verifier     bytea not null,
    target       text not null check (length(target) <= 8192),
    created_at   timestamptz not null,
    expires_at   timestamptz not null,
    used_at      timestamptz,
    -- What the provider said, while its person proves that the account is theirs.
    connect_hash bytea constraint federation_attempt_connect_key unique,
    claims       json
);
create index federation_attempt_expires on identity.federation_attempt (expires_at);

-- Who somebody is at another provider.
create table identity.external_identity (
    id           uuid primary key,
    issuer       text not null,
    subject      text not null check (length(subject) between 1 and 255),
    account_id   uuid not null references identity.account,
    -- What the provider said of them last.
    email        text,
    label        text not null,
    linked_at    timestamptz not null,
    last_used_at timestamptz not null
);
create unique index external_identity_key on identity.external_identity (issuer, subject);
-- Another subject of the same provider is another person.
create unique index external_identity_account_key on identity.external_identity (account_id, issuer);

-- Sessions that another provider vouches for. An organisation's own provider vouches for that organisation only.
create table identity.session_provider (
    session_id      uuid primary key references identity.session on delete cascade,
    provider        text not null,
    organisation_id uuid references identity.organisation
);

create table identity.domain (
    id              uuid primary key,
    organisation_id uuid not null references identity.organisation,
    -- Lower case, ASCII.
    domain          text not null constraint domain_name_check check (domain ~ '^[a-z0-9-]+(\.[a-z0-9-]+)+$' and length(domain) <= 253),
    -- What stands in the DNS; it is no secret.
    token           text not null,
    verified_at     timestamptz,
    checked_at      timestamptz,
    -- With which provider people of this domain must sign in.
    required_provider text,
    -- What people of this domain become who come by themselves; null lets nobody in.
    auto_join_role  text,
    version         bigint not null default 1,
    created_at      timestamptz not null
);
create unique index domain_organisation_key on identity.domain (organisation_id, domain);
-- A domain belongs to one organisation.
create unique index domain_verified_key on identity.domain (domain) where verified_at is not null;

create table identity.scim_token (
    id              uuid primary key,
    organisation_id uuid not null references identity.organisation,
    label           text not null constraint scim_token_label_check check (length(label) between 1 and 60),
    -- SHA-256 of 32 random bytes.
    hash            bytea not null constraint scim_token_hash_key unique,
    -- Roles that whoever made it could give; the token gives no others.
    roles           text[] not null check (cardinality(roles) between 1 and 200),
    default_role    text not null,
    created_by      uuid not null references identity.account,
    created_at      timestamptz not null,
    expires_at      timestamptz not null,
    last_used_at    timestamptz,
    revoked_at      timestamptz
);
create index scim_token_list on identity.scim_token (organisation_id, id);

-- A person as a directory knows them: a member, somebody who was one, or somebody invited.
create table identity.scim_user (
    id              uuid primary key,
    organisation_id uuid not null references identity.organisation,
    account_id      uuid references identity.account,
    invitation_id   uuid references identity.invitation on delete set null,
    user_name       text not null constraint scim_user_name_check check (length(user_name) between 3 and 254),
    external_id     text check (length(external_id) <= 255),
    name            text not null check (length(name) between 1 and 120),
    -- What they get again when they are made active again.
    roles           text[] not null check (cardinality(roles) <= 16),
    version         bigint not null default 1,
    created_at      timestamptz not null,
    updated_at      timestamptz not null
);
create unique index scim_user_name_key on identity.scim_user (organisation_id, lower(user_name));
create unique index scim_user_account_key on identity.scim_user (organisation_id, account_id);
create index scim_user_external on identity.scim_user (organisation_id, external_id);

grant select, insert, update on identity.provider, identity.federation_attempt, identity.external_identity,
    identity.session_provider, identity.domain, identity.scim_token, identity.scim_user to hitaji_app;
grant delete on identity.provider, identity.federation_attempt, identity.external_identity, identity.session_provider,
    identity.domain, identity.scim_token, identity.scim_user to hitaji_app;
