//! Countries as the sign-up page offers them, each with its usual currency and time zone. East Africa comes first.

/// A country to choose.
#[derive(Clone, Copy, Debug)]
pub struct Country {
    /// ISO 3166-1 alpha-2.
    pub code: &'static str,
    /// ISO 4217.
    pub currency: &'static str,
    /// IANA.
    pub time_zone: &'static str,
    name_en: &'static str,
    name_sw: &'static str,
}

/// So many of the list are East African.
pub const EAST_AFRICAN: usize = 11;

/// Time zones of parts of a country, besides those of the list.
const MORE_TIME_ZONES: &[&str] = &[
    "Africa/Kinshasa",
    "America/Chicago",
    "America/Denver",
    "America/Los_Angeles",
    "America/Vancouver",
    "Asia/Makassar",
    "Australia/Perth",
    "UTC",
];

impl Country {
    pub fn name(&self, locale: &str) -> &'static str {
        if locale == "sw" { self.name_sw } else { self.name_en }
    }
}

pub fn country(code: &str) -> Option<&'static Country> {
    COUNTRIES.iter().find(|country| country.code == code)
}

/// Every currency of the list once, in the order of the list.
pub fn currencies() -> Vec<&'static str> {
    let mut codes = Vec::new();
    for country in COUNTRIES {
        if !codes.contains(&country.currency) {
            codes.push(country.currency);
        }
    }
    codes
}

/// Every time zone once, in the order of the list.
pub fn time_zones() -> Vec<&'static str> {
    COUNTRIES.iter().map(|country| country.time_zone).chain(MORE_TIME_ZONES.iter().copied()).collect()
}

const fn of(
    code: &'static str,
    currency: &'static str,
    time_zone: &'static str,
    name_en: &'static str,
    name_sw: &'static str,
) -> Country {
    Country { code, currency, time_zone, name_en, name_sw }
}

