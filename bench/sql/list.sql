-- The list as the resource engine sends it for somebody who sees every pupil.
-- the server's own
select r.id, r.version, r.created_at, r.updated_at, r.admission_number, r.first_name, r.last_name, r.preferred_name,
    r.date_of_birth, r.sex, r.status, r.household_id, concat_ws(' ', l7.name), r.joined_on, r.left_on, r.national_id
from school.student r left join school.household l7 on l7.id = r.household_id
where true order by r.last_name, r.id limit 21;
