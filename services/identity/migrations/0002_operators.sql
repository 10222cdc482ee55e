-- Operators: the people who run the platform. Their tokens name no organisation. Control database.
create table identity.operator (
    account_id uuid primary key references identity.account,
    role       text not null check (role in ('support', 'operator', 'owner')),
    granted_at timestamptz not null,
    -- An account, or the command line of the machine.
    granted_by text not null,
    ended_at   timestamptz
);

-- What an operator is granted hangs on no organisation.
alter table identity.token_grant alter column organisation_id drop not null; -- contract: it only allows more; what runs names one always

grant select, insert, update on identity.operator to hitaji_app;
