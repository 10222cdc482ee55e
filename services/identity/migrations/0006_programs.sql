-- Programs: assertions that are good once, secrets that overlap while they are rotated, API keys.

-- Identifiers of client assertions (RFC 7523 section 3) that were shown, until they expire.
create table identity.used_jti (
    -- SHA-256 of client and identifier.
    hash       bytea primary key,
    expires_at timestamptz not null
);
create index used_jti_expires on identity.used_jti (expires_at);
grant select, insert, delete on identity.used_jti to hitaji_app;

-- Until when the second of `secret_hashes` is good.
alter table identity.client add column old_secret_until timestamptz;

-- A program of an organisation that sends the same secret with every request.
create table identity.api_key (
    id              uuid primary key,
    organisation_id uuid not null references identity.organisation,
    name            text not null constraint api_key_name_check check (length(name) between 1 and 120),
    -- SHA-256 of a secret with full entropy.
    hash            bytea not null constraint api_key_hash_key unique,
    -- How it begins, so that people tell their keys apart.
    shown           text not null check (length(shown) <= 20),
    -- The secret before it, while both are good.
    old_hash        bytea constraint api_key_old_hash_key unique,
    old_until       timestamptz,
    scopes          text[] not null check (cardinality(scopes) between 1 and 200),
    created_by      uuid not null references identity.account,
    created_at      timestamptz not null,
    expires_at      timestamptz not null,
    last_used_on    date,
    revoked_at      timestamptz,
    version         bigint not null default 1,
    constraint api_key_expires_at_check check (expires_at > created_at and expires_at <= created_at + interval '366 days')
);
create index api_key_organisation on identity.api_key (organisation_id, id);
grant select, insert, update on identity.api_key to hitaji_app;
-- Of an organisation that is erased nothing is kept.
grant delete on identity.client, identity.api_key to hitaji_app;
