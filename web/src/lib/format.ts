// Dates, times and rates as people read them, in the organisation's time zone and the chosen language.

/** "94.87" → "94.9%"; null (nobody enrolled) → an en dash. */
export function formatRate(rate: string | null, digits = 1): string {
  return rate === null ? '–' : `${Number(rate).toFixed(digits)}%`;
}

/** Attendance rate (present + late) / (enrolled − excused) as "94.87", half up, in whole numbers only. */
export function attendanceRate(counts: { enrolled: number; present: number; late: number; excused: number }): string | null {
  const base = counts.enrolled - counts.excused;
  if (base <= 0) return null;
  const hundredths = Math.floor(((counts.present + counts.late) * 20_000 + base) / (2 * base));
  return `${Math.floor(hundredths / 100)}.${String(hundredths % 100).padStart(2, '0')}`;
}

/** A calendar date has no time zone: it is formatted as UTC so that it never moves by a day. */
export function formatDate(date: string, locale: string, style: 'short' | 'long' | 'weekday' = 'short'): string {
  const options: Intl.DateTimeFormatOptions =
    style === 'weekday'
      ? { weekday: 'short', day: 'numeric' }
      : style === 'long'
        ? { weekday: 'long', day: 'numeric', month: 'long' }
        : { day: 'numeric', month: 'short', year: 'numeric' };
  return new Intl.DateTimeFormat(intlLocale(locale), { ...options, timeZone: 'UTC' }).format(new Date(`${date}T00:00:00Z`));
}

export function formatTime(instant: string, locale: string, timeZone?: string): string {
  return new Intl.DateTimeFormat(intlLocale(locale), { hour: '2-digit', minute: '2-digit', hourCycle: 'h23', timeZone }).format(new Date(instant));
}

export function formatInstant(instant: string, locale: string, timeZone?: string): string {
  return new Intl.DateTimeFormat(intlLocale(locale), { dateStyle: 'medium', timeStyle: 'short', hourCycle: 'h23', timeZone }).format(new Date(instant));
}

/** Today's calendar date in the organisation's time zone. */
export function businessDate(timeZone: string, now: Date = new Date()): string {
  const parts = new Intl.DateTimeFormat('en-CA', { timeZone, year: 'numeric', month: '2-digit', day: '2-digit' }).formatToParts(now);
  const part = (type: string) => parts.find((p) => p.type === type)?.value ?? '';
  return `${part('year')}-${part('month')}-${part('day')}`;
}

/** 1536 → "1.5 KiB". */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB'];
  const power = Math.min(3, Math.floor(Math.log2(Math.max(bytes, 1)) / 10));
  return `${(bytes / 1024 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`;
}

function intlLocale(locale: string): string {
  return locale === 'sw' ? 'sw-KE' : 'en-GB';
}
