//! Signing in and out, and the choice of an organisation.
use super::Text;

pub const TEXTS: &[Text] = &[
    // Sign in.
    ("sign_in_title", "Welcome back", "Karibu tena", "Bon retour"),
    (
        "sign_in_lead",
        "Sign in with your e-mail address and password.",
        "Ingia kwa barua pepe na nywila yako.",
        "Connectez-vous avec votre adresse e-mail et votre mot de passe.",
    ),
    ("sign_in", "Sign in", "Ingia", "Se connecter"),
    (
        "sign_in_wrong",
        "The e-mail address and password do not go together. Check both, or set a new password.",
        "Barua pepe na nywila hazilingani. Angalia zote mbili, au weka nywila mpya.",
        "L’adresse e-mail et le mot de passe ne vont pas ensemble. Vérifiez les deux, ou choisissez un nouveau mot de passe.",
    ),
    ("forgot_link", "Forgot your password?", "Umesahau nywila?", "Mot de passe oublié ?"),
    ("no_account", "New here?", "Mgeni hapa?", "Nouveau ici ?"),
    ("sign_up_link", "Sign up your organisation", "Sajili taasisi yako", "Inscrire votre organisation"),
    // Organisations.
    ("organisations_title", "Where do you want to work?", "Unataka kufanya kazi wapi?", "Où voulez-vous travailler ?"),
    ("signed_in_as", "You are signed in as", "Umeingia kama", "Vous êtes connecté en tant que"),
    ("organisations_none_title", "No organisation yet", "Bado hakuna taasisi", "Pas encore d’organisation"),
    (
        "organisations_none",
        "Your account belongs to no organisation just now. Ask for an invitation, or sign up your own.",
        "Akaunti yako haiko katika taasisi yoyote kwa sasa. Omba mwaliko, au sajili taasisi yako.",
        "Votre compte n’appartient à aucune organisation pour le moment. Demandez une invitation, ou inscrivez la vôtre.",
    ),
    ("organisation_choose", "Choose an organisation.", "Chagua taasisi.", "Choisissez une organisation."),
    ("use_another_account", "Use another account", "Tumia akaunti nyingine", "Utiliser un autre compte"),
    ("last_used", "last used", "ya mwisho", "dernière utilisée"),
    // Leaving.
    ("sign_out_title", "Sign out?", "Utoke?", "Se déconnecter ?"),
    (
        "sign_out_text",
        "You will have to sign in again on this device.",
        "Itabidi uingie tena kwenye kifaa hiki.",
        "Il faudra vous reconnecter sur cet appareil.",
    ),
    ("sign_out", "Sign out", "Toka", "Se déconnecter"),
    ("stay", "Stay signed in", "Baki ndani", "Rester connecté"),
    ("signed_out_title", "You are signed out", "Umetoka", "Vous êtes déconnecté"),
    ("signed_out_text", "See you soon.", "Tutaonana hivi karibuni.", "À bientôt."),
    ("sign_in_again", "Sign in again", "Ingia tena", "Se reconnecter"),
];
