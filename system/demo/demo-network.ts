import { readdir } from 'node:fs/promises';

import { errorCode } from '@commongrid/base';

import { ip, ipBatch, ipJson } from '../machines/ip.ts';

/** Networks that can be on one machine at a time: each takes a range and a letter. */
const networksMax = 10;
/** The first host number of a machine. */
const firstMachine = 10;

interface Link {
  readonly ifname: string;
  readonly ifalias?: string;
}

/**
 * A switch in the kernel, and machines on it, each a network namespace with a cable. The switch is marked with the
 * folder that it is for: whoever comes after one that was killed finds it by that.
 */
export class DemoNetwork {
  /** Of this machine, on the switch. */
  readonly address: string;
  readonly #number: number;

  private constructor(number: number) {
    this.#number = number;
    this.address = addressOf(number, 1);
  }

  /** @param folder that the network is for @throws when there are too many already */
  static make(folder: string): DemoNetwork {
    for (let number = 0; number < networksMax; number++) {
      const name = switchOf(number);
      try {
        ip('link', 'add', name, 'type', 'bridge');
      } catch (error) {
        if (String(error).includes('File exists')) continue;
        throw error;
      }
      const network = new DemoNetwork(number);
      // A batch would take a name with a space for several words.
      ip('link', 'set', 'dev', name, 'alias', folder);
      ipBatch([`address add ${network.address}/24 dev ${name}`, `link set dev ${name} up`]);
      return network;
    }
    throw new Error(`${networksMax} networks of demos are on this machine already`);
  }

  /** Those that were made for a folder. */
  static left(folder: string): readonly DemoNetwork[] {
    const links = ipJson('link', 'show', 'type', 'bridge') as readonly Link[];
    const own = links.filter(({ ifalias }) => ifalias === folder);
    return own.flatMap(({ ifname }) => {
      const [, number] = /^gd(\d)$/.exec(ifname) ?? [];
      return number === undefined ? [] : [new DemoNetwork(Number(number))];
    });
  }

  /** Adds a machine. @param at from 0 */
  addMachine(at: number): void {
    const [netns, cable] = [this.netnsOf(at), this.#cableOf(at)];
    ipBatch([
      `netns add ${netns}`,
      `link add ${cable} type veth peer name cable netns ${netns}`,
      `link set ${cable} master ${switchOf(this.#number)} up`,
    ]);
    const inside = [
      `address add ${this.addressOf(at)}/24 dev cable`,
      'link set lo up',
      'link set cable up',
      `route add default via ${this.address}`,
    ];
    for (const line of inside) ip('-n', netns, ...line.split(' '));
  }

  /** Takes the cable of a machine out, or puts it in again. */
  setCable(at: number, state: 'up' | 'down'): void {
    ip('link', 'set', this.#cableOf(at), state);
  }

  addressOf(at: number): string {
    return addressOf(this.#number, firstMachine + at);
  }

  netnsOf(at: number): string {
    return `${switchOf(this.#number)}-${at}`;
  }

  /** What begins the names of what a machine has in the kernel beside its network: no other machine has it. */
  prefixOf(at: number): string {
    const letter = String.fromCodePoint(0x70 + this.#number);
    return `${letter}${String(at).padStart(2, '0')}`;
  }

  /** Takes all machines off it, and the switch. Nothing may run in them any more. */
  async remove(): Promise<void> {
    const name = switchOf(this.#number);
    const all = await readdir('/run/netns').catch((error: unknown) => {
      if (errorCode(error) === 'ENOENT') return [];
      throw error;
    });
    // The kernel takes them off with their namespaces, but later: the next network may have the same number.
    const links = ipJson('link', 'show', 'type', 'veth') as readonly Link[];
    for (const { ifname } of links.filter((one) => one.ifname.startsWith(`${name}c`))) {
      deleteLink(ifname);
    }
    for (const netns of all.filter((one) => one.startsWith(`${name}-`)))
      ip('netns', 'delete', netns);
    ip('link', 'delete', name);
  }

  #cableOf(at: number): string {
    return `${switchOf(this.#number)}c${at}`;
  }
}

/** Takes a cable off, unless it has just gone with its namespace. */
function deleteLink(ifname: string): void {
  try {
    ip('link', 'delete', ifname);
  } catch (error) {
    if (!String(error).includes('Cannot find device')) throw error;
  }
}

/** A range of RFC 2544, for benchmarks: no network is numbered like that. Outposts have its other half. */
function addressOf(number: number, host: number): string {
  return `198.19.${number}.${host}`;
}

function switchOf(number: number): string {
  return `gd${number}`;
}
