import { writeFile } from 'node:fs/promises';
import { isIPv4 } from 'node:net';
import { join } from 'node:path';

import { GridError, isGridError, runProgram } from '@commongrid/base';
import type { WorkloadId } from '@commongrid/model';

import type { NodeErrorCode } from '../errors.ts';
import { shortIdOf } from '../short-id.ts';
import { forgetAddress, forgetUdpPort } from '../sys/conntrack.ts';
import { allRoutes, deleteByIp, mainRoutes, runIp } from '../sys/ip.ts';
import { runNft } from '../sys/nft.ts';
import { AddressTable } from './address-table.ts';
import { ContainerLinks } from './container-links.ts';
import { Firewall } from './firewall.ts';
import { chooseRange, formatRange, parseAddress, parseRange } from './ipv4-range.ts';
import type { Ipv4Range } from './ipv4-range.ts';
import type { Networked, NetworkPort, NetworkRequest } from './networked.ts';
import { assertNobodyListens, portTaken } from './published-ports.ts';
import { resolvConfForContainers } from './resolv-conf.ts';
import type { NodeDoor } from './ruleset.ts';

export interface NodeNetworkOptions {
  /** Keeps the table of addresses. One node at a time uses it, which the caller sees to. */
  readonly folder: string;
  /**
   * One letter, and up to two more letters or digits: begins the names of all that is made in the
   * kernel. Of what begins so, whatever no workload has is removed.
   */
  readonly prefix: string;
  /** Of the addresses of workloads, /8 to /29. Default: a /16 of 10.0.0.0/8 that is free, for good. */
  readonly range?: string;
  /**
   * The address of the machine where ports are published, besides loopback, and from which
   * containers reach out. Default: all it has; and that of the interface where a packet leaves.
   */
  readonly uplinkAddress?: string;
  /**
   * Zero-DBs of the node. Containers reach them as other machines do, so not those that listen on loopback
   * or on an IPv6 address; and publish none of their ports.
   */
  readonly doors?: readonly NodeDoor[];
}

/** Where a container finds its network. */
export interface Attachment {
  /** Network namespace for the container to run in. */
  readonly namespacePath: string;
  readonly address: string;
  readonly gateway: string;
}

export interface ListedNetwork extends Networked {
  /** All of it is in the kernel. */
  readonly isAttached: boolean;
}

/**
 * Gives each container of a node a network namespace and an address, lets it reach out, publishes its
 * ports, and keeps tenants apart. What is made lasts without this process.
 *
 * Calls about one workload come one after the other; those about several may come at once.
 */
export class NodeNetwork {
  readonly #table: AddressTable;
  readonly #links: ContainerLinks;
  readonly #firewall: Firewall;
  readonly #names: Names;
  readonly #doorPorts: ReadonlySet<number>;

