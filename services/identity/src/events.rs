//! Consumers of events: the mails with secret links, warnings to owners, and organisations that are erased.
use crate::config::Settings;
use crate::domain::link::{self, LinkKind};
use crate::http::provider::Provider;
use crate::http::texts;
use crate::pages;
use crate::store::{account, email_proof, event, invitation, organisation, reset};
use hitaji_bus::{Consumer, ConsumerError, Delivery, Handled};
use hitaji_contracts::identity::{
    AccountNoticed, CodeSent, EmailProofRequested, InvitationSent, PasswordResetRequested, SessionEnded,
};
use hitaji_contracts::tenancy::{OrganisationErasing, QuotaWarned};
use hitaji_core::{Event as _, TenantId};
use hitaji_db::Home;
use lettre::message::{Mailbox, MultiPart};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use minijinja::context;
use std::time::Duration;

pub const CONSUMERS: &[Consumer] = &[
    Consumer {
        name: "identity.mail",
        service: "identity",
        source: "identity",
        types: &[InvitationSent::TYPE, PasswordResetRequested::TYPE, EmailProofRequested::TYPE, AccountNoticed::TYPE],
        source_home: Home::Control,
        home: Home::Control,
        handle: |delivery| -> Handled<'_> { Box::pin(send_mail(delivery)) },
    },
    Consumer {
        name: "identity.texts",
        service: "identity",
        source: "identity",
        types: &[CodeSent::TYPE],
        source_home: Home::Control,
        home: Home::Control,
        handle: |delivery| -> Handled<'_> { Box::pin(texts::send_code(delivery)) },
    },
    Consumer {
        name: "identity.quota_mail",
        service: "identity",
        source: "tenancy",
        types: &[QuotaWarned::TYPE],
        source_home: Home::Control,
        home: Home::Control,
        handle: |delivery| -> Handled<'_> { Box::pin(warn_owners(delivery)) },
    },
    Consumer {
        name: "identity.backchannel",
        service: "identity",
        source: "identity",
        types: &[SessionEnded::TYPE],
        source_home: Home::Control,
        home: Home::Control,
        handle: |delivery| -> Handled<'_> { Box::pin(crate::http::backchannel::note(delivery)) },
    },
    Consumer {
        name: "identity.erasure",
        service: "identity",
        source: "tenancy",
        types: &[OrganisationErasing::TYPE],
        source_home: Home::Control,
        home: Home::Control,
        handle: |delivery| -> Handled<'_> { Box::pin(forget_organisation(delivery)) },
    },
];

/// Of an organisation that is erased nothing is kept but the accounts of its people.
async fn forget_organisation(delivery: Delivery<'_>) -> Result<(), ConsumerError> {
    let Some(erasing) = delivery.event.decode::<OrganisationErasing>() else { return Ok(()) };
    let id = erasing?.tenant_id.0;
    organisation::forget(delivery.tx, id, delivery.event.time).await?;
    event::forget_of(delivery.tx, id).await?;
    Ok(())
}

/// Sends mail by SMTP.
pub struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    sender: Mailbox,
}

impl Mailer {
    pub fn new(settings: &Settings) -> Result<Mailer, String> {
        // The URL may hold a password, so the error does not repeat it.
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(&settings.smtp_url)
            .map_err(|_| "identity.smtp_url is not smtp://host:port or smtps://user:password@host:port")?
            .timeout(Some(Duration::from_secs(10)))
            .build();
        let sender = settings
            .mail_from
            .parse()
            .map_err(|_| "identity.mail_from is not an address like Hitaji <no-reply@example.org>")?;
        Ok(Mailer { transport, sender })
    }

    pub async fn send(&self, to: Mailbox, subject: &str, text: String, html: String) -> Result<(), ConsumerError> {
        let message = Message::builder()
            .from(self.sender.clone())
            .to(to)
            .subject(subject)
            .multipart(MultiPart::alternative_plain_html(text, html))
            .map_err(|error| ConsumerError::Other(format!("mail: {error}")))?;
        let sent = self.transport.send(message).await;
        sent.map(|_| ()).map_err(|error| ConsumerError::Other(format!("mail server: {error}")))
    }
}

