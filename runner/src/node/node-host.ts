import { isIP, isIPv6 } from 'node:net';

import type { Node } from '@commongrid/model';

/** Where others reach what a node publishes, as a part of a URL; undefined where it says no address. */
export function hostOfNode(node: Pick<Node, 'addresses'> | undefined): string | undefined {
  const hosts = (node?.addresses ?? []).map((address) => address.replace(/^ip:\/\//, ''));
  const host = hosts.map((one) => one.replace(/^\[(.*)\]$/, '$1')).find((one) => isIP(one) !== 0);
  return host !== undefined && isIPv6(host) ? `[${host}]` : host;
}
