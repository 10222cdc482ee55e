//! Mails.
use super::Text;

pub const TEXTS: &[Text] = &[
    (
        "mail_invitation_subject",
        "{inviter} invites you to {organisation}",
        "{inviter} anakualika {organisation}",
        "{inviter} vous invite dans {organisation}",
    ),
    ("mail_invitation_greeting", "Hello {name},", "Habari {name},", "Bonjour {name},"),
    (
        "mail_invitation_body",
        "{inviter} invites you to work in {organisation} on Hitaji. Open this link to choose your password:",
        "{inviter} anakualika ufanye kazi katika {organisation} kwenye Hitaji. Fungua kiungo hiki kuchagua nywila yako:",
        "{inviter} vous invite à travailler dans {organisation} sur Hitaji. Ouvrez ce lien pour choisir votre mot de passe :",
    ),
    ("mail_invitation_action", "Accept the invitation", "Kubali mwaliko", "Accepter l’invitation"),
    (
        "mail_invitation_note",
        "The link is good for seven days and for you alone. If you do not know what this is about, do nothing.",
        "Kiungo kinadumu siku saba na ni chako peke yako. Kama hujui hii inahusu nini, usifanye chochote.",
        "Le lien est valable sept jours et pour vous seul. Si vous ne savez pas de quoi il s’agit, ne faites rien.",
    ),
    (
        "mail_reset_subject",
        "Set a new password for Hitaji",
        "Weka nywila mpya ya Hitaji",
        "Un nouveau mot de passe pour Hitaji",
    ),
    ("mail_reset_greeting", "Hello {name},", "Habari {name},", "Bonjour {name},"),
    (
        "mail_reset_body",
        "Somebody, probably you, asked for a new password for your Hitaji account. Open this link to choose it:",
        "Mtu, labda wewe, ameomba nywila mpya ya akaunti yako ya Hitaji. Fungua kiungo hiki kuichagua:",
        "Quelqu’un, sans doute vous, a demandé un nouveau mot de passe pour votre compte Hitaji. Ouvrez ce lien pour le choisir :",
    ),
    ("mail_reset_action", "Choose a new password", "Chagua nywila mpya", "Choisir un nouveau mot de passe"),
    (
        "mail_reset_note",
        "The link is good for 30 minutes. If it was not you, do nothing: your password stays as it is.",
        "Kiungo kinadumu dakika 30. Kama si wewe, usifanye chochote: nywila yako inabaki ilivyo.",
        "Le lien est valable 30 minutes. Si ce n’était pas vous, ne faites rien : votre mot de passe reste tel quel.",
    ),
    (
        "mail_quota_subject",
        "{organisation}: {percent}% of {what} used",
        "{organisation}: {percent}% ya {what} imetumika",
        "{organisation} : {percent} % de {what} utilisés",
    ),
    ("mail_quota_greeting", "Hello {name},", "Habari {name},", "Bonjour {name},"),
    (
        "mail_quota_body",
        "{organisation} has used {percent}% of {what} in the plan {plan}. {consequence} See how things stand here:",
        "{organisation} imetumia {percent}% ya {what} katika mpango {plan}. {consequence} Angalia hali ilivyo hapa:",
        "{organisation} a utilisé {percent} % de {what} de la formule {plan}. {consequence} Voyez où vous en êtes :",
    ),
    ("mail_quota_action", "See the usage", "Angalia matumizi", "Voir l’utilisation"),
    (
        "mail_quota_note",
        "You get this because you are an owner. A larger plan can be had at any time; nothing that is stored gets lost.",
        "Umepata ujumbe huu kwa sababu wewe ni mmiliki. Mpango mkubwa zaidi unapatikana wakati wowote; hakuna kilichohifadhiwa kinachopotea.",
        "Vous recevez ceci parce que vous êtes propriétaire. Une formule plus grande est possible à tout moment ; rien de ce qui est enregistré ne se perd.",
    ),
    ("quota_users", "the room for people", "nafasi ya watu", "la place pour les personnes"),
    (
        "quota_users_consequence",
        "When it is full, nobody more can be invited; everybody who is in goes on.",
        "Ikijaa, hakuna mwingine anayeweza kualikwa; waliomo wanaendelea.",
        "Quand elle est pleine, plus personne ne peut être invité ; tous ceux qui y sont continuent.",
    ),
    ("quota_storage", "the storage", "nafasi ya kuhifadhi", "l’espace de stockage"),
    (
        "quota_storage_consequence",
        "When it is full, nothing new can be saved; reading and deleting go on.",
        "Ikijaa, hakuna kipya kinachoweza kuhifadhiwa; kusoma na kufuta kunaendelea.",
        "Quand il est plein, rien de nouveau ne peut être enregistré ; lire et supprimer continuent.",
    ),
    ("quota_requests", "today’s requests", "maombi ya leo", "les requêtes du jour"),
    (
        "quota_requests_consequence",
        "When they are used up, work goes on after midnight; settings and people stay reachable.",
        "Yakiisha, kazi inaendelea baada ya saa sita usiku; mipangilio na watu bado vinafikika.",
        "Quand elles sont épuisées, le travail reprend après minuit ; les réglages et les personnes restent accessibles.",
    ),
    ("quota_messages", "this month’s messages", "ujumbe wa mwezi huu", "les messages du mois"),
    (
        "quota_messages_consequence",
        "When they are used up, invitations wait for the next month; mail for signing in goes on.",
        "Ukiisha, mialiko inasubiri mwezi ujao; barua za kuingia zinaendelea.",
        "Quand ils sont épuisés, les invitations attendent le mois suivant ; les messages de connexion continuent.",
    ),
];
