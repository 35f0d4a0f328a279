import type { BotId, FarmId, NodeId } from '../fields.ts';
import { keysHeld, namesHeld } from './identity-state.ts';
import type { BotState, FarmState, IdentityState, NodeState } from './identity-state.ts';
import { nameSkeleton } from './name.ts';

/** Puts a change of a map back. */
export type Undo = () => void;

/** Who is who, in memory: states by id, and the keys and names that they hold. */
export class IdentityMemory {
  readonly #states = new Map<string, IdentityState>();
  readonly #holders = new Map<string, BotId | NodeId>();
  readonly #names = new Map<string, BotId | FarmId>();

  bot(id: string): BotState | undefined {
    const state = this.#states.get(id);
    return state?.kind === 'bot' ? state : undefined;
  }

  farm(id: string): FarmState | undefined {
    const state = this.#states.get(id);
    return state?.kind === 'farm' ? state : undefined;
  }

  node(id: string): NodeState | undefined {
    const state = this.#states.get(id);
    return state?.kind === 'node' ? state : undefined;
  }

  holderOf(key: string): BotId | NodeId | undefined {
    return this.#holders.get(key);
  }

  nameHolder(kind: 'bot' | 'farm', skeleton: string): BotId | FarmId | undefined {
    return this.#names.get(`${kind} ${skeleton}`);
  }

  /** @returns what takes it back, to be called in the opposite order */
  protected keepIdentity(state: IdentityState): Undo[] {
    const undo = [setEntry(this.#states, state.id, state)];
    if (state.kind !== 'farm') {
      for (const key of keysHeld(state)) undo.push(setEntry(this.#holders, key, state.id));
    }
    if (state.kind === 'node') return undo;
    for (const name of namesHeld(state)) {
      undo.push(setEntry(this.#names, `${state.kind} ${nameSkeleton(name)}`, state.id));
    }
    return undo;
  }
}

/** Sets an entry, or takes it away. @returns what puts it back as it was */
export function setEntry<Key, Value>(
  map: Map<Key, Value>,
  key: Key,
  value: Value | undefined,
): Undo {
  const before = map.get(key);
  put(map, key, value);
  return () => put(map, key, before);
}

function put<Key, Value>(map: Map<Key, Value>, key: Key, value: Value | undefined): void {
  if (value === undefined) map.delete(key);
  else map.set(key, value);
}
