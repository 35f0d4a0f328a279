import type { ContractId, FarmId, RecordOf } from '@commongrid/model';
import { examples, fakeId } from '@commongrid/model/testing';
import type { Town, Citizen, Machine } from '../../src/testing/feeds-town.ts';

/** Somebody with a farm, a node on it, and a contract that the node runs. */
interface Participant {
  readonly bot: Citizen;
  readonly farm: FarmId;
  readonly node: Machine;
  readonly contract: ContractId;
}

/** Name of a participant: its keys follow from it. */
export function participantName(index: number): string {
  return `participant-${index}`;
}

/**
 * What the participants of a grid write, one after the other: of twenty records twelve are receipts
 * of a node, six events, one is about the farm and one about its owner. Each record concerns its
 * participant and the node of it, and nobody else. Payloads have about 300 bytes.
 */
export class Participants {
  readonly #town: Town;
  readonly #all: readonly Participant[];
  #next = 0;

  private constructor(town: Town, all: readonly Participant[]) {
    this.#town = town;
    this.#all = all;
  }

  static async settle(town: Town, count: number): Promise<Participants> {
    const indexes = Array.from({ length: count }, (_, index) => index);
    const all = await Promise.all(indexes.map((index) => settleOne(town, index)));
    return new Participants(town, all);
  }

  /** So many records more; resolves when they are in the log. */
  async write(count: number): Promise<void> {
    await Promise.all(Array.from({ length: count }, () => this.#writeOne()));
  }

  async #writeOne(): Promise<void> {
    const n = this.#next++;
    const participant = this.#all[n % this.#all.length];
    if (participant === undefined) throw new Error('there are no participants');
    const turn = Math.floor(n / this.#all.length) % turns;
    const { bot, farm, node } = participant;
    if (turn === 0) {
      const about = `Round ${n}: ${sentence(n, 2)}`;
      await this.#town.put('grid.bot.1', bot.root, { ...this.#town.botOf(bot), about });
    } else if (turn === 1) {
      const value = this.#town.farmOf(bot, farm, n % this.#all.length);
      await this.#town.put('grid.farm.1', bot.device, { ...value, about: sentence(n, 2) });
    } else if (turn < eventTurns) {
      await this.#town.put('grid.event.1', node.key, eventOf(participant, n));
    } else {
      await this.#town.put('grid.receipt.1', node.key, receiptOf(participant, n));
    }
  }
}

/** Records of a participant after which the mix begins anew. */
const turns = 20;
/** Turns up to this one are about bot and farm, then events. */
const eventTurns = 8;

/** Workloads on each node. */
const workloads = 4;

async function settleOne(town: Town, index: number): Promise<Participant> {
  const name = participantName(index);
  const bot = await town.citizen(name);
  const farm = await town.farm(bot, index);
  const node = await town.node(bot, farm, `${name} node`);
  const contract = await town.contract(bot, [bot], index);
  const replicas = Array.from({ length: workloads }, (_, replica) => replica);
  await Promise.all(replicas.map((replica) => town.slice(bot, contract, node.id, replica)));
  await town.place(
    bot,
    contract,
    replicas.map(() => node.id),
  );
  return { bot, farm, node, contract };
}

function eventOf({ node, contract }: Participant, n: number): RecordOf<'grid.event.1'> {
  return {
    ...{ node: node.id, workload: workloadOf(contract, n), revision: 1 },
    ...{ phase: 'unhealthy', code: 'HEALTH_CHECK_FAILED', isRetryable: true },
    at: 1_700_000_000_000 + n,
    message: sentence(n, 1),
  };
}

function receiptOf({ node, contract }: Participant, n: number): RecordOf<'grid.receipt.1'> {
  const { lock: _lock, ...example } = examples['grid.receipt.1'];
  const fromMs = example.fromMs + n * 3_600_000;
  return {
    ...{ ...example, node: node.id, workload: workloadOf(contract, n) },
    ...{ fromMs, toMs: fromMs + 3_600_000, healthySeconds: 3600 - (n % 7) },
    usage: {
      cpuSeconds: mixed(n, 1) % 14_400,
      memoryByteSeconds: String(mixed(n, 2) * 1_048_576),
      diskBytes: mixed(n, 3) * 4096,
      receivedBytes: mixed(n, 4) * 17,
      sentBytes: mixed(n, 5) * 13,
    } as RecordOf<'grid.receipt.1'>['usage'],
  };
}

function workloadOf(contract: ContractId, n: number) {
  return fakeId.workload(contract, 'shard', n % workloads);
}

/** A number that looks drawn, and is the same in every run. */
function mixed(n: number, salt: number): number {
  let state = Math.imul(n + 1, 2_654_435_761) ^ Math.imul(salt, 2_246_822_519);
  state = Math.imul(state ^ (state >>> 15), 2_246_822_519);
  return (state ^ (state >>> 13)) >>> 0;
}

/** Words that differ from record to record. */
function sentence(n: number, salt: number): string {
  const words = Array.from({ length: 14 }, (_, i) => mixed(n * 16 + i, salt) % 100_000);
  return words.map((word) => `w${word.toString(36)}`).join(' ');
}
