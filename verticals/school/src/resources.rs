//! Declared resources: the school's master data, and who reaches which rows of it.
use chrono::NaiveDate;
use hitaji_core::resource::Resource as _;
use hitaji_derive::Resource;
use hitaji_resource::{Catalogue, Declared, Reach};
use hitaji_web::{Ctx, Reach as Within};
use uuid::Uuid;

pub const ALL: Catalogue = &[
    Declared { def: AcademicYear::DEF, reach: everybody, by_node: false },
    Declared { def: Term::DEF, reach: everybody, by_node: false },
    Declared { def: Closure::DEF, reach: everybody, by_node: false },
    Declared { def: YearGroup::DEF, reach: everybody, by_node: false },
    Declared { def: Subject::DEF, reach: everybody, by_node: false },
    Declared { def: Staff::DEF, reach: everybody, by_node: false },
    Declared { def: Stream::DEF, reach: streams, by_node: true },
    Declared { def: Student::DEF, reach: students, by_node: true },
    Declared { def: Household::DEF, reach: households, by_node: false },
    Declared { def: Guardian::DEF, reach: guardians, by_node: false },
    Declared { def: GuardianLink::DEF, reach: of_student, by_node: false },
    Declared { def: Enrolment::DEF, reach: of_student, by_node: false },
    Declared { def: Leave::DEF, reach: of_student, by_node: false },
];

/// The permission to see every pupil and class; without it people see their own class or child.
pub const EVERYONE: &str = "school.everyone:read";

/// What says nothing of a child: calendar, subjects, names of staff.
fn everybody(_: &Ctx) -> Reach {
    Reach::All
}

fn reach(ctx: &Ctx, own: &'static str) -> Reach {
    if ctx.may(EVERYONE) { Reach::All } else { Reach::Where(own) }
}

/// Where the permission to see everything holds for somebody who may do `scope`; None for the whole organisation. Who may
/// do it in places only reaches no more than those.
pub fn places(ctx: &Ctx, scope: &str) -> Option<Vec<Uuid>> {
    match (ctx.reach(scope), ctx.reach(EVERYONE)) {
        (Within::Organisation, Within::Organisation) => None,
        (Within::Organisation, Within::Nodes(nodes)) | (Within::Nodes(nodes), Within::Organisation) => Some(nodes),
        (Within::Nodes(mut nodes), Within::Nodes(other)) => {
            nodes.retain(|node| other.contains(node));
            Some(nodes)
        }
    }
}

/// `own` holds for who may read in the whole organisation, with `{nodes}` for the places they see everything of;
/// `placed` for who may read in places only.
fn reach_in_places(ctx: &Ctx, scope: &str, own: &'static str, placed: &'static str) -> Reach {
    match places(ctx, scope) {
        None => Reach::All,
        Some(nodes) => Reach::InNodes(if ctx.may(scope) { own } else { placed }, nodes),
    }
}

fn streams(ctx: &Ctx) -> Reach {
    reach_in_places(
        ctx,
        "school.stream:read",
        "r.node_id = any({nodes})
         or r.id in (select stream_id from school.class_of_teacher where account_id = {subject})
         or r.id in (select e.stream_id from school.child_of_guardian c join school.enrolment e on e.student_id = c.student_id
                     where c.account_id = {subject} and e.starts_on <= {today} and (e.ends_on is null or e.ends_on > {today}))",
        "r.node_id = any({nodes})",
    )
}

fn students(ctx: &Ctx) -> Reach {
    reach_in_places(
        ctx,
        "school.student:read",
        "r.id in (select e.student_id from school.enrolment e join school.stream s on s.id = e.stream_id
                  where s.node_id = any({nodes}) and e.starts_on <= {today} and (e.ends_on is null or e.ends_on > {today}))
         or r.id in (select student_id from school.pupil_of_teacher where account_id = {subject}
                  and starts_on <= {today} and (ends_on is null or ends_on > {today}))
         or r.id in (select student_id from school.child_of_guardian where account_id = {subject})",
        "r.id in (select e.student_id from school.enrolment e join school.stream s on s.id = e.stream_id
                  where s.node_id = any({nodes}) and e.starts_on <= {today} and (e.ends_on is null or e.ends_on > {today}))",
    )
}

/// Records about one pupil: links, enrolments, leaves.
fn of_student(ctx: &Ctx) -> Reach {
    reach(
        ctx,
        "r.student_id in (select student_id from school.pupil_of_teacher where account_id = {subject}
                          and starts_on <= {today} and (ends_on is null or ends_on > {today}))
         or r.student_id in (select student_id from school.child_of_guardian where account_id = {subject})",
    )
}

