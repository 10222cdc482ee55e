//! Invitations.
use super::Text;

pub const TEXTS: &[Text] = &[
    ("invitation_title", "You are invited", "Umealikwa", "Vous êtes invité"),
    (
        "invitation_lead",
        "{inviter} invites you to work in {organisation}.",
        "{inviter} anakualika ufanye kazi katika {organisation}.",
        "{inviter} vous invite à travailler dans {organisation}.",
    ),
    ("invitation_role", "Your role", "Nafasi yako", "Votre rôle"),
    (
        "invitation_new",
        "Choose a password and you are in.",
        "Chagua nywila na uko ndani.",
        "Choisissez un mot de passe et c’est fait.",
    ),
    (
        "invitation_known",
        "You have an account already. Confirm with its password.",
        "Una akaunti tayari. Thibitisha kwa nywila yake.",
        "Vous avez déjà un compte. Confirmez avec son mot de passe.",
    ),
    ("invitation_accept", "Accept and go on", "Kubali na uendelee", "Accepter et continuer"),
    (
        "invitation_gone_title",
        "This invitation is no longer open",
        "Mwaliko huu haufanyi kazi tena",
        "Cette invitation n’est plus ouverte",
    ),
    (
        "invitation_gone_text",
        "It was accepted, withdrawn, sent again with a new link, or is older than seven days. Look for a newer mail, or ask for another invitation.",
        "Umekubaliwa, umeondolewa, umetumwa tena kwa kiungo kipya, au una zaidi ya siku saba. Tafuta barua mpya zaidi, au omba mwaliko mwingine.",
        "Elle a été acceptée, retirée, renvoyée avec un nouveau lien, ou date de plus de sept jours. Cherchez un message plus récent, ou demandez une autre invitation.",
    ),
    (
        "invitation_full_title",
        "There is no room just now",
        "Hakuna nafasi kwa sasa",
        "Il n’y a pas de place pour le moment",
    ),
    (
        "invitation_full_text",
        "The plan of this organisation has no room for one more person. Your invitation stays open; ask who invited you for room.",
        "Mpango wa taasisi hii hauna nafasi ya mtu mwingine. Mwaliko wako bado uko wazi; mwombe aliyekualika akupatie nafasi.",
        "La formule de cette organisation n’a plus de place pour une personne de plus. Votre invitation reste ouverte ; demandez de la place à qui vous a invité.",
    ),
];
