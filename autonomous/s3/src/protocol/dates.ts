const basic = /^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z$/;
const iso = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})$/;
const isoDay = /^\d{4}-\d{2}-\d{2}$/;
const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
/** The three forms of RFC 9110: IMF-fixdate, RFC 850, asctime. */
const imf =
  /^[a-z]{3}, (\d{1,2}) ([a-z]{3}) (\d{4}) (\d{2}):(\d{2}):(\d{2}) (?:gmt|utc|[+-]0000)$/i;
const rfc850 = /^[a-z]{6,9}, (\d{2})-([a-z]{3})-(\d{2}) (\d{2}):(\d{2}):(\d{2}) (?:gmt|utc)$/i;
const asctime = /^[a-z]{3} ([a-z]{3}) ([ \d]\d) (\d{2}):(\d{2}):(\d{2}) (\d{4})$/i;

/** Milliseconds of a date such as `20130524T000000Z`, the form of signatures. */
export function parseBasicDate(text: string): number | undefined {
  const match = basic.exec(text);
  if (match === null) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1).map(Number);
  return utcMs(year, (month ?? 0) - 1, day, hour, minute, second);
}

/** Milliseconds of a date in a header of HTTP. */
export function parseHttpDate(text: string): number | undefined {
  const trimmed = text.trim();
  let match = imf.exec(trimmed);
  if (match !== null) return named(match[3], match[2], match[1], match.slice(4));
  match = rfc850.exec(trimmed);
  if (match !== null) {
    const year = Number(match[3]);
    return named(String(year < 70 ? 2000 + year : 1900 + year), match[2], match[1], match.slice(4));
  }
  match = asctime.exec(trimmed);
  if (match === null) return undefined;
  return named(match[6], match[1], match[2], match.slice(3, 6));
}

/** Milliseconds of a date in a document or an `x-amz-` header: `2026-01-31T00:00:00Z`. */
export function parseIsoDate(text: string): number | undefined {
  if (!iso.test(text) && !isoDay.test(text)) return undefined;
  const [year, month, day] = text.slice(0, 10).split('-').map(Number);
  // Date.parse lets 31 February roll over.
  if (utcMs(year, (month ?? 0) - 1, day) === undefined) return undefined;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms;
}

/** `2026-01-31T00:00:00.000Z`, as documents have it. */
export function isoDate(ms: number): string {
  return new Date(ms).toISOString();
}

/** `Sat, 31 Jan 2026 00:00:00 GMT`, as headers have it. */
export function httpDate(ms: number): string {
  return new Date(ms).toUTCString();
}

function named(
  year: string | undefined,
  month: string | undefined,
  day: string | undefined,
  time: readonly string[],
): number | undefined {
  const [hour, minute, second] = time.map(Number);
  const index = months.indexOf((month ?? '').toLowerCase());
  return utcMs(Number(year), index, Number(day), hour, minute, second);
}

/** undefined when a part is out of its range, so that no date rolls over into another. */
function utcMs(
  year = Number.NaN,
  month = -1,
  day = 0,
  hour = 0,
  minute = 0,
  second = 0,
): number | undefined {
  const ms = Date.UTC(year, month, day, hour, minute, second);
  const date = new Date(ms);
  const same =
    date.getUTCFullYear() === year &&
    date.getUTCMonth() === month &&
    date.getUTCDate() === day &&
    hour < 24 &&
    minute < 60 &&
    second < 60;
  return same ? ms : undefined;
}
