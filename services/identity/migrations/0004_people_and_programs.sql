-- People who have no e-mail address or no password, how strongly a session was proven, and programs as clients.

alter table identity.account drop constraint account_locale_check; -- contract: it only allows more
alter table identity.account add constraint account_locale_check check (locale in ('en', 'sw', 'fr'));
alter table identity.invitation drop constraint invitation_locale_check; -- contract: it only allows more
alter table identity.invitation add constraint invitation_locale_check check (locale in ('en', 'sw', 'fr'));

alter table identity.account
    alter column email drop not null, -- contract: it only allows more; what runs writes one always
    alter column password_hash drop not null, -- contract: it only allows more; what runs writes one always
    alter column password_changed_at drop not null, -- contract: it only allows more; what runs writes one always
    -- E.164.
    add column phone text constraint account_phone_check check (phone ~ '^\+[1-9][0-9]{6,14}$'),
    add column phone_verified_at timestamptz,
    add constraint account_reachable_check check (email is not null or phone is not null);
create unique index account_phone_key on identity.account (phone);

-- How its person proved who they are: values of RFC 8176.
alter table identity.session add column amr text[] not null default '{pwd}';
alter table identity.token_grant add column amr text[] not null default '{pwd}';

-- Applications and programs that were registered while the platform runs; others stand in the configuration.
create table identity.client (
    id                        text primary key constraint client_id_check check (id ~ '^[!-~]{1,100}$'),
    -- Whose it is: an organisation's own, or the platform's.
    organisation_id           uuid references identity.organisation,
    name                      text not null constraint client_name_check check (length(name) between 1 and 120),
    auth                      text not null check (auth in ('none', 'client_secret', 'private_key_jwt')),
    -- SHA-256 of secrets with full entropy; two while one takes the other's place.
    secret_hashes             bytea[] not null default '{}' check (cardinality(secret_hashes) <= 2),
    -- A JWK set of public keys.
    jwks                      json,
    grants                    text[] not null,
    redirect_uris             text[] not null default '{}' check (cardinality(redirect_uris) <= 20),
    post_logout_redirect_uris text[] not null default '{}' check (cardinality(post_logout_redirect_uris) <= 20),
    backchannel_logout_uri    text,
    -- Permissions it may ever get; null means all.
    scopes                    text[],
    -- Tokens are bound to a key of its own (RFC 9449).
    dpop                      boolean not null default false,
    -- People are asked before it gets anything.
    consent                   boolean not null default true,
    created_by                uuid references identity.account,
    created_at                timestamptz not null,
    expires_at                timestamptz,
    disabled_at               timestamptz,
    version                   bigint not null default 1
);
create index client_organisation on identity.client (organisation_id, id);
grant select, insert, update on identity.client to hitaji_app;
