/** A network of a contract: `10.10.0.0/16`, `fd00:1::/64`. */
export interface NetworkRange {
  readonly version: 4 | 6;
  /** The first address. */
  readonly base: bigint;
  /** Bits that tell its hosts apart. */
  readonly hostBits: number;
}

/** The range that a text says; undefined when it is none, or its base has bits of a host. */
export function networkRange(text: string): NetworkRange | undefined {
  const [address = '', length = '', ...rest] = text.split('/');
  const version = address.includes(':') ? 6 : 4;
  const base = version === 4 ? parseIpv4(address) : parseIpv6(address);
  const bits = version === 4 ? 32 : 128;
  if (base === undefined || rest.length > 0 || !/^(?:0|[1-9][0-9]{0,2})$/.test(length)) {
    return undefined;
  }
  const hostBits = bits - Number(length);
  if (hostBits < 0 || (base & ((1n << BigInt(hostBits)) - 1n)) !== 0n) return undefined;
  return { version, base, hostBits };
}

/**
 * The address of host `n`, from 0, as text. The first two of a range belong to the network and to
 * whatever joins it to others, the last one to broadcasts. Undefined where the range ends before.
 */
export function hostAddress({ version, base, hostBits }: NetworkRange, n: number) {
  const host = BigInt(n) + 2n;
  if (host >= (1n << BigInt(hostBits)) - 1n) return undefined;
  return version === 4 ? ipv4Text(base + host) : ipv6Text(base + host);
}

function parseIpv4(text: string): bigint | undefined {
  const parts = text.split('.');
  const isSound = parts.every((part) => /^(?:0|[1-9][0-9]{0,2})$/.test(part) && +part <= 255);
  if (parts.length !== 4 || !isSound) return undefined;
  return parts.reduce((sum, part) => sum * 256n + BigInt(part), 0n);
}

function parseIpv6(text: string): bigint | undefined {
  const [left = '', right, ...rest] = text.split('::');
  if (rest.length > 0) return undefined;
  const head = left === '' ? [] : left.split(':');
  const tail = right === undefined || right === '' ? [] : right.split(':');
  const missing = 8 - head.length - tail.length;
  if (right === undefined ? missing !== 0 : missing < 1) return undefined;
  const groups = [...head, ...Array.from({ length: missing }, () => '0'), ...tail];
  if (!groups.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return undefined;
  return groups.reduce((sum, group) => sum * 65_536n + BigInt(`0x${group}`), 0n);
}

function ipv4Text(value: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 255n)).join('.');
}

/** Eight groups without abbreviation: one text for each address. */
function ipv6Text(value: bigint): string {
  const shifts = Array.from({ length: 8 }, (_none, index) => BigInt(112 - 16 * index));
  return shifts.map((shift) => ((value >> shift) & 65_535n).toString(16)).join(':');
}
