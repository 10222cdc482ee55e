//! Writing an applied class list: a few set-based statements, whatever the number of pupils.
use crate::domain::class_list::{Guardian, Row};
use chrono::NaiveDate;
use hitaji_core::new_id;
use hitaji_db::DbError;
use sqlx::PgConnection;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use uuid::Uuid;

use super::class_list::KnownPupil;

/// What applying a class list did.
#[derive(Debug, Default, serde::Serialize)]
pub struct Outcome {
    pub students_created: usize,
    pub students_updated: usize,
    pub guardians_created: usize,
    pub enrolments_created: usize,
    pub skipped: usize,
}

/// The academic year that has this day.
pub async fn year_of(conn: &mut PgConnection, on: NaiveDate) -> Result<Option<(Uuid, NaiveDate)>, DbError> {
    Ok(sqlx::query_as("select id, starts_on from school.academic_year where $1 between starts_on and last_day")
        .bind(on)
        .fetch_optional(conn)
        .await?)
}

/// Writes the rows. `known` are the pupils that are there already, by admission number.
pub async fn apply(
    conn: &mut PgConnection,
    rows: &[Row],
    known: &HashMap<String, KnownPupil>,
    (year, year_starts): (Uuid, NaiveDate),
) -> Result<Outcome, DbError> {
    let streams = streams(conn, rows).await?;
    let mut people = People::load(conn, rows).await?;
    let mut students: Vec<(Uuid, &Row, Option<Uuid>)> = Vec::with_capacity(rows.len());
    for row in rows {
        let pupil = known.get(&row.admission_number);
        let id = pupil.map_or_else(new_id, |pupil| pupil.id);
        let household = people.household(row, pupil.and_then(|pupil| pupil.household_id));
        people.link(id, row, household);
        students.push((id, row, household));
    }
    let mut outcome = Outcome { guardians_created: people.new_guardians.len(), ..Outcome::default() };
    people.write_households_and_guardians(conn).await?;
    outcome.students_created = students.iter().filter(|(_, row, _)| !known.contains_key(&row.admission_number)).count();
    let touched = write_students(conn, &students, year_starts).await?;
    outcome.students_updated = touched as usize - outcome.students_created;
    people.write_links(conn).await?;
    outcome.enrolments_created = write_enrolments(conn, &students, &streams, year, year_starts).await? as usize;
    Ok(outcome)
}

/// Year groups and streams by name; missing ones are made, a year group's order from the number in its name.
async fn streams(conn: &mut PgConnection, rows: &[Row]) -> Result<HashMap<String, Uuid>, DbError> {
    let groups: BTreeSet<&str> = rows.iter().map(|row| row.year_group.as_str()).collect();
    let positions: Vec<i32> = groups.iter().map(|name| position(name)).collect();
    let names: Vec<&str> = groups.into_iter().collect();
    sqlx::query(
        "insert into school.year_group (id, name, position)
         select * from unnest($1::uuid[], $2::text[], $3::integer[]) on conflict (name) do nothing",
    )
    .bind(ids(names.len()))
    .bind(&names)
    .bind(positions)
    .execute(&mut *conn)
    .await?;
    let wanted: BTreeMap<&str, &str> = rows.iter().map(|row| (row.stream.as_str(), row.year_group.as_str())).collect();
    let (names, groups): (Vec<&str>, Vec<&str>) = wanted.into_iter().unzip();
    sqlx::query(
        "insert into school.stream (id, name, year_group_id)
         select new.id, new.name, year_group.id from unnest($1::uuid[], $2::text[], $3::text[]) as new (id, name, year_group)
         join school.year_group on year_group.name = new.year_group on conflict (name) do nothing",
    )
    .bind(ids(names.len()))
    .bind(&names)
    .bind(groups)
    .execute(&mut *conn)
    .await?;
    let found: Vec<(String, Uuid)> =
        sqlx::query_as("select name, id from school.stream where name = any($1)").bind(&names).fetch_all(conn).await?;
    Ok(found.into_iter().collect())
}

fn position(name: &str) -> i32 {
    let digits: String = name.chars().filter(char::is_ascii_digit).take(2).collect();
    digits.parse().unwrap_or_default()
}

fn ids(count: usize) -> Vec<Uuid> {
    (0..count).map(|_| new_id()).collect()
}

struct NewGuardian {
    id: Uuid,
    name: String,
    phone: Option<String>,
    email: Option<String>,
    household: Option<Uuid>,
}

#[derive(sqlx::FromRow)]
struct KnownGuardian {
    id: Uuid,
    phone: Option<String>,
    email: Option<String>,
    household_id: Option<Uuid>,
}

/// A guardian of the list, known before or new.
#[derive(Clone, Copy)]
struct Person {
    id: Uuid,
    household: Option<Uuid>,
}

