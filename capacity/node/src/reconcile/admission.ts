import { GridError } from '@commongrid/base';
import type { ContractRole, Resources } from '@commongrid/model';
import type { NodeErrorCode } from '../errors.ts';
import type { KnownWorkload } from './wish.ts';

/** What a machine gives, and what workloads take of it. */
export interface Room {
  readonly cpuMilli: number;
  readonly memoryBytes: number;
  readonly ssdBytes: number;
  readonly hddBytes: number;
  readonly pids: number;
}

const kinds = ['cpuMilli', 'memoryBytes', 'ssdBytes', 'hddBytes', 'pids'] as const;

/** Processes that are counted for what is not a container. */
const pidsOfService = 0;

const none = { cpuMilli: 0, memoryBytes: 0, ssdBytes: 0, hddBytes: 0, pids: 0 } satisfies Room;

/** Whether a workload has processes, or is stopped and takes room for its data only. */
export type Hold = 'whole' | 'data';

interface Held {
  readonly room: Room;
  /** Ports of the node's address, `tcp/80`. */
  readonly ports: readonly string[];
}

/**
 * Who has which room of the node. Nothing is accepted that does not fit beside everything accepted
 * before, and of what belongs together all is accepted or nothing.
 */
export class Admission {
  readonly #capacity: Room;
  readonly #held = new Map<string, Held>();

  constructor(capacity: Room) {
    this.#capacity = capacity;
  }

  get capacity(): Room {
    return this.#capacity;
  }

  get used(): Room {
    return sumOf([...this.#held.values()].map(({ room }) => room));
  }

  /**
   * Takes the room of workloads in place of what they have.
   * @throws NODE_ROOM_MISSING with the figures, NODE_PORT_TAKEN; nothing is changed then
   */
  reserve(all: readonly KnownWorkload[]): void {
    const after = new Map(this.#held);
    for (const known of all) after.set(known.id, heldOf(known.role));
    this.#requireRoom(all, after);
    requirePorts(all, after);
    for (const known of all) this.#held.set(known.id, heldOf(known.role));
  }

  /** Keeps the room of what was accepted before, whether it fits or not: it is there. */
  restore(known: KnownWorkload, hold: Hold): void {
    const held = heldOf(known.role);
    this.#held.set(known.id, hold === 'whole' ? held : dataOf(held));
  }

  /** Gives back what a workload has; its data keeps its room when it only stops. */
  giveBack(id: string, isDataKept: boolean): void {
    const held = this.#held.get(id);
    if (held === undefined) return;
    if (isDataKept) this.#held.set(id, dataOf(held));
    else this.#held.delete(id);
  }

  #requireRoom(all: readonly KnownWorkload[], after: ReadonlyMap<string, Held>): void {
    const before = this.used;
    const wanted = sumOf([...after.values()].map(({ room }) => room));
    for (const kind of kinds) {
      if (wanted[kind] <= this.#capacity[kind] || wanted[kind] <= before[kind]) continue;
      const free = Math.max(0, this.#capacity[kind] - before[kind]);
      const asked = wanted[kind] - before[kind];
      throw new GridError<NodeErrorCode>(
        'NODE_ROOM_MISSING',
        `${kind}: ${asked} wanted, ${free} of ${this.#capacity[kind]} free`,
        {
          hint: 'place it on a node with more room, or ask for less',
          details: { kind, wanted: asked, free, capacity: this.#capacity[kind], count: all.length },
        },
      );
    }
  }
}

function requirePorts(all: readonly KnownWorkload[], after: ReadonlyMap<string, Held>): void {
  const holders = new Map<string, string>();
  for (const [id, { ports }] of after) {
    for (const port of ports) {
      const other = holders.get(port);
      holders.set(port, id);
      if (other === undefined || !all.some((known) => known.id === id || known.id === other)) {
        continue;
      }
      throw new GridError<NodeErrorCode>(
        'NODE_PORT_TAKEN',
        `port ${port} of the node is published already`,
        { hint: 'publish another port, or place it on another node', details: { port } },
      );
    }
  }
}

function heldOf(role: ContractRole): Held {
  const { container } = role.workload;
  const { cpuMilli, memoryBytes, ssdBytes, hddBytes }: Resources = role.resources;
  const ports = (container?.ports ?? []).flatMap(({ protocol, publish }) =>
    publish === undefined ? [] : [`${protocol}/${publish}`],
  );
  const pids = container?.pids ?? pidsOfService;
  return { room: { cpuMilli, memoryBytes, ssdBytes, hddBytes, pids }, ports };
}

function dataOf({ room: { ssdBytes, hddBytes } }: Held): Held {
  return { room: { ...none, ssdBytes, hddBytes }, ports: [] };
}

function sumOf(rooms: readonly Room[]): Room {
  const sum = { ...none };
  for (const room of rooms) for (const kind of kinds) sum[kind] += room[kind];
  return sum;
}