  private constructor(
    table: AddressTable,
    names: Names,
    { uplinkAddress, doors = [] }: NodeNetworkOptions,
  ) {
    const { prefix, group } = names;
    const { gateway, range } = table;
    const reached = doors.filter(({ host }) => isIPv4(host) && !host.startsWith('127.'));
    this.#doorPorts = new Set(doors.map(({ port }) => port));
    this.#table = table;
    this.#names = names;
    this.#links = new ContainerLinks({ prefix, group, gateway });
    this.#firewall = new Firewall(
      { table: names.table, group, range, gateway, uplinkAddress, doors: reached },
      (id) => names.prefix + shortIdOf(id),
    );
  }

  /**
   * Brings the kernel to what the table of addresses says of the workloads that are attached, and
   * lets the machine forward packets.
   * @throws NODE_CONFIG_INVALID, NODE_FEATURE_MISSING, NODE_NETWORK_UNREADABLE
   */
  static async open(options: NodeNetworkOptions): Promise<NodeNetwork> {
    const { folder, uplinkAddress } = options;
    const names = namesOf(options.prefix);
    const range = options.range === undefined ? undefined : checkedRange(options.range);
    if (uplinkAddress !== undefined && parseAddress(uplinkAddress) === undefined) {
      throw configInvalid(`${uplinkAddress} is no IPv4 address`);
    }
    await assertPrograms();
    const path = join(folder, 'network.json');
    const table = await AddressTable.open(path, range, () => freeRange(names));
    const network = new NodeNetwork(table, names, options);
    await network.#repair();
    return network;
  }

  /** Where the addresses of all workloads are, `10.8.0.0/16`. */
  get range(): string {
    return formatRange(this.#table.range);
  }

  /**
   * Gives a workload its network, or what of it is missing, and the ports that it wants now.
   * @throws NODE_PORT_TAKEN, NODE_ADDRESSES_EXHAUSTED, NODE_KEY_TAKEN, NODE_CONFIG_INVALID
   */
  async attach(request: NetworkRequest): Promise<Attachment> {
    const before = this.#firewall.get(request.id);
    const fresh = request.ports.filter((port) => !(before?.ports ?? []).some(isSamePort(port)));
    await assertNobodyListens(fresh, this.#names.table);
    this.#assertOwnPorts(request);
    const workload = this.#table.claim(request);
    this.#firewall.want(workload);
    const name = this.#nameOf(request.id);
    // A link whose address did not get into the table is removed by the next open.
    await Promise.all([
      this.#table.save(),
      this.#links.build(name, workload.address),
      this.#firewall.commit(),
    ]);
    for (const { protocol, publish } of fresh) {
      if (protocol === 'udp' && publish !== undefined) await forgetUdpPort(publish);
    }
    return {
      namespacePath: this.#links.pathOf(name),
      address: workload.address,
      gateway: this.#table.gateway,
    };
  }

  /** Takes away namespace, link and rules. The address stays the workload's own. */
  async detach(id: WorkloadId): Promise<void> {
    this.#firewall.unwant(id);
    // Without rules, what a link sends is dropped: the order does not matter.
    await Promise.all([this.#links.remove([this.#nameOf(id)]), this.#firewall.commit()]);
    const known = this.#table.get(id);
    if (known !== undefined) await forgetAddress(known.address);
  }

  /** Detaches it and gives its address free. */
  async forget(id: WorkloadId): Promise<void> {
    await this.detach(id);
    this.#table.release(id);
    await this.#table.save();
  }

  /** Every workload that has an address, whether it is attached or not. */
  known(): readonly Networked[] {
    return this.#table.workloads;
  }

  /** The same, and what the kernel has of each. */
  async list(): Promise<readonly ListedNetwork[]> {
    const { workloads } = this.#table;
    const whole = await this.#links.whole(this.#addressesOf(workloads));
    return workloads.map((workload) => ({
      ...workload,
      isAttached: whole.has(this.#nameOf(workload.id)),
    }));
  }

  /** Text for /etc/resolv.conf of containers. */
  resolvConf(): Promise<string> {
    return resolvConfForContainers();
  }

  /**
   * Loads all rules anew at one go: somebody may have emptied the tables of the machine. What is
   * connected stays so.
   */
  async refreshRules(): Promise<void> {
    await this.#firewall.reload();
  }

  /** Takes all of this node out of the kernel, as for good. The table of addresses stays. */
  async dismantle(): Promise<void> {
    const { table } = this.#names;
    await this.#links.removeAll();
    await runNft(`table inet ${table}\ndelete table inet ${table}\n`);
    await deleteByIp(async () => (await this.#unusedRoutes()).map(deletion(this.#names.group)));
  }

  /** The ranges to whose unused addresses this node has made routes. */
  async #unusedRoutes(): Promise<string[]> {
    const routes = await mainRoutes();
    return routes.flatMap(({ dst, metric }) => (metric === this.#names.group ? [dst] : []));
  }

  /**
   * Compares the kernel with the table and repairs what differs: rules first, so that nothing is
   * open meanwhile. A workload is attached when it has its namespace. What begins with the prefix and
   * belongs to no workload goes: it holds no data.
   */
  async #repair(): Promise<void> {
    await writeFile('/proc/sys/net/ipv4/ip_forward', '1');
    // What is sent to an address that nobody has must not leave the machine by its default route.
    const range = formatRange(this.#table.range);
    const { group } = this.#names;
    await deleteByIp(async () => {
      const stale = (await this.#unusedRoutes()).filter((dst) => dst !== range);
      return stale.map(deletion(group));
    });
    await runIp([`route replace ${unusedRoute(range, group)}`]);
    const { workloads } = this.#table;
    const has = await Promise.all(
      workloads.map(({ id }) => this.#links.hasNamespace(this.#nameOf(id))),
    );
    const attached = workloads.filter((_workload, index) => has[index] === true);
    for (const workload of attached) this.#firewall.want(workload);
    await this.#firewall.reload();
    const known = this.#addressesOf(attached);
    const found = await this.#links.list();
    await this.#links.remove([...found].filter((name) => !known.has(name)));
    const whole = await this.#links.whole(known);
    for (const [name, address] of known) {
      if (!whole.has(name)) await this.#links.build(name, address);
    }
  }

  #assertOwnPorts({ id, ports }: NetworkRequest): void {
    const seen = new Set<string>();
    for (const { protocol, publish } of ports) {
      if (publish === undefined) continue;
      // It may not listen yet, or begin anew.
      const isDoor = protocol === 'tcp' && this.#doorPorts.has(publish);
      if (isDoor) throw portTaken(protocol, publish, 'a Zero-DB of this node');
      const owner = this.#firewall.ownerOf(protocol, publish);
      if (owner !== undefined && owner.id !== id) throw portTaken(protocol, publish, owner.id);
      if (seen.has(`${protocol} ${publish}`)) throw portTaken(protocol, publish, id);
      seen.add(`${protocol} ${publish}`);
    }
  }

  #addressesOf(workloads: readonly Networked[]): Map<string, string> {
    return new Map(workloads.map(({ id, address }) => [this.#nameOf(id), address]));
  }

  #nameOf(id: WorkloadId): string {
    return this.#names.prefix + shortIdOf(id);
  }
}

/** The metric tells whose it is, and lets it take the place of nobody else's. */
function unusedRoute(range: string, group: number): string {
  return `unreachable ${range} metric ${group}`;
}

function deletion(group: number): (range: string) => string {
  return (range) => `route delete ${unusedRoute(range, group)}`;
}

interface Names {
  readonly prefix: string;
  /** Of its links, and the metric of its route: a number made of the prefix. */
  readonly group: number;
  /** Of nft. */
  readonly table: string;
}

function namesOf(prefix: string): Names {
  if (!/^[a-z][a-z0-9]{0,2}$/.test(prefix)) {
    throw configInvalid(
      `${prefix} cannot begin names: one letter, and up to two letters or digits`,
    );
  }
  // A group of links of its own for each prefix, far from those that people number by hand.
  const group = Buffer.from(`C${prefix.padStart(3, '\0')}`, 'latin1').readUInt32BE();
  return { prefix, group, table: `${prefix}_network` };
}

function checkedRange(text: string): Ipv4Range {
  const range = parseRange(text);
  if (range === undefined || range.bits < 8 || range.bits > 29) {
    throw configInvalid(`${text} is no range of IPv4 addresses of a size from /8 to /29`);
  }
  return range;
}

async function freeRange({ prefix }: Names): Promise<Ipv4Range> {
  const taken = (await allRoutes()).flatMap(({ dst }) => parseRange(dst) ?? []);
  const start = Number.parseInt(shortIdOf(prefix).slice(0, 2), 16);
  const range = chooseRange(taken, start);
  if (range !== undefined) return range;
  throw configInvalid('the machine has routes to all of 10.0.0.0/8: say which range is free');
}

async function assertPrograms(): Promise<void> {
  try {
    await Promise.all([
      runProgram('ip', ['-V']),
      runProgram('nft', ['-v']),
      runProgram('ss', ['-V']),
      runProgram('conntrack', ['-V']),
    ]);
  } catch (error) {
    if (!isGridError(error) || error.code !== 'BASE_PROGRAM_MISSING') throw error;
    throw new GridError<NodeErrorCode>('NODE_FEATURE_MISSING', error.message, {
      hint: 'apt-get install iproute2 nftables conntrack',
      cause: error,
    });
  }
}

function isSamePort(port: NetworkPort): (other: NetworkPort) => boolean {
  return (other) => other.protocol === port.protocol && other.publish === port.publish;
}

function configInvalid(message: string): GridError<NodeErrorCode> {
  return new GridError('NODE_CONFIG_INVALID', message);
}
