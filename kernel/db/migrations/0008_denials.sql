-- Tokens that are honoured no more although they have not expired. Control database. A row lives as long as such a token could.
create table directory.denial (
    -- What the tokens hang on: a session, a consent, an account, a membership, an application.
    id           uuid primary key,
    until        timestamptz not null,
    -- Only tokens issued until then; null: all.
    issued_until timestamptz
);
create index denial_until on directory.denial (until);

-- Told to every process in the transaction that denies; who misses it reads it again within seconds.
create function directory.tell_denial() returns trigger language plpgsql as $$
begin
    perform pg_notify('hitaji_denial', json_build_object(
        'id', new.id,
        'until', ceil(extract(epoch from new.until))::bigint,
        'issued_until', floor(extract(epoch from new.issued_until))::bigint)::text);
    return null;
end $$;
create trigger tell after insert or update on directory.denial for each row execute function directory.tell_denial();

grant select, insert, update, delete on directory.denial to hitaji_app;
