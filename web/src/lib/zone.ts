// From a calendar date in a time zone to the instant it begins.

/** How far the zone is ahead of UTC at that instant, in milliseconds. */
function ahead(at: number, timeZone: string): number {
  const parts = new Intl.DateTimeFormat('en-US', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  }).formatToParts(new Date(at));
  const part = (type: string) => Number(parts.find((one) => one.type === type)?.value);
  return Date.UTC(part('year'), part('month') - 1, part('day'), part('hour'), part('minute'), part('second')) - at;
}

/** Midnight of `date` (YYYY-MM-DD) in `timeZone`, `later` days on, as an instant. */
export function zonedMidnight(date: string, timeZone: string, later = 0): string {
  const local = Date.parse(`${date}T00:00:00Z`) + later * 86_400_000;
  // Twice, because the offset is the one of the instant that is looked for.
  const guess = local - ahead(local, timeZone);
  return new Date(local - ahead(guess, timeZone)).toISOString();
}
