import { FollowedGrid, HttpLeaseDoor, LeaseHolder } from '@commongrid/bcdb/client';
import type { BcdbClient, FollowedGridOptions, GridNow, LeaseDoor } from '@commongrid/bcdb/client';
import { delay, isGridError, silentLogger } from '@commongrid/base';
import type { Logger } from '@commongrid/base';
import { readDirectory } from '@commongrid/contract';
import type { ControllerGrid, ControllerLeases, Directory, HeardNode } from '@commongrid/contract';
import type { SigningKey } from '@commongrid/crypto';
import { parse, recordTypes } from '@commongrid/model';
import type { BotId, LeaseName, Node, NodeId, RecordOf, RecordUrl } from '@commongrid/model';

/** Does something with the one connection by which a bot writes. */
export type AtLog = <T>(
  work: (client: BcdbClient, signal: AbortSignal) => Promise<T>,
  signal: AbortSignal,
) => Promise<T>;

export interface BotGridOptions extends Omit<FollowedGridOptions, 'reader' | 'client'> {
  readonly bot: BotId;
  /** HTTP door of the database. */
  readonly url: string;
  /** Holds leases; records are signed by it too. */
  readonly key: SigningKey;
  readonly atLog: AtLog;
}

/** From one look at who lives to the next, ms. */
const presenceEveryMs = 1_000;
/** Nodes of a list of presence: as many as BCDB gives. */
const listedNodesMax = 1_000;
/** A holder that was killed keeps others out, itself too, for so long, ms. */
const leaseTtlMs = 3_000;
/** Time for the database to answer where nobody set another, ms. */
const answerMs = 30_000;

/** The grid as a bot has it: its own feed, verified, what the database says, and who lives. */
export class BotGrid implements ControllerGrid, AsyncDisposable {
  readonly leases: ControllerLeases;
  readonly #options: BotGridOptions;
  readonly #grid: FollowedGrid;
  readonly #logger: Logger;
  readonly #closing = new AbortController();
  #changed = Promise.withResolvers<void>();
  #working: Promise<unknown> = Promise.resolve();

  private constructor(options: BotGridOptions, grid: FollowedGrid) {
    this.#options = options;
    this.#grid = grid;
    this.#logger = options.logger ?? silentLogger;
    this.leases = leasesOf(options);
  }

  /** @throws BCDB_OTHER_LOG */
  static async open(options: BotGridOptions): Promise<BotGrid> {
    const { bot, atLog } = options;
    const client: FollowedGridOptions['client'] = {
      checkpoint: (given) =>
        atLog((one, stop) => one.checkpoint({ signal: stop }), signalOr(given?.signal)),
    };
    const followed = await FollowedGrid.open({ ...options, client, reader: bot });
    const grid = new BotGrid(options, followed);
    grid.#working = Promise.all([grid.#followNews(), grid.#watchPresence()]);
    return grid;
  }

  now(options: { readonly signal?: AbortSignal }): Promise<GridNow> {
    return this.#grid.now(options);
  }

  async write<Url extends RecordUrl>(
    { url, obj, value }: { readonly url: Url; readonly obj: string; readonly value: RecordOf<Url> },
    { signal }: { readonly signal: AbortSignal },
  ): Promise<void> {
    const ns = recordTypes.get(url)?.namespace ?? 'grid';
    const statement = { ns, op: 'put', url, obj, value: { ...value } } as const;
    await this.#options.atLog((client, stop) => client.write(statement, { signal: stop }), signal);
  }

