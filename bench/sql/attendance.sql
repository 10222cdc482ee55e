-- One register of 40 pupils. pgbench makes no UUIDs, so each turn first reads its ids; what that costs is measured by
-- itself and taken off.
\set n :n + 1
\set turn :client_id * :each + :n
select stream, roll_call, register, key, students, codes, absent, events from bench.turn where n = :turn \gset
-- the server's own
begin;
with claim as materialized (select pg_try_advisory_xact_lock(hashtextextended(:actor::text || ' ' || :key::text, 0)) as granted)
select claim.granted, stored.request_hash, stored.status, stored.location, stored.etag, stored.body
from claim left join hitaji.idempotency stored on stored.subject = :actor::text and stored.key = :key::text;
select stream.name as stream_name,
             (select closure.name from school.closure where daterange(starts_on, ends_on) @> :date::date limit 1) as closure,
             exists (select from school.academic_year where :date::date between starts_on and last_day) as in_year,
             (select member.name from school.member where account_id = :account::uuid) as viewer_name
         from school.stream
         where stream.id = :stream::uuid
           and (:everyone::boolean or exists (select from school.class_of_teacher own where own.stream_id = :stream::uuid and own.account_id = :account::uuid));
select register.id, register.version, enrolled, present, absent, late, excused, taken_at,
             (select member.name from school.member where account_id = register.taken_by) as taken_by
         from school.attendance_register register
         where stream_id = :stream::uuid and date = :date::date and roll_call = :roll_call::text for update of register;
select enrolment.student_id, mark.code, mark.reason, mark.version,
             exists (select from school.leave where leave.student_id = enrolment.student_id
                     and leave.starts_on <= :date::date and leave.ends_on > :date::date) as on_leave
         from school.enrolment
         left join lateral (select mark.code, mark.reason, mark.version from school.attendance_mark mark
             where mark.student_id = enrolment.student_id and mark.date = :date::date and mark.roll_call = :roll_call::text limit 1) mark on true
         where enrolment.stream_id = :stream::uuid and enrolment.starts_on <= :date::date and coalesce(enrolment.ends_on > :date::date, true);
with register as (
             insert into school.attendance_register
                 (id, stream_id, date, roll_call, enrolled, present, absent, late, excused, taken_by, taken_at)
             values (:register::uuid, :stream::uuid, :date::date, :roll_call::text, :enrolled::integer, :present::integer, :away::integer, :late::integer, :excused::integer, :account::uuid, :at::timestamptz)
             on conflict (stream_id, date, roll_call) do nothing returning id, version
         ), marks as (
             insert into school.attendance_mark (student_id, date, roll_call, register_id, code, reason, recorded_at, recorded_by)
             select new.student_id, :date::date, :roll_call::text, register.id, new.code, new.reason, :at::timestamptz, :account::uuid
             from register, unnest(:students::uuid[], :codes::text[], :reasons::text[]) as new (student_id, code, reason)
             on conflict (student_id, date, roll_call) do update
             set version = attendance_mark.version + 1, register_id = excluded.register_id, code = excluded.code,
                 reason = excluded.reason, recorded_at = excluded.recorded_at, recorded_by = excluded.recorded_by
         )
         select version from register;
insert into school.guardian_notice (student_id, guardian_id, date, notice)
         select link.student_id, link.guardian_id, :date::date, due.notice
         from (select student_id, 'absent' as notice from unnest((select :absent::uuid[])) as absent (student_id)
               union all select student_id, 'arrived_late' from unnest((select :nobody::uuid[])) as late (student_id)) due
         join school.guardian_link link on link.student_id = due.student_id
         join school.guardian on guardian.id = link.guardian_id
         left join lateral (select true as absence from school.guardian_notice earlier where due.notice = 'arrived_late'
             and earlier.student_id = link.student_id and earlier.guardian_id = link.guardian_id
             and earlier.date = :date::date and earlier.notice = 'absent' limit 1) told on true
         where link.sms_consent and guardian.phone is not null and (due.notice = 'absent' or told.absence)
         order by link.student_id, link.priority
         on conflict do nothing returning student_id, guardian_id, notice;
with audited as (
    insert into hitaji.audit (at, service, actor, request_id, action, resource, record_id, before, after)
    select :at::timestamptz, :service::text, :actor::text, :request::text, line.action, line.resource, line.record_id, line.before::json, line.after::json
    from unnest(:actions::text[], :resources::text[], :records::uuid[], :befores::text[], :afters::text[]) as line (action, resource, record_id, before, after)
), emitted as (
    insert into hitaji.outbox (time, service, actor, traceparent, id, type, subject, data)
    select :at::timestamptz, :service::text, :actor::text, :traceparent::text, event.id, event.type, event.subject, event.data::json
    from unnest(:events::uuid[], :types::text[], :subjects::text[], :data::text[]) with ordinality as event (id, type, subject, data, place)
    order by event.place
)
insert into hitaji.idempotency (subject, key, request_hash, status, location, etag, body, at)
select :actor::text, :key::text, :hash::bytea, :status::smallint, :location::text, :etag::text, :body::bytea, :at::timestamptz where :actor::text is not null;
commit;
