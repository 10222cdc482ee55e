-- People who sign in by phone: the number joins them to their records as the e-mail address does, because identity has proven it.
alter table school.member
    alter column email drop not null, -- contract: it only allows more; what runs writes one always
    -- E.164.
    add column phone text;
create index member_phone on school.member (phone);

create or replace view school.class_of_teacher as
    select member.account_id, stream.id as stream_id
    from school.member
    join school.staff on lower(staff.email) = member.email or staff.phone = member.phone
    join school.stream on stream.class_teacher_id = staff.id;

create or replace view school.child_of_guardian as
    select member.account_id, link.student_id
    from school.member
    join school.guardian on lower(guardian.email) = member.email or guardian.phone = member.phone
    join school.guardian_link link on link.guardian_id = guardian.id
    where link.may_see_data;
