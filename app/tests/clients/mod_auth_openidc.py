"""Debian's mod_auth_openidc in an Apache of our own: pages behind a sign-in, and an API behind access tokens."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import requests
from requests_oauth2client import ClientSecretBasic, OAuth2Client

from op import (
    CALLBACK, EMAIL, METADATA, ORIGIN, OURS, SCOPE, announced, browse, must_be_announced, sign_in, sign_up,
)

PORT = int(os.environ["HITAJI_CLIENT_PORT"])  # as registered
SITE = f"http://localhost:{PORT}"
MALLORY = "mallory@elsewhere.example"
WEB_SECRET = "nobody knows this"
MODULES = "/usr/lib/apache2/modules"
PATIENCE_S = 30

CONFIGURATION = """
ServerRoot {folder}
ServerName localhost
PidFile {folder}/pid
DefaultRuntimeDir {folder}
ErrorLog {folder}/error.log
LogLevel warn auth_openidc:info
{modules}
{identity}
DocumentRoot {folder}/pages
Listen 127.0.0.1:{port}
Listen 127.0.0.1:{introspecting}
Header always set X-Remote-User "expr=%{{REMOTE_USER}}"

<VirtualHost *:{port}>
  OIDCProviderMetadataURL {origin}/.well-known/openid-configuration
  OIDCClientID test-apache
  OIDCClientSecret "nor this, I hope"
  OIDCRedirectURI {site}/back
  OIDCCryptoPassphrase "made up for this test"
  OIDCPKCEMethod S256
  OIDCScope "{scope}"
  OIDCRemoteUserClaim sub
  OIDCOAuthServerMetadataURL {site}/keys.json
  OIDCOAuthRemoteUserClaim sub
  <Location /back>
    AuthType openid-connect
    Require valid-user
  </Location>
  <Location /protected.txt>
    AuthType openid-connect
    Require claim email:{email}
  </Location>
  <Location /api.txt>
    AuthType oauth20
    Require claim client_id:test-web
  </Location>
</VirtualHost>

<VirtualHost *:{introspecting}>
  OIDCCryptoPassphrase "made up for this test"
  OIDCOAuthServerMetadataURL {site}/introspection.json
  OIDCOAuthIntrospectionEndpointAuth client_secret_basic
  OIDCOAuthClientID test-web
  OIDCOAuthClientSecret "{web_secret}"
  OIDCOAuthTokenIntrospectionInterval -1
  OIDCOAuthRemoteUserClaim sub
  <Location /api.txt>
    AuthType oauth20
    Require claim client_id:test-web
  </Location>
</VirtualHost>
"""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextlib.contextmanager
def apache(introspecting):
    """An Apache in the foreground with its own folder; nothing of the system's is read or started."""
    program = shutil.which("apache2", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    assert program, "apache2 is missing: run `./dev test`, or install libapache2-mod-auth-openidc"
    names = "mpm_event authn_core authz_core authz_user dir headers auth_openidc".split()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o711)
        (folder / "pages").mkdir()
        for page in ("protected.txt", "api.txt", "bye"):
            (folder / "pages" / page).write_text(f"this is {page}\n")
        # OIDCOAuthVerifyJwksUri and OIDCOAuthIntrospectionEndpoint take https only; metadata with one of them say the same.
        for page, field in (("keys.json", "jwks_uri"), ("introspection.json", "introspection_endpoint")):
            metadata = {"issuer": ORIGIN, field: METADATA.get(field)}
            (folder / "pages" / page).write_text(json.dumps(metadata))
        settings = CONFIGURATION.format(
            folder=folder, port=PORT, site=SITE, origin=ORIGIN, scope=SCOPE, email=EMAIL, introspecting=introspecting,
            modules="\n".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in names),
            identity="User www-data\nGroup www-data" if os.geteuid() == 0 else "",
            web_secret=WEB_SECRET,
        )
        (folder / "apache.conf").write_text(settings)
        running = subprocess.Popen([program, "-f", str(folder / "apache.conf"), "-DFOREGROUND"])
        try:
            wait_for(running)
            yield
        except BaseException:
            log = folder / "error.log"
            print(log.read_text() if log.exists() else "Apache wrote nothing", file=sys.stderr)
            raise
        finally:
            running.terminate()
            running.wait()


