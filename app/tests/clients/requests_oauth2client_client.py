"""PyPI requests-oauth2client, the strictly typed one, speaks to a provider: code, PAR, DPoP, machines, devices."""

import sys

import requests
from jwskate import SignedJwt
from requests_oauth2client import (
    ClientSecretBasic, DeviceAuthorizationPollingJob, DPoPKey, DPoPToken, EndpointError, InvalidGrant, MismatchingState, OAuth2Client,
    PublicApp,
)
from requests_oauth2client.dpop import MissingDPoPNonce

from op import (
    CALLBACK, EMAIL, METADATA, ORGANISATION_ID, ORIGIN, SCOPE, announced, browse, must_be_announced, sign_in, sign_up,
)


def client_of(*, auth, **more):
    """A client that knows the provider only by its discovery document."""
    url = f"{ORIGIN}/.well-known/openid-configuration"
    return OAuth2Client.from_discovery_endpoint(url, issuer=ORIGIN, auth=auth, redirect_uri=CALLBACK, testing=True, **more)


def refused(what, work, *errors):
    try:
        work()
    except errors:
        return
    raise AssertionError(f"{what} was not refused")


def by_code(client, browser):
    """Signs in; the answer's state and issuer are checked, and so is the ID token with its signature and nonce."""
    request = client.authorization_request(scope=SCOPE)
    answer = request.validate_callback(sign_in(browser, request.uri))
    assert request.issuer == answer.kwargs["iss"] == ORIGIN, answer
    token = client.authorization_code(answer)
    assert token.id_token.subject and token.id_token.claims["email"] == EMAIL, token.id_token.claims
    refused("a used code", lambda: client.authorization_code(answer), InvalidGrant)
    other = client.authorization_request(scope=SCOPE)
    refused("another request's answer", lambda: request.validate_callback(sign_in(browser, other.uri)), MismatchingState)
    print("ok  the code flow, with state, issuer and ID token checked")


def by_refresh(client):
    request = client.authorization_request(scope=SCOPE)
    token = client.authorization_code(request.validate_callback(sign_in(requests.Session(), request.uri)))
    assert client.userinfo(token)["sub"] == token.id_token.subject
    renewed = client.refresh_token(token)
    assert renewed.refresh_token != token.refresh_token, "the refresh token was not rotated"
    assert client.revoke_refresh_token(renewed), "not revoked"
    refused("a revoked refresh token", lambda: client.refresh_token(renewed), InvalidGrant)
    print("ok  userinfo, refresh and revocation")


def by_pushed_request(client, browser):
    request = client.authorization_request(scope=SCOPE)
    pushed = client.pushed_authorization_request(request)
    assert pushed.request_uri and request.state not in pushed.uri, pushed.uri
    token = client.authorization_code(request.validate_callback(sign_in(browser, pushed.uri)))
    assert token.id_token.claims["aud"] == "test-web", token.id_token.claims
    print("ok  a pushed request")


def by_bound_token(browser):
    client = client_of(auth=PublicApp("test-dpop"), dpop_bound_access_tokens=True)
    request = client.authorization_request(scope=SCOPE)
    assert request.dpop_jkt, "the code is not bound"
    answer = request.validate_callback(sign_in(browser, request.uri))
    token = client.authorization_code(answer, validate=False)  # 1.8.0 loses the key where it checks the ID token
    assert isinstance(token, DPoPToken), token
    assert client.userinfo(token)["email"] == EMAIL
    plain = requests.get(METADATA["userinfo_endpoint"], headers={"Authorization": f"Bearer {token.access_token}"})
    assert plain.status_code == 401, f"a bound token without a proof: {plain.status_code}"
    thief = DPoPToken(token.access_token, refresh_token=token.refresh_token, _dpop_key=DPoPKey.generate())
    # Every refusal in the scheme DPoP looks to it like the wish for a nonce.
    stolen = lambda: requests.get(METADATA["userinfo_endpoint"], auth=thief).raise_for_status()  # noqa: E731
    refused("a bound token with another key", stolen, MissingDPoPNonce, requests.HTTPError)
    refused("a refresh token with another key", lambda: client.refresh_token(thief), EndpointError)
    assert isinstance(client.refresh_token(token), DPoPToken)
    print("ok  tokens bound to a key")


def by_itself():
    client = client_of(auth=("test-machine", "machines keep secrets"))
    token = client.client_credentials(scope="school.student:read", resource=ORIGIN)
    access = SignedJwt(token.access_token)
    assert access.headers["typ"] == "at+jwt" and access.claims["client_id"] == "test-machine", access.claims
    keys = client.update_authorization_server_public_keys()
    access.validate(keys.get_jwk_by_kid(access.headers["kid"]), alg=access.alg, issuer=ORIGIN)
    assert token.refresh_token is None and token.id_token is None, token
    liar = client_of(auth=("test-machine", "wrong"))
    refused("a wrong secret", lambda: liar.client_credentials(scope="school.student:read"), EndpointError)
    print("ok  a machine's token")


def by_device():
    client = client_of(
        auth=PublicApp("test-device"), device_authorization_endpoint=METADATA["device_authorization_endpoint"],
    )
    asked = client.authorize_device(scope=SCOPE)
    page = browse(requests.Session(), asked.verification_uri_complete or asked.verification_uri, user_code=asked.user_code)
    assert page.status_code == 200, page.text
    job = DeviceAuthorizationPollingJob(client, asked)
    token = None
    while token is None:  # it keeps the provider's interval itself
        token = job()
    assert client.userinfo(token)["email"] == EMAIL
    print("ok  a device")


def by_introspection(client, browser):
    request = client.authorization_request(scope=SCOPE)
    token = client.authorization_code(request.validate_callback(sign_in(browser, request.uri)))
    assert client.introspect_token(token.access_token)["active"] is True
    assert client.revoke_access_token(token), "not revoked"
    assert client.introspect_token(token.access_token) == {"active": False}
    print("ok  introspection, and a revoked access token")


def main():
    sign_up("Uhuru Academy", EMAIL, ORGANISATION_ID)
    client, browser = client_of(auth=ClientSecretBasic("test-web", "nobody knows this")), requests.Session()
    by_code(client, browser)
    by_refresh(client)
    if announced("par", "a pushed request"):
        by_pushed_request(client, requests.Session())
    if announced("introspection", "introspection, and a revoked access token"):
        by_introspection(client, requests.Session())
    if announced("dpop", "tokens bound to a key"):
        by_bound_token(requests.Session())
    if announced("client_credentials", "a machine's token"):
        by_itself()
    if announced("device", "a device"):
        by_device()
    must_be_announced()


if __name__ == "__main__":
    sys.exit(main())