/// Guardians and households: those that are there, and those to make. One person is one phone number, else one
/// e-mail address; who has neither is a new person each time.
#[derive(Default)]
struct People {
    persons: Vec<Person>,
    /// By phone number and by e-mail address: a place in `persons`.
    by_contact: HashMap<String, usize>,
    new_households: Vec<(Uuid, String)>,
    new_guardians: Vec<NewGuardian>,
    /// Guardians who were there without a household, and the one they have now.
    joined: Vec<(Uuid, Uuid)>,
    links: Vec<(Uuid, Uuid, &'static str, i32, bool)>,
    linked: HashSet<(Uuid, Uuid)>,
}

impl People {
    async fn load(conn: &mut PgConnection, rows: &[Row]) -> Result<People, DbError> {
        let guardians = || rows.iter().flat_map(|row| &row.guardians);
        let phones: Vec<&str> = guardians().filter_map(|guardian| guardian.phone.as_deref()).collect();
        let emails: Vec<&str> = guardians().filter_map(|guardian| guardian.email.as_deref()).collect();
        let found: Vec<KnownGuardian> = sqlx::query_as(
            "select id, phone, lower(email) as email, household_id from school.guardian
             where phone = any($1) or lower(email) = any($2) order by created_at, id",
        )
        .bind(phones)
        .bind(emails)
        .fetch_all(conn)
        .await?;
        let mut people = People::default();
        for guardian in found {
            let person = Person { id: guardian.id, household: guardian.household_id };
            people.remember(person, guardian.phone, guardian.email);
        }
        Ok(people)
    }

    fn remember(&mut self, person: Person, phone: Option<String>, email: Option<String>) {
        self.persons.push(person);
        for contact in [phone, email].into_iter().flatten() {
            self.by_contact.entry(contact).or_insert(self.persons.len() - 1);
        }
    }

    fn find(&self, guardian: &Guardian) -> Option<usize> {
        let contact = guardian.phone.as_deref().or(guardian.email.as_deref())?;
        self.by_contact.get(contact).copied()
    }

    /// The household of a pupil: as stored, else that of the first guardian, else a new one where there is a guardian.
    fn household(&mut self, row: &Row, stored: Option<Uuid>) -> Option<Uuid> {
        let first = row.guardians.first()?;
        let of_guardian = || self.find(first).and_then(|place| self.persons[place].household);
        if let Some(household) = stored.or_else(of_guardian) {
            return Some(household);
        }
        let id = new_id();
        self.new_households.push((id, format!("{} family", row.last_name)));
        Some(id)
    }

    fn link(&mut self, student: Uuid, row: &Row, household: Option<Uuid>) {
        for (index, guardian) in row.guardians.iter().enumerate() {
            let id = self.person(guardian, household);
            if self.linked.insert((student, id)) {
                self.links.push((student, id, guardian.relation, index as i32 + 1, guardian.sms_consent));
            }
        }
    }

    /// The guardian's id. Whoever has no household yet joins the pupil's, so that the next child finds it.
    fn person(&mut self, guardian: &Guardian, household: Option<Uuid>) -> Uuid {
        if let Some(place) = self.find(guardian) {
            let person = &mut self.persons[place];
            if let (None, Some(household)) = (person.household, household) {
                person.household = Some(household);
                self.joined.push((person.id, household));
            }
            return person.id;
        }
        let id = new_id();
        self.remember(Person { id, household }, guardian.phone.clone(), guardian.email.clone());
        self.new_guardians.push(NewGuardian {
            id,
            name: guardian.name.clone(),
            phone: guardian.phone.clone(),
            email: guardian.email.clone(),
            household,
        });
        id
    }

    async fn write_households_and_guardians(&mut self, conn: &mut PgConnection) -> Result<(), DbError> {
        let (ids, names): (Vec<Uuid>, Vec<String>) = std::mem::take(&mut self.new_households).into_iter().unzip();
        sqlx::query("insert into school.household (id, name) select * from unnest($1::uuid[], $2::text[])")
            .bind(ids)
            .bind(names)
            .execute(&mut *conn)
            .await?;
        let new = std::mem::take(&mut self.new_guardians);
        sqlx::query(
            "insert into school.guardian (id, name, phone, email, household_id)
             select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::uuid[])",
        )
        .bind(new.iter().map(|guardian| guardian.id).collect::<Vec<_>>())
        .bind(new.iter().map(|guardian| guardian.name.as_str()).collect::<Vec<_>>())
        .bind(new.iter().map(|guardian| guardian.phone.as_deref()).collect::<Vec<_>>())
        .bind(new.iter().map(|guardian| guardian.email.as_deref()).collect::<Vec<_>>())
        .bind(new.iter().map(|guardian| guardian.household).collect::<Vec<_>>())
        .execute(&mut *conn)
        .await?;
        let (ids, households): (Vec<Uuid>, Vec<Uuid>) = std::mem::take(&mut self.joined).into_iter().unzip();
        sqlx::query(
            "update school.guardian set household_id = joined.household_id, version = version + 1, updated_at = now()
             from unnest($1::uuid[], $2::uuid[]) as joined (guardian_id, household_id)
             where guardian.id = joined.guardian_id and guardian.household_id is null",
        )
        .bind(ids)
        .bind(households)
        .execute(conn)
        .await?;
        Ok(())
    }

