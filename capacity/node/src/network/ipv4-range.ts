/** A block of IPv4 addresses; addresses are unsigned 32-bit numbers. */
export interface Ipv4Range {
  readonly first: number;
  readonly bits: number;
}

/** Reads `10.8.0.0/16`, or one address. Undefined for anything else, and where bits of hosts are set. */
export function parseRange(text: string): Ipv4Range | undefined {
  const [, address = '', bitsText = '32'] = /^([\d.]+)(?:\/(\d{1,2}))?$/.exec(text) ?? [];
  const first = parseAddress(address);
  const bits = Number(bitsText);
  if (first === undefined || bits > 32 || first % 2 ** (32 - bits) !== 0) return undefined;
  return { first, bits };
}

export function parseAddress(text: string): number | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part))) {
    return undefined;
  }
  const bytes = parts.map(Number);
  if (bytes.some((byte) => byte > 255)) return undefined;
  return bytes.reduce((sum, byte) => sum * 256 + byte, 0);
}

export function formatAddress(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.');
}

export function formatRange({ first, bits }: Ipv4Range): string {
  return `${formatAddress(first)}/${bits}`;
}

export function sizeOf({ bits }: Ipv4Range): number {
  return 2 ** (32 - bits);
}

export function isInRange(address: number, range: Ipv4Range): boolean {
  return address >= range.first && address < range.first + sizeOf(range);
}

export function rangesOverlap(a: Ipv4Range, b: Ipv4Range): boolean {
  return isInRange(a.first, b) || isInRange(b.first, a);
}

/**
 * A /16 of 10.0.0.0/8 that overlaps with none of those taken; undefined when there is none. Looks
 * from 10.`start`.0.0 on, so that nodes of one machine begin at different places.
 */
export function chooseRange(taken: readonly Ipv4Range[], start: number): Ipv4Range | undefined {
  for (let step = 0; step < 256; step++) {
    const candidate = { first: 10 * 2 ** 24 + ((start + step) % 256) * 2 ** 16, bits: 16 };
    if (!taken.some((range) => rangesOverlap(range, candidate))) return candidate;
  }
  return undefined;
}