  directory(at: number, { signal }: { readonly signal: AbortSignal }): Promise<Directory> {
    return this.#options.atLog((client, stop) => {
      const source: Parameters<typeof readDirectory>[0] = {
        find: (ns, query) => client.find(ns, query, { signal: stop }),
        read: (path) => client.read(path, { signal: stop }),
      };
      return readDirectory(source, at);
    }, signal);
  }

  async node(id: NodeId, { signal }: { readonly signal: AbortSignal }): Promise<Node | undefined> {
    try {
      const { value } = await this.#options.atLog(
        (client, stop) => client.prove('grid', 'grid.node.1', id, { signal: stop }),
        signal,
      );
      return value === undefined ? undefined : parse('grid.node.1', value);
    } catch (error) {
      if (isGridError(error, 'BCDB_NOT_FOUND')) return undefined;
      throw error;
    }
  }

  async presence(
    nodes: readonly NodeId[],
    { signal }: { readonly signal: AbortSignal },
  ): Promise<ReadonlyMap<NodeId, HeardNode>> {
    if (nodes.length === 0) return new Map();
    const answer = await this.#read<PresenceAnswer>(`/v1/presence?limit=${listedNodesMax}`, signal);
    const listed = new Map(answer.nodes.map((one) => [one.node, one]));
    const heard = new Map<NodeId, HeardNode>();
    for (const node of nodes) {
      const one = listed.get(node) ?? (await this.#unlisted(answer, node, signal));
      if (one !== undefined) heard.set(node, { standing: one.standing, silentMs: one.silentMs });
    }
    return heard;
  }

  async changed(signal: AbortSignal): Promise<void> {
    const over = Promise.withResolvers<void>();
    const end = (): void => over.resolve();
    signal.addEventListener('abort', end, { once: true });
    try {
      if (!signal.aborted) await Promise.race([this.#changed.promise, over.promise]);
    } finally {
      signal.removeEventListener('abort', end);
    }
  }

  /** The same again and again, until the signal fires. */
  async *news(signal: AbortSignal): AsyncGenerator<void, void> {
    while (!signal.aborted) {
      await this.changed(signal);
      yield;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await this.#working;
    await this.#grid[Symbol.asyncDispose]();
  }

  #tell(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }

  async #followNews(): Promise<void> {
    for await (const _news of this.#grid.news(this.#closing.signal)) this.#tell();
  }

  /** Which nodes are there is in no feed: it is asked for. */
  async #watchPresence(): Promise<void> {
    const { signal } = this.#closing;
    let last = '';
    while (!signal.aborted) {
      try {
        const path = `/v1/presence?standing=suspect&limit=${listedNodesMax}`;
        const { epoch, counts, nodes } = await this.#read<PresenceAnswer>(path, signal);
        const now = JSON.stringify([epoch, counts, nodes.map(({ node }) => node)]);
        if (now !== last) this.#tell();
        last = now;
      } catch (error) {
        if (!signal.aborted) this.#logger.debug({ err: error }, 'nobody says which nodes live');
      }
      await delay(presenceEveryMs, { signal }).catch(() => undefined);
    }
  }

  /** Of more nodes than a list has those that were silent for least are left out. */
  async #unlisted(
    { counts, nodes }: PresenceAnswer,
    node: NodeId,
    signal: AbortSignal,
  ): Promise<ListedNode | undefined> {
    if (counts.alive + counts.suspect + counts.gone <= nodes.length) return undefined;
    try {
      return await this.#read<ListedNode>(`/v1/presence/${node}`, signal);
    } catch (error) {
      if (isGridError(error, 'BCDB_NOT_FOUND')) return undefined;
      throw error;
    }
  }

  #read<T>(path: string, signal: AbortSignal): Promise<T> {
    return this.#options.atLog((client, stop) => client.read<T>(path, { signal: stop }), signal);
  }
}

interface ListedNode extends HeardNode {
  readonly node: NodeId;
}

interface PresenceAnswer {
  readonly epoch: string;
  readonly counts: Readonly<Record<HeardNode['standing'], number>>;
  readonly nodes: readonly ListedNode[];
}

function leasesOf({ atLog, url, key, trust }: BotGridOptions): ControllerLeases {
  const at = <T>(work: (door: LeaseDoor, stop: AbortSignal) => Promise<T>, given?: AbortSignal) =>
    atLog((client, stop) => work(new HttpLeaseDoor({ url, client }), stop), signalOr(given));
  const door: LeaseDoor = {
    current: (name, signal) => at((one, stop) => one.current(name, stop), signal),
    write: (lease, signal) => at((one, stop) => one.write(lease, stop), signal),
    renew: (message, signal) => at((one, stop) => one.renew(message, stop), signal),
  };
  return {
    acquire: (name: LeaseName, signal) =>
      LeaseHolder.acquire({ door, key, log: trust.log, name, ttlMs: leaseTtlMs, signal }),
  };
}

function signalOr(signal: AbortSignal | undefined): AbortSignal {
  return signal ?? AbortSignal.timeout(answerMs);
}
