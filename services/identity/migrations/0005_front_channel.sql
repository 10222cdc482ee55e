-- What clients push ahead, what people allowed, devices that wait for somebody, and clients that register themselves.

-- An authorization request that a client handed in by itself (RFC 9126). Used up when it is answered.
create table identity.pushed_request (
    -- SHA-256 of the reference.
    hash       bytea primary key,
    client_id  text not null,
    -- Form-encoded. What the person settles on the way, such as the organisation, is written here and not into their address bar.
    parameters text not null check (length(parameters) <= 65536),
    created_at timestamptz not null,
    expires_at timestamptz not null,
    -- A person came with it: from here on they have time to sign in.
    opened_at  timestamptz,
    used_at    timestamptz
);
create index pushed_request_expires on identity.pushed_request (expires_at);

-- What a person allowed an application in one organisation. Withdrawn ones stay, as a record.
create table identity.consent (
    id              uuid primary key,
    account_id      uuid not null references identity.account,
    client_id       text not null,
    organisation_id uuid not null references identity.organisation,
    -- Scopes by name, as the person saw them.
    scopes          text[] not null,
    granted_at      timestamptz not null,
    revoked_at      timestamptz,
    version         bigint not null default 1
);
create unique index consent_current_key on identity.consent (account_id, client_id, organisation_id) where revoked_at is null;
create index consent_list on identity.consent (account_id, id) where revoked_at is null;
create index consent_organisation on identity.consent (organisation_id);

-- A device without a browser that waits until somebody lets it in (RFC 8628).
create table identity.device_request (
    -- SHA-256 of the device code.
    hash           bytea primary key,
    -- HMAC of the code that people type: it is too short for a bare hash.
    user_code_hash bytea not null constraint device_request_user_code_key unique,
    client_id      text not null,
    scope          text not null,
    state          text not null default 'pending' check (state in ('pending', 'approved', 'denied', 'used')),
    grant_id       uuid references identity.token_grant on delete cascade,
    interval_s     integer not null,
    polled_at      timestamptz,
    created_at     timestamptz not null,
    expires_at     timestamptz not null
);
create index device_request_expires on identity.device_request (expires_at);
create index device_request_grant on identity.device_request (grant_id);

alter table identity.client
    -- Its requests must come by PAR.
    add column require_par boolean not null default false,
    -- SHA-256 of the token by which a client that registered itself reads and removes its registration (RFC 7592).
    add column registration_token_hash bytea,
    -- What it said of itself, as it is answered.
    add column registration json;

-- Requests go when they expire, consents when their organisation is erased.
grant select, insert, update, delete on identity.pushed_request, identity.device_request, identity.consent to hitaji_app;
