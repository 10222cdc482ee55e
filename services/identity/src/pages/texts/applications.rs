//! What people are asked when an application of somebody else, or a device, wants to come in.
use super::Text;

pub const TEXTS: &[Text] = &[
    // Consent.
    ("consent_title", "Allow this application?", "Ungependa kuiruhusu programu hii?", "Autoriser cette application ?"),
    (
        "consent_lead",
        "wants to work in your name in",
        "inataka kufanya kazi kwa jina lako katika",
        "souhaite agir en votre nom dans",
    ),
    (
        "consent_hint",
        "It can never do more than you may yourself. You can take this back at any time.",
        "Haiwezi kamwe kufanya zaidi ya unavyoruhusiwa wewe mwenyewe. Unaweza kuondoa ruhusa hii wakati wowote.",
        "Elle ne pourra jamais faire plus que vous. Vous pouvez retirer cet accord à tout moment.",
    ),
    ("allow", "Allow", "Ruhusu", "Autoriser"),
    ("deny", "Do not allow", "Usiruhusu", "Ne pas autoriser"),
    ("sensitive", "sensitive", "nyeti", "sensible"),
    ("client_whose", "Whose it is", "Ni ya nani", "À qui elle est"),
    (
        "client_of_organisation",
        "An application of {organisation}.",
        "Programu ya {organisation}.",
        "Une application de {organisation}.",
    ),
    (
        "client_of_platform",
        "Set up by the people who run this platform.",
        "Imewekwa na wanaoendesha mfumo huu.",
        "Installée par les responsables de cette plateforme.",
    ),
    (
        "client_unknown",
        "It registered itself; nobody here has checked whose it is.",
        "Imejisajili yenyewe; hakuna aliyethibitisha hapa ni ya nani.",
        "Elle s’est inscrite elle-même ; personne ici n’a vérifié à qui elle appartient.",
    ),
    ("client_at", "It lives at {place}.", "Inapatikana {place}.", "Elle se trouve à l’adresse {place}."),
    // Scopes of OpenID Connect.
    ("scopes_of_yourself", "About you", "Kuhusu wewe", "À votre sujet"),
    ("scope_openid", "Know that it is you", "Kujua kwamba ni wewe", "Savoir que c’est vous"),
    ("scope_profile", "See your name and language", "Kuona jina na lugha yako", "Voir votre nom et votre langue"),
    ("scope_email", "See your e-mail address", "Kuona barua pepe yako", "Voir votre adresse e-mail"),
    ("scope_phone", "See your phone number", "Kuona nambari yako ya simu", "Voir votre numéro de téléphone"),
    (
        "scope_offline_access",
        "Go on working when you have signed out",
        "Kuendelea kufanya kazi hata ukishatoka",
        "Continuer à travailler quand vous êtes déconnecté",
    ),
    // On the way back.
    ("going_back_title", "One moment", "Subiri kidogo", "Un instant"),
    ("going_back_text", "We are taking you back to", "Tunakurudisha kwenye", "Nous vous ramenons à"),
    ("go_on", "Continue", "Endelea", "Continuer"),
    (
        "bad_request_uri_title",
        "This request is not valid any more",
        "Ombi hili si halali tena",
        "Cette demande n’est plus valable",
    ),
    (
        "bad_request_uri_text",
        "It was used, or it took too long. Go back and start again from the application.",
        "Limeshatumika, au limechukua muda mrefu. Rudi uanze tena kutoka kwenye programu.",
        "Elle a déjà servi, ou elle a pris trop de temps. Revenez en arrière et recommencez depuis l’application.",
    ),
    // Devices.
    ("device_title", "Connect a device", "Unganisha kifaa", "Connecter un appareil"),
    (
        "device_lead",
        "Type the code that your device shows.",
        "Andika msimbo unaoonyeshwa na kifaa chako.",
        "Saisissez le code que votre appareil affiche.",
    ),
    ("device_code", "Code", "Msimbo", "Code"),
    (
        "device_code_hint",
        "Eight letters, such as WDJB-MJHT.",
        "Herufi nane, kama WDJB-MJHT.",
        "Huit lettres, comme WDJB-MJHT.",
    ),
    (
        "device_code_wrong",
        "No device is waiting with this code. Check it, or let the device show a new one.",
        "Hakuna kifaa kinachosubiri kwa msimbo huu. Uangalie tena, au kifaa kionyeshe mpya.",
        "Aucun appareil n’attend avec ce code. Vérifiez-le, ou faites-en afficher un nouveau.",
    ),
    ("device_organisation_title", "For which organisation?", "Kwa taasisi ipi?", "Pour quelle organisation ?"),
    (
        "device_organisation_lead",
        "will work in this one only.",
        "itafanya kazi katika hii tu.",
        "ne travaillera que dans celle-ci.",
    ),
    (
        "device_confirm_title",
        "Let this device in?",
        "Ungependa kukiruhusu kifaa hiki?",
        "Laisser entrer cet appareil ?",
    ),
    (
        "device_warning",
        "Go on only if you hold this device yourself and it shows this code now. If somebody sent you the code, do not allow it.",
        "Endelea tu ikiwa una kifaa hiki mwenyewe na kinaonyesha msimbo huu sasa. Ikiwa mtu amekutumia msimbo, usiruhusu.",
        "Continuez seulement si vous avez cet appareil devant vous et qu’il affiche ce code maintenant. Si quelqu’un vous a envoyé le code, n’autorisez pas.",
    ),
    ("device_allow", "Let it in", "Ruhusu kifaa", "Laisser entrer"),
    ("device_allowed_title", "Done", "Tayari", "C’est fait"),
    (
        "device_allowed_text",
        "{client} can go on now. Go back to your device.",
        "{client} inaweza kuendelea sasa. Rudi kwenye kifaa chako.",
        "{client} peut continuer. Retournez à votre appareil.",
    ),
    ("device_denied_title", "Not let in", "Hakikuruhusiwa", "Accès refusé"),
    ("device_denied_text", "{client} got nothing.", "{client} haikupata chochote.", "{client} n’a rien obtenu."),
    (
        "device_too_late_title",
        "Please start again on the device",
        "Tafadhali anza tena kwenye kifaa",
        "Veuillez recommencer sur l’appareil",
    ),
    (
        "device_too_late_text",
        "The code has expired, or it was decided already. Nothing was changed.",
        "Msimbo umeisha muda, au uamuzi ulishafanywa. Hakuna kilichobadilishwa.",
        "Le code a expiré, ou la décision était déjà prise. Rien n’a été changé.",
    ),
    ("device_nowhere_title", "No such organisation", "Hakuna taasisi kama hiyo", "Pas d’organisation de ce nom"),
    (
        "device_nowhere_text",
        "A device works in an organisation, and your account belongs to none that it could work in.",
        "Kifaa hufanya kazi katika taasisi, na akaunti yako haiko katika yoyote inayofaa.",
        "Un appareil travaille dans une organisation, et votre compte n’appartient à aucune qui convienne.",
    ),
];
