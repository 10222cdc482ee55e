create function pg_temp.id(kind integer, n bigint) returns uuid language sql immutable as
    $$ select (lpad(to_hex(kind), 8, '0') || '-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid $$;

insert into school.year_group (id, name) values (pg_temp.id(9, 1), 'Form 1');

insert into school.stream (id, name, year_group_id, room)
select pg_temp.id(1, n), 'Stream ' || n, pg_temp.id(9, 1), 'Room ' || n from generate_series(1, {streams}) n;

insert into school.household (id, name, address)
select pg_temp.id(3, n), 'Household ' || n, 'P.O. Box ' || n || ', Nairobi' from generate_series(1, {streams} * {class} / 2) n;

insert into school.student (id, admission_number, first_name, last_name, date_of_birth, sex, household_id, joined_on)
select pg_temp.id(2, n), 'A' || n, (array['Achieng', 'Baraka', 'Chebet', 'Daudi', 'Esther'])[1 + n % 5],
       (array['Kamau', 'Mwangi', 'Odhiambo', 'Wafula', 'Njeri', 'Otieno', 'Kiprop'])[1 + n % 7] || ' ' || md5(n::text),
       date '2012-01-01' + (n % 1000)::integer, (array['female', 'male'])[1 + n % 2], pg_temp.id(3, (n + 1) / 2), date '2026-01-05'
from generate_series(1, {streams} * {class}) n;

insert into school.enrolment (id, student_id, academic_year_id, stream_id, starts_on)
select pg_temp.id(4, n), pg_temp.id(2, n), (select id from school.academic_year), pg_temp.id(1, (n - 1) / {class} + 1),
       (select starts_on from school.academic_year)
from generate_series(1, {streams} * {class}) n;

insert into school.guardian (id, name, phone)
select pg_temp.id(5, n), 'Guardian ' || n, '+2547' || lpad(n::text, 8, '0') from generate_series(1, {streams} * {with_guardian}) n;

insert into school.guardian_link (id, student_id, guardian_id, relation, sms_consent)
select pg_temp.id(6, n), pg_temp.id(2, (n - 1) / {with_guardian} * {class} + (n - 1) % {with_guardian} + 1), pg_temp.id(5, n), 'mother', true
from generate_series(1, {streams} * {with_guardian}) n;
