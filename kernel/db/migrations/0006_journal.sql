-- The journal: every change of every row, kept until it is shipped to the file store. For tenants that can be put back to any
-- second; for the others it stays empty, because its triggers are only there once `hitaji.journal_on()` was called.

create table hitaji.journal (
    position  bigint generated always as identity primary key,
    -- The transaction, as snapshots know it.
    xid       xid8 not null default pg_current_xact_id(),
    at        timestamptz not null default clock_timestamp(),
    -- `school.student`; for M the service.
    relation  text not null,
    -- Inserted, Updated, Deleted, Truncated, or Migrated (`new` names the version).
    operation text not null check (operation in ('I', 'U', 'D', 'T', 'M')),
    -- The row in PostgreSQL's own text form, which alone keeps every value as it is.
    old       text,
    new       text
);

create function hitaji.journal_row() returns trigger language plpgsql security definer set search_path = pg_catalog set datestyle = 'ISO, YMD' as $$
begin
    insert into hitaji.journal (relation, operation, old, new)
    values (tg_table_schema || '.' || tg_table_name, left(tg_op, 1), case when tg_op = 'DELETE' then old::text end,
            case when tg_op in ('INSERT', 'UPDATE') then new::text end);
    return null;
end $$;

-- A row that changes its key is a row that goes and one that comes.
create function hitaji.journal_key() returns trigger language plpgsql security definer set search_path = pg_catalog set datestyle = 'ISO, YMD' as $$
begin
    insert into hitaji.journal (relation, operation, old) values (tg_table_schema || '.' || tg_table_name, 'D', old::text);
    return null;
end $$;

create function hitaji.journal_off() returns void language plpgsql as $$
declare
    found record;
begin
    for found in select tgrelid::regclass as relation, tgname from pg_trigger where tgname ~ '^hitaji_journal_' and tgparentid = 0 loop
        execute format('drop trigger %I on %s', found.tgname, found.relation);
    end loop;
end $$;

-- Watches every table there is now. Called again after each migration of a tenant that is journaled.
create function hitaji.journal_on() returns void language plpgsql as $$
declare
    found record;
begin
    perform hitaji.journal_off();
    for found in
        select class.oid::regclass as relation,
            (select string_agg(format('old.%I', attname), ', ') from pg_attribute where attrelid = class.oid and attnum = any(index.indkey)) as before,
            (select string_agg(format('new.%I', attname), ', ') from pg_attribute where attrelid = class.oid and attnum = any(index.indkey)) as after
        from pg_class class join pg_namespace space on space.oid = class.relnamespace
        left join pg_index index on index.indrelid = class.oid and index.indisprimary
        where class.relkind in ('r', 'p') and not class.relispartition and space.nspname !~ '^(pg_|information_schema)'
          and not (space.nspname = 'hitaji' and class.relname in ('schema_version', 'journal'))
    loop
        if found.before is null then
            raise exception 'the table % has no primary key and cannot be journaled', found.relation;
        end if;
        execute format('create trigger hitaji_journal_a_key after update on %s for each row when ((%s) is distinct from (%s)) execute function hitaji.journal_key()',
            found.relation, found.before, found.after);
        execute format('create trigger hitaji_journal_row after insert or update or delete on %s for each row execute function hitaji.journal_row()', found.relation);
        execute format('create trigger hitaji_journal_truncate after truncate on %s for each statement execute function hitaji.journal_row()', found.relation);
    end loop;
end $$;

revoke execute on function hitaji.journal_on(), hitaji.journal_off() from public;
grant select, delete on hitaji.journal to hitaji_app;
