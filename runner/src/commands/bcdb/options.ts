import { InvalidArgumentError } from 'commander';

/** A sequence of the log, or a time that it is asked for: what `--as-of` takes. */
export function parseAsOf(text: string): number | string {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  if (/^\d{4}-\d\d-\d\d/.test(text) && !Number.isNaN(Date.parse(text))) {
    return new Date(text).toISOString();
  }
  throw new InvalidArgumentError('give a sequence, or a time such as 2026-03-01T10:00:00Z');
}

export function parseCount(text: string): number {
  if (/^[1-9]\d{0,6}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('give a whole number from 1 on');
}

/** The HTTP door of a database. */
export function parseDoor(text: string): string {
  const url = /^https?:\/\//.test(text) ? text : `http://${text}`;
  if (URL.canParse(url)) return url;
  throw new InvalidArgumentError('give an address such as http://127.0.0.1:6381');
}

/** A time of the log for people. */
export function formatTime(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
}
