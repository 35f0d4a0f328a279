import { randomInt } from 'node:crypto';

import { runProgram } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import type { BotId, WorkloadId } from '@commongrid/model';

import { NodeNetwork } from '../../src/network/node-network.ts';
import type { NodeNetworkOptions } from '../../src/network/node-network.ts';
import type { NetworkPort, NetworkRequest } from '../../src/network/networked.ts';
import { drawPrefix } from './draw-prefix.ts';
import { NetworkPeer } from './network-peer.ts';

/** A network outside of this machine, and nodes on it, for one test. */
export class NetworkLab implements AsyncDisposable {
  /** This machine's address towards the world. */
  readonly uplink: string;
  /** An address in the world that has no route to containers. */
  readonly world: string;
  readonly worldPath: string;
  readonly #stack: AsyncDisposableStack;

  private constructor(names: LabNames, stack: AsyncDisposableStack) {
    this.uplink = names.uplink;
    this.world = names.world;
    this.worldPath = `/run/netns/${names.worldName}`;
    this.#stack = stack;
  }

  static async open(): Promise<NetworkLab> {
    await using stack = new AsyncDisposableStack();
    const names = labNames();
    stack.defer(async () => {
      // The link goes with its other end, which is in that namespace.
      await ipQuietly(['link', 'delete', names.link]);
      await ipQuietly(['netns', 'delete', names.worldName]);
    });
    const { link, worldName, uplink, world } = names;
    await runProgram('ip', ['-batch', '-'], {
      input: [
        `netns add ${worldName}`,
        `link add ${link} type veth peer name eth0 netns ${worldName}`,
        `address add ${uplink}/30 dev ${link}`,
        `link set ${link} up`,
        `netns exec ${worldName} ip address add ${world}/30 dev eth0`,
        `netns exec ${worldName} ip link set eth0 up`,
        `netns exec ${worldName} ip link set lo up`,
        '',
      ].join('\n'),
    });
    return new NetworkLab(names, stack.move());
  }

  /** A node, which is taken out of the kernel at the end. */
  async node(options: Partial<NodeNetworkOptions> = {}): Promise<NodeNetwork> {
    const folder = this.#stack.use(await tempFolder('network')).path;
    const node = await NodeNetwork.open({ folder, prefix: await drawPrefix(), ...options });
    this.#stack.defer(() => node.dismantle());
    return node;
  }

  peer(namespacePath?: string): NetworkPeer {
    return this.#stack.use(new NetworkPeer(namespacePath));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

interface LabNames {
  readonly link: string;
  readonly worldName: string;
  readonly uplink: string;
  readonly world: string;
}

/** Addresses are of the range that is set aside for tests of networks, 198.18.0.0/15. */
function labNames(): LabNames {
  const block = randomInt(2 ** 15) * 4;
  const at = (offset: number): string =>
    `198.${18 + ((block + offset) >> 16)}.${((block + offset) >> 8) & 255}.${(block + offset) & 255}`;
  const id = block.toString(16);
  return { link: `lab-${id}`, worldName: `lab-world-${id}`, uplink: at(1), world: at(2) };
}

/** A workload with a number of a tenant. */
export function request(
  number: number,
  tenant = 'ada',
  ports: readonly NetworkPort[] = [],
): NetworkRequest {
  return { id: `${'0'.repeat(63)}c/web/${number}` as WorkloadId, tenant: tenant as BotId, ports };
}

async function ipQuietly(args: readonly string[]): Promise<void> {
  await runProgram('ip', args).catch(() => {});
}
