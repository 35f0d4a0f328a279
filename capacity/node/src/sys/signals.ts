import { constants } from 'node:os';

/** The first and the last of the real-time signals, as the C library of most images counts them. */
const firstRealTime = 34;
const lastRealTime = 64;

/** The number of `SIGTERM`, or of `SIGRTMIN+3`, by which systemd ends; undefined when there is none. */
export function signalNumber(name: string): number | undefined {
  const known = Object.entries(constants.signals).find(([signal]) => signal === name)?.[1];
  if (known !== undefined) return known;
  const [, base, offset = '0'] = /^SIG(RTMIN|RTMAX)(?:[+-](\d{1,2}))?$/.exec(name) ?? [];
  if (base === undefined || name.includes(base === 'RTMIN' ? '-' : '+')) return undefined;
  const number = base === 'RTMIN' ? firstRealTime + Number(offset) : lastRealTime - Number(offset);
  return number >= firstRealTime && number <= lastRealTime ? number : undefined;
}
