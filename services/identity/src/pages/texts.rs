//! What pages and mails say, in English and Swahili side by side.

/// Key, English, Swahili.
type Text = (&'static str, &'static str, &'static str);

/// The text; nothing where there is none of this key.
pub fn text(locale: &str, key: &str) -> &'static str {
    all(locale).find(|(known, _)| *known == key).map_or("", |(_, text)| text)
}

pub fn all(locale: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let swahili = locale == "sw";
    TEXTS.iter().map(move |(key, en, sw)| (*key, if swahili { *sw } else { *en }))
}

const TEXTS: &[Text] = &[
    // The frame of every page.
    ("tagline", "Your organisation’s work in one calm place.", "Kazi ya taasisi yako mahali pamoja, kwa utulivu."),
    ("language", "Language", "Lugha"),
    ("other_language_name", "Kiswahili", "English"),
    ("skip", "Skip to content", "Nenda kwenye maudhui"),
    ("errors_heading", "Please look at these again:", "Tafadhali angalia haya tena:"),
    ("optional", "optional", "si lazima"),
    // Fields.
    ("email", "E-mail address", "Barua pepe"),
    ("email_hint", "You sign in with it.", "Utaitumia kuingia."),
    ("password", "Password", "Nywila"),
    ("new_password", "New password", "Nywila mpya"),
    (
        "password_hint",
        "At least 8 characters. Three or four words that do not belong together are easy to remember and hard to guess.",
        "Angalau herufi 8. Maneno matatu au manne yasiyohusiana ni rahisi kukumbuka na vigumu kubahatisha.",
    ),
    ("your_name", "Your name", "Jina lako"),
    // What is wrong with them.
    ("email_malformed", "Write an e-mail address like amina@example.org.", "Andika barua pepe kama amina@example.org."),
    ("name_missing", "Write your name.", "Andika jina lako."),
    (
        "organisation_missing",
        "Write the name of your organisation, at least two letters.",
        "Andika jina la taasisi yako, angalau herufi mbili.",
    ),
    ("country_unknown", "Choose a country.", "Chagua nchi."),
    ("currency_unknown", "Choose a currency.", "Chagua sarafu."),
    ("time_zone_unknown", "Choose a time zone.", "Chagua ukanda wa saa."),
    (
        "slug_malformed",
        "Use lower-case letters, digits and hyphens, at most 40.",
        "Tumia herufi ndogo, tarakimu na vistari, visizidi 40.",
    ),
    ("product_missing", "Choose what you want to use.", "Chagua unachotaka kutumia."),
    ("password_missing", "Write your password.", "Andika nywila yako."),
    ("password_too_short", "Use at least 8 characters.", "Tumia angalau herufi 8."),
    ("password_too_long", "Use at most 100 characters.", "Tumia herufi zisizozidi 100."),
    (
        "password_weak",
        "This is easy to guess. Add another word or two.",
        "Hii ni rahisi kubahatisha. Ongeza neno moja au mawili.",
    ),
    (
        "password_weak_keys",
        "Keys that stand in a row are easy to guess. Use a few words instead.",
        "Vitufe vilivyofuatana ni rahisi kubahatisha. Tumia maneno machache badala yake.",
    ),
    (
        "password_weak_repeats",
        "Repeats and sequences are easy to guess. Use a few words instead.",
        "Marudio na mfuatano ni rahisi kubahatisha. Tumia maneno machache badala yake.",
    ),
    (
        "password_weak_common",
        "Many people use this password or one very like it. Use a few words instead.",
        "Watu wengi hutumia nywila hii au inayofanana nayo. Tumia maneno machache badala yake.",
    ),
    (
        "password_weak_dates",
        "Dates and years are easy to guess. Add a few words.",
        "Tarehe na miaka ni rahisi kubahatisha. Ongeza maneno machache.",
    ),
    (
        "password_weak_names",
        "A name or a word by itself is easy to guess. Add a few more words.",
        "Jina au neno moja peke yake ni rahisi kubahatisha. Ongeza maneno mengine.",
    ),
    // Sign in.
    ("sign_in_title", "Welcome back", "Karibu tena"),
    ("sign_in_lead", "Sign in with your e-mail address and password.", "Ingia kwa barua pepe na nywila yako."),
    ("sign_in", "Sign in", "Ingia"),
    (
        "sign_in_wrong",
        "The e-mail address and password do not go together. Check both, or set a new password.",
        "Barua pepe na nywila hazilingani. Angalia zote mbili, au weka nywila mpya.",
    ),
    ("forgot_link", "Forgot your password?", "Umesahau nywila?"),
    ("no_account", "New here?", "Mgeni hapa?"),
    ("sign_up_link", "Sign up your organisation", "Sajili taasisi yako"),
    // Organisations.
    ("organisations_title", "Where do you want to work?", "Unataka kufanya kazi wapi?"),
    ("signed_in_as", "You are signed in as", "Umeingia kama"),
    ("organisations_none_title", "No organisation yet", "Bado hakuna taasisi"),
    (
        "organisations_none",
        "Your account belongs to no organisation just now. Ask for an invitation, or sign up your own.",
        "Akaunti yako haiko katika taasisi yoyote kwa sasa. Omba mwaliko, au sajili taasisi yako.",
    ),
    ("organisation_choose", "Choose an organisation.", "Chagua taasisi."),
    ("use_another_account", "Use another account", "Tumia akaunti nyingine"),
    ("last_used", "last used", "ya mwisho"),
    // Sign up.
    ("sign_up_title", "Start with your organisation", "Anza na taasisi yako"),
    (
        "sign_up_lead",
        "It takes a minute. You can fill in the rest later.",
        "Ni dakika moja tu. Mengine unaweza kujaza baadaye.",
    ),
    ("your_organisation", "Your organisation", "Taasisi yako"),
    ("organisation_name", "Name of the organisation", "Jina la taasisi"),
    ("country", "Country", "Nchi"),
    ("country_near", "East Africa", "Afrika Mashariki"),
    ("country_far", "Other countries", "Nchi nyingine"),
    ("currency", "Currency", "Sarafu"),
    ("time_zone", "Time zone", "Ukanda wa saa"),
    ("usual", "Usual for the country", "Ya kawaida ya nchi"),
    ("products", "What do you want to use?", "Unataka kutumia nini?"),
    ("product_school", "School", "Shule"),
    (
        "product_school_about",
        "Pupils, classes and the daily register",
        "Wanafunzi, madarasa na mahudhurio ya kila siku",
    ),
    ("yourself", "Yourself", "Wewe mwenyewe"),
    ("sign_up", "Create organisation", "Unda taasisi"),
    ("have_account", "Already using Hitaji?", "Unatumia Hitaji tayari?"),
    (
        "sign_up_mismatch",
        "We cannot use this e-mail address with this password. If you have used Hitaji before, write the password you use there, or set a new one.",
        "Hatuwezi kutumia barua pepe hii na nywila hii. Kama umewahi kutumia Hitaji, andika nywila unayotumia huko, au weka mpya.",
    ),
    // Invitations.
    ("invitation_title", "You are invited", "Umealikwa"),
    (
        "invitation_lead",
        "{inviter} invites you to work in {organisation}.",
        "{inviter} anakualika ufanye kazi katika {organisation}.",
    ),
    ("invitation_role", "Your role", "Nafasi yako"),
    ("invitation_new", "Choose a password and you are in.", "Chagua nywila na uko ndani."),
    (
        "invitation_known",
        "You have an account already. Confirm with its password.",
        "Una akaunti tayari. Thibitisha kwa nywila yake.",
    ),
    ("invitation_accept", "Accept and go on", "Kubali na uendelee"),
    ("invitation_gone_title", "This invitation is no longer open", "Mwaliko huu haufanyi kazi tena"),
    (
        "invitation_gone_text",
        "It was accepted, withdrawn, sent again with a new link, or is older than seven days. Look for a newer mail, or ask for another invitation.",
        "Umekubaliwa, umeondolewa, umetumwa tena kwa kiungo kipya, au una zaidi ya siku saba. Tafuta barua mpya zaidi, au omba mwaliko mwingine.",
    ),
    ("invitation_full_title", "There is no room just now", "Hakuna nafasi kwa sasa"),
    (
        "invitation_full_text",
        "The plan of this organisation has no room for one more person. Your invitation stays open; ask who invited you for room.",
        "Mpango wa taasisi hii hauna nafasi ya mtu mwingine. Mwaliko wako bado uko wazi; mwombe aliyekualika akupatie nafasi.",
    ),
    // Passwords.
    ("forgot_title", "Set a new password", "Weka nywila mpya"),
    ("forgot_lead", "We mail you a link that is good for 30 minutes.", "Tutakutumia kiungo kinachodumu dakika 30."),
    ("forgot_send", "Send the link", "Tuma kiungo"),
    ("back_to_sign_in", "Back to sign-in", "Rudi kwenye kuingia"),
    ("reset_sent_title", "Look into your mail", "Angalia barua pepe yako"),
    (
        "reset_sent_text",
        "If there is an account with this address, a link is on its way to it. It is good for 30 minutes.",
        "Kama kuna akaunti yenye anwani hii, kiungo kiko njiani. Kinadumu dakika 30.",
    ),
    ("reset_title", "Choose a new password", "Chagua nywila mpya"),
    ("reset_lead", "It ends all other sign-ins of this account.", "Itakatisha kuingia kwingine kote kwa akaunti hii."),
    ("reset_save", "Save and sign in", "Hifadhi na uingie"),
    ("reset_gone_title", "This link is no longer good", "Kiungo hiki hakifanyi kazi tena"),
    (
        "reset_gone_text",
        "It was used or is older than 30 minutes. Ask for another one.",
        "Kimetumika au kina zaidi ya dakika 30. Omba kingine.",
    ),
    // Leaving.
    ("sign_out_title", "Sign out?", "Utoke?"),
    ("sign_out_text", "You will have to sign in again on this device.", "Itabidi uingie tena kwenye kifaa hiki."),
    ("sign_out", "Sign out", "Toka"),
    ("stay", "Stay signed in", "Baki ndani"),
    ("signed_out_title", "You are signed out", "Umetoka"),
    ("signed_out_text", "See you soon.", "Tutaonana hivi karibuni."),
    ("sign_in_again", "Sign in again", "Ingia tena"),
    // When something is wrong.
    ("bad_client_title", "This application is not known here", "Programu hii haijulikani hapa"),
    (
        "bad_client_text",
        "The address that brought you here names no application of this platform. Go back and start again from the application.",
        "Anwani iliyokuleta hapa haitaji programu ya mfumo huu. Rudi uanze tena kutoka kwenye programu.",
    ),
    ("bad_redirect_title", "We do not send you on to this address", "Hatukupeleki kwenye anwani hii"),
    (
        "bad_redirect_text",
        "The application asked us to send you to an address that it has not registered. For your safety we stop here.",
        "Programu imetuomba tukupeleke kwenye anwani ambayo haijasajili. Kwa usalama wako tunaishia hapa.",
    ),
    ("bad_logout_title", "This sign-out link is not complete", "Kiungo hiki cha kutoka hakijakamilika"),
    ("bad_logout_text", "Open the application and sign out there.", "Fungua programu na utoke humo."),
    ("form_expired_title", "Please send the form once more", "Tafadhali tuma fomu tena"),
    (
        "form_expired_text",
        "The form did not come from this browser, or it was open for too long. Go back, reload the page and send it again. Cookies must be allowed.",
        "Fomu haikutoka kwenye kivinjari hiki, au ilikuwa wazi muda mrefu. Rudi, pakia ukurasa upya na uitume tena. Vidakuzi lazima viruhusiwe.",
    ),
    ("slow_down_title", "A moment, please", "Subiri kidogo, tafadhali"),
    (
        "slow_down_text",
        "There were many attempts. For safety, wait {seconds} seconds and try again.",
        "Kulikuwa na majaribio mengi. Kwa usalama, subiri sekunde {seconds} kisha ujaribu tena.",
    ),
    ("busy_title", "Very busy just now", "Kuna shughuli nyingi kwa sasa"),
    (
        "busy_text",
        "Nothing was changed. Try again in a moment.",
        "Hakuna kilichobadilishwa. Jaribu tena baada ya muda mfupi.",
    ),
    ("failed_title", "That did not work", "Haikufaulu"),
    (
        "failed_text",
        "Nothing was lost. Go back and try again; if it happens again, tell us the number below.",
        "Hakuna kilichopotea. Rudi ujaribu tena; ikitokea tena, tuambie nambari iliyo hapa chini.",
    ),
    ("to_start", "To the start", "Mwanzo"),
    // Roles, as people read them.
    ("role_owner", "Owner", "Mmiliki"),
    ("role_head_teacher", "Head teacher", "Mwalimu mkuu"),
    ("role_deputy", "Deputy head", "Naibu mwalimu mkuu"),
    ("role_teacher", "Teacher", "Mwalimu"),
    ("role_bursar", "Bursar", "Mhasibu"),
    ("role_registrar", "Registrar", "Msajili"),
    ("role_guardian", "Parent or guardian", "Mzazi au mlezi"),
    // Mails.
    ("mail_invitation_subject", "{inviter} invites you to {organisation}", "{inviter} anakualika {organisation}"),
    ("mail_invitation_greeting", "Hello {name},", "Habari {name},"),
    (
        "mail_invitation_body",
        "{inviter} invites you to work in {organisation} on Hitaji. Open this link to choose your password:",
        "{inviter} anakualika ufanye kazi katika {organisation} kwenye Hitaji. Fungua kiungo hiki kuchagua nywila yako:",
    ),
    ("mail_invitation_action", "Accept the invitation", "Kubali mwaliko"),
    (
        "mail_invitation_note",
        "The link is good for seven days and for you alone. If you do not know what this is about, do nothing.",
        "Kiungo kinadumu siku saba na ni chako peke yako. Kama hujui hii inahusu nini, usifanye chochote.",
    ),
    ("mail_reset_subject", "Set a new password for Hitaji", "Weka nywila mpya ya Hitaji"),
    ("mail_reset_greeting", "Hello {name},", "Habari {name},"),
    (
        "mail_reset_body",
        "Somebody, probably you, asked for a new password for your Hitaji account. Open this link to choose it:",
        "Mtu, labda wewe, ameomba nywila mpya ya akaunti yako ya Hitaji. Fungua kiungo hiki kuichagua:",
    ),
    ("mail_reset_action", "Choose a new password", "Chagua nywila mpya"),
    (
        "mail_reset_note",
        "The link is good for 30 minutes. If it was not you, do nothing: your password stays as it is.",
        "Kiungo kinadumu dakika 30. Kama si wewe, usifanye chochote: nywila yako inabaki ilivyo.",
    ),
    (
        "mail_quota_subject",
        "{organisation}: {percent}% of {what} used",
        "{organisation}: {percent}% ya {what} imetumika",
    ),
    ("mail_quota_greeting", "Hello {name},", "Habari {name},"),
    (
        "mail_quota_body",
        "{organisation} has used {percent}% of {what} in the plan {plan}. {consequence} See how things stand here:",
        "{organisation} imetumia {percent}% ya {what} katika mpango {plan}. {consequence} Angalia hali ilivyo hapa:",
    ),
    ("mail_quota_action", "See the usage", "Angalia matumizi"),
    (
        "mail_quota_note",
        "You get this because you are an owner. A larger plan can be had at any time; nothing that is stored gets lost.",
        "Umepata ujumbe huu kwa sababu wewe ni mmiliki. Mpango mkubwa zaidi unapatikana wakati wowote; hakuna kilichohifadhiwa kinachopotea.",
    ),
    ("quota_users", "the room for people", "nafasi ya watu"),
    (
        "quota_users_consequence",
        "When it is full, nobody more can be invited; everybody who is in goes on.",
        "Ikijaa, hakuna mwingine anayeweza kualikwa; waliomo wanaendelea.",
    ),
    ("quota_storage", "the storage", "nafasi ya kuhifadhi"),
    (
        "quota_storage_consequence",
        "When it is full, nothing new can be saved; reading and deleting go on.",
        "Ikijaa, hakuna kipya kinachoweza kuhifadhiwa; kusoma na kufuta kunaendelea.",
    ),
    ("quota_requests", "today’s requests", "maombi ya leo"),
    (
        "quota_requests_consequence",
        "When they are used up, work goes on after midnight; settings and people stay reachable.",
        "Yakiisha, kazi inaendelea baada ya saa sita usiku; mipangilio na watu bado vinafikika.",
    ),
    ("quota_messages", "this month’s messages", "ujumbe wa mwezi huu"),
    (
        "quota_messages_consequence",
        "When they are used up, invitations wait for the next month; mail for signing in goes on.",
        "Ukiisha, mialiko inasubiri mwezi ujao; barua za kuingia zinaendelea.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_stands_there_once_in_both_languages() {
        for (index, (key, en, sw)) in TEXTS.iter().enumerate() {
            assert!(!en.is_empty() && !sw.is_empty(), "{key}");
            assert!(TEXTS[..index].iter().all(|(other, ..)| other != key), "{key} stands there twice");
            for place in
                ["{name}", "{inviter}", "{organisation}", "{seconds}", "{what}", "{percent}", "{plan}", "{consequence}"]
            {
                assert_eq!(en.contains(place), sw.contains(place), "{key} {place}");
            }
        }
    }
}
