// The language in use and the typed lookup of its sentences.
import { en } from './en';

export type Key = keyof typeof en;
export type Dictionary = Record<Key, string>;
export type Locale = 'en' | 'sw';
const CHOICE = 'hitaji.locale';

class I18n {
  locale = $state<Locale>('en');
  #dictionary = $state.raw<Dictionary>(en);

  async use(locale: Locale): Promise<void> {
    this.#dictionary = locale === 'sw' ? (await import('./sw')).sw : en;
    this.locale = locale;
    document.documentElement.lang = locale;
  }

  /** A choice made on this phone wins over the account's language. */
  async choose(locale: Locale): Promise<void> {
    localStorage.setItem(CHOICE, locale);
    await this.use(locale);
  }

  async start(): Promise<void> {
    const kept = localStorage.getItem(CHOICE);
    await this.use(kept === 'sw' || kept === 'en' ? kept : navigator.language.toLowerCase().startsWith('sw') ? 'sw' : 'en');
  }

  async followAccount(locale: Locale): Promise<void> {
    if (!localStorage.getItem(CHOICE) && locale !== this.locale) await this.use(locale);
  }

  text(key: Key, values: Record<string, string | number> = {}): string {
    return fill(this.#dictionary[key], values);
  }
}

/** Puts values into `{name}` places. */
export function fill(sentence: string, values: Record<string, string | number>): string {
  return sentence.replace(/\{(\w+)\}/g, (place, name: string) => String(values[name] ?? place));
}

/** A label that the server sends in several languages. */
export function label(of: { label: string; labels?: Record<string, string> }): string {
  return of.labels?.[i18n.locale] ?? of.label;
}

export const i18n = new I18n();
export const t = (key: Key, values?: Record<string, string | number>): string => i18n.text(key, values);
