// Who of the people that run the platform is signed in; a session of its own, whose tokens name no organisation.
import { ErrorResponse, UserManager, type User } from 'oidc-client-ts';
import { NetworkError } from '../api/problem';
import { requestAs, type Options } from '../api/client';
import { oidcSettings } from '../auth/settings';
import { router } from '../lib/router.svelte';

export type Status = 'starting' | 'signed_in' | 'denied' | 'unreachable';

const HOME = '/console';
/** What changes an organisation asks for a sign-in of the last 15 minutes; a minute is left for the typing. */
const FRESH_MS = 14 * 60_000;

class OperatorSession {
  status = $state<Status>('starting');
  name = $state('');
  email = $state('');
  role = $state('');
  subject = $state('');

  #manager!: UserManager;
  #user: User | null = null;
  #renewing: Promise<void> | null = null;

  can = (permission: string): boolean => this.#user?.scope?.split(' ').includes(permission) ?? false;
  token = (): string | null => this.#user?.access_token ?? null;

  /** Screens are only drawn for somebody who is signed in. */
  whenReady(): Promise<void> {
    return this.status === 'signed_in' ? Promise.resolve() : Promise.reject(new NetworkError());
  }

  /** Whether the person has proven lately who they are. */
  isFresh(): boolean {
    const payload = this.#user?.access_token.split('.')[1] ?? '';
    // The library leaves auth_time out of the profile; the access token says it too.
    const claims = payload ? (JSON.parse(atob(payload.replace(/-/g, '+').replace(/_/g, '/'))) as { auth_time?: number }) : {};
    return Date.now() - (claims.auth_time ?? 0) * 1000 < FRESH_MS;
  }

  async start(): Promise<void> {
    const { origin } = location;
    this.#manager = new UserManager({
      ...oidcSettings(origin),
      client_id: 'hitaji-console',
      redirect_uri: `${origin}${HOME}/callback`,
      post_logout_redirect_uri: origin + HOME,
    });
    this.#manager.events.addAccessTokenExpiring(() => void this.renew().catch(() => undefined));
    if (location.pathname === `${HOME}/callback`) return this.#finishRedirect();
    await this.#signInSilently();
  }

  async retry(): Promise<void> {
    this.status = 'starting';
    await this.#signInSilently();
  }

  renew(): Promise<void> {
    this.#renewing ??= this.#renewNow().finally(() => (this.#renewing = null));
    return this.#renewing;
  }

  /** `fresh` asks for the password again, also where somebody is signed in. */
  signIn(fresh = false): Promise<void> {
    const here = location.pathname === `${HOME}/callback` ? HOME : location.pathname + location.search;
    return this.#manager.signinRedirect({ prompt: fresh ? 'login' : undefined, state: { returnTo: here } });
  }

  signOut(): Promise<void> {
    return this.#manager.signoutRedirect({ id_token_hint: this.#user?.id_token });
  }

  async #renewNow(): Promise<void> {
    try {
      this.#accept(await this.#manager.signinSilent());
    } catch (error) {
      if (error instanceof ErrorResponse) {
        await this.signIn();
        await new Promise(() => undefined);
      }
      throw new NetworkError(error);
    }
  }

  async #signInSilently(): Promise<void> {
    try {
      this.#accept(await this.#manager.signinSilent());
    } catch (error) {
      if (!(error instanceof ErrorResponse)) this.status = 'unreachable';
      else if (error.error === 'access_denied') this.status = 'denied';
      else await this.signIn();
    }
  }

  async #finishRedirect(): Promise<void> {
    try {
      const user = await this.#manager.signinRedirectCallback();
      const returnTo = (user.state as { returnTo?: string } | undefined)?.returnTo ?? HOME;
      router.go(returnTo.startsWith(HOME) ? returnTo : HOME, 'replace');
      this.#accept(user);
    } catch (error) {
      router.go(HOME, 'replace');
      if (error instanceof ErrorResponse && error.error === 'access_denied') this.status = 'denied';
      else await this.#signInSilently();
    }
  }

  #accept(user: User | null): void {
    if (!user) throw new NetworkError();
    this.#user = user;
    this.subject = user.profile.sub;
    this.name = user.profile.name ?? '';
    this.email = user.profile.email ?? '';
    this.role = this.can('tenancy.organisations:delete') ? 'owner' : this.can('tenancy.organisations:manage') ? 'operator' : 'support';
    this.status = 'signed_in';
  }
}

export const operator = new OperatorSession();

export const get = async <T>(path: string, signal?: AbortSignal): Promise<T> => (await requestAs<T>(operator, path, { signal })).body;
export const post = async <T>(path: string, body?: unknown, options: Options = {}): Promise<T> =>
  (await requestAs<T>(operator, path, { ...options, method: 'POST', body })).body;
