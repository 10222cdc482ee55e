// Who is signed in, to which organisation, with what permissions; the access token stays in this module's memory.
import { ErrorResponse, ErrorTimeout, UserManager, type User } from 'oidc-client-ts';
import type { Options } from '../api/client';
import { fetchWithin } from '../api/fetch-within';
import { NetworkError, Problem } from '../api/problem';
import type { Me } from '../api/contract';
import { t } from '../i18n/index.svelte';
import { router } from '../lib/router.svelte';
import { forgetKeptPages } from '../offline/pages';
import { again } from './again.svelte';
import { oidcSettings } from './settings';
import { profileStore, tokenBinding, type Profile } from './profile';

/** `connecting` and `offline` show the last known account's kept data; only `signed_in` may send anything. */
export type Status = 'starting' | 'connecting' | 'offline' | 'signed_in' | 'unreachable' | 'failed';

const RETRY_MS = 15_000;
/** Tokens of support live five minutes at most. */
const SUPPORT_RENEWAL_MS = 4 * 60_000;
const SUPPORT_KEY = 'hitaji.support';

/** An organisation that let somebody in who runs the platform; kept for this tab only. */
export interface Support { grant: string; organisation: string; until: string }

export const supportOfThisTab = {
  get: (): Support | null => JSON.parse(sessionStorage.getItem(SUPPORT_KEY) ?? 'null') as Support | null,
  set: (support: Support) => sessionStorage.setItem(SUPPORT_KEY, JSON.stringify(support)),
  clear: () => sessionStorage.removeItem(SUPPORT_KEY),
};

class Session {
  status = $state<Status>('starting');
  profile = $state.raw<Profile | null>(null);
  failure = $state<string | null>(null);
  support = $state.raw<Support | null>(null);

  #manager!: UserManager;
  #user: User | null = null;
  #renewing: Promise<void> | null = null;
  #ready: { promise: Promise<void>; resolve: () => void } = deferred();
  #listeners = new Set<() => void>();
  #retry: ReturnType<typeof setTimeout> | undefined;
  #supportToken: string | null = null;
  #supportSource: (() => Promise<string>) | null = null;

  get me(): Me | null { return this.profile?.me ?? null }
  can = (permission: string): boolean => this.me?.permissions.includes(permission) ?? false;

  /** The token in use, for the API client and the socket. */
  token = (): string | null => this.#supportToken ?? this.#user?.access_token ?? null;

  /** Waits for the sign-in in progress; without a network it fails at once. */
  async whenReady(): Promise<void> {
    if (this.status === 'offline' || this.status === 'unreachable') throw new NetworkError();
    if (this.status !== 'signed_in') await this.#ready.promise;
    if (this.status !== 'signed_in') throw new NetworkError();
  }

  /** Called after each sign-in and renewal. */
  onToken(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async start(): Promise<void> {
    // Without https (or localhost) the browser withholds the cryptography that signing in needs.
    if (!window.isSecureContext) return this.#fail(new Error(t('needs_https')));
    this.#manager = new UserManager(oidcSettings(location.origin));
    this.#manager.events.addAccessTokenExpiring(() => void this.renew().catch(() => undefined));
    window.addEventListener('online', () => void this.reconnect());
    if (location.pathname === '/callback') return this.#finishRedirect();
    this.profile = (await profileStore.load()) ?? null;
    if (this.profile) this.status = 'connecting';
    if (!navigator.onLine) return this.#goOffline();
    await this.#signInSilently();
  }

  /** Works in an organisation by its consent. Nobody is kept as known on this device, and it ends with the consent. */
  async startSupport(support: Support, source: () => Promise<string>): Promise<void> {
    this.support = support;
    this.#supportSource = source;
    await this.renew();
  }

  async leaveSupport(): Promise<void> {
    supportOfThisTab.clear();
    await forgetKeptPages();
    location.assign(`/console/organisations/${this.support?.organisation ?? ''}`);
    await new Promise(() => undefined);
  }

  /** Tries again after a failed start or when the network is back. */
  async reconnect(): Promise<void> {
    clearTimeout(this.#retry);
    if (this.status !== 'offline' && this.status !== 'unreachable') return;
    if (!navigator.onLine) return this.#goOffline();
    // In offline mode the screen stays as it is until the sign-in has succeeded.
    if (this.status === 'unreachable') this.status = 'starting';
    await this.#signInSilently();
  }

  /** One renewal at a time, whoever asks. */
  renew(): Promise<void> {
    this.#renewing ??= this.#renewNow().finally(() => (this.#renewing = null));
    return this.#renewing;
  }

  signIn(prompt?: 'select_account'): Promise<void> {
    if (this.support) return this.leaveSupport();
    const here = location.pathname === '/callback' ? '/' : location.pathname + location.search;
    return this.#manager.signinRedirect({
      prompt,
      state: { returnTo: prompt ? '/' : here },
      extraQueryParams: prompt ? undefined : this.#organisationHint(),
    });
  }

  /** Asks the person to prove again who they are; the request waits in this tab until they are back. */
  async signInAgain(path: string, options: Options, maxAge_s: number): Promise<void> {
    // Files do not wait, and who is in an organisation by its consent has no sign-in of their own there.
    if (this.support || options.contentType || !this.profile || !(await again.ask())) return;
    const { method, body, ifMatch, idempotencyKey } = options;
    const { subject, organisation } = this.profile;
    again.keep({ path, options: { method, body, ifMatch, idempotencyKey }, subject, organisation, at: Date.now() });
    const state = { returnTo: location.pathname + location.search };
    const extraQueryParams = this.#organisationHint();
    await this.#manager.signinRedirect({ prompt: 'login', max_age: maxAge_s, state, extraQueryParams });
    await new Promise(() => undefined);
  }

