import type { BotId, ContractId, FarmId, LockId } from '../fields.ts';
import type { Contract } from '../records/contract.ts';
import type { Lock } from '../records/lock.ts';
import { recordTypes } from '../record-types.ts';
import { scopeOf } from './concerns.ts';
import type { Change, ConcernsView } from './concerns-view.ts';
import { namesIn } from './names-in.ts';
import type { NamedId } from './names-in.ts';

/**
 * Something that readers rely on as a whole, by its id: a bot with its recoveries; a farm; a contract
 * with its approvals, leases, and its placement; a lock.
 */
export type TopicId = BotId | FarmId | ContractId | LockId;

/** Where a record belongs among those that somebody needs who comes to rely on something later. */
export interface TopicPlace {
  readonly topic: TopicId;
  /** Whether the next version takes its place; else all versions are needed to judge by. */
  readonly isReplaced: boolean;
}

/** The topic that a record is a part of; undefined for those that nobody needs later. */
export function topicOf(record: Change & { readonly ns: string }): TopicPlace | undefined {
  const scope = scopeOf(record);
  const type = topicTypes.get(scope?.url ?? record.url);
  if (type === undefined) return undefined;
  const { url, obj, value } = scope === undefined ? record : { ...scope, value: undefined };
  if (recordTypes.get(url)?.namespace !== record.ns) return undefined;
  const named = namesIn(type.by === 'obj' ? obj : memberOf(value, type.by));
  const id = named.find(({ kind }) => kind === type.kind)?.id;
  if (id === undefined) return undefined;
  return { topic: id as TopicId, isReplaced: scope === undefined && type.isReplaced === true };
}

/** Types whose records the next version replaces: of each topic one record is needed. */
export const replacedUrls = ['grid.allowance.1', 'grid.placement.1'] as const;

interface TopicType {
  readonly kind: 'bot' | 'farm' | 'contract' | 'lock';
  /** What names the topic: the object's own id, or a field. */
  readonly by: 'obj' | 'contract';
  readonly isReplaced?: true;
}

const topicTypes: ReadonlyMap<string, TopicType> = new Map<string, TopicType>([
  ['grid.approval.1', { kind: 'contract', by: 'contract' }],
  ['grid.bot.1', { kind: 'bot', by: 'obj' }],
  ['grid.contract.1', { kind: 'contract', by: 'obj' }],
  ['grid.farm.1', { kind: 'farm', by: 'obj' }],
  ['grid.lease.1', { kind: 'contract', by: 'obj' }],
  ['grid.lock.1', { kind: 'lock', by: 'obj' }],
  ['grid.recovery.1', { kind: 'bot', by: 'obj' }],
  ...replacedUrls.map((url) => [url, { kind: 'contract', by: 'obj', isReplaced: true }] as const),
]);

/**
 * Collects topics with all that is needed to judge what they say. It ends: each topic is entered
 * once, and of contracts that replace each other only neighbours count, of those who may recover a
 * bot only themselves.
 */
export class Topics {
  readonly #view: ConcernsView;
  readonly #found = new Set<TopicId>();
  readonly #entered = new Set<string>();

  constructor(view: ConcernsView) {
    this.#view = view;
  }

  get size(): number {
    return this.#found.size;
  }

  sorted(): readonly TopicId[] {
    return [...this.#found].toSorted();
  }

  /** @param header where the view does not have it yet */
  addContract(contract: string, header = this.#view.current('grid.contract.1', contract)): void {
    this.#addOwn(contract, header);
    const replaced = header?.replaces;
    for (const other of [
      ...(replaced === undefined ? [] : [replaced]),
      ...this.#view.naming('grid.contract.1', contract),
    ]) {
      this.#addOwn(other, this.#view.current('grid.contract.1', other));
    }
  }

  /** A lock, with its contract and both of its sides. */
  addLock(lock: Lock): void {
    this.#found.add(lock.id);
    this.addContract(lock.contract);
    this.addNamed(lock);
  }

  addFarm(farm: FarmId): void {
    if (!this.#enters(farm)) return;
    this.#found.add(farm);
    this.addNamed(this.#view.current('grid.farm.1', farm));
    this.#addScoped('grid.farm.1', farm);
  }

  /** A bot, and those who may replace its root or asked for that. */
  addBot(bot: BotId): void {
    if (!this.#enters(bot)) return;
    this.#addAlone(bot);
    const keys = new Set<string>(this.#view.current('grid.bot.1', bot)?.recovery?.keys);
    for (const obj of this.#view.naming('grid.recovery.1', bot)) {
      const recovery = this.#view.current('grid.recovery.1', obj);
      if (recovery?.bot === bot) keys.add(recovery.by);
    }
    for (const key of keys) {
      const holder = this.#botOf(key);
      if (holder !== undefined) this.#addAlone(holder);
    }
  }

  /** The bots that a payload names, by themselves or by their keys. */
  addNamed(payload: unknown): void {
    for (const name of namesIn(payload)) this.addName(name);
  }

  /** The bot that a name stands for, where it does. */
  addName({ kind, id }: NamedId): void {
    const bot = kind === 'bot' ? (id as BotId) : kind === 'key' ? this.#botOf(id) : undefined;
    if (bot !== undefined) this.addBot(bot);
  }

  /** A contract with those behind it and those who act for it, but without its neighbours. */
  #addOwn(contract: string, header: Contract | undefined): void {
    if (!this.#enters(contract)) return;
    this.#found.add(contract as ContractId);
    this.addNamed(header);
    for (const lease of this.#view.naming('grid.lease.1', contract)) {
      this.addNamed(this.#view.current('grid.lease.1', lease));
    }
    this.#addScoped('grid.contract.1', contract);
  }

  #addAlone(bot: BotId): void {
    if (this.#found.has(bot)) return;
    this.#found.add(bot);
    this.#addScoped('grid.bot.1', bot);
  }

  /** Who decides over an object by an access list or policy of its own. */
  #addScoped(url: string, obj: string): void {
    this.addNamed(this.#view.current('bcdb.acl.1', `object/${url}/${obj}`));
    this.addNamed(this.#view.current('bcdb.policy.1', `object/${url}/${obj}`));
  }

  #botOf(key: string): BotId | undefined {
    const holder = this.#view.holderOf(key);
    return holder?.startsWith('bot:') === true ? (holder as BotId) : undefined;
  }

  #enters(what: string): boolean {
    if (this.#entered.has(what)) return false;
    this.#entered.add(what);
    return true;
  }
}

function memberOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  return Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined;
}