def wait_for(running):
    end = time.monotonic() + PATIENCE_S
    while True:
        assert running.poll() is None and time.monotonic() < end, f"Apache does not start ({running.poll()})"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", PORT), timeout=1):
            return
        time.sleep(0.02)  # between two looks, as there is nothing to wait on


def visit(browser, email):
    """Opens the protected page and signs in where the provider asks."""
    away = browser.get(f"{SITE}/protected.txt", allow_redirects=False)
    assert away.status_code == 302 and away.headers["location"].startswith(METADATA["authorization_endpoint"]), away.headers
    asked = parse_qs(urlsplit(away.headers["location"]).query)
    assert asked["code_challenge_method"] == ["S256"] and asked["nonce"] and asked["state"], asked
    return browser.get(sign_in(browser, away.headers["location"], email))


def person_token(**more):
    """A token of test-web for the person, and who that is, by another library than the one under test."""
    url = f"{ORIGIN}/.well-known/openid-configuration"
    auth = ClientSecretBasic("test-web", WEB_SECRET)
    client = OAuth2Client.from_discovery_endpoint(url, issuer=ORIGIN, auth=auth, redirect_uri=CALLBACK, testing=True)
    request = client.authorization_request(scope=SCOPE, **more)
    token = client.authorization_code(request.validate_callback(sign_in(requests.Session(), request.uri)), **more)
    return client, token


def call(port, token):
    return requests.get(f"http://localhost:{port}/api.txt", headers={"Authorization": f"Bearer {token}"} if token else {})


def signs_in_and_out(subject):
    browser = requests.Session()
    page = visit(browser, EMAIL)
    assert (page.status_code, page.text) == (200, "this is protected.txt\n"), f"{page.status_code} {page.text}"
    assert page.headers["x-remote-user"] == subject, page.headers
    print("ok  who signs in reaches the page, and REMOTE_USER says who it is")
    stranger = visit(requests.Session(), MALLORY)
    assert stranger.status_code == 401, f"somebody else gets {stranger.status_code}"
    print("ok  somebody else gets 401")

    leaving = browser.get(f"{SITE}/back", params={"logout": f"{SITE}/bye"}, allow_redirects=False).headers["location"]
    asked = parse_qs(urlsplit(leaving).query)
    assert leaving.startswith(METADATA["end_session_endpoint"]) and asked["id_token_hint"], leaving
    assert asked["post_logout_redirect_uri"] == [f"{SITE}/bye"], leaving
    left = browse(browser, leaving)
    assert left == f"{SITE}/bye" or str(left).startswith(f"{SITE}/bye?"), f"signing out leads to {left}"
    assert browser.get(left).text == "this is bye\n"
    again = browser.get(f"{SITE}/protected.txt")
    assert again.url.startswith(ORIGIN) and 'type="password"' in again.text, f"not asked to sign in again: {again.url}"
    print("ok  signing out ends both sessions")


def guards_an_api_by_keys(subject):
    _, token = person_token(**({} if OURS else {"resource": ORIGIN}))  # the reference signs tokens for resources only
    assert call(PORT, None).status_code == 401
    answer = call(PORT, token.access_token)
    assert answer.status_code == 200 and answer.headers["x-remote-user"] == subject, f"{answer.status_code} {answer.headers}"
    head, body, signature = token.access_token.split(".")
    assert call(PORT, f"{head}.{body}.{signature[::-1]}").status_code == 401, "a tampered token passes"
    assert call(PORT, str(token.id_token)).status_code == 401, "an ID token passes"
    print("ok  an API behind signed access tokens")


def guards_an_api_by_asking(port, subject):
    client, token = person_token()
    answer = call(port, token.access_token)
    assert answer.status_code == 200 and answer.headers["x-remote-user"] == subject, f"{answer.status_code} {answer.headers}"
    assert client.revoke_access_token(token), "not revoked"
    assert call(port, token.access_token).status_code == 401, "a revoked token passes"
    print("ok  an API that asks the provider")


def main():
    sign_up("Uhuru Academy", EMAIL)
    sign_up("Elsewhere Academy", MALLORY)
    subject = person_token()[1].id_token.subject
    introspecting = free_port()
    with apache(introspecting):
        signs_in_and_out(subject)
        guards_an_api_by_keys(subject)
        if announced("introspection", "an API that asks the provider"):
            guards_an_api_by_asking(introspecting, subject)
    must_be_announced()


if __name__ == "__main__":
    sys.exit(main())
