"""PyPI Authlib with joserfc speaks to our provider: code flow, ID token checks, refresh, revocation."""

import json
import os
import sys
from html.parser import HTMLParser
from urllib.parse import parse_qs, urljoin, urlsplit

import requests
from authlib.common.security import generate_token
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from joserfc import jwt
from joserfc.jwk import KeySet
from joserfc.errors import JoseError

EMAIL, PASSWORD = "wanjiku@uhuru.example", "twiga mrefu hula majani"
CALLBACK = "http://localhost:9/callback"
with open(os.environ["HITAJI_READY"]) as ready:
    ORIGIN = json.load(ready)["address"]


class Forms(HTMLParser):
    """The first form of a page: where it goes, and its hidden fields."""

    def __init__(self, html):
        super().__init__()
        self.action, self.hidden = None, {}
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if tag == "form" and self.action is None:
            self.action = values.get("action", "")
        if tag == "input" and values.get("type") == "hidden":
            self.hidden[values["name"]] = values.get("value", "")


def sign_in(browser, url):
    """Goes through the provider's pages, up to the address that leads back to the client."""
    answer = browser.get(url, allow_redirects=False)
    for _ in range(10):
        while answer.is_redirect:
            target = urljoin(answer.url, answer.headers["location"])
            if not target.startswith(ORIGIN):
                return target
            answer = browser.get(target, allow_redirects=False)
        form = Forms(answer.text)
        assert form.action, f"{answer.url}: {answer.status_code}, and no form"
        fields = {**form.hidden, "email": EMAIL, "password": PASSWORD}
        answer = browser.post(
            urljoin(answer.url, form.action), data=fields, headers={"Origin": ORIGIN}, allow_redirects=False
        )
    raise AssertionError("the sign-in does not end")


def refused(what, work, error):
    try:
        work()
    except OAuthError as problem:
        assert problem.error == error, f"{what}: {problem}"
    else:
        raise AssertionError(f"{what} was not refused")


def check_id_token(id_token, keys, nonce):
    token = jwt.decode(id_token, keys, algorithms=["RS256"])
    rules = jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": ORIGIN},
        aud={"essential": True, "value": "test-web"},
        nonce={"essential": True, "value": nonce},
        exp={"essential": True},
        sub={"essential": True},
        org_slug={"essential": True, "value": "uhuru-academy"},
    )
    rules.validate(token.claims)
    return token.claims


def main():
    organisation = {
        "organisation": "Uhuru Academy", "country": "KE", "currency": "KES", "time_zone": "Africa/Nairobi",
        "products": ["school"], "name": "Wanjiku Kamau", "email": EMAIL, "password": PASSWORD,
    }
    requests.post(f"{ORIGIN}/identity/v1/sign-ups", json=organisation).raise_for_status()
    found = requests.get(f"{ORIGIN}/.well-known/openid-configuration").json()
    assert found["issuer"] == ORIGIN, found["issuer"]
    keys = KeySet.import_key_set(requests.get(found["jwks_uri"]).json())
    assert all("d" not in key.as_dict() for key in keys.keys), "a private key is published"

    client = OAuth2Session(
        "test-web", "nobody knows this", scope="openid profile email hitaji", redirect_uri=CALLBACK,
        token_endpoint_auth_method="client_secret_basic", code_challenge_method="S256",
    )
    nonce, verifier = generate_token(), generate_token(48)
    url, state = client.create_authorization_url(found["authorization_endpoint"], nonce=nonce, code_verifier=verifier)
    back = sign_in(requests.Session(), url)
    assert parse_qs(urlsplit(back).query)["iss"] == [ORIGIN], back
    token = client.fetch_token(found["token_endpoint"], authorization_response=back, state=state, code_verifier=verifier)
    claims = check_id_token(token["id_token"], keys, nonce)
    print("ok  the code flow, and an ID token with signature, issuer, audience and nonce")

    for part in (token["id_token"][:-4] + "AAAA", token["id_token"].replace(".", ".e30", 1)):
        try:
            jwt.decode(part, keys, algorithms=["RS256"])
        except (JoseError, ValueError):
            continue
        raise AssertionError("a tampered ID token passed")
    # Signed by us, and with another algorithm: an access token is no ID token.
    access = jwt.decode(token["access_token"], keys, algorithms=["ES256"])
    assert access.header["typ"] == "at+jwt" and access.claims["client_id"] == "test-web", access.header
    assert access.claims["exp"] - access.claims["iat"] <= 300, "an access token lives too long"
    print("ok  tampered tokens do not pass; access tokens verify by the same key set")

    person = client.get(found["userinfo_endpoint"]).json()
    assert (person["sub"], person["email"]) == (claims["sub"], EMAIL), person
    assert client.get(f"{ORIGIN}/identity/v1/me").json()["organisation"]["slug"] == "uhuru-academy"
    print("ok  userinfo and the API")

    old = client.token["refresh_token"]
    renewed = client.refresh_token(found["token_endpoint"], refresh_token=old)
    assert renewed["refresh_token"] != old, "the refresh token was not rotated"
    assert client.get(f"{ORIGIN}/identity/v1/me").status_code == 200
    newest = client.refresh_token(found["token_endpoint"], refresh_token=renewed["refresh_token"])["refresh_token"]
    print("ok  refresh with rotation")

    answer = client.revoke_token(found["revocation_endpoint"], token=newest, token_type_hint="refresh_token")
    assert answer.status_code == 200, answer.text
    refused("a revoked refresh token", lambda: client.refresh_token(found["token_endpoint"], refresh_token=newest), "invalid_grant")
    print("ok  revocation")


if __name__ == "__main__":
    sys.exit(main())
