// Both languages say everything, with the same places for values, and nothing is left over.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { en } from './en';
import { sw } from './sw';

const places = (sentence: string) => [...sentence.matchAll(/\{(\w+)\}/g)].map((match) => match[1]).sort();
const keys = Object.keys(en) as (keyof typeof en)[];

describe('languages', () => {
  it('have the same keys', () => expect(Object.keys(sw).sort()).toEqual([...keys].sort()));
  it('have the same places for values', () => {
    for (const key of keys) expect(places(sw[key]), key).toEqual(places(en[key]));
  });
  it('are really translated', () => {
    const same = keys.filter((key) => en[key] === sw[key]);
    expect(same).toEqual([]);
  });
  it('keep no sentence that no screen uses', () => {
    const sources = (readdirSync('src', { recursive: true }) as string[])
      .filter((file) => /\.(svelte|ts)$/.test(file) && !file.startsWith('i18n/'))
      .map((file) => readFileSync(join('src', file), 'utf8')).join('\n');
    // Keys made of a prefix and a value: t(`code_${…}`).
    const prefixes = [...sources.matchAll(/`([a-z]+_)\$\{/g)].map((match) => match[1]!);
    const unused = keys.filter((key) => !sources.includes(`'${key}'`) && !prefixes.some((prefix) => key.startsWith(prefix)));
    expect(unused).toEqual([]);
  });
});
