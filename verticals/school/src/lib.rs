//! School: pupils, their classes and guardians, and daily attendance.
mod domain;
mod events;
mod http;
mod resources;
mod store;

use hitaji_bus::Parts;
use hitaji_contracts::school::AttendanceMarked;
use hitaji_core::resource::ResourceDef;
use hitaji_core::{Event as _, Permission, RoleTemplate};
use hitaji_db::{Home, Migration};
use hitaji_web::{Access, Idempotency, Route, Schema, Service, Topic};
use std::time::Duration;

const READ: Access = Access::Scope("school.attendance:read");
const WRITE: Access = Access::Scope("school.attendance:write");
const IMPORT: Access = Access::Scope("school.class_list:write");

const fn permission(number: u16, scope: &'static str, description: &'static str) -> Permission {
    Permission { number, scope, description }
}

/// Numbers are given once and for ever; append only.
const PERMISSIONS: &[Permission] = &[
    permission(64, resources::EVERYONE, "See every pupil, class and register, not only the own ones"),
    permission(65, "school.academic_year:read", "See years, terms, closures, year groups and subjects"),
    permission(66, "school.academic_year:write", "Change years, terms, closures, year groups and subjects"),
    permission(67, "school.academic_year:delete", "Delete years, terms, closures, year groups and subjects"),
    permission(68, "school.stream:read", "See classes"),
    permission(69, "school.stream:write", "Change classes and their teachers"),
    permission(70, "school.stream:delete", "Delete classes"),
    permission(71, "school.student:read", "See pupils"),
    permission(72, "school.student:write", "Change pupils' records"),
    permission(73, "school.student:delete", "Delete pupils' records"),
    permission(75, "school.household:read", "See households"),
    permission(76, "school.household:write", "Change households"),
    permission(77, "school.household:delete", "Delete households"),
    permission(78, "school.guardian:read", "See guardians and their contacts"),
    permission(79, "school.guardian:write", "Change guardians, their contacts and consents"),
    permission(80, "school.guardian:delete", "Delete guardians"),
    permission(81, "school.staff:read", "See staff"),
    permission(82, "school.staff:write", "Change staff records"),
    permission(83, "school.staff:delete", "Delete staff records"),
    permission(84, "school.enrolment:read", "See who is in which class"),
    permission(85, "school.enrolment:write", "Enrol and move pupils"),
    permission(86, "school.enrolment:delete", "Delete enrolments"),
    permission(87, "school.attendance:read", "See attendance"),
    permission(88, "school.attendance:write", "Take and correct registers"),
    permission(89, "school.class_list:write", "Import class lists"),
    permission(90, "school.leave:read", "See approved leave"),
    permission(91, "school.leave:write", "Approve leave"),
    permission(92, "school.leave:delete", "Withdraw leave"),
];

const ORGANISATION: &str = "tenancy.organisation:read";

const ROLES: &[RoleTemplate] = &[
    RoleTemplate {
        key: "head_teacher",
        label: "Head teacher",
        description: "The whole school",
        scopes: &["school.*", "identity.member:*", "identity.role:*", ORGANISATION],
    },
    RoleTemplate {
        key: "deputy",
        label: "Deputy head",
        description: "The whole school, without settings",
        scopes: &["school.*", "identity.member:read", "identity.role:read", ORGANISATION],
    },
    RoleTemplate {
        key: "registrar",
        label: "Registrar",
        description: "Pupils, households, guardians and classes",
        scopes: &[
            resources::EVERYONE,
            "school.academic_year:*",
            "school.stream:*",
            "school.student:*",
            "school.household:*",
            "school.guardian:*",
            "school.staff:*",
            "school.enrolment:*",
            "school.leave:*",
            "school.attendance:read",
            "school.class_list:write",
            ORGANISATION,
        ],
    },
    RoleTemplate {
        key: "teacher",
        label: "Teacher",
        description: "The own class: its pupils, their guardians and its registers",
        scopes: &[
            "school.academic_year:read",
            "school.stream:read",
            "school.student:read",
            "school.household:read",
            "school.guardian:read",
            "school.staff:read",
            "school.enrolment:read",
            "school.leave:read",
            "school.attendance:*",
            ORGANISATION,
        ],
    },
    RoleTemplate {
        key: "bursar",
        label: "Bursar",
        description: "Pupils and households, to bill them",
        scopes: &[
            resources::EVERYONE,
            "school.academic_year:read",
            "school.stream:read",
            "school.student:read",
            "school.household:*",
            "school.guardian:read",
            "school.enrolment:read",
            ORGANISATION,
        ],
    },
    RoleTemplate {
        key: "guardian",
        label: "Guardian",
        description: "Their own children",
        scopes: &[
            "school.academic_year:read",
            "school.stream:read",
            "school.student:read",
            "school.attendance:read",
            "school.leave:read",
            ORGANISATION,
        ],
    },
];

const RESOURCES: [&ResourceDef; resources::ALL.len()] = {
    let mut all = [resources::ALL[0].def; resources::ALL.len()];
    let mut index = 0;
    while index < all.len() {
        all[index] = resources::ALL[index].def;
        index += 1;
    }
    all
};

