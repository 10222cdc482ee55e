-- Identity: accounts, memberships, sessions, the grants and tokens of the OpenID provider, invitations. Control database.
create schema identity;

-- A person, the same in every organisation.
create table identity.account (
    id                  uuid primary key,
    email               text not null constraint account_email_check check (length(email) between 3 and 254),
    email_verified_at   timestamptz,
    name                text not null constraint account_name_check check (length(name) between 1 and 120),
    locale              text not null check (locale in ('en', 'sw')),
    -- An argon2id PHC string.
    password_hash       text not null,
    password_changed_at timestamptz not null,
    disabled_at         timestamptz,
    version             bigint not null default 1,
    created_at          timestamptz not null
);
create unique index account_email_key on identity.account (lower(email));

-- What identity must know of an organisation. `wish` is the sign-up that tenancy has not confirmed yet, so that it
-- can be finished after a crash; `ready_at` says that it is confirmed.
create table identity.organisation (
    id         uuid primary key,
    name       text not null,
    wish       json not null,
    ready_at   timestamptz,
    created_at timestamptz not null
);

create table identity.membership (
    id              uuid primary key,
    organisation_id uuid not null references identity.organisation,
    account_id      uuid not null references identity.account,
    roles           text[] not null constraint membership_roles_check check (cardinality(roles) between 1 and 16),
    joined_at       timestamptz not null,
    ended_at        timestamptz,
    version         bigint not null default 1
);
create unique index membership_current_key on identity.membership (organisation_id, account_id) where ended_at is null;
create index membership_account on identity.membership (account_id) where ended_at is null;

-- A browser that somebody signed in with; the id is the `sid` of its tokens.
create table identity.session (
    id              uuid primary key,
    token_hash      bytea not null constraint session_token_key unique,
    account_id      uuid not null references identity.account,
    -- The organisation chosen last in this browser.
    organisation_id uuid references identity.organisation,
    user_agent      text not null check (length(user_agent) <= 300),
    auth_time       timestamptz not null,
    used_at         timestamptz not null,
    expires_at      timestamptz not null,
    ended_at        timestamptz
);
create index session_account on identity.session (account_id) where ended_at is null;
create index session_expires on identity.session (expires_at);

-- One consent of one person to one client in one organisation: what a family of refresh tokens descends from.
create table identity.token_grant (
    id              uuid primary key,
    client_id       text not null,
    account_id      uuid not null references identity.account,
    organisation_id uuid not null references identity.organisation,
    session_id      uuid not null,
    -- Ends with the session unless offline access was asked for.
    offline         boolean not null,
    scope           text not null,
    auth_time       timestamptz not null,
    created_at      timestamptz not null,
    expires_at      timestamptz not null,
    revoked_at      timestamptz,
    revoked_for     text
);
create index token_grant_account on identity.token_grant (account_id) where revoked_at is null;
create index token_grant_session on identity.token_grant (session_id) where revoked_at is null;
create index token_grant_expires on identity.token_grant (expires_at);

-- Single use, for a minute. Kept a day longer, so that a second use is recognised.
create table identity.authorization_code (
    hash           bytea primary key,
    grant_id       uuid not null references identity.token_grant on delete cascade,
    redirect_uri   text not null,
    nonce          text,
    code_challenge text not null,
    expires_at     timestamptz not null,
    used_at        timestamptz
);
create index authorization_code_grant on identity.authorization_code (grant_id);

create table identity.refresh_token (
    hash           bytea primary key,
    grant_id       uuid not null references identity.token_grant on delete cascade,
    successor_hash bytea,
    issued_at      timestamptz not null,
    expires_at     timestamptz not null,
    consumed_at    timestamptz,
    revoked_at     timestamptz
);
create index refresh_token_grant on identity.refresh_token (grant_id);

create table identity.invitation (
    id              uuid primary key,
    organisation_id uuid not null references identity.organisation,
    email           text not null check (length(email) between 3 and 254),
    name            text not null check (length(name) between 1 and 120),
    roles           text[] not null check (cardinality(roles) between 1 and 16),
    locale          text not null check (locale in ('en', 'sw')),
    state           text not null check (state in ('pending', 'accepted', 'expired', 'revoked')),
    -- Part of the link: sending again makes the earlier link worthless.
    counter         integer not null default 1,
    invited_by      uuid not null references identity.account,
    accepted_by     uuid references identity.account,
    expires_at      timestamptz not null,
    created_at      timestamptz not null,
    updated_at      timestamptz not null,
    version         bigint not null default 1
);
create unique index invitation_pending_key on identity.invitation (organisation_id, lower(email)) where state = 'pending';
create index invitation_list on identity.invitation (organisation_id, id);

create table identity.password_reset (
    id         uuid primary key,
    account_id uuid not null references identity.account,
    locale     text not null,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    used_at    timestamptz
);
create index password_reset_account on identity.password_reset (account_id);

-- Keys that sign tokens. The private part is sealed under the master key.
create table identity.signing_key (
    id         text primary key,
    algorithm  text not null check (algorithm in ('ES256', 'RS256')),
    state      text not null check (state in ('next', 'active', 'retired')),
    sealed     bytea not null,
    created_at timestamptz not null
);
create unique index signing_key_active_key on identity.signing_key (algorithm) where state = 'active';

grant usage on schema identity to hitaji_app;
grant select on all tables in schema identity to hitaji_app;
grant insert, update on identity.account, identity.organisation, identity.membership, identity.session, identity.token_grant,
    identity.authorization_code, identity.refresh_token, identity.invitation, identity.password_reset, identity.signing_key to hitaji_app;
-- Only what expires is ever removed; people, memberships and invitations stay.
grant delete on identity.session, identity.token_grant, identity.authorization_code, identity.refresh_token, identity.password_reset to hitaji_app;