fn households(ctx: &Ctx) -> Reach {
    reach(
        ctx,
        "r.id in (select s.household_id from school.student s join school.pupil_of_teacher p on p.student_id = s.id
                  where p.account_id = {subject} and p.starts_on <= {today} and (p.ends_on is null or p.ends_on > {today}))
         or r.id in (select g.household_id from school.guardian g join school.member m
                     on lower(g.email) = m.email or g.phone = m.phone
                     where m.account_id = {subject})",
    )
}

fn guardians(ctx: &Ctx) -> Reach {
    reach(
        ctx,
        "r.id in (select l.guardian_id from school.guardian_link l join school.pupil_of_teacher p on p.student_id = l.student_id
                  where p.account_id = {subject} and p.starts_on <= {today} and (p.ends_on is null or p.ends_on > {today}))
         or lower(r.email) = (select m.email from school.member m where m.account_id = {subject})
         or r.phone = (select m.phone from school.member m where m.account_id = {subject})",
    )
}

#[derive(Resource)]
#[resource(
    service = "school",
    name = "academic-years",
    table = "school.academic_year",
    label = "Academic years",
    label_one = "Academic year",
    label_sw = "Miaka ya masomo",
    title = "name",
    sort = "-starts_on",
    constraint("academic_year_overlap", "starts_on", "Another academic year covers some of these days."),
    constraint("academic_year_last_day_check", "last_day", "The last day is not before the first.")
)]
pub struct AcademicYear {
    #[field(label = "Name", sw = "Jina", list, filter, search, max_length = 40)]
    name: String,
    #[field(label = "First day", sw = "Siku ya kwanza", list, filter, sort)]
    starts_on: NaiveDate,
    #[field(label = "Last day", sw = "Siku ya mwisho", list, filter, sort)]
    last_day: NaiveDate,
}

#[derive(Resource)]
#[resource(
    service = "school",
    name = "terms",
    table = "school.term",
    permission = "school.academic_year",
    label = "Terms",
    label_one = "Term",
    label_sw = "Mihula",
    title = "name",
    sort = "-starts_on",
    constraint("term_overlap", "starts_on", "Another term covers some of these days."),
    constraint("term_last_day_check", "last_day", "The last day is not before the first.")
)]
pub struct Term {
    #[field(label = "Academic year", sw = "Mwaka wa masomo", link = "academic-years", list, filter)]
    academic_year: Uuid,
    #[field(label = "Name", sw = "Jina", list, filter, search, max_length = 40)]
    name: String,
    #[field(label = "First day", sw = "Siku ya kwanza", list, filter, sort)]
    starts_on: NaiveDate,
    #[field(label = "Last day", sw = "Siku ya mwisho", list, filter, sort)]
    last_day: NaiveDate,
}

#[derive(Resource)]
#[resource(
    service = "school",
    name = "closures",
    table = "school.closure",
    permission = "school.academic_year",
    label = "Closures",
    label_one = "Closure",
    label_sw = "Siku za kufungwa",
    title = "name",
    sort = "-starts_on",
    constraint("closure_ends_on_check", "ends_on", "The school reopens after the first day of the closure.")
)]
pub struct Closure {
    #[field(label = "Name", sw = "Jina", list, search, max_length = 80)]
    name: String,
    #[field(label = "Closed from", sw = "Imefungwa kuanzia", list, filter, sort)]
    starts_on: NaiveDate,
    #[field(label = "Reopens on", sw = "Inafunguliwa tarehe", list, filter, sort)]
    ends_on: NaiveDate,
}

#[derive(Resource)]
#[resource(
    service = "school",
    name = "year-groups",
    table = "school.year_group",
    permission = "school.academic_year",
    label = "Year groups",
    label_one = "Year group",
    label_sw = "Madarasa",
    title = "name",
    sort = "position"
)]
pub struct YearGroup {
    #[field(label = "Name", sw = "Jina", list, filter, sort, search, max_length = 40)]
    name: String,
    #[field(
        label = "Order",
        sw = "Mpangilio",
        list,
        sort,
        min = 0,
        max = 99,
        help = "Lowest class first; pupils move to the next"
    )]
    position: Option<i32>,
    #[field(label = "Final year", sw = "Mwaka wa mwisho", list)]
    is_final: Option<bool>,
}

#[derive(Resource)]
#[resource(
    service = "school",
    name = "subjects",
    table = "school.subject",
    permission = "school.academic_year",
    label = "Subjects",
    label_one = "Subject",
    label_sw = "Masomo",
    title = "name",
    sort = "name"
)]
pub struct Subject {
    #[field(label = "Name", sw = "Jina", list, filter, sort, search, max_length = 80)]
    name: String,
    #[field(label = "Code", sw = "Msimbo", list, filter, max_length = 12)]
    code: Option<String>,
}

