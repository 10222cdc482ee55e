-- What lists of many rows can be sorted by. Years, terms, closures and year groups are few and need none.
create index student_first_name on school.student (first_name, id);
create index student_date_of_birth on school.student (date_of_birth, id);
create index student_joined_on on school.student (joined_on, id);
create index enrolment_starts_on on school.enrolment (starts_on, id);
create index guardian_link_priority on school.guardian_link (priority, id);
create index leave_starts_on on school.leave (starts_on, id);
