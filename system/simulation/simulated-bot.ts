import { isDeepStrictEqual } from 'node:util';
import { throwIfAborted } from '@commongrid/base';
import { LeaseHolder } from '@commongrid/bcdb/client';
import type { LeaseDoor } from '@commongrid/bcdb/client';
import { readDirectory } from '@commongrid/contract';
import type { ControllerPorts, HeardNode, LockMarket } from '@commongrid/contract';
import type { SigningKey } from '@commongrid/crypto';
import { GridFold, recordTypes } from '@commongrid/model';
import type { BotId, GridRecord, KeyText, NodeId, RecordOf, RecordUrl } from '@commongrid/model';
import { fakeProof } from '@commongrid/model/testing';
import type { Machine } from './machine.ts';
import type { Network } from './network.ts';
import type { Sequencer } from './sequencer.ts';
import { directorySource } from './directory-source.ts';

export interface SimulatedBotOptions {
  readonly id: BotId;
  readonly machine: Machine;
  readonly network: Network;
  readonly sequencer: Sequencer;
  /** With which its controller takes leases. */
  readonly key: SigningKey;
  /** How long its leases keep others out, ms. */
  readonly leaseTtlMs: number;
  /** Machine of a node; undefined for one that is not there. */
  readonly machineOf: (node: NodeId) => Machine | undefined;
  readonly market: LockMarket | undefined;
}

/** How long a question for news may be held back, ms. */
const newsWaitMs = 1_000;

/** What the controller of a bot sees of a simulated world: all of it over the network. */
export class SimulatedBot {
  readonly machine: Machine;
  readonly #options: SimulatedBotOptions;
  readonly #author: KeyText;
  /** Both are on its disk. */
  #view: GridFold;
  #count = 0;

  constructor(options: SimulatedBotOptions) {
    this.#options = options;
    this.machine = options.machine;
    this.#author = options.key.publicKey.text as KeyText;
    this.#view = new GridFold({
      ...{ log: options.sequencer.log, releaseKeys: [], reader: options.id },
      isProof: (key, payload, signature) => signature === fakeProof(key, payload),
    });
  }

  /** What a controller needs that begins now. */
  ports(papers: ControllerPorts['papers']): ControllerPorts {
    const { market } = this.#options;
    return {
      papers,
      ...(market === undefined ? {} : { market }),
      grid: {
        now: ({ signal }) => this.#now(signal),
        write: (record, { signal }) => this.#write(record, signal),
        directory: (at, { signal }) => this.#directory(at, signal),
        node: (id, { signal }) => {
          return this.#ask(() => this.#options.sequencer.fold.current('grid.node.1', id), signal);
        },
        presence: (nodes, { signal }) => this.#ask(() => this.#heard(nodes), signal),
        changed: (signal) => this.#changed(signal),
      },
      leases: {
        acquire: (name, signal) => {
          const { key, sequencer, leaseTtlMs: ttlMs } = this.#options;
          const { log } = sequencer;
          const clock = this.machine;
          return LeaseHolder.acquire({
            door: this.#leaseDoor(),
            key,
            log,
            name,
            ttlMs,
            clock,
            signal,
          });
        },
      },
      probe: { answers: ({ id }, { signal }) => this.#probe(id, signal) },
    };
  }

  async #now(signal: AbortSignal): Promise<{ fold: GridFold; at: number }> {
    const { sequencer, id } = this.#options;
    const from = this.#count;
    const answer = await this.#ask(() => sequencer.read(id, from), signal);
    // Questions can overtake each other.
    if (this.#count === from) {
      this.#view.add(answer.records);
      this.#count = answer.count;
    }
    return { fold: this.#view, at: answer.at };
  }

  async #write<Url extends RecordUrl>(
    { url, obj, value }: { readonly url: Url; readonly obj: string; readonly value: RecordOf<Url> },
    signal: AbortSignal,
  ): Promise<void> {
    const { sequencer } = this.#options;
    await this.#ask(() => {
      // Said before, and its answer lost.
      if (isDeepStrictEqual(sequencer.fold.current(url, obj), value)) return;
      const record: Omit<GridRecord, 'seq' | 'at'> = {
        url,
        obj,
        op: 'put',
        author: this.#author,
        value,
      };
      sequencer.append(record);
    }, signal);
  }

  #directory(at: number, signal: AbortSignal): ReturnType<typeof readDirectory> {
    const { find, read } = directorySource(this.#options.sequencer);
    const source: typeof readDirectory extends (source: infer S, at: number) => unknown
      ? S
      : never = {
      find: (ns, query) => this.#ask(() => find(ns, query), signal),
      read: (path) => this.#ask(() => read(path), signal) as never,
    };
    return readDirectory(source, at);
  }

  #heard(nodes: readonly NodeId[]): ReadonlyMap<NodeId, HeardNode> {
    const { presence } = this.#options.sequencer;
    const heard = nodes.flatMap((id) => {
      const known = presence.get(id);
      return known === undefined ? [] : [[id, known] as const];
    });
    return new Map(heard);
  }

  async #changed(signal: AbortSignal): Promise<void> {
    const { sequencer, id } = this.#options;
    try {
      await this.#ask(() => sequencer.readNews(id, this.#count, newsWaitMs), signal);
    } catch (error) {
      throwIfAborted(signal);
      void error;
    }
  }

  async #probe(id: NodeId, signal: AbortSignal): Promise<boolean> {
    const { network, machineOf } = this.#options;
    const target = machineOf(id);
    if (target === undefined || signal.aborted) return false;
    const answer = network.call(this.machine, target, () => true, { timeoutMs: 1_000 });
    return answer.catch(() => false);
  }

  #leaseDoor(): LeaseDoor {
    const { sequencer } = this.#options;
    const url = 'grid.lease.1';
    return {
      current: (name, signal) => this.#ask(() => sequencer.fold.current(url, name), signal),
      write: (value, signal) => {
        const obj = recordTypes.get(url)?.objectOf(value) ?? '';
        const author = this.#author;
        return this.#ask(() => sequencer.append({ url, obj, op: 'put', author, value }), signal);
      },
      renew: (message, signal) => this.#ask(() => sequencer.renew(message), signal),
    };
  }

  /** Asks the database. */
  async #ask<T>(handle: () => T | Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    throwIfAborted(signal);
    const { network, sequencer } = this.#options;
    const { promise, reject } = Promise.withResolvers<never>();
    const onAbort = (): void => reject(signal?.reason as Error);
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      const answer = network.call(this.machine, sequencer.machine, handle);
      return await Promise.race([answer, promise]);
    } finally {
      throwIfAborted(signal);
      signal?.removeEventListener('abort', onAbort);
    }
  }
}