#[derive(Resource)]
#[resource(
    service = "school",
    name = "staff",
    table = "school.staff",
    label = "Staff",
    label_one = "Staff member",
    label_sw = "Wafanyakazi",
    title = "name",
    sort = "name",
    constraint("staff_email_key", "email", "Another staff member has this e-mail address.")
)]
pub struct Staff {
    #[field(label = "Name", sw = "Jina", list, filter, sort, search, max_length = 120)]
    name: String,
    #[field(label = "E-mail", sw = "Barua pepe", email, list, filter, search, help = "The address they sign in with")]
    email: Option<String>,
    #[field(label = "Phone", sw = "Simu", phone, list, search)]
    phone: Option<String>,
    #[field(label = "Job title", sw = "Cheo", list, max_length = 80)]
    job_title: Option<String>,
}

#[derive(Resource)]
#[resource(
    service = "school",
    name = "streams",
    table = "school.stream",
    label = "Streams",
    label_one = "Stream",
    label_sw = "Mikondo",
    title = "name",
    sort = "name",
    constraint("stream_capacity_check", "capacity", "A stream has 1 to 500 places.")
)]
pub struct Stream {
    #[field(label = "Name", sw = "Jina", list, filter, sort, search, max_length = 40)]
    name: String,
    #[field(label = "Year group", sw = "Darasa", link = "year-groups", list, filter)]
    year_group: Uuid,
    #[field(label = "Class teacher", sw = "Mwalimu wa darasa", link = "staff", list, filter)]
    class_teacher: Option<Uuid>,
    #[field(label = "Room", sw = "Chumba", list, max_length = 40)]
    room: Option<String>,
    #[field(label = "Campus", sw = "Kampasi", help = "The id of one of the organisation's places")]
    node_id: Option<Uuid>,
    #[field(label = "Places", sw = "Nafasi", min = 1, max = 500)]
    capacity: Option<i32>,
}

#[derive(Resource)]
#[resource(
    service = "school",
    name = "students",
    table = "school.student",
    label = "Students",
    label_one = "Student",
    label_sw = "Wanafunzi",
    title = "first_name last_name",
    sort = "last_name",
    if_match,
    constraint("student_left_on_check", "left_on", "A pupil leaves after joining.")
)]
pub struct Student {
    #[field(label = "Admission number", sw = "Namba ya usajili", list, filter, sort, search, max_length = 30)]
    admission_number: String,
    #[field(label = "First name", sw = "Jina la kwanza", list, sort, search, max_length = 60)]
    first_name: String,
    #[field(label = "Last name", sw = "Jina la familia", list, sort, search, max_length = 60)]
    last_name: String,
    #[field(label = "Preferred name", sw = "Jina analopendelea", search, max_length = 60)]
    preferred_name: Option<String>,
    #[field(label = "Date of birth", sw = "Tarehe ya kuzaliwa", filter, sort)]
    date_of_birth: Option<NaiveDate>,
    #[field(label = "Sex", sw = "Jinsia", list, filter, choices(female("Female", "Mke"), male("Male", "Mume")))]
    sex: Option<String>,
    #[field(
        label = "Status",
        sw = "Hali",
        list,
        filter,
        choices(
            applicant("Applicant", "Mwombaji"),
            active("Active", "Yupo"),
            suspended("Suspended", "Amesimamishwa"),
            left("Left", "Ameondoka"),
            alumni("Alumni", "Mhitimu")
        )
    )]
    status: Option<String>,
    #[field(label = "Household", sw = "Kaya", link = "households", filter)]
    household: Option<Uuid>,
    #[field(label = "Joined on", sw = "Alijiunga", filter, sort)]
    joined_on: Option<NaiveDate>,
    #[field(label = "Left on", sw = "Aliondoka", filter)]
    left_on: Option<NaiveDate>,
    #[field(label = "National id (UPI)", sw = "Namba ya taifa (UPI)", filter, max_length = 30)]
    national_id: Option<String>,
}

#[derive(Resource)]
#[resource(
    service = "school",
    name = "households",
    table = "school.household",
    label = "Households",
    label_one = "Household",
    label_sw = "Kaya",
    title = "name",
    sort = "name"
)]
pub struct Household {
    #[field(label = "Name", sw = "Jina", list, filter, sort, search, max_length = 120)]
    name: String,
    #[field(label = "Address", sw = "Anwani", long_text, list)]
    address: Option<String>,
}

