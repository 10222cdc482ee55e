"""PyPI Authlib with joserfc speaks to a provider: code flow, ID token checks, refresh, introspection, revocation."""

import sys
from urllib.parse import parse_qs, urlsplit

import requests
from authlib.common.security import generate_token
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from op import CALLBACK, EMAIL, METADATA, ORIGIN, OURS, SCOPE, announced, must_be_announced, sign_in, sign_up


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
        **({"org_slug": {"essential": True, "value": "uhuru-academy"}} if OURS else {}),
    )
    rules.validate(token.claims)
    return token.claims


def main():
    sign_up("Uhuru Academy", EMAIL)
    found = METADATA
    assert found["issuer"] == ORIGIN, found["issuer"]
    keys = KeySet.import_key_set(requests.get(found["jwks_uri"]).json())
    assert all("d" not in key.as_dict() for key in keys.keys), "a private key is published"

    client = OAuth2Session(
        "test-web", "nobody knows this", scope=SCOPE, redirect_uri=CALLBACK,
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
    print("ok  tampered ID tokens do not pass")

    if OURS:
        check_access_token(token["access_token"], keys)

    person = client.get(found["userinfo_endpoint"]).json()
    assert (person["sub"], person["email"]) == (claims["sub"], EMAIL), person
    print("ok  userinfo")

    old = client.token["refresh_token"]
    renewed = client.refresh_token(found["token_endpoint"], refresh_token=old)
    assert renewed["refresh_token"] != old, "the refresh token was not rotated"
    newest = client.refresh_token(found["token_endpoint"], refresh_token=renewed["refresh_token"])
    assert client.get(found["userinfo_endpoint"]).json()["sub"] == claims["sub"]
    print("ok  refresh with rotation")

    introspects = announced("introspection", "introspection")
    if introspects:
        access, refresh = (introspect(client, newest[kind], kind) for kind in ("access_token", "refresh_token"))
        assert (access["active"], access["client_id"], access["sub"]) == (True, "test-web", claims["sub"]), access
        assert refresh["active"], refresh
        assert introspect(client, "never-given", "access_token") == {"active": False}
        print("ok  introspection")

    answer = client.revoke_token(found["revocation_endpoint"], token=newest["refresh_token"], token_type_hint="refresh_token")
    assert answer.status_code == 200, answer.text
    again = lambda: client.refresh_token(found["token_endpoint"], refresh_token=newest["refresh_token"])  # noqa: E731
    refused("a revoked refresh token", again, "invalid_grant")
    if introspects:
        for kind in ("access_token", "refresh_token"):
            assert introspect(client, newest[kind], kind) == {"active": False}, f"the {kind} of a revoked grant"
    print("ok  revocation")
    must_be_announced()


def check_access_token(token, keys):
    """Signed by us, and with another algorithm: an access token is no ID token."""
    access = jwt.decode(token, keys, algorithms=["ES256"])
    assert access.header["typ"] == "at+jwt" and access.claims["client_id"] == "test-web", access.header
    assert access.claims["exp"] - access.claims["iat"] <= 300, "an access token lives too long"
    me = requests.get(f"{ORIGIN}/identity/v1/me", headers={"Authorization": f"Bearer {token}"}).json()
    assert me["organisation"]["slug"] == "uhuru-academy", me
    print("ok  access tokens verify by the same key set, and open the API")


def introspect(client, token, hint):
    return client.introspect_token(METADATA["introspection_endpoint"], token=token, token_type_hint=hint).json()


if __name__ == "__main__":
    sys.exit(main())
