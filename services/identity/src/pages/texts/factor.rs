//! Second factors and passkeys at sign-in.
use super::Text;

pub const TEXTS: &[Text] = &[
    ("factor_title", "Confirm that it is you", "Thibitisha kuwa ni wewe", "Confirmez que c’est vous"),
    (
        "factor_app_lead",
        "Write the code that your authenticator app shows now, or one of your recovery codes.",
        "Andika msimbo unaoonekana sasa kwenye programu yako ya uthibitishaji, au mmoja wa misimbo yako ya dharura.",
        "Écrivez le code que votre application d’authentification affiche maintenant, ou l’un de vos codes de secours.",
    ),
    (
        "factor_codes_lead",
        "Use your passkey, or one of your recovery codes.",
        "Tumia ufunguo wako wa siri, au mmoja wa misimbo yako ya dharura.",
        "Utilisez votre clé d’accès, ou l’un de vos codes de secours.",
    ),
    (
        "factor_passkey_lead",
        "Use your passkey to go on.",
        "Tumia ufunguo wako wa siri ili kuendelea.",
        "Utilisez votre clé d’accès pour continuer.",
    ),
    (
        "factor_password_lead",
        "This changes how your account is protected, so we ask for your password once more.",
        "Hii inabadilisha ulinzi wa akaunti yako, kwa hiyo tunaomba nywila yako tena.",
        "Cela change la protection de votre compte : nous vous redemandons votre mot de passe.",
    ),
    ("factor_code", "Code", "Msimbo", "Code"),
    (
        "factor_code_hint",
        "Six digits, or a recovery code of four times four letters.",
        "Tarakimu sita, au msimbo wa dharura wa herufi nne mara nne.",
        "Six chiffres, ou un code de secours de quatre fois quatre lettres.",
    ),
    (
        "factor_codes_hint",
        "A recovery code of four times four letters.",
        "Msimbo wa dharura wa herufi nne mara nne.",
        "Un code de secours de quatre fois quatre lettres.",
    ),
    (
        "factor_lacking_title",
        "A stronger sign-in is needed here",
        "Hapa panahitaji uthibitisho zaidi",
        "Une connexion plus forte est nécessaire ici",
    ),
    (
        "factor_lacking",
        "What you want to open is protected by a second factor, and your account has none that is strong enough. Set one up; it takes two minutes.",
        "Unachotaka kufungua kinalindwa kwa uthibitisho wa pili, na akaunti yako haina ulio imara vya kutosha. Weka mmoja; ni dakika mbili tu.",
        "Ce que vous voulez ouvrir est protégé par un second facteur, et votre compte n’en a pas d’assez fort. Ajoutez-en un ; cela prend deux minutes.",
    ),
    ("factor_set_up", "Set it up now", "Weka sasa", "L’ajouter maintenant"),
    ("code_missing", "Write the code.", "Andika msimbo.", "Écrivez le code."),
    (
        "code_wrong",
        "This code is not right, or was used already. Wait for the next one and try again.",
        "Msimbo huu si sahihi, au umeshatumika. Subiri unaofuata na ujaribu tena.",
        "Ce code n’est pas bon, ou a déjà servi. Attendez le suivant et réessayez.",
    ),
    ("password_wrong", "This is not your password.", "Hii si nywila yako.", "Ce n’est pas votre mot de passe."),
    ("or", "or", "au", "ou"),
    ("passkey", "Passkey", "Ufunguo wa siri", "Clé d’accès"),
    ("passkeys", "Passkeys", "Funguo za siri", "Clés d’accès"),
    ("passkey_sign_in", "Sign in with a passkey", "Ingia kwa ufunguo wa siri", "Se connecter avec une clé d’accès"),
    ("passkey_use", "Use a passkey", "Tumia ufunguo wa siri", "Utiliser une clé d’accès"),
    (
        "passkey_script",
        "Passkeys need JavaScript, which is turned off in this browser.",
        "Funguo za siri zinahitaji JavaScript, ambayo imezimwa kwenye kivinjari hiki.",
        "Les clés d’accès ont besoin de JavaScript, qui est désactivé dans ce navigateur.",
    ),
    (
        "passkey_failed",
        "That did not work. Try again, or use another way.",
        "Haikufanikiwa. Jaribu tena, au tumia njia nyingine.",
        "Cela n’a pas marché. Réessayez, ou choisissez un autre moyen.",
    ),
    (
        "passkey_wrong",
        "This passkey does not open an account here. Use another one, or another way.",
        "Ufunguo huu wa siri haufungui akaunti hapa. Tumia mwingine, au njia nyingine.",
        "Cette clé d’accès n’ouvre aucun compte ici. Utilisez-en une autre, ou un autre moyen.",
    ),
];
