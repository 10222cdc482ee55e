-- The school's records. Every declared table has id, version, created_at and updated_at.
create schema school;

-- Members of the organisation, as identity tells of them; e-mail addresses are proven and in lower case.
create table school.member (
    account_id uuid primary key,
    email      text not null,
    name       text not null,
    roles      text[] not null
);
create index member_email on school.member (email);

create table school.academic_year (
    id         uuid primary key,
    version    bigint not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    name       text not null constraint academic_year_name_key unique,
    starts_on  date not null,
    last_day   date not null,
    constraint academic_year_last_day_check check (last_day >= starts_on),
    constraint academic_year_overlap exclude using gist (daterange(starts_on, last_day, '[]') with &&)
);

create table school.term (
    id               uuid primary key,
    version          bigint not null default 1,
    created_at       timestamptz not null default now(),
    updated_at       timestamptz not null default now(),
    academic_year_id uuid not null constraint term_academic_year_id_fkey references school.academic_year,
    name             text not null,
    starts_on        date not null,
    last_day         date not null,
    constraint term_name_key unique (academic_year_id, name),
    constraint term_last_day_check check (last_day >= starts_on),
    constraint term_overlap exclude using gist (daterange(starts_on, last_day, '[]') with &&)
);

-- Days without school, half-open.
create table school.closure (
    id         uuid primary key,
    version    bigint not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    name       text not null,
    starts_on  date not null,
    ends_on    date not null,
    constraint closure_ends_on_check check (ends_on > starts_on)
);
create index closure_days on school.closure using gist (daterange(starts_on, ends_on));

create table school.year_group (
    id         uuid primary key,
    version    bigint not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    name       text not null constraint year_group_name_key unique,
    position   integer not null default 0,
    is_final   boolean not null default false
);

create table school.staff (
    id         uuid primary key,
    version    bigint not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    name       text not null,
    email      text,
    phone      text,
    job_title  text
);
create unique index staff_email_key on school.staff (lower(email));
create index staff_name on school.staff (name, id);

create table school.stream (
    id               uuid primary key,
    version          bigint not null default 1,
    created_at       timestamptz not null default now(),
    updated_at       timestamptz not null default now(),
    name             text not null constraint stream_name_key unique,
    year_group_id    uuid not null constraint stream_year_group_id_fkey references school.year_group,
    class_teacher_id uuid constraint stream_class_teacher_id_fkey references school.staff,
    room             text,
    capacity         integer constraint stream_capacity_check check (capacity between 1 and 500)
);
create index stream_class_teacher on school.stream (class_teacher_id);

create table school.subject (
    id         uuid primary key,
    version    bigint not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    name       text not null constraint subject_name_key unique,
    code       text constraint subject_code_key unique
);

create table school.household (
    id         uuid primary key,
    version    bigint not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    name       text not null,
    address    text
);
create index household_name on school.household (name, id);

create table school.student (
    id               uuid primary key,
    version          bigint not null default 1,
    created_at       timestamptz not null default now(),
    updated_at       timestamptz not null default now(),
    admission_number text not null constraint student_admission_number_key unique,
    first_name       text not null,
    last_name        text not null,
    preferred_name   text,
    date_of_birth    date constraint student_date_of_birth_check check (date_of_birth >= date '1900-01-01'),
    sex              text constraint student_sex_check check (sex in ('female', 'male')),
    status           text not null default 'active'
                     constraint student_status_check check (status in ('applicant', 'active', 'suspended', 'left', 'alumni')),
    household_id     uuid constraint student_household_id_fkey references school.household,
    joined_on        date,
    left_on          date,
    national_id      text constraint student_national_id_key unique,
    constraint student_left_on_check check (left_on >= joined_on)
);
create index student_last_name on school.student (last_name, id);
create index student_household on school.student (household_id);

create table school.guardian (
    id           uuid primary key,
    version      bigint not null default 1,
    created_at   timestamptz not null default now(),
    updated_at   timestamptz not null default now(),
    name         text not null,
    phone        text,
    email        text,
    household_id uuid constraint guardian_household_id_fkey references school.household,
    language     text not null default 'en' constraint guardian_language_check check (language in ('en', 'sw'))
);
create index guardian_name on school.guardian (name, id);
create index guardian_phone on school.guardian (phone);
create index guardian_email on school.guardian (lower(email));

create table school.guardian_link (
    id           uuid primary key,
    version      bigint not null default 1,
    created_at   timestamptz not null default now(),
    updated_at   timestamptz not null default now(),
    student_id   uuid not null constraint guardian_link_student_id_fkey references school.student,
    guardian_id  uuid not null constraint guardian_link_guardian_id_fkey references school.guardian,
    relation     text not null default 'guardian'
                 constraint guardian_link_relation_check check (relation in ('mother', 'father', 'guardian', 'other')),
    priority     integer not null default 1 constraint guardian_link_priority_check check (priority between 1 and 9),
    may_see_data boolean not null default true,
    sms_consent  boolean not null default false,
    custody_note text,
    constraint guardian_link_guardian_id_key unique (student_id, guardian_id)
);
create index guardian_link_guardian on school.guardian_link (guardian_id);