    async fn write_links(&self, conn: &mut PgConnection) -> Result<(), DbError> {
        sqlx::query(
            "insert into school.guardian_link (id, student_id, guardian_id, relation, priority, sms_consent)
             select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::integer[], $6::boolean[])
             on conflict (student_id, guardian_id) do nothing",
        )
        .bind(ids(self.links.len()))
        .bind(self.links.iter().map(|link| link.0).collect::<Vec<_>>())
        .bind(self.links.iter().map(|link| link.1).collect::<Vec<_>>())
        .bind(self.links.iter().map(|link| link.2).collect::<Vec<_>>())
        .bind(self.links.iter().map(|link| link.3).collect::<Vec<_>>())
        .bind(self.links.iter().map(|link| link.4).collect::<Vec<_>>())
        .execute(conn)
        .await?;
        Ok(())
    }
}

/// Makes new pupils and changes those whose values differ; returns how many of both.
async fn write_students(
    conn: &mut PgConnection,
    students: &[(Uuid, &Row, Option<Uuid>)],
    joined_on: NaiveDate,
) -> Result<u64, DbError> {
    let done = sqlx::query(
        "insert into school.student as old
             (id, admission_number, first_name, last_name, date_of_birth, sex, household_id, joined_on)
         select new.id, new.admission_number, new.first_name, new.last_name, new.date_of_birth, new.sex, new.household_id, $8
         from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::date[], $6::text[], $7::uuid[])
             as new (id, admission_number, first_name, last_name, date_of_birth, sex, household_id)
         on conflict (admission_number) do update
         set first_name = excluded.first_name, last_name = excluded.last_name,
             date_of_birth = coalesce(excluded.date_of_birth, old.date_of_birth), sex = coalesce(excluded.sex, old.sex),
             household_id = coalesce(old.household_id, excluded.household_id), version = old.version + 1, updated_at = now()
         where (old.first_name, old.last_name, old.date_of_birth, old.sex, old.household_id) is distinct from
             (excluded.first_name, excluded.last_name, coalesce(excluded.date_of_birth, old.date_of_birth),
              coalesce(excluded.sex, old.sex), coalesce(old.household_id, excluded.household_id))",
    )
    .bind(students.iter().map(|student| student.0).collect::<Vec<_>>())
    .bind(students.iter().map(|student| student.1.admission_number.as_str()).collect::<Vec<_>>())
    .bind(students.iter().map(|student| student.1.first_name.as_str()).collect::<Vec<_>>())
    .bind(students.iter().map(|student| student.1.last_name.as_str()).collect::<Vec<_>>())
    .bind(students.iter().map(|student| student.1.date_of_birth).collect::<Vec<_>>())
    .bind(students.iter().map(|student| student.1.sex).collect::<Vec<_>>())
    .bind(students.iter().map(|student| student.2).collect::<Vec<_>>())
    .bind(joined_on)
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Enrols pupils in their classes; one who is in another class this year is moved. Returns how many are new or moved.
async fn write_enrolments(
    conn: &mut PgConnection,
    students: &[(Uuid, &Row, Option<Uuid>)],
    streams: &HashMap<String, Uuid>,
    year: Uuid,
    starts_on: NaiveDate,
) -> Result<u64, DbError> {
    let stream_ids: Vec<Option<Uuid>> = students.iter().map(|(_, row, _)| streams.get(&row.stream).copied()).collect();
    let done = sqlx::query(
        "insert into school.enrolment as old (id, student_id, academic_year_id, stream_id, starts_on)
         select new.id, new.student_id, $4, new.stream_id, $5
         from unnest($1::uuid[], $2::uuid[], $3::uuid[]) as new (id, student_id, stream_id)
         on conflict (student_id, academic_year_id) do update
         set stream_id = excluded.stream_id, version = old.version + 1, updated_at = now()
         where old.stream_id <> excluded.stream_id",
    )
    .bind(ids(students.len()))
    .bind(students.iter().map(|student| student.0).collect::<Vec<_>>())
    .bind(stream_ids)
    .bind(year)
    .bind(starts_on)
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}
