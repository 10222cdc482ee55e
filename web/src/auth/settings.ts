// The OpenID Connect settings shared by the application and the hidden renewal frame.
import { InMemoryWebStorage, WebStorageStateStore, type UserManagerSettings } from 'oidc-client-ts';

/** The endpoints are fixed by our own provider, which saves a round trip for the discovery document. */
export function oidcSettings(origin: string): UserManagerSettings {
  return {
    authority: origin,
    metadata: {
      issuer: origin,
      authorization_endpoint: `${origin}/oauth/authorize`,
      token_endpoint: `${origin}/oauth/token`,
      userinfo_endpoint: `${origin}/oauth/userinfo`,
      revocation_endpoint: `${origin}/oauth/revoke`,
      end_session_endpoint: `${origin}/oauth/logout`,
      jwks_uri: `${origin}/oauth/jwks`,
    },
    client_id: 'hitaji-web',
    redirect_uri: `${origin}/callback`,
    silent_redirect_uri: `${origin}/silent-callback`,
    post_logout_redirect_uri: `${origin}/`,
    response_type: 'code',
    scope: 'openid profile email hitaji',
    loadUserInfo: false,
    monitorSession: false,
    // Renewal names the organisation and checks who answered, so it is ours (session.svelte.ts), not the library's.
    automaticSilentRenew: false,
    validateSubOnSilentRenew: false,
    silentRequestTimeoutInSeconds: 10,
    accessTokenExpiringNotificationTimeInSeconds: 60,
    stateStore: new WebStorageStateStore({ store: window.sessionStorage }),
    // The access token lives in memory only: a script that reads storage finds nothing.
    userStore: new WebStorageStateStore({ store: new InMemoryWebStorage() }),
  };
}
