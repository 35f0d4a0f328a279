import { contractIdOf } from '@commongrid/model';
import type { ContractId, NodeId, RecordOf, RecordUrl, WorkloadId } from '@commongrid/model';
import { examples, fakeId } from '@commongrid/model/testing';
import { atMostRow, median } from '@commongrid/system/bench';
import type { BenchRow } from '@commongrid/system/bench';
import { Feeds } from '../src/feeds/feeds.ts';
import type { Genesis } from '../src/record/genesis.ts';
import { Identities } from '../src/state/identities.ts';
import { LayeredStore } from '../src/state/layered-store.ts';
import { StateView } from '../src/state/state-view.ts';
import type { BcdbBenchRun } from './bcdb-bench-run.ts';

const names = {
  event: 'feeds: who must hear of an event',
  root: 'feeds: root after 1,000 events',
} as const;

/** Each with a node, and a contract on another's node. */
const people = 2000;
const events = 1000;
const at = 1_700_000_000_000;

/** What the feeds cost the thread that judges: the events of a grid, and the root of each tick. */
export async function feedsRows(run: BcdbBenchRun): Promise<BenchRow[]> {
  if (!run.wants(...Object.values(names))) return [];
  run.note('feeds');
  const grid = new BenchGrid(run.sized(people));
  const eventMicros: number[] = [];
  const rootMicros: number[] = [];
  // The first rounds make the code quick.
  for (let round = -5; round < 10 * run.rounds; round++) {
    const event = grid.event(round + 5) / events;
    const root = grid.root();
    if (round < 0) continue;
    eventMicros.push(event);
    rootMicros.push(root);
  }
  const note = `CPU of the judging thread, median of ${rootMicros.length}; ${2 * grid.size} readers`;
  return [
    atMostRow({ name: names.event, unit: 'µs', ours: median(eventMicros), aim: 30, note }),
    atMostRow({ name: names.root, unit: 'ms', ours: median(rootMicros) / 1000, aim: 5, note }),
  ].filter(({ name }) => run.wants(name));
}

/** A grid in which each event concerns its node, the farmer and the owner of the contract. */
class BenchGrid {
  readonly size: number;
  readonly #store = LayeredStore.open(':memory:');
  readonly #view = new StateView(this.#store);
  readonly #feeds: Feeds;
  readonly #places: { readonly node: NodeId; readonly contract: ContractId }[] = [];
  #seq = 0;

  constructor(size: number) {
    this.size = size;
    const identities = new Identities(this.#view, genesis.nonce);
    this.#feeds = new Feeds({ view: this.#view, identities, genesis });
    for (let n = 0; n < size; n++) this.#settle(n);
    for (let n = 0; n < size; n++) this.#rent(n);
    this.#endBatch();
  }

  /** Takes events of many contracts. @returns CPU, microseconds */
  event(round: number): number {
    let cpuMicros = 0;
    for (let n = 0; n < events; n++) {
      const place = this.#places[(n * 3 + round) % this.size];
      if (place === undefined) throw new Error('there is a place for everybody');
      const { node, contract } = place;
      const workload = `${contract}/shard/0` as const;
      cpuMicros += this.#put('grid.event.1', `${node}/${workload}`, keyOf(node), {
        ...{ node, workload: workload as WorkloadId },
        ...{ revision: round, phase: 'running', at: 1_700_000_000_000 },
      });
    }
    this.#endBatch();
    return cpuMicros;
  }

  /** @returns CPU, microseconds */
  root(): number {
    return cpuOf(() => this.#feeds.root());
  }

  /** A bot with a farm of one node. */
  #settle(n: number): void {
    const [bot, farm, node] = [fakeId.bot(n), fakeId.farm(n), fakeId.node(n)];
    const key = deviceOf(n);
    this.#view.setFact(`holder ${key}`, bot);
    this.#view.setFact(`holder ${keyOf(node)}`, node);
    this.#put('grid.farm.1', farm, key, { ...examples['grid.farm.1'], id: farm, owner: bot });
    this.#put('grid.node.1', node, keyOf(node), { ...examples['grid.node.1'], id: node, farm });
    this.#put('grid.adoption.1', node, key, { node, farm, standing: 'active' });
  }

  /** A contract of the bot, with a lock and a slice on the node of another. */
  #rent(n: number): void {
    const [owner, farmer, key] = [fakeId.bot(n), fakeId.bot((n * 7) % this.size), deviceOf(n)];
    const node = fakeId.node((n * 7) % this.size);
    const lines = [{ role: 'owner', signers: [owner], min: 1 }];
    const header = {
      ...examples['grid.contract.1'],
      ...{ owner, controllers: [key], secrets: [], nonce: fakeId.hash(n) },
      policy: { provision: lines, upgrade: lines, change: lines, remove: lines },
    };
    const contract = contractIdOf(header);
    const { arbiter: _none, ...lock } = examples['grid.lock.1'];
    const parties = { contract, node, farmer, buyer: owner, expiresMs: at + 1 };
    const workload = fakeId.workload(contract, 'shard', 0);
    const slice = { ...examples['grid.slice.1'], node, contract, workload };
    this.#put('grid.contract.1', contract, key, header);
    this.#put('grid.lock.1', fakeId.lock(n), key, { ...lock, id: fakeId.lock(n), ...parties });
    this.#put('grid.slice.1', `${node}/${workload}`, key, slice);
    this.#places.push({ node, contract });
  }

  #put<Url extends RecordUrl>(url: Url, obj: string, author: string, value: RecordOf<Url>): number {
    const seq = this.#seq++;
    const version = fakeId.hash(seq);
    const name = { ns: 'grid', url, obj };
    // As it comes out of the text of a record.
    const payload = structuredClone(value) as never;
    this.#view.setDocument(name, { seq, version, value: payload });
    const envelope = { ...name, op: 'put', author, n: 1, log: genesis.nonce, t: at, v: 1 } as const;
    const record = { seq, envelope, version, payload: undefined, value: payload };
    const cpuMicros = cpuOf(() => this.#feeds.take(record, [], at));
    this.#view.takeChanges();
    return cpuMicros;
  }

  #endBatch(): void {
    this.#view.pushBatch();
    this.#store.sink();
  }
}

const genesis: Genesis = {
  format: 'bcdb/1',
  nonce: fakeId.hash(0),
  at,
  sequencer: fakeId.key(0),
  admins: { signers: [fakeId.key(0)], min: 1 },
  releaseKeys: [],
  isOpen: false,
};

function deviceOf(n: number): ReturnType<typeof fakeId.key> {
  return fakeId.key(1_000_000 + n);
}

/** A node's id is its key. */
function keyOf(node: NodeId): string {
  return node.replace('node:', 'ed25519:');
}

function cpuOf(work: () => unknown): number {
  const before = process.threadCpuUsage();
  work();
  const { user, system } = process.threadCpuUsage(before);
  return user + system;
}
