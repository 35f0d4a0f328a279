import { networkInterfaces } from 'node:os';

import { readTextIfThere } from '@commongrid/base';

import { isInRange, parseAddress, parseRange } from './ipv4-range.ts';

/** Resolvers of a container, as glibc and musl take them. */
const resolversMax = 3;

/** Quad9: open to all, and a foundation that keeps no addresses of who asks. */
const fallback = ['9.9.9.9', '149.112.112.112'];

/** The second has the resolvers behind the one that systemd-resolved has on loopback. */
const sources = ['/etc/resolv.conf', '/run/systemd/resolve/resolv.conf'];

/**
 * The resolv.conf of containers: the machine's, less the resolvers that a container cannot reach. Where
 * none is left, what systemd-resolved asks; where there is nothing either, public resolvers.
 */
export async function resolvConfForContainers(): Promise<string> {
  const own = Object.values(networkInterfaces()).flatMap((addresses) =>
    (addresses ?? []).map(({ address }) => address),
  );
  const texts = await Promise.all(sources.map(readTextIfThere));
  return resolvConfText(
    texts.filter((text) => text !== undefined),
    own,
  );
}

/** @param own addresses of the machine, whose services containers cannot reach */
export function resolvConfText(texts: readonly string[], own: readonly string[]): string {
  const text = texts.find((candidate) => resolversIn(candidate, own).length > 0) ?? '';
  const resolvers = resolversIn(text, own).slice(0, resolversMax);
  const others = text.split('\n').filter((line) => /^(search|domain|options)\s/.test(line));
  const lines = (resolvers.length > 0 ? resolvers : fallback).map((at) => `nameserver ${at}`);
  return `${[...others, ...lines].join('\n')}\n`;
}

function resolversIn(text: string, own: readonly string[]): string[] {
  return [...text.matchAll(/^nameserver\s+(\S+)/gm)]
    .map(([, address = '']) => address)
    .filter((address) => isReachable(address) && !own.includes(address));
}

function isReachable(text: string): boolean {
  const address = parseAddress(text);
  return address !== undefined && !unreachable.some((range) => isInRange(address, range));
}

const unreachable = ['0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '168.63.129.16'].flatMap(
  (range) => parseRange(range) ?? [],
);