/// East Africa, then Africa, then others, each in alphabetical order but for Kenya.
pub const COUNTRIES: &[Country] = &[
    of("KE", "KES", "Africa/Nairobi", "Kenya", "Kenya"),
    of("TZ", "TZS", "Africa/Dar_es_Salaam", "Tanzania", "Tanzania"),
    of("UG", "UGX", "Africa/Kampala", "Uganda", "Uganda"),
    of("RW", "RWF", "Africa/Kigali", "Rwanda", "Rwanda"),
    of("BI", "BIF", "Africa/Bujumbura", "Burundi", "Burundi"),
    of("SS", "SSP", "Africa/Juba", "South Sudan", "Sudan Kusini"),
    of("ET", "ETB", "Africa/Addis_Ababa", "Ethiopia", "Ethiopia"),
    of("SO", "SOS", "Africa/Mogadishu", "Somalia", "Somalia"),
    of("DJ", "DJF", "Africa/Djibouti", "Djibouti", "Jibuti"),
    of("ER", "ERN", "Africa/Asmara", "Eritrea", "Eritrea"),
    of("CD", "CDF", "Africa/Lubumbashi", "DR Congo", "Kongo (DRC)"),
    of("AO", "AOA", "Africa/Luanda", "Angola", "Angola"),
    of("DZ", "DZD", "Africa/Algiers", "Algeria", "Aljeria"),
    of("BJ", "XOF", "Africa/Porto-Novo", "Benin", "Benin"),
    of("BW", "BWP", "Africa/Gaborone", "Botswana", "Botswana"),
    of("BF", "XOF", "Africa/Ouagadougou", "Burkina Faso", "Burkina Faso"),
    of("CM", "XAF", "Africa/Douala", "Cameroon", "Kamerun"),
    of("CV", "CVE", "Atlantic/Cape_Verde", "Cape Verde", "Kepuvede"),
    of("CF", "XAF", "Africa/Bangui", "Central African Republic", "Jamhuri ya Afrika ya Kati"),
    of("TD", "XAF", "Africa/Ndjamena", "Chad", "Chadi"),
    of("KM", "KMF", "Indian/Comoro", "Comoros", "Komoro"),
    of("CG", "XAF", "Africa/Brazzaville", "Congo", "Kongo"),
    of("CI", "XOF", "Africa/Abidjan", "Côte d’Ivoire", "Kodivaa"),
    of("EG", "EGP", "Africa/Cairo", "Egypt", "Misri"),
    of("GQ", "XAF", "Africa/Malabo", "Equatorial Guinea", "Guinea ya Ikweta"),
    of("SZ", "SZL", "Africa/Mbabane", "Eswatini", "Eswatini"),
    of("GA", "XAF", "Africa/Libreville", "Gabon", "Gaboni"),
    of("GM", "GMD", "Africa/Banjul", "Gambia", "Gambia"),
    of("GH", "GHS", "Africa/Accra", "Ghana", "Ghana"),
    of("GN", "GNF", "Africa/Conakry", "Guinea", "Guinea"),
    of("GW", "XOF", "Africa/Bissau", "Guinea-Bissau", "Guinea Bisau"),
    of("LS", "LSL", "Africa/Maseru", "Lesotho", "Lesotho"),
    of("LR", "LRD", "Africa/Monrovia", "Liberia", "Liberia"),
    of("LY", "LYD", "Africa/Tripoli", "Libya", "Libya"),
    of("MG", "MGA", "Indian/Antananarivo", "Madagascar", "Madagaska"),
    of("MW", "MWK", "Africa/Blantyre", "Malawi", "Malawi"),
    of("ML", "XOF", "Africa/Bamako", "Mali", "Mali"),
    of("MR", "MRU", "Africa/Nouakchott", "Mauritania", "Moritania"),
    of("MU", "MUR", "Indian/Mauritius", "Mauritius", "Morisi"),
    of("MA", "MAD", "Africa/Casablanca", "Morocco", "Moroko"),
    of("MZ", "MZN", "Africa/Maputo", "Mozambique", "Msumbiji"),
    of("NA", "NAD", "Africa/Windhoek", "Namibia", "Namibia"),
    of("NE", "XOF", "Africa/Niamey", "Niger", "Nijeri"),
    of("NG", "NGN", "Africa/Lagos", "Nigeria", "Nijeria"),
    of("ST", "STN", "Africa/Sao_Tome", "São Tomé and Príncipe", "Sao Tome na Principe"),
    of("SN", "XOF", "Africa/Dakar", "Senegal", "Senegali"),
    of("SC", "SCR", "Indian/Mahe", "Seychelles", "Shelisheli"),
    of("SL", "SLE", "Africa/Freetown", "Sierra Leone", "Siera Leoni"),
    of("ZA", "ZAR", "Africa/Johannesburg", "South Africa", "Afrika Kusini"),
    of("SD", "SDG", "Africa/Khartoum", "Sudan", "Sudan"),
    of("TG", "XOF", "Africa/Lome", "Togo", "Togo"),
    of("TN", "TND", "Africa/Tunis", "Tunisia", "Tunisia"),
    of("ZM", "ZMW", "Africa/Lusaka", "Zambia", "Zambia"),
    of("ZW", "USD", "Africa/Harare", "Zimbabwe", "Zimbabwe"),
    of("AU", "AUD", "Australia/Sydney", "Australia", "Australia"),
    of("AT", "EUR", "Europe/Vienna", "Austria", "Austria"),
    of("BD", "BDT", "Asia/Dhaka", "Bangladesh", "Bangladeshi"),
    of("BE", "EUR", "Europe/Brussels", "Belgium", "Ubelgiji"),
    of("BR", "BRL", "America/Sao_Paulo", "Brazil", "Brazili"),
    of("CA", "CAD", "America/Toronto", "Canada", "Kanada"),
    of("CN", "CNY", "Asia/Shanghai", "China", "China"),
    of("DK", "DKK", "Europe/Copenhagen", "Denmark", "Denmaki"),
    of("FI", "EUR", "Europe/Helsinki", "Finland", "Ufini"),
    of("FR", "EUR", "Europe/Paris", "France", "Ufaransa"),
    of("DE", "EUR", "Europe/Berlin", "Germany", "Ujerumani"),
    of("IN", "INR", "Asia/Kolkata", "India", "India"),
    of("ID", "IDR", "Asia/Jakarta", "Indonesia", "Indonesia"),
    of("IE", "EUR", "Europe/Dublin", "Ireland", "Ayalandi"),
    of("IL", "ILS", "Asia/Jerusalem", "Israel", "Israeli"),
    of("IT", "EUR", "Europe/Rome", "Italy", "Italia"),
    of("JP", "JPY", "Asia/Tokyo", "Japan", "Japani"),
    of("JO", "JOD", "Asia/Amman", "Jordan", "Yordani"),
    of("KW", "KWD", "Asia/Kuwait", "Kuwait", "Kuwaiti"),
    of("LB", "LBP", "Asia/Beirut", "Lebanon", "Lebanoni"),
    of("MY", "MYR", "Asia/Kuala_Lumpur", "Malaysia", "Malesia"),
    of("MX", "MXN", "America/Mexico_City", "Mexico", "Meksiko"),
    of("NP", "NPR", "Asia/Kathmandu", "Nepal", "Nepali"),
    of("NL", "EUR", "Europe/Amsterdam", "Netherlands", "Uholanzi"),
    of("NZ", "NZD", "Pacific/Auckland", "New Zealand", "Nyuzilandi"),
    of("NO", "NOK", "Europe/Oslo", "Norway", "Norwei"),
    of("OM", "OMR", "Asia/Muscat", "Oman", "Omani"),
    of("PK", "PKR", "Asia/Karachi", "Pakistan", "Pakistani"),
    of("PH", "PHP", "Asia/Manila", "Philippines", "Ufilipino"),
    of("PL", "PLN", "Europe/Warsaw", "Poland", "Polandi"),
    of("PT", "EUR", "Europe/Lisbon", "Portugal", "Ureno"),
    of("QA", "QAR", "Asia/Qatar", "Qatar", "Katari"),
    of("SA", "SAR", "Asia/Riyadh", "Saudi Arabia", "Saudia"),
    of("SG", "SGD", "Asia/Singapore", "Singapore", "Singapuri"),
    of("KR", "KRW", "Asia/Seoul", "South Korea", "Korea Kusini"),
    of("ES", "EUR", "Europe/Madrid", "Spain", "Hispania"),
    of("LK", "LKR", "Asia/Colombo", "Sri Lanka", "Sri Lanka"),
    of("SE", "SEK", "Europe/Stockholm", "Sweden", "Uswidi"),
    of("CH", "CHF", "Europe/Zurich", "Switzerland", "Uswisi"),
    of("TR", "TRY", "Europe/Istanbul", "Türkiye", "Uturuki"),
    of("AE", "AED", "Asia/Dubai", "United Arab Emirates", "Falme za Kiarabu"),
    of("GB", "GBP", "Europe/London", "United Kingdom", "Uingereza"),
    of("US", "USD", "America/New_York", "United States", "Marekani"),
    of("YE", "YER", "Asia/Aden", "Yemen", "Yemeni"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_country_stands_there_once_with_its_codes() {
        for (index, country) in COUNTRIES.iter().enumerate() {
            assert!(
                country.code.len() == 2 && country.currency.len() == 3 && country.time_zone.contains('/'),
                "{}",
                country.code
            );
            assert!(COUNTRIES[..index].iter().all(|other| other.code != country.code), "{}", country.code);
        }
        assert_eq!(COUNTRIES[0].code, "KE");
        assert_eq!(country("CD").map(|country| country.name("sw")), Some("Kongo (DRC)"));
        assert!(currencies().len() > 50 && time_zones().contains(&"Africa/Nairobi"));
    }
}
