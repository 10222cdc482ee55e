//! People of the demo: invented, but as they could be called in Kenya and Tanzania.
use std::fmt::Write as _;

/// Given names with the sex they are usually given to.
pub const FIRST_NAMES: &[(&str, &str)] = &[
    ("Achieng", "female"),
    ("Akinyi", "female"),
    ("Amina", "female"),
    ("Asha", "female"),
    ("Atieno", "female"),
    ("Chebet", "female"),
    ("Esther", "female"),
    ("Faith", "female"),
    ("Grace", "female"),
    ("Halima", "female"),
    ("Jepkemboi", "female"),
    ("Joyce", "female"),
    ("Kerubo", "female"),
    ("Mercy", "female"),
    ("Moraa", "female"),
    ("Mumbi", "female"),
    ("Mwende", "female"),
    ("Naserian", "female"),
    ("Njeri", "female"),
    ("Nyambura", "female"),
    ("Purity", "female"),
    ("Rehema", "female"),
    ("Wairimu", "female"),
    ("Wambui", "female"),
    ("Zawadi", "female"),
    ("Abdi", "male"),
    ("Barasa", "male"),
    ("Brian", "male"),
    ("Daudi", "male"),
    ("Elijah", "male"),
    ("Hassan", "male"),
    ("Ibrahim", "male"),
    ("Juma", "male"),
    ("Kamau", "male"),
    ("Kevin", "male"),
    ("Kipchoge", "male"),
    ("Kiprono", "male"),
    ("Lemayian", "male"),
    ("Maina", "male"),
    ("Musa", "male"),
    ("Mutua", "male"),
    ("Mwangi", "male"),
    ("Ndung'u", "male"),
    ("Ochieng", "male"),
    ("Omondi", "male"),
    ("Otieno", "male"),
    ("Peter", "male"),
    ("Samuel", "male"),
    ("Tumaini", "male"),
    ("Wekesa", "male"),
];

pub const LAST_NAMES: &[&str] = &[
    "Abdullahi",
    "Achieng",
    "Barasa",
    "Chege",
    "Cherono",
    "Gathoni",
    "Githinji",
    "Hassan",
    "Juma",
    "Kamau",
    "Karanja",
    "Kariuki",
    "Keter",
    "Kibet",
    "Kilonzo",
    "Kimani",
    "Kiplagat",
    "Kirui",
    "Koech",
    "Lagat",
    "Lekishon",
    "Macharia",
    "Makena",
    "Mbugua",
    "Mohamed",
    "Moraa",
    "Muriithi",
    "Musyoka",
    "Mutiso",
    "Mwangi",
    "Mwikali",
    "Ngugi",
    "Njoroge",
    "Nyaga",
    "Nyongesa",
    "Ochieng",
    "Odhiambo",
    "Okoth",
    "Omar",
    "Onyango",
    "Otieno",
    "Ouma",
    "Rotich",
    "Simiyu",
    "Wafula",
    "Wairimu",
    "Wanjala",
    "Were",
];

/// Classes without a register today, so that there is something left to do and to see.
pub const UNTAKEN_TODAY: &[&str] = &["7 East", "3 West", "5 East", "8 West", "10 East"];

/// Guardians who have accounts, and the pupils' rows they belong to.
const GUARDIANS: [(&str, &str); 2] =
    [("Grace Otieno", "grace@families.example"), ("Joseph Mutua", "joseph@families.example")];

/// Role, name and address of the people invited to Uhuru Academy.
pub fn people() -> [(&'static str, &'static str, &'static str); 6] {
    [
        ("head_teacher", "Daniel Ochieng", "daniel@uhuru.example"),
        ("teacher", "Mary Njeri", "mary@uhuru.example"),
        ("teacher", "Peter Kiprono", "peter@uhuru.example"),
        ("bursar", "Fatuma Hassan", "fatuma@uhuru.example"),
        ("guardian", GUARDIANS[0].0, GUARDIANS[0].1),
        ("guardian", GUARDIANS[1].0, GUARDIANS[1].1),
    ]
}

/// Which of the invited teachers has which class.
pub fn class_teacher(stream: &str) -> Option<(&'static str, &'static str)> {
    match stream {
        "7 East" => Some(("Mary Njeri", "mary@uhuru.example")),
        "7 West" => Some(("Peter Kiprono", "peter@uhuru.example")),
        _ => None,
    }
}

/// Ten year groups with two streams each: (year group, stream).
pub fn streams() -> Vec<(String, String)> {
    (1..=10).flat_map(|n| ["East", "West"].map(|side| (format!("Grade {n}"), format!("{n} {side}")))).collect()
}

/// A small generator of repeatable chance, so that every demo is the same school.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    /// A number below `limit` (Knuth's MMIX generator; its high bits).
    pub fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % u64::from(limit.max(1))) as u32
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u32) as usize]
    }
}

/// A class list as a school office would send it.
pub fn class_list(dice: &mut Dice, streams: &[(String, String)], pupils: u32) -> String {
    let mut csv = "admission_number,first_name,last_name,date_of_birth,sex,year_group,stream,\
        guardian1_name,guardian1_phone,guardian1_email,guardian1_relation,guardian1_sms,\
        guardian2_name,guardian2_phone,guardian2_relation,guardian2_sms\n"
        .to_owned();
    let mut number = 1000;
    for (index, (group, stream)) in streams.iter().enumerate() {
        for seat in 0..pupils {
            number += 1;
            let (first, sex) = dice.pick(FIRST_NAMES);
            let last = dice.pick(LAST_NAMES);
            let born = format!("{}-{:02}-{:02}", 2019 - index as u32 / 2, dice.below(12) + 1, dice.below(28) + 1);
            let known = GUARDIANS.iter().enumerate().find(|(at, _)| stream == "7 East" && seat == *at as u32);
            let (mother, email) = match known {
                Some((_, (name, email))) => ((*name).to_owned(), *email),
                None => (format!("{} {last}", dice.pick(&FIRST_NAMES[..25]).0), ""),
            };
            let (phone, sms) =
                (format!("+2547{:08}", 10_000_000 + number * 37), if dice.below(10) < 8 { "yes" } else { "no" });
            let father = (dice.below(10) < 6).then(|| format!("{} {last}", dice.pick(&FIRST_NAMES[25..]).0));
            let second = match &father {
                Some(name) => format!(
                    "{name},+2547{:08},father,{}",
                    20_000_000 + number * 41,
                    if dice.below(2) == 0 { "yes" } else { "no" }
                ),
                None => ",,,".to_owned(),
            };
            writeln!(
                csv,
                "UA-{number},{first},{last},{born},{sex},{group},{stream},{mother},{phone},{email},mother,{sms},{second}"
            )
            .expect("cannot fail: writing into memory");
        }
    }
    csv
}
