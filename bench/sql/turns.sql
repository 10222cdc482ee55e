-- What pgbench needs for each register: the ids that the server or its client would make.
create schema bench;
grant usage on schema bench to hitaji_app;

create function pg_temp.id(kind integer, n bigint) returns uuid language sql immutable as
    $$ select (lpad(to_hex(kind), 8, '0') || '-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid $$;

create table bench.turn (
    n         integer primary key,
    stream    uuid not null,
    roll_call text not null,
    register  uuid not null,
    key       text not null,
    students  text not null,
    codes     text not null,
    absent    text not null,
    events    text not null
);
alter table bench.turn alter students set storage plain, alter codes set storage plain;

insert into bench.turn
select n, pg_temp.id(1, stream), case when afternoon then 'afternoon' else 'morning' end, pg_temp.id(7, n), gen_random_uuid(),
       (select array_agg(pg_temp.id(2, (stream - 1) * {class} + place) order by place)::text from generate_series(1, {class}) place),
       (select array_agg(case when place in (first, first + 1) then 'absent' when place in (5, 6) then 'late' else 'present' end
                         order by place)::text from generate_series(1, {class}) place),
       array[pg_temp.id(2, (stream - 1) * {class} + first), pg_temp.id(2, (stream - 1) * {class} + first + 1)]::text,
       array[pg_temp.id(8, 3 * n), pg_temp.id(8, 3 * n + 1), pg_temp.id(8, 3 * n + 2)]::text
from (select n, (n - 1) / 2 + 1 as stream, n % 2 = 0 as afternoon, case when n % 2 = 0 then 3 else 1 end as first
      from generate_series(1, {turns}) n) as turn;

grant select on bench.turn to hitaji_app;
