//! Signing up.
use super::Text;

pub const TEXTS: &[Text] = &[
    ("sign_up_title", "Start with your organisation", "Anza na taasisi yako", "Commencez avec votre organisation"),
    (
        "sign_up_lead",
        "It takes a minute. You can fill in the rest later.",
        "Ni dakika moja tu. Mengine unaweza kujaza baadaye.",
        "Une minute suffit. Vous compléterez le reste plus tard.",
    ),
    ("your_organisation", "Your organisation", "Taasisi yako", "Votre organisation"),
    ("organisation_name", "Name of the organisation", "Jina la taasisi", "Nom de l’organisation"),
    ("country", "Country", "Nchi", "Pays"),
    ("country_near", "East Africa", "Afrika Mashariki", "Afrique de l’Est"),
    ("country_far", "Other countries", "Nchi nyingine", "Autres pays"),
    ("currency", "Currency", "Sarafu", "Monnaie"),
    ("time_zone", "Time zone", "Ukanda wa saa", "Fuseau horaire"),
    ("usual", "Usual for the country", "Ya kawaida ya nchi", "L’usuel du pays"),
    ("products", "What do you want to use?", "Unataka kutumia nini?", "Que voulez-vous utiliser ?"),
    ("product_school", "School", "Shule", "École"),
    (
        "product_school_about",
        "Pupils, classes and the daily register",
        "Wanafunzi, madarasa na mahudhurio ya kila siku",
        "Élèves, classes et appel quotidien",
    ),
    ("yourself", "Yourself", "Wewe mwenyewe", "Vous-même"),
    ("sign_up", "Create organisation", "Unda taasisi", "Créer l’organisation"),
    ("have_account", "Already using Hitaji?", "Unatumia Hitaji tayari?", "Vous utilisez déjà Hitaji ?"),
    (
        "sign_up_mismatch",
        "We cannot use this e-mail address with this password. If you have used Hitaji before, write the password you use there, or set a new one.",
        "Hatuwezi kutumia barua pepe hii na nywila hii. Kama umewahi kutumia Hitaji, andika nywila unayotumia huko, au weka mpya.",
        "Nous ne pouvons pas utiliser cette adresse avec ce mot de passe. Si vous avez déjà utilisé Hitaji, écrivez le mot de passe que vous y utilisez, ou choisissez-en un nouveau.",
    ),
];