  async signOut(): Promise<void> {
    if (this.support) return this.leaveSupport();
    await Promise.all([profileStore.clear(), forgetKeptPages()]);
    const id_token_hint = this.#user?.id_token;
    await this.#manager.signoutRedirect({ id_token_hint });
  }

  /** Reads name, roles and permissions again, after a change of the organisation's settings. */
  async refreshMe(): Promise<void> {
    const token = this.token();
    if (!this.profile || !token) return;
    this.profile = { ...this.profile, me: await fetchMe(token) };
    if (!this.support) await profileStore.save(this.profile).catch(() => undefined);
  }

  async #renewSupport(source: () => Promise<string>): Promise<void> {
    try {
      this.#supportToken = await source();
      const me = this.me ?? (await fetchMe(this.#supportToken));
      this.profile = { ...tokenBinding(this.#supportToken), me, saved_at: new Date().toISOString() };
    } catch (error) {
      // The consent is over, or was taken back.
      if (error instanceof Problem && error.status < 500) await this.leaveSupport();
      throw new NetworkError(error);
    }
    this.status = 'signed_in';
    this.#ready.resolve();
    this.#listeners.forEach((listener) => listener());
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => void this.renew().catch(() => undefined), SUPPORT_RENEWAL_MS);
  }

  async #renewNow(): Promise<void> {
    if (this.#supportSource) return this.#renewSupport(this.#supportSource);
    try {
      const user = await this.#manager.signinSilent({ extraQueryParams: this.#organisationHint() });
      await this.#accept(user);
    } catch (error) {
      if (error instanceof ErrorResponse) {
        await this.signIn();
        // The page is being left; whoever waits must not go on with an old token.
        await new Promise(() => undefined);
      }
      throw new NetworkError(error);
    }
  }

  async #signInSilently(): Promise<void> {
    try {
      const user = await this.#manager.signinSilent({ extraQueryParams: this.#organisationHint() });
      await this.#accept(user);
    } catch (error) {
      if (error instanceof ErrorResponse) return this.signIn();
      // With a known account every other trouble (a server that restarts, a proxy's error page) is waited out.
      if (this.profile || isNetworkTrouble(error)) return this.#goOffline();
      this.#fail(error);
    }
  }

  async #finishRedirect(): Promise<void> {
    try {
      const user = await this.#manager.signinRedirectCallback();
      const returnTo = (user.state as { returnTo?: string } | undefined)?.returnTo ?? '/';
      router.go(returnTo.startsWith('/') && !returnTo.startsWith('//') ? returnTo : '/', 'replace');
      await this.#accept(user);
    } catch (error) {
      if (isNetworkTrouble(error)) return this.#goOffline();
      // A stale or repeated callback address (Back, a bookmark): start again from the front.
      router.go('/', 'replace');
      if (error instanceof ErrorResponse) return this.#fail(error);
      await this.#signInSilently();
    }
  }

  async #accept(user: User | null): Promise<void> {
    if (!user) throw new NetworkError();
    const binding = tokenBinding(user.access_token);
    const before = this.#user ? this.profile : null;
    if (before && (before.subject !== binding.subject || before.organisation !== binding.organisation)) {
      // Another tab signed in as somebody else: nothing of this page may be sent under the new name.
      location.reload();
      return new Promise(() => undefined);
    }
    if (!before) {
      const me = await fetchMe(user.access_token);
        if (this.profile && this.profile.subject !== binding.subject) await forgetKeptPages();
      this.profile = { ...binding, me, saved_at: new Date().toISOString() };
      await profileStore.save(this.profile).catch(() => undefined);
    }
    this.#user = user;
    this.status = 'signed_in';
    this.#ready.resolve();
    this.#listeners.forEach((listener) => listener());
  }

  #goOffline(): void {
    this.status = this.profile ? 'offline' : 'unreachable';
    clearTimeout(this.#retry);
    // Requests that waited for the sign-in are told; later ones fail at once.
    this.#ready.resolve();
    this.#ready = deferred();
    this.#retry = setTimeout(() => void this.reconnect(), RETRY_MS);
  }

  #fail(error: unknown): void {
    this.failure = error instanceof Error ? error.message : String(error);
    this.status = 'failed';
  }

  #organisationHint(): Record<string, string> | undefined {
    const slug = this.profile?.me.organisation.slug;
    return slug ? { organization: slug } : undefined;
  }
}

function isNetworkTrouble(error: unknown): boolean {
  const away = error instanceof Problem && error.status >= 500;
  return away || error instanceof ErrorTimeout || error instanceof NetworkError || error instanceof TypeError;
}

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve!: () => void;
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve };
}

async function fetchMe(token: string): Promise<Me> {
  const response = await fetchWithin('/identity/v1/me', { headers: { Authorization: `Bearer ${token}` }, credentials: 'omit' });
  if (!response.ok) throw new Problem({ status: response.status, code: `http_${response.status}`, title: response.statusText });
  return (await response.json()) as Me;
}

export const session = new Session();