/// What a mail says, besides the texts of its kind.
struct Letter<'a> {
    /// Prefix of its texts' keys.
    kind: &'a str,
    locale: &'a str,
    name: &'a str,
    email: &'a str,
    link: String,
    organisation: &'a str,
    inviter: &'a str,
    /// Further places of its texts.
    places: Vec<(&'static str, String)>,
    /// Whose message it is by the plan; nobody's where it must be sent whatever is used up.
    tenant: Option<TenantId>,
}

impl<'a> Letter<'a> {
    /// To a person about their own account.
    fn own(kind: &'a str, locale: &'a str, name: &'a str, email: &'a str, link: String) -> Letter<'a> {
        let (organisation, inviter, places) = ("Hitaji", "Hitaji", Vec::new());
        Letter { kind, locale, name, email, link, organisation, inviter, places, tenant: None }
    }
}

async fn send_mail(delivery: Delivery<'_>) -> Result<(), ConsumerError> {
    let provider = delivery.parts.get::<Provider>();
    if let Some(event) = delivery.event.decode::<InvitationSent>() {
        return send_invitation(delivery, &provider, event?).await;
    }
    if let Some(event) = delivery.event.decode::<EmailProofRequested>() {
        return send_proof(delivery, &provider, event?).await;
    }
    if let Some(event) = delivery.event.decode::<AccountNoticed>() {
        return send_notice(&provider, &event?).await;
    }
    match delivery.event.decode::<PasswordResetRequested>() {
        Some(event) => send_reset(delivery, &provider, event?).await,
        None => Ok(()),
    }
}

async fn send_invitation(
    delivery: Delivery<'_>,
    provider: &Provider,
    event: InvitationSent,
) -> Result<(), ConsumerError> {
    let found = invitation::find(delivery.tx, event.invitation_id).await?;
    let Some(invitation) = found.filter(|found| found.state == "pending" && found.expires_at > delivery.tx.scope().at)
    else {
        return Ok(());
    };
    if provider.is_neutralised(invitation.organisation_id).await? {
        tracing::info!(invitation = %invitation.id, "nothing leaves a copy of an organisation: the mail is not sent");
        return Ok(());
    }
    let wish = organisation::wish(delivery.tx, invitation.organisation_id).await?;
    let inviter = account::find(delivery.tx, invitation.invited_by).await?;
    let token = link::seal(&provider.master, LinkKind::Invitation, invitation.id, invitation.counter);
    let inviter = inviter.as_ref().map_or("Hitaji", |inviter| &inviter.name);
    let organisation = wish.as_ref().map_or("Hitaji", |(wish, _)| &wish.name);
    let link = format!("{}/invitations/{token}", provider.origin);
    if let Some(phone) = &invitation.phone {
        let text = pages::text(&invitation.locale, "text_invitation");
        let places = [("{inviter}", inviter), ("{organisation}", organisation), ("{link}", &link)];
        let text = places.iter().fold(text.to_owned(), |text, (place, value)| text.replace(place, value));
        texts::send(provider, phone, &text).await?;
        provider.databases.meter().message(Some(event.tenant_id));
        return Ok(());
    }
    let letter = Letter {
        kind: "mail_invitation",
        locale: &invitation.locale,
        name: &invitation.name,
        email: &invitation.email,
        link,
        organisation,
        inviter,
        places: Vec::new(),
        tenant: Some(event.tenant_id),
    };
    post(provider, &letter).await
}

async fn send_reset(
    delivery: Delivery<'_>,
    provider: &Provider,
    event: PasswordResetRequested,
) -> Result<(), ConsumerError> {
    let found = reset::find(delivery.tx, event.reset_id).await?;
    let Some(reset) = found.filter(|found| found.used_at.is_none() && found.expires_at > delivery.tx.scope().at) else {
        return Ok(());
    };
    let token = link::seal(&provider.master, LinkKind::PasswordReset, reset.id, 1);
    let letter = Letter {
        kind: "mail_reset",
        locale: &reset.locale,
        name: &reset.name,
        email: &reset.email,
        link: format!("{}/reset-password/{token}", provider.origin),
        organisation: "Hitaji",
        inviter: "Hitaji",
        places: Vec::new(),
        tenant: None,
    };
    post(provider, &letter).await
}

