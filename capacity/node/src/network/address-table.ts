import { readFile } from 'node:fs/promises';

import { errorCode, GridError, Mutex, writeFileAtomic } from '@commongrid/base';
import type { BotId, WorkloadId } from '@commongrid/model';

import type { NodeErrorCode } from '../errors.ts';
import { shortIdOf } from '../short-id.ts';
import {
  formatAddress,
  formatRange,
  isInRange,
  parseAddress,
  parseRange,
  sizeOf,
} from './ipv4-range.ts';
import type { Ipv4Range } from './ipv4-range.ts';
import type { Networked, NetworkPort, NetworkRequest } from './networked.ts';

/**
 * Which workload has which address, in a file: a workload keeps its address through reboots.
 *
 * Addresses are given round the range, so that one that became free is long unknown to everybody
 * when it is given again.
 */
export class AddressTable {
  readonly range: Ipv4Range;
  readonly #path: string;
  readonly #byId: Map<WorkloadId, Networked>;
  readonly #mutex = new Mutex();
  #next: number;
  /** Counts changes; the file has those up to `#savedVersion`. */
  #version = 0;
  #savedVersion = 0;

  private constructor(path: string, state: TableState) {
    this.#path = path;
    this.range = state.range;
    this.#next = state.next;
    this.#byId = new Map(state.workloads.map((workload) => [workload.id, workload]));
  }

  /**
   * Reads the table, or begins one with the range that `choose` gives.
   * @param range what the operator wants; it can change while no workload has an address
   * @throws NODE_NETWORK_UNREADABLE, NODE_CONFIG_INVALID
   */
  static async open(
    path: string,
    range: Ipv4Range | undefined,
    choose: () => Promise<Ipv4Range>,
  ): Promise<AddressTable> {
    const kept = await readState(path);
    if (kept !== undefined && (range === undefined || isSameRange(range, kept.range))) {
      return new AddressTable(path, kept);
    }
    if (kept !== undefined && kept.workloads.length > 0) throw rangeFixed(kept);
    const chosen = range ?? (await choose());
    const table = new AddressTable(path, { range: chosen, next: firstGiven, workloads: [] });
    table.#version++;
    await table.save();
    return table;
  }

  /** The node's own address on every link. */
  get gateway(): string {
    return formatAddress(this.range.first + 1);
  }

  get workloads(): readonly Networked[] {
    return [...this.#byId.values()];
  }

  get(id: WorkloadId): Networked | undefined {
    return this.#byId.get(id);
  }

  /**
   * Notes what a workload wants, with an address that is its own. Durable after `save`.
   * @throws NODE_ADDRESSES_EXHAUSTED, NODE_KEY_TAKEN
   */
  claim(request: NetworkRequest): Networked {
    const known = this.#byId.get(request.id);
    const address = known?.address ?? this.#freeAddress(request.id);
    const { id, tenant, ports } = request;
    const workload = { id, tenant, ports, address };
    if (
      known !== undefined &&
      JSON.stringify(known) === JSON.stringify({ ...known, tenant, ports })
    ) {
      return known;
    }
    this.#byId.set(id, workload);
    this.#version++;
    return workload;
  }

  release(id: WorkloadId): void {
    if (this.#byId.delete(id)) this.#version++;
  }

  /** Makes all changes so far durable; calls that come together share one write. */
  async save(): Promise<void> {
    const version = this.#version;
    await this.#mutex.run(async () => {
      if (this.#savedVersion >= version) return;
      const written = this.#version;
      await writeFileAtomic(this.#path, this.#text());
      this.#savedVersion = written;
    });
  }

  #text(): string {
    const range = formatRange(this.range);
    return `${JSON.stringify({ v: 1, range, next: this.#next, workloads: this.workloads })}\n`;
  }

  #freeAddress(id: WorkloadId): string {
    const used = new Set<string>();
    for (const workload of this.#byId.values()) {
      used.add(workload.address);
      if (shortIdOf(workload.id) === shortIdOf(id)) throw keyTaken(id, workload.id);
    }
    const [first, end] = [firstGiven, sizeOf(this.range) - 1];
    for (let step = 0; step < end - first; step++) {
      const offset = first + ((this.#next - first + step) % (end - first));
      const address = formatAddress(this.range.first + offset);
      if (used.has(address)) continue;
      this.#next = offset + 1;
      return address;
    }
    throw new GridError<NodeErrorCode>(
      'NODE_ADDRESSES_EXHAUSTED',
      `all ${end - first} addresses of ${formatRange(this.range)} are given`,
      { retryable: true, details: { range: formatRange(this.range), count: end - first } },
    );
  }
}

/** Before it are the address of the range itself and that of the node. */
const firstGiven = 2;

interface TableState {
  readonly range: Ipv4Range;
  /** Where the search for a free address begins, from the start of the range. */
  readonly next: number;
  readonly workloads: readonly Networked[];
}

async function readState(path: string): Promise<TableState | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
  const state = parseState(text);
  if (state !== undefined) return state;
  throw new GridError<NodeErrorCode>(
    'NODE_NETWORK_UNREADABLE',
    `${path} is no table of addresses that this release can read`,
    { hint: 'move it away: workloads get new addresses', details: { path } },
  );
}

function parseState(text: string): TableState | undefined {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(json) || json['v'] !== 1 || !Array.isArray(json['workloads'])) return undefined;
  const range = typeof json['range'] === 'string' ? parseRange(json['range']) : undefined;
  const next = json['next'];
  if (range === undefined || typeof next !== 'number') return undefined;
  const list: readonly unknown[] = json['workloads'];
  const workloads = list.filter((item) => isNetworked(item, range));
  return workloads.length === list.length ? { range, next, workloads } : undefined;
}

function isNetworked(item: unknown, range: Ipv4Range): item is Networked {
  if (!isObject(item)) return false;
  const { id, tenant, address, ports } = item;
  if (!isId(id) || !isTenant(tenant) || typeof address !== 'string') return false;
  const number = parseAddress(address);
  if (number === undefined || !isInRange(number, range)) return false;
  return Array.isArray(ports) && ports.every(isPort);
}

function isPort(item: unknown): item is NetworkPort {
  if (!isObject(item)) return false;
  const { port, protocol, publish } = item;
  if (typeof port !== 'number' || (protocol !== 'tcp' && protocol !== 'udp')) return false;
  return publish === undefined || typeof publish === 'number';
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function isId(value: unknown): value is WorkloadId {
  return typeof value === 'string';
}

function isTenant(value: unknown): value is BotId {
  return typeof value === 'string';
}

function isSameRange(a: Ipv4Range, b: Ipv4Range): boolean {
  return a.first === b.first && a.bits === b.bits;
}

function rangeFixed(kept: TableState): GridError<NodeErrorCode> {
  const range = formatRange(kept.range);
  return new GridError('NODE_CONFIG_INVALID', `workloads have addresses of ${range}`, {
    hint: `keep ${range}, or remove the workloads before the range changes`,
    details: { range, workloads: kept.workloads.length },
  });
}

function keyTaken(id: string, other: string): GridError<NodeErrorCode> {
  return new GridError('NODE_KEY_TAKEN', `${id} has the short id of ${other}`, {
    hint: 'place one of them on another node',
    details: { id, other },
  });
}
