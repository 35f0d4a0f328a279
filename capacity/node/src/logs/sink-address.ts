import { Resolver } from 'node:dns/promises';
import { BlockList, isIP, isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';

import { GridError } from '@commongrid/base';

import type { NodeErrorCode } from '../errors.ts';

/**
 * Addresses that every machine has for itself, or for the wire it hangs on. Who runs a workload must
 * not reach them through the node.
 */
function machineAddresses(): BlockList {
  const list = new BlockList();
  list.addSubnet('0.0.0.0', 8);
  list.addSubnet('127.0.0.0', 8);
  list.addSubnet('169.254.0.0', 16);
  list.addSubnet('224.0.0.0', 3);
  list.addAddress('::', 'ipv6');
  list.addAddress('::1', 'ipv6');
  list.addSubnet('fe80::', 10, 'ipv6');
  list.addSubnet('ff00::', 8, 'ipv6');
  return list;
}

/** Addresses that no sink may have. */
export interface ForbiddenAddresses {
  check(address: string, family: 'ipv4' | 'ipv6'): boolean;
}

/**
 * Those that every machine has for itself, that its interfaces have at the moment, and those of
 * containers.
 * @param range of containers, `10.8.0.0/16`
 */
export function nodeAddresses(range: string): ForbiddenAddresses {
  const fixed = machineAddresses();
  const [first = '', bits] = range.split('/');
  fixed.addSubnet(first, Number(bits));
  return {
    check: (address, family) => {
      const own = new BlockList();
      for (const one of Object.values(networkInterfaces()).flat()) {
        if (one !== undefined) own.addAddress(one.address, one.family === 'IPv6' ? 'ipv6' : 'ipv4');
      }
      return fixed.check(address, family) || own.check(address, family);
    },
  };
}

/**
 * The address behind the host of a URL, looked up once and used as it is: a name that means another
 * address a moment later does not help to get around the list. Names are looked up in DNS alone.
 * @throws NODE_SINK_FORBIDDEN, and what the look-up throws
 */
export async function addressOf(url: URL, forbidden: ForbiddenAddresses): Promise<string> {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const address = isIP(host) === 0 ? await lookUp(host) : host;
  if (!forbidden.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')) return address;
  throw new GridError<NodeErrorCode>('NODE_SINK_FORBIDDEN', `${host} is an address of the node`, {
    hint: 'name an address that is reached from outside the node, too',
    details: { host },
  });
}

/**
 * Not by `getaddrinfo`, for which Node has four threads that all access to files needs, too: servers of
 * names that answer late would hold up the whole node.
 */
async function lookUp(host: string): Promise<string> {
  const resolver = new Resolver({ timeout: 2_000, tries: 2 });
  const [address] = await resolver.resolve4(host).catch(() => resolver.resolve6(host));
  if (address === undefined) throw new Error(`${host} has no address`);
  return address;
}
