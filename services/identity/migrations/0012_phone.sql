-- Codes for one use, sent to a phone as a text message. The code itself is an HMAC of the id: nothing secret is stored.
create table identity.one_time_code (
    id         uuid primary key,
    -- E.164.
    phone      text not null,
    -- Whom it signs in, or whose number it proves. None where nobody has this number: then nothing was sent.
    account_id uuid references identity.account,
    purpose    text not null check (purpose in ('sign_in', 'verify')),
    locale     text not null,
    attempts   integer not null default 0,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    used_at    timestamptz
);
create index one_time_code_expires on identity.one_time_code (expires_at);
create index one_time_code_phone on identity.one_time_code (phone) where used_at is null;
grant select, insert, update, delete on identity.one_time_code to hitaji_app;

-- Somebody who has no e-mail address is invited by phone.
alter table identity.invitation
    alter column email drop not null, -- contract: it only allows more; what runs writes one always
    add column phone text constraint invitation_phone_check check (phone ~ '^\+[1-9][0-9]{6,14}$'),
    add constraint invitation_address_check check ((email is null) <> (phone is null));
create unique index invitation_pending_phone_key on identity.invitation (organisation_id, phone) where state = 'pending';
