// A browser small enough to read: cookies, redirects and forms, to go through the provider's own pages.
import { check, origin } from './platform.mjs';

const ENTITIES = { '&amp;': '&', '&quot;': '"', '&#x27;': "'", '&#39;': "'", '&#x2f;': '/', '&lt;': '<', '&gt;': '>' };
const plain = (text) => text.replace(/&(amp|quot|#x27|#39|#x2f|lt|gt);/g, (entity) => ENTITIES[entity]);
const FORM = /<form[^>]*method="post"[\s\S]*?<\/form>/i;
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
    const gone = attributes.some((one) => /^\s*(max-age=0|expires=Thu, 01 Jan 1970)/i.test(one));
    if (gone) this.#cookies.delete(name.trim());
    else this.#cookies.set(name.trim(), value.join('='));
  }

  /** Sends the page's form as it stands, with these values where it has such a field, by its first button. */
  async submit(values = {}) {
    const form = FORM.exec(this.html)?.[0];
    check(form, `${this.url} (${this.status}) has no form: ${this.html.slice(0, 300)}`);
    const body = new URLSearchParams();
    for (const [tag] of form.matchAll(/<input[^>]*>/g)) {
      const name = attribute(tag, 'name');
      if (name && (!/type="(checkbox|radio)"/.test(tag) || / checked/.test(tag))) body.append(name, values[name] ?? attribute(tag, 'value') ?? '');
    }
    const button = /<button[^>]*\sname="[^>]*>/.exec(form)?.[0];
    if (button) body.append(attribute(button, 'name'), attribute(button, 'value') ?? '');
    const target = new URL(attribute(/<form[^>]*>/.exec(form)[0], 'action') ?? this.url, this.url);
    const init = { method: 'POST', body, headers: { Origin: origin } };
    // An answer by response_mode=form_post: the form that leads back to the client.
    return target.origin === origin ? this.open(target, init) : new Request(target, { method: 'POST', body });
  }

  /** Sends form after form, until one leads away or none is left; answers where to, or null. */
  async goOn(values) {
    for (let forms = 0; forms < 8 && FORM.test(this.html); forms += 1) {
      const left = await this.submit(values);
      if (left) return left;
    }
    return null;
  }

  /** Opens an authorisation address and signs in where that is asked; answers the address that leads away. */
  async authorize(url, email, password) {
    const left = (await this.open(url)) ?? (await this.goOn({ email, login: email, password }));
    check(left, `the sign-in ended at ${this.url} (${this.status}): ${this.html.slice(0, 300)}`);
    return left;
  }
}