#[derive(Resource)]
#[resource(
    service = "school",
    name = "guardians",
    table = "school.guardian",
    label = "Guardians",
    label_one = "Guardian",
    label_sw = "Walezi",
    title = "name",
    sort = "name"
)]
pub struct Guardian {
    #[field(label = "Name", sw = "Jina", list, filter, sort, search, max_length = 120)]
    name: String,
    #[field(label = "Phone", sw = "Simu", phone, list, filter, search)]
    phone: Option<String>,
    #[field(label = "E-mail", sw = "Barua pepe", email, list, filter, search, help = "The address they sign in with")]
    email: Option<String>,
    #[field(label = "Household", sw = "Kaya", link = "households", list, filter)]
    household: Option<Uuid>,
    #[field(
        label = "Language",
        sw = "Lugha",
        filter,
        choices(en("English", "Kiingereza"), sw("Swahili", "Kiswahili"))
    )]
    language: Option<String>,
}

#[derive(Resource)]
#[resource(
    service = "school",
    name = "guardian-links",
    table = "school.guardian_link",
    permission = "school.guardian",
    label = "Guardians of pupils",
    label_one = "Guardian of a pupil",
    label_sw = "Walezi wa wanafunzi",
    title = "relation",
    sort = "priority",
    constraint("guardian_link_guardian_id_key", "guardian", "This guardian is linked to the pupil already.")
)]
pub struct GuardianLink {
    #[field(label = "Pupil", sw = "Mwanafunzi", link = "students", list, filter)]
    student: Uuid,
    #[field(label = "Guardian", sw = "Mlezi", link = "guardians", list, filter)]
    guardian: Uuid,
    #[field(
        label = "Relation",
        sw = "Uhusiano",
        list,
        filter,
        choices(
            mother("Mother", "Mama"),
            father("Father", "Baba"),
            guardian("Guardian", "Mlezi"),
            other("Other", "Nyingine")
        )
    )]
    relation: Option<String>,
    #[field(label = "Priority", sw = "Kipaumbele", list, sort, min = 1, max = 9, help = "1 is called first")]
    priority: Option<i32>,
    #[field(label = "May see the pupil's data", sw = "Anaweza kuona taarifa", list)]
    may_see_data: Option<bool>,
    #[field(label = "SMS", sw = "SMS", list, filter, help = "Has agreed to get SMS")]
    sms_consent: Option<bool>,
    #[field(label = "Custody note", sw = "Maelezo ya ulezi", long_text)]
    custody_note: Option<String>,
}

#[derive(Resource)]
#[resource(
    service = "school",
    name = "enrolments",
    table = "school.enrolment",
    label = "Enrolments",
    label_one = "Enrolment",
    label_sw = "Uandikishaji",
    title = "roll_number",
    sort = "-starts_on",
    constraint("enrolment_student_id_key", "student", "The pupil is enrolled in this academic year already."),
    constraint("enrolment_ends_on_check", "ends_on", "An enrolment ends after it starts.")
)]
pub struct Enrolment {
    #[field(label = "Pupil", sw = "Mwanafunzi", link = "students", list, filter)]
    student: Uuid,
    #[field(label = "Academic year", sw = "Mwaka wa masomo", link = "academic-years", list, filter)]
    academic_year: Uuid,
    #[field(label = "Stream", sw = "Mkondo", link = "streams", list, filter)]
    stream: Uuid,
    #[field(label = "Roll number", sw = "Namba ya orodha", list, max_length = 20)]
    roll_number: Option<String>,
    #[field(label = "From", sw = "Kuanzia", list, filter, sort)]
    starts_on: NaiveDate,
    #[field(label = "Until (first day not enrolled)", sw = "Hadi", filter)]
    ends_on: Option<NaiveDate>,
    #[field(label = "Boarding", sw = "Bweni", filter, choices(day("Day", "Kutwa"), boarding("Boarding", "Bweni")))]
    boarding: Option<String>,
}

#[derive(Resource)]
#[resource(
    service = "school",
    name = "leaves",
    table = "school.leave",
    label = "Leaves",
    label_one = "Leave",
    label_sw = "Ruhusa",
    title = "reason",
    sort = "-starts_on",
    constraint("leave_ends_on_check", "ends_on", "The pupil is back after the first day of leave.")
)]
pub struct Leave {
    #[field(label = "Pupil", sw = "Mwanafunzi", link = "students", list, filter)]
    student: Uuid,
    #[field(label = "Away from", sw = "Hayupo kuanzia", list, filter, sort)]
    starts_on: NaiveDate,
    #[field(label = "Back on", sw = "Anarudi tarehe", list, filter)]
    ends_on: NaiveDate,
    #[field(label = "Reason", sw = "Sababu", list, max_length = 200)]
    reason: String,
}
