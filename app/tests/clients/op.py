"""The provider under test, ours or the reference one: its address, its pages for people, and what it announces."""

import json
import os
import sys
from html.parser import HTMLParser
from urllib.parse import urljoin

import requests

EMAIL, PASSWORD = "wanjiku@uhuru.example", "twiga mrefu hula majani"
CALLBACK = "http://localhost:9/callback"
ORGANISATION_ID = "0199a000-7000-7000-8000-00000000a001"  # where test-machine of clients.toml works
SCOPE = "openid profile email hitaji"
with open(os.environ["HITAJI_READY"]) as ready:
    READY = json.load(ready)
ORIGIN = READY["address"]
OURS = READY.get("kind") != "reference"
METADATA = requests.get(f"{ORIGIN}/.well-known/openid-configuration").json()
FEATURES = {
    "par": lambda: "pushed_authorization_request_endpoint" in METADATA,
    "client_credentials": lambda: "client_credentials" in METADATA["grant_types_supported"],
    "introspection": lambda: "introspection_endpoint" in METADATA,
    "device": lambda: "device_authorization_endpoint" in METADATA,
    "dpop": lambda: "ES256" in METADATA.get("dpop_signing_alg_values_supported", []),
}
missing = []


def announced(feature, step):
    """Whether discovery announces what a step needs; says so where not."""
    if FEATURES[feature]():
        return True
    missing.append(feature)
    print(f"not announced: {step}")
    return False


def must_be_announced():
    """The end of a script: nothing was left out."""
    if missing:
        sys.exit(f"discovery does not announce: {', '.join(missing)}")


def sign_up(organisation, email, organisation_id=None):
    """Somebody who can sign in: with us by signing up, at the reference by merely saying so."""
    if OURS:
        body = {
            "organisation_id": organisation_id, "organisation": organisation, "country": "KE", "currency": "KES", "time_zone": "Africa/Nairobi",
            "products": ["school"], "name": "Wanjiku Kamau", "email": email, "password": PASSWORD,
        }
        requests.post(f"{ORIGIN}/identity/v1/sign-ups", json=body).raise_for_status()


class Form(HTMLParser):
    """The first form of a page: where it goes, its fields, and its first button."""

    def __init__(self, html):
        super().__init__()
        self.action, self.fields, self.inside, self.pressed = None, {}, False, False
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if tag == "form" and self.action is None:
            self.action, self.inside = values.get("action", ""), True
        ticked = values.get("type") not in ("checkbox", "radio") or "checked" in values
        first = tag == "button" and not self.pressed
        if self.inside and values.get("name") and ((tag == "input" and ticked) or first):
            self.fields[values["name"]] = values.get("value", "")
            self.pressed = self.pressed or tag == "button"

    def handle_endtag(self, tag):
        self.inside = self.inside and tag != "form"


def browse(browser, url, email=EMAIL, **more):
    """Goes through pages as a person would; answers the address that leads away from the provider, or the last page."""
    typed = {"email": email, "login": email, "password": PASSWORD, **more}
    answer = browser.get(url, allow_redirects=False)
    for _ in range(10):
        while answer.is_redirect:
            target = urljoin(answer.url, answer.headers["location"])
            if not target.startswith(f"{ORIGIN}/"):
                return target
            answer = browser.get(target, allow_redirects=False)
        form = Form(answer.text)
        if form.action is None:
            return answer
        fields = {name: typed.get(name, value) for name, value in form.fields.items()}
        target = urljoin(answer.url, form.action)
        answer = browser.post(target, data=fields, headers={"Origin": ORIGIN}, allow_redirects=False)
    raise AssertionError(f"the forms do not end: {answer.url}")


def sign_in(browser, url, email=EMAIL):
    """Goes through the provider's pages, up to the address that leads back to the client."""
    back = browse(browser, str(url), email)
    assert isinstance(back, str), f"{back.url}: {back.status_code}, and no form: {back.text[:300]}"
    return back
