//! Signing in by phone.
use super::Text;

pub const TEXTS: &[Text] = &[
    ("phone", "Phone number", "Nambari ya simu", "Numéro de téléphone"),
    (
        "phone_hint",
        "For example 0712 345 678, or with the country’s code: +256 712 345 678.",
        "Kwa mfano 0712 345 678, au pamoja na msimbo wa nchi: +256 712 345 678.",
        "Par exemple 0712 345 678, ou avec l’indicatif du pays : +256 712 345 678.",
    ),
    (
        "phone_malformed",
        "Write the number with the country’s code, like +254 712 345 678.",
        "Andika nambari pamoja na msimbo wa nchi, kama +254 712 345 678.",
        "Écrivez le numéro avec l’indicatif du pays, comme +254 712 345 678.",
    ),
    ("phone_title", "Sign in by phone", "Ingia kwa simu", "Se connecter par téléphone"),
    (
        "phone_lead",
        "We send a code to your phone. You need no password.",
        "Tutatuma msimbo kwenye simu yako. Huhitaji nywila.",
        "Nous envoyons un code à votre téléphone. Vous n’avez pas besoin de mot de passe.",
    ),
    ("phone_own_title", "Your phone number", "Nambari yako ya simu", "Votre numéro de téléphone"),
    (
        "phone_own_lead",
        "We send a code to it, to be sure that it is yours. Then you can sign in with it.",
        "Tutatuma msimbo kwayo, ili kuhakikisha ni yako. Kisha unaweza kuingia kwayo.",
        "Nous y envoyons un code, pour être sûrs qu’il est à vous. Vous pourrez ensuite vous connecter avec.",
    ),
    ("phone_send", "Send the code", "Tuma msimbo", "Envoyer le code"),
    (
        "phone_by_mail",
        "Sign in with an e-mail address instead",
        "Ingia kwa barua pepe badala yake",
        "Se connecter plutôt avec une adresse e-mail",
    ),
    ("phone_sign_in", "Sign in by phone", "Ingia kwa simu", "Se connecter par téléphone"),
    ("phone_code", "Code", "Msimbo", "Code"),
    ("phone_code_title", "Look at your phone", "Angalia simu yako", "Regardez votre téléphone"),
    (
        "phone_code_lead",
        "If somebody signs in with this number, six digits are on their way to it. They are good for 10 minutes.",
        "Kama kuna mtu anayeingia kwa nambari hii, tarakimu sita ziko njiani. Zinadumu dakika 10.",
        "Si quelqu’un se connecte avec ce numéro, six chiffres sont en route. Ils sont valables 10 minutes.",
    ),
    (
        "phone_code_wrong",
        "These are not the six digits, or they are no longer good. Look again, or have new ones sent.",
        "Hizi si tarakimu sita sahihi, au hazifanyi kazi tena. Angalia tena, au omba nyingine.",
        "Ce ne sont pas les six chiffres, ou ils ne sont plus valables. Regardez encore, ou faites-en envoyer d’autres.",
    ),
    ("phone_go_on", "Go on", "Endelea", "Continuer"),
    ("phone_again", "Send new digits", "Tuma tarakimu mpya", "Envoyer de nouveaux chiffres"),
    (
        "phone_code_gone_title",
        "This code is no longer good",
        "Msimbo huu haufanyi kazi tena",
        "Ce code n’est plus valable",
    ),
    (
        "phone_code_gone_text",
        "It was used, or somebody else is signed in here now. Have a new one sent.",
        "Umetumika, au mtu mwingine ameingia hapa sasa. Omba mwingine.",
        "Il a été utilisé, ou quelqu’un d’autre est connecté ici. Faites-en envoyer un autre.",
    ),
    (
        "phone_taken_title",
        "This number signs in somebody else",
        "Nambari hii ni ya kuingia kwa mtu mwingine",
        "Ce numéro connecte quelqu’un d’autre",
    ),
    (
        "phone_taken_text",
        "Another account has it as its only way to sign in. Sign in by phone to reach that account, or ask your organisation.",
        "Akaunti nyingine inaitumia kama njia yake pekee ya kuingia. Ingia kwa simu ili kuifikia, au uliza taasisi yako.",
        "Un autre compte n’a que lui pour se connecter. Connectez-vous par téléphone pour y accéder, ou demandez à votre organisation.",
    ),
    ("phone_off_title", "Texts are not sent here", "Ujumbe mfupi hautumwi hapa", "Aucun SMS n’est envoyé ici"),
    (
        "phone_off_text",
        "This platform has no way to send texts to phones. Sign in with your e-mail address.",
        "Mfumo huu hauna njia ya kutuma ujumbe kwa simu. Ingia kwa barua pepe yako.",
        "Cette plateforme n’a pas de moyen d’envoyer des SMS. Connectez-vous avec votre adresse e-mail.",
    ),
    (
        "text_code",
        "{code} is your code for Hitaji. It is good for 10 minutes. Give it to nobody.",
        "{code} ni msimbo wako wa Hitaji. Unadumu dakika 10. Usimpe mtu yeyote.",
        "{code} est votre code pour Hitaji, valable 10 minutes. Ne le donnez a personne.",
    ),
    (
        "text_invitation",
        "{inviter} invites you to {organisation}: {link}",
        "{inviter} anakualika {organisation}: {link}",
        "{inviter} vous invite dans {organisation} : {link}",
    ),
];
