import { GridError } from '@commongrid/base';

import type { NodeErrorCode } from '../errors.ts';
import { mapKeys } from '../sys/nft.ts';
import { boundPorts, ownersOf } from '../sys/sockets.ts';
import type { NetworkPort } from './networked.ts';

/**
 * Sees to it that nobody else on this machine has the ports: no program listens on one, on any
 * address, and no other node publishes one.
 * @param table of this node, whose own ports are looked after elsewhere
 * @throws NODE_PORT_TAKEN with who has it
 */
export async function assertNobodyListens(
  ports: readonly NetworkPort[],
  table: string,
): Promise<void> {
  const wanted = ports.filter(({ publish }) => publish !== undefined);
  if (wanted.length === 0) return;
  const [bound, maps] = await Promise.all([boundPorts(), mapKeys('published')]);
  for (const { protocol, publish = 0 } of wanted) {
    if (bound.some((other) => other.protocol === protocol && other.port === publish)) {
      throw portTaken(protocol, publish, await ownersOf({ protocol, port: publish }));
    }
    for (const [other, keys] of maps) {
      if (other !== table && keys.includes(`${protocol} . ${publish}`)) {
        throw portTaken(protocol, publish, `another node, by its table ${other}`);
      }
    }
  }
}

export function portTaken(protocol: string, port: number, owner: string): GridError<NodeErrorCode> {
  const who = owner === '' ? 'another program' : owner;
  return new GridError('NODE_PORT_TAKEN', `port ${port}/${protocol} is taken by ${who}`, {
    hint: 'publish another port',
    retryable: true,
    details: { protocol, port, owner: who },
  });
}