async fn send_proof(
    delivery: Delivery<'_>,
    provider: &Provider,
    event: EmailProofRequested,
) -> Result<(), ConsumerError> {
    let found = email_proof::find(delivery.tx, event.proof_id).await?;
    let Some(proof) = found.filter(|found| found.used_at.is_none() && found.expires_at > delivery.tx.scope().at) else {
        return Ok(());
    };
    let token = link::seal(&provider.master, LinkKind::EmailProof, proof.id, 1);
    let link = format!("{}/verify-email/{token}", provider.origin);
    post(provider, &Letter::own("mail_proof", &proof.locale, &proof.name, &proof.email, link)).await
}

async fn send_notice(provider: &Provider, event: &AccountNoticed) -> Result<(), ConsumerError> {
    let kind = format!("mail_{}", event.kind);
    let device = match event.device.as_str() {
        "" => pages::text(&event.locale, "device_unknown"),
        device => device,
    };
    let page = if event.kind == "sign_in" { "sessions" } else { "security" };
    let link = format!("{}/account/{page}", provider.origin);
    let letter = Letter::own(&kind, &event.locale, &event.name, &event.email, link);
    post(provider, &Letter { places: vec![("{device}", device.to_owned())], ..letter }).await
}

async fn post(provider: &Provider, letter: &Letter<'_>) -> Result<(), ConsumerError> {
    let say = |part: &str| {
        let text = pages::text(letter.locale, &format!("{}_{part}", letter.kind));
        let filled = [("{name}", letter.name), ("{organisation}", letter.organisation), ("{inviter}", letter.inviter)];
        let text = filled.iter().fold(text.to_owned(), |text, (place, value)| text.replace(place, value));
        letter.places.iter().fold(text, |text, (place, value)| text.replace(place, value))
    };
    let values = context! {
        lang => letter.locale,
        subject => say("subject"),
        greeting => say("greeting"),
        body => say("body"),
        action => say("action"),
        note => say("note"),
        link => letter.link.clone(),
    };
    let render = |template: &str| {
        provider.pages.render(template, values.clone()).map_err(|error| ConsumerError::Other(format!("mail: {error}")))
    };
    let address: Address =
        letter.email.parse().map_err(|_| ConsumerError::Other("the address of a mail is not one".into()))?;
    let to = Mailbox::new(Some(letter.name.to_owned()), address);
    provider.mailer.send(to, &say("subject"), render("mail.txt")?, render("mail.html")?).await?;
    provider.databases.meter().message(letter.tenant);
    Ok(())
}

/// Tells the owners that a limit of their plan comes near. Not counted as one of their messages.
async fn warn_owners(delivery: Delivery<'_>) -> Result<(), ConsumerError> {
    let provider = delivery.parts.get::<Provider>();
    let Some(event) = delivery.event.decode::<QuotaWarned>() else { return Ok(()) };
    let event = event?;
    let tenant = provider.databases.describe(event.tenant_id).await?;
    if tenant.neutralised {
        return Ok(());
    }
    for (name, email, locale) in organisation::people_with_role(delivery.tx, event.tenant_id.0, "owner").await? {
        let what = pages::text(&locale, &format!("quota_{}", event.kind)).to_owned();
        let places = vec![
            ("{what}", what),
            ("{percent}", event.percent.to_string()),
            ("{plan}", event.plan.clone()),
            ("{consequence}", pages::text(&locale, &format!("quota_{}_consequence", event.kind)).to_owned()),
        ];
        let letter = Letter {
            kind: "mail_quota",
            locale: &locale,
            name: &name,
            email: &email,
            link: format!("{}/settings/usage", provider.origin),
            organisation: &tenant.name,
            inviter: "Hitaji",
            places,
            tenant: None,
        };
        post(&provider, &letter).await?;
    }
    Ok(())
}
