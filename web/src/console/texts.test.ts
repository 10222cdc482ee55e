// Both languages of the operators' page say everything, with the same places for values, and nothing is left over.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { actionsOf } from './contract';
import { en, sw, type ConsoleKey } from './texts';

const places = (sentence: string) => [...sentence.matchAll(/\{(\w+)\}/g)].map((match) => match[1]).sort();
const keys = Object.keys(en) as ConsoleKey[];

describe('the languages of the console', () => {
  it('have the same keys and places', () => {
    expect(Object.keys(sw).sort()).toEqual([...keys].sort());
    for (const key of keys) expect(places(sw[key]), key).toEqual(places(en[key]));
  });
  it('are really translated', () => expect(keys.filter((key) => en[key] === sw[key])).toEqual([]));
  it('keep no sentence that no screen uses', () => {
    const sources = readdirSync('src/console').filter((file) => !file.endsWith('texts.ts'))
      .map((file) => readFileSync(join('src/console', file), 'utf8')).join('\n');
    const prefixes = [...sources.matchAll(/`([a-z]+_)\$\{/g)].map((match) => match[1]!);
    const used = (key: string) => sources.includes(`'${key}'`) || prefixes.some((prefix) => key.startsWith(prefix));
    expect(keys.filter((key) => !used(key))).toEqual([]);
    const named = [...sources.matchAll(/\bc\('(\w+)'/g)].map((match) => match[1]!);
    expect(named.filter((key) => !keys.includes(key as ConsoleKey))).toEqual([]);
  });
});

describe('actions', () => {
  it('follow from the state', () => {
    expect(actionsOf('active')).toEqual(['suspend', 'archive']);
    expect(actionsOf('suspended')).toEqual(['resume', 'archive']);
    expect(actionsOf('archived')).toEqual(['resume']);
    expect(actionsOf('provisioning')).toEqual([]);
  });
});
