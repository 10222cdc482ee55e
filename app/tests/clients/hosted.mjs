// A browser small enough to read: cookies, redirects and forms, to go through the provider's own pages.
import { check, origin } from './platform.mjs';

const ENTITIES = { '&amp;': '&', '&quot;': '"', '&#x27;': "'", '&#39;': "'", '&#x2f;': '/', '&lt;': '<', '&gt;': '>' };
const plain = (text) => text.replace(/&(amp|quot|#x27|#39|#x2f|lt|gt);/g, (entity) => ENTITIES[entity]);
const attribute = (tag, name) => {
  const found = new RegExp(`\\s${name}="([^"]*)"`).exec(tag);
  return found ? plain(found[1]) : null;
};

export class FormBrowser {
  #cookies = new Map();
  status = 0;
  html = '';
  url = '';

  /** Follows redirects for as long as they stay with the provider; answers the address that leads away, or null. */
  async open(url, init = {}) {
    for (let hops = 0; hops < 10; hops += 1) {
      const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ');
      const response = await fetch(url, { ...init, redirect: 'manual', headers: { ...init.headers, cookie } });
      for (const line of response.headers.getSetCookie()) this.#keep(line);
      [this.status, this.url, this.html] = [response.status, String(url), await response.text()];
      const location = response.headers.get('location');
      if (!location) return null;
      const next = new URL(location, url);
      if (next.origin !== origin) return next;
      [url, init] = [next, {}];
    }
    throw new Error(`more than ten redirects, the last one to ${url}`);
  }

  #keep(line) {
    const [pair, ...attributes] = line.split(';');
    const [name, ...value] = pair.split('=');
    const gone = attributes.some((one) => /^\s*max-age=0/i.test(one));
    if (gone) this.#cookies.delete(name.trim());
    else this.#cookies.set(name.trim(), value.join('='));
  }

  /** Sends the page's form with its hidden fields and these values. */
  async submit(values) {
    const form = /<form[^>]*method="post"[\s\S]*?<\/form>/i.exec(this.html)?.[0];
    check(form, `${this.url} (${this.status}) has no form: ${this.html.slice(0, 300)}`);
    const body = new URLSearchParams();
    for (const [tag] of form.matchAll(/<input[^>]*type="hidden"[^>]*>/g)) body.set(attribute(tag, 'name'), attribute(tag, 'value') ?? '');
    for (const [name, value] of Object.entries(values)) body.set(name, value);
    const target = new URL(attribute(/<form[^>]*>/.exec(form)[0], 'action') ?? this.url, this.url);
    return this.open(target, { method: 'POST', body, headers: { Origin: origin } });
  }

  /** Opens an authorisation address and signs in where that is asked; answers the address that leads away. */
  async authorize(url, email, password) {
    const left = await this.open(url);
    if (left) return left;
    check(new URL(this.url).pathname === '/sign-in', `neither signed in nor asked to: ${this.url} (${this.status})`);
    const after = await this.submit({ email, password });
    check(after, `the sign-in ended at ${this.url} (${this.status})`);
    return after;
  }
}
