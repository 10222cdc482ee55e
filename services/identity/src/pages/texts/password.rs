//! New passwords.
use super::Text;

pub const TEXTS: &[Text] = &[
    ("forgot_title", "Set a new password", "Weka nywila mpya", "Choisir un nouveau mot de passe"),
    (
        "forgot_lead",
        "We mail you a link that is good for 30 minutes.",
        "Tutakutumia kiungo kinachodumu dakika 30.",
        "Nous vous envoyons un lien valable 30 minutes.",
    ),
    ("forgot_send", "Send the link", "Tuma kiungo", "Envoyer le lien"),
    ("back_to_sign_in", "Back to sign-in", "Rudi kwenye kuingia", "Retour à la connexion"),
    ("reset_sent_title", "Look into your mail", "Angalia barua pepe yako", "Regardez vos messages"),
    (
        "reset_sent_text",
        "If there is an account with this address, a link is on its way to it. It is good for 30 minutes.",
        "Kama kuna akaunti yenye anwani hii, kiungo kiko njiani. Kinadumu dakika 30.",
        "S’il existe un compte à cette adresse, un lien est en route. Il est valable 30 minutes.",
    ),
    ("reset_title", "Choose a new password", "Chagua nywila mpya", "Choisissez un nouveau mot de passe"),
    (
        "reset_lead",
        "It ends all other sign-ins of this account.",
        "Itakatisha kuingia kwingine kote kwa akaunti hii.",
        "Cela met fin à toutes les autres connexions de ce compte.",
    ),
    ("reset_save", "Save and sign in", "Hifadhi na uingie", "Enregistrer et se connecter"),
    (
        "reset_gone_title",
        "This link is no longer good",
        "Kiungo hiki hakifanyi kazi tena",
        "Ce lien n’est plus valable",
    ),
    (
        "reset_gone_text",
        "It was used or is older than 30 minutes. Ask for another one.",
        "Kimetumika au kina zaidi ya dakika 30. Omba kingine.",
        "Il a été utilisé ou date de plus de 30 minutes. Demandez-en un autre.",
    ),
];
