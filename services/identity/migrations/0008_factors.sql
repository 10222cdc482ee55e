-- Second factors, passkeys, sign-ins that wait for their second factor, and proofs of e-mail addresses.

-- Null until the first sign-in: nobody is told of that one.
alter table identity.account add column signed_in_at timestamptz;

-- A secret shared with an authenticator app (RFC 6238), sealed under the master key. No factor until it is confirmed.
create table identity.totp (
    account_id   uuid primary key references identity.account,
    sealed       bytea not null,
    -- The highest step that was accepted: a code is good once (RFC 6238 section 5.2).
    last_step    bigint not null default 0,
    created_at   timestamptz not null,
    confirmed_at timestamptz
);

-- SHA-256 over the account and 80 random bits.
create table identity.recovery_code (
    hash       bytea primary key,
    account_id uuid not null references identity.account,
    created_at timestamptz not null,
    used_at    timestamptz
);
create index recovery_code_account on identity.recovery_code (account_id);

create table identity.passkey (
    id            uuid primary key,
    account_id    uuid not null references identity.account,
    credential_id bytea not null constraint passkey_credential_key unique,
    name          text not null constraint passkey_name_check check (length(name) between 1 and 60),
    -- Public key, counter and flags, as webauthn-rs writes them.
    credential    json not null,
    created_at    timestamptz not null,
    used_at       timestamptz,
    -- Its counter went backwards: there may be a copy of it. It opens nothing any more.
    suspect_at    timestamptz
);
create index passkey_account on identity.passkey (account_id);

-- What we remember between the question and the answer of WebAuthn. The browser holds the token alone.
create table identity.ceremony (
    token_hash bytea primary key,
    kind       text not null check (kind in ('register', 'prove', 'sign_in')),
    account_id uuid references identity.account,
    state      json not null,
    expires_at timestamptz not null
);
create index ceremony_expires on identity.ceremony (expires_at);

-- Somebody proved a first factor of an account that has a second one.
create table identity.pending_sign_in (
    token_hash      bytea primary key,
    account_id      uuid not null references identity.account,
    amr             text[] not null,
    target          text not null check (length(target) <= 8192),
    organisation_id uuid references identity.organisation,
    -- Which other provider vouches for the person, and for which organisation alone.
    provider        text,
    provider_organisation_id uuid,
    attempts        integer not null default 0,
    created_at      timestamptz not null,
    expires_at      timestamptz not null
);
create index pending_sign_in_expires on identity.pending_sign_in (expires_at);

-- A link that proves an address: the one that the account has, or the one it shall get.
create table identity.email_proof (
    id         uuid primary key,
    account_id uuid not null references identity.account,
    email      text not null check (length(email) between 3 and 254),
    locale     text not null,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    used_at    timestamptz
);
create index email_proof_account on identity.email_proof (account_id);

grant select, insert, update, delete on identity.totp, identity.recovery_code, identity.passkey, identity.ceremony,
    identity.pending_sign_in, identity.email_proof to hitaji_app;
