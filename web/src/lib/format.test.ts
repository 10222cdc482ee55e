// Rates, dates and ids.
import { describe, expect, it } from 'vitest';
import { attendanceRate, businessDate, formatBytes, formatRate } from './format';
import { uuidv7 } from './uuid';

describe('rates', () => {
  const counts = (enrolled: number, present: number, late: number, excused: number) => ({ enrolled, present, late, excused });
  it('is (present + late) / (enrolled − excused), half up', () => {
    expect(attendanceRate(counts(40, 35, 2, 1))).toBe('94.87');
    expect(attendanceRate(counts(40, 35, 3, 1))).toBe('97.44');
    expect(attendanceRate(counts(3, 2, 0, 0))).toBe('66.67');
    expect(attendanceRate(counts(800, 1, 0, 0))).toBe('0.13');
    expect(attendanceRate(counts(16, 1, 0, 0))).toBe('6.25');
    expect(attendanceRate(counts(5, 5, 0, 0))).toBe('100.00');
  });
  it('has no rate when nobody could come', () => {
    expect(attendanceRate(counts(2, 0, 0, 2))).toBeNull();
    expect(formatRate(null)).toBe('–');
  });
  it('is shown with one digit', () => expect(formatRate('94.87')).toBe('94.9%'));
});

describe('business date', () => {
  it("is the organisation's, not the phone's", () => {
    const instant = new Date('2026-05-12T22:30:00Z');
    expect(businessDate('Africa/Nairobi', instant)).toBe('2026-05-13');
    expect(businessDate('Africa/Accra', instant)).toBe('2026-05-12');
  });
});

describe('bytes', () => {
  it('are told in the largest unit, with one decimal below ten', () => {
    expect([0, 1023, 1536, 10 * 1024 ** 2, 20 * 1024 ** 3].map((bytes) => formatBytes(bytes, 'en'))).toEqual([
      '0 B', '1,023 B', '1.5 KB', '10 MB', '20 GB',
    ]);
  });
});

describe('uuidv7', () => {
  it('has version, variant and the time in front', () => {
    const id = uuidv7(0x0123456789ab, new Uint8Array(10).fill(0xff));
    expect(id).toBe('01234567-89ab-7fff-bfff-ffffffffffff');
  });
  it('sorts by time and does not repeat', () => {
    const ids = Array.from({ length: 500 }, (_, i) => uuidv7(1_700_000_000_000 + i));
    expect([...ids].sort()).toEqual(ids);
    expect(new Set(Array.from({ length: 500 }, () => uuidv7(5))).size).toBe(500);
  });
});
