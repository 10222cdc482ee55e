-- Keys that tokens are bound to, the times of signing keys, and clients that are still to be told of a sign-out.

-- Proofs that the token endpoint has seen (RFC 9449 section 11.1), for as long as they could be sent again.
create table identity.dpop_proof (
    -- SHA-256 of the key with the proof's jti.
    id         bytea primary key,
    expires_at timestamptz not null
);
create index dpop_proof_expires on identity.dpop_proof (expires_at);
grant select, insert, delete on identity.dpop_proof to hitaji_app;

-- The key that the code must be exchanged with, and the key that a public client's refresh tokens are bound to:
-- thumbprints of RFC 7638.
alter table identity.authorization_code add column dpop_jkt text;
alter table identity.token_grant add column dpop_jkt text;

alter table identity.signing_key add column activated_at timestamptz, add column retired_at timestamptz;
update identity.signing_key set activated_at = created_at where state = 'active';
create unique index signing_key_next_key on identity.signing_key (algorithm) where state = 'next';
grant delete on identity.signing_key to hitaji_app;

-- One client that is to be told that one session ended (OpenID Connect Back-Channel Logout 1.0). Gone when it was told, or
-- when it did not listen often enough.
create table identity.logout_notice (
    client_id  text not null,
    session_id uuid not null,
    account_id uuid not null,
    attempts   integer not null default 0,
    due_at     timestamptz not null,
    primary key (client_id, session_id)
);
create index logout_notice_due on identity.logout_notice (due_at);
grant select, insert, update, delete on identity.logout_notice to hitaji_app;