const fn migration(version: i32, sql: &'static str) -> Migration {
    Migration { service: "school", home: Home::Tenant, version, sql }
}

const MIGRATIONS: &[Migration] = &[
    migration(1, include_str!("../migrations/0001_school.sql")),
    migration(2, include_str!("../migrations/0002_sort_indexes.sql")),
    migration(3, include_str!("../migrations/0003_phones.sql")),
    migration(4, include_str!("../migrations/0004_campus.sql")),
];

pub fn service() -> Service {
    Service {
        name: "school",
        summary: "Pupils, classes, guardians and attendance",
        home: Home::Tenant,
        product: true,
        needs: &["identity", "tenancy"],
        permissions: PERMISSIONS,
        roles: ROLES,
        resources: &RESOURCES,
        migrations: MIGRATIONS,
        topics: &[Topic {
            name: "school.attendance",
            service: "school",
            needs: &["school.attendance:read", resources::EVERYONE],
            types: &[AttendanceMarked::TYPE],
        }],
        consumers: events::CONSUMERS,
        jobs: &[],
        routes,
        setup: |_| Ok(Parts::default()),
        wrap: None,
    }
}

fn routes() -> Vec<Route> {
    let mut routes = hitaji_resource::routes(resources::ALL);
    routes.extend(attendance_routes());
    routes.extend(class_list_routes());
    routes
}

fn attendance_routes() -> Vec<Route> {
    let day = |route: Route| {
        route.parameter("date", "Today where absent").parameter("roll_call", "morning (default) or afternoon")
    };
    vec![
        day(Route::get("/register-sheets", READ, http::register_sheets::list))
            .by_node()
            .summary("The classes of a day, with their registers")
            .answers_schema(200, Some(Schema::page_of::<http::register_sheets::SheetSummary>())),
        day(Route::get("/register-sheets/{id}", READ, http::register_sheets::read))
            .by_node()
            .summary("One class with its pupils and marks")
            .answers::<http::register_sheets::Sheet>(200),
        Route::post("/attendance-registers", WRITE, http::submit_register::submit)
            .by_node()
            .summary("Take or correct a class register")
            .idempotency(Idempotency::Required)
            .body::<http::submit_register::RegisterIn>()
            .answers::<http::submit_register::RegisterOut>(201)
            .answers::<http::submit_register::RegisterOut>(200)
            .answers_schema(412, None),
        Route::get("/attendance-days/{date}", READ, http::attendance_day::read)
            .summary("A day over all classes")
            .parameter("roll_call", "morning (default) or afternoon")
            .answers::<http::attendance_day::Day>(200),
        Route::get("/attendance-marks", READ, http::attendance_marks::list)
            .summary("Marks of pupils, newest day first")
            .parameter("student", "Of this pupil only")
            .parameter("date[gte]", "From this day")
            .parameter("date[lt]", "Before this day")
            .answers_schema(200, Some(Schema::page_of::<http::attendance_marks::MarkOut>()))
            .list(),
    ]
}

fn class_list_routes() -> Vec<Route> {
    let text = || Schema::Value(serde_json::json!({"type": "string"}));
    vec![
        Route::get("/class-list-imports/template.csv", IMPORT, http::class_list::template)
            .summary("An empty class list to fill in")
            .answers_schema(200, None),
        Route::post("/class-list-imports", IMPORT, http::class_list::upload)
            .summary("Upload a class list and preview it")
            .parameter("file_name", "Shown to people")
            .body_schema("text/csv", text())
            .answers::<http::class_list::ImportOut>(201)
            .deadline(Duration::from_secs(60)),
        Route::get("/class-list-imports/{id}", IMPORT, http::class_list::read)
            .summary("A class list import")
            .answers::<http::class_list::ImportOut>(200),
        Route::get("/class-list-imports/{id}/rows", IMPORT, http::class_list::rows)
            .summary("Rows of a class list with what is wrong with them")
            .parameter("only", "`invalid` or `all`")
            .answers_schema(200, Some(Schema::page_of::<http::class_list::RowOut>()))
            .list(),
        Route::patch("/class-list-imports/{id}/rows/{row_number}", IMPORT, http::class_list::correct)
            .summary("Correct a row")
            .body_schema("application/json", Schema::Value(serde_json::json!({"type": "object"})))
            .answers::<http::class_list::RowOut>(200),
        Route::post("/class-list-imports/{id}/apply", IMPORT, http::class_list::apply)
            .summary("Apply the class list, once")
            .idempotency(Idempotency::Required)
            .if_match()
            .body::<http::class_list::ApplyIn>()
            .answers::<http::class_list::ImportOut>(200)
            .deadline(Duration::from_secs(60)),
        Route::post("/class-list-imports/{id}/discard", IMPORT, http::class_list::discard)
            .way_out()
            .summary("Put the class list aside")
            .if_match()
            .answers::<http::class_list::ImportOut>(200),
    ]
}
