import { createHash, timingSafeEqual } from 'node:crypto';
import { GridError } from './errors.ts';
import type { BaseErrorCode } from './errors.ts';

const unitSizes: ReadonlyMap<string, number> = new Map([
  ['B', 1],
  ['kB', 1e3],
  ['KB', 1e3],
  ['MB', 1e6],
  ['GB', 1e9],
  ['TB', 1e12],
  ['PB', 1e15],
  ['KiB', 2 ** 10],
  ['MiB', 2 ** 20],
  ['GiB', 2 ** 30],
  ['TiB', 2 ** 40],
  ['PiB', 2 ** 50],
]);

/**
 * Reads a size that a person wrote: `4096`, `64MiB`, `1.5 GB`. Units: B, kB ... PB (powers of
 * 1000; KB is kB) and KiB ... PiB (powers of 1024).
 * @throws BASE_SIZE_INVALID, also for a size that is no whole number of bytes.
 */
export function parseBytes(text: string): number {
  const [, digits, unit = 'B'] = /^(\d+(?:\.\d+)?) ?([A-Za-z]+)?$/.exec(text.trim()) ?? [];
  const sizeBytes = Number(digits) * (unitSizes.get(unit) ?? NaN);
  if (Number.isSafeInteger(sizeBytes)) return sizeBytes;
  throw new GridError<BaseErrorCode>('BASE_SIZE_INVALID', `${JSON.stringify(text)} is no size`, {
    hint: 'write a number of bytes, or a number and a unit: 4096, 64MiB, 10GB',
    details: { text },
  });
}

const formatUnits = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

/** A size for people: `512 B`, `64 MiB`, `1.5 GiB`. One decimal at most. */
export function formatBytes(sizeBytes: number): string {
  let value = sizeBytes;
  let unit = 0;
  // 1023.95 would print as 1024.0: such a value moves on to the next unit.
  while (Math.abs(value) >= 1023.95 && unit < formatUnits.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${Number(value.toFixed(1))} ${formatUnits[unit] ?? 'B'}`;
}

/** Compares without telling by its duration where the bytes differ. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return timingSafeEqual(sha256(a), sha256(b));
}

export function toHex(bytes: Uint8Array): string {
  return bytes.toHex();
}

/** @throws BASE_HEX_INVALID unless the text is pairs of hex digits and nothing else. */
export function fromHex(text: string): Uint8Array {
  if (/^(?:[0-9a-fA-F]{2})*$/.test(text)) return Uint8Array.fromHex(text);
  throw new GridError<BaseErrorCode>('BASE_HEX_INVALID', 'the text is not pairs of hex digits', {
    details: { length: text.length },
  });
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}
