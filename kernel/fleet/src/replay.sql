do $replay$
declare
    change record;
    target record;
    known text := '';
begin
    for change in select * from replay order by position loop
        if change.relation <> known then
            known := change.relation;
            select class.oid::regclass as name,
                string_agg(format('%I', attname), ', ' order by attnum) filter (where attgenerated = '') as columns,
                string_agg(format('row_of.%I', attname), ', ' order by attnum) filter (where attgenerated = '') as values,
                string_agg(format('%1$I = excluded.%1$I', attname), ', ' order by attnum) filter (where attgenerated = '' and not attnum = any(index.indkey)) as assignments,
                string_agg(format('%I', attname), ', ' order by attnum) filter (where attnum = any(index.indkey)) as key,
                string_agg(format('target.%1$I = row_of.%1$I', attname), ' and ' order by attnum) filter (where attnum = any(index.indkey)) as same_key
            into strict target
            from pg_class class join pg_namespace space on space.oid = class.relnamespace
            join pg_index index on index.indrelid = class.oid and index.indisprimary
            join pg_attribute attribute on attribute.attrelid = class.oid and attribute.attnum > 0 and not attribute.attisdropped
            where space.nspname || '.' || class.relname = change.relation
            group by class.oid;
        end if;
        case change.operation
            when 'T' then execute format('truncate %s cascade', target.name);
            when 'D' then execute format('delete from %s as target using (select ($1::%s).*) as row_of where %s',
                target.name, target.name, target.same_key) using change.old;
            else execute format('insert into %s (%s) overriding system value select %s from (select ($1::%s).*) as row_of on conflict (%s) do %s',
                target.name, target.columns, target.values, target.name, target.key,
                coalesce('update set ' || target.assignments, 'nothing')) using change.new;
        end case;
    end loop;
    delete from replay;
end $replay$;
