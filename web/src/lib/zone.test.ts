import { expect, it } from 'vitest';
import { zonedMidnight } from './zone';

it('begins a day where the organisation is', () => {
  expect(zonedMidnight('2026-05-12', 'Africa/Nairobi')).toBe('2026-05-11T21:00:00.000Z');
  expect(zonedMidnight('2026-05-12', 'Africa/Nairobi', 1)).toBe('2026-05-12T21:00:00.000Z');
  expect(zonedMidnight('2026-03-29', 'Europe/Berlin')).toBe('2026-03-28T23:00:00.000Z');
  expect(zonedMidnight('2026-03-29', 'Europe/Berlin', 1)).toBe('2026-03-29T22:00:00.000Z');
  expect(zonedMidnight('2026-05-12', 'UTC')).toBe('2026-05-12T00:00:00.000Z');
});