-- One class a year; a pupil is in it from starts_on until (not including) ends_on.
create table school.enrolment (
    id               uuid primary key,
    version          bigint not null default 1,
    created_at       timestamptz not null default now(),
    updated_at       timestamptz not null default now(),
    student_id       uuid not null constraint enrolment_student_id_fkey references school.student,
    academic_year_id uuid not null constraint enrolment_academic_year_id_fkey references school.academic_year,
    stream_id        uuid not null constraint enrolment_stream_id_fkey references school.stream,
    roll_number      text,
    starts_on        date not null,
    ends_on          date,
    boarding         text not null default 'day' constraint enrolment_boarding_check check (boarding in ('day', 'boarding')),
    constraint enrolment_student_id_key unique (student_id, academic_year_id),
    constraint enrolment_ends_on_check check (ends_on > starts_on)
);
create index enrolment_stream on school.enrolment (stream_id);

-- Approved absences, half-open.
create table school.leave (
    id         uuid primary key,
    version    bigint not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    student_id uuid not null constraint leave_student_id_fkey references school.student,
    starts_on  date not null,
    ends_on    date not null,
    reason     text not null,
    constraint leave_ends_on_check check (ends_on > starts_on)
);
create index leave_student on school.leave (student_id);

-- One roll call of one class. The counts are those of its marks, written in the same transaction.
create table school.attendance_register (
    id         uuid primary key,
    version    bigint not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    stream_id  uuid not null references school.stream,
    date       date not null,
    roll_call  text not null check (roll_call in ('morning', 'afternoon')),
    enrolled   integer not null,
    present    integer not null,
    absent     integer not null,
    late       integer not null,
    excused    integer not null,
    taken_at   timestamptz not null,
    taken_by   uuid not null,
    constraint attendance_register_class_key unique (stream_id, date, roll_call),
    constraint attendance_register_sum_check check (enrolled = present + absent + late + excused)
);
create index attendance_register_date on school.attendance_register (date);

-- What holds now of one pupil at one roll call. There is one, whatever class the pupil was marked in.
create table school.attendance_mark (
    student_id  uuid not null references school.student,
    date        date not null,
    roll_call   text not null,
    register_id uuid not null references school.attendance_register,
    version     smallint not null default 1,
    code        text not null check (code in ('present', 'absent', 'late', 'excused')),
    reason      text check (length(reason) <= 200),
    recorded_at timestamptz not null,
    recorded_by uuid not null,
    primary key (student_id, date, roll_call)
);
create index attendance_mark_away on school.attendance_mark (date) where code in ('absent', 'late');

-- What a correction replaced. Append only.
create table school.attendance_mark_history (
    student_id  uuid not null,
    date        date not null,
    roll_call   text not null,
    version     smallint not null,
    code        text not null,
    reason      text,
    recorded_at timestamptz not null,
    recorded_by uuid not null,
    primary key (student_id, date, roll_call, version)
);

-- What guardians were to be told: once per pupil, day, guardian and notice.
create table school.guardian_notice (
    student_id  uuid not null references school.student,
    guardian_id uuid not null references school.guardian,
    date        date not null,
    notice      text not null check (notice in ('absent', 'arrived_late')),
    primary key (student_id, guardian_id, date, notice)
);

-- A class list on its way: previewed, corrected, applied once.
create table school.class_list_import (
    id         uuid primary key,
    version    bigint not null default 1,
    status     text not null default 'preview' check (status in ('preview', 'applied', 'discarded')),
    file_name  text,
    columns    text[] not null,
    created_at timestamptz not null,
    created_by uuid not null,
    applied_at timestamptz,
    result     json,
    check ((status = 'applied') = (applied_at is not null))
);

create table school.class_list_row (
    import_id  uuid not null references school.class_list_import on delete cascade,
    row_number integer not null,
    values     json not null,
    errors     json not null,
    action     text not null check (action in ('create', 'update', 'unchanged', 'invalid')),
    primary key (import_id, row_number)
);

-- Who reaches whom: the class teacher the class, the guardian the child. E-mail joins people to accounts, because
-- identity has proven it.
create view school.class_of_teacher as
    select member.account_id, stream.id as stream_id
    from school.member
    join school.staff on lower(staff.email) = member.email
    join school.stream on stream.class_teacher_id = staff.id;

create view school.child_of_guardian as
    select member.account_id, link.student_id
    from school.member
    join school.guardian on lower(guardian.email) = member.email
    join school.guardian_link link on link.guardian_id = guardian.id
    where link.may_see_data;

create view school.pupil_of_teacher as
    select class.account_id, enrolment.student_id, enrolment.starts_on, enrolment.ends_on
    from school.class_of_teacher class
    join school.enrolment on enrolment.stream_id = class.stream_id;

grant usage on schema school to hitaji_app;
grant select, insert, update, delete on all tables in schema school to hitaji_app;
revoke update, delete on school.attendance_mark_history, school.guardian_notice from hitaji_app;
