import type { BackendPool } from '../backends/backend-pool.ts';
import type { BackendSpec } from '../backends/backends-file.ts';
import type { MemberState } from '../catalog/log-head.ts';
import { logNameOf } from './log-place.ts';

/** What of the backends says who may keep the log. */
type Known = Pick<BackendPool, 'all' | 'specs'>;

/**
 * Chooses who takes the place of a member of the log that is lost: itself, when it is there but empty;
 * else a namespace for the log on a node that has none of the others, the next one at each call.
 */
export class LogSpares {
  readonly #known: Known;
  #turn = 0;

  constructor(known: Known) {
    this.#known = known;
  }

  choose(lost: MemberState, members: readonly MemberState[]): string | undefined {
    if (lost.isWiped) return lost.name;
    const known = this.#known;
    const nodeOf = new Map(known.specs.map((spec) => [logNameOf(spec), spec.node]));
    const others = members.filter(({ id }) => id !== lost.id);
    const takenNodes = new Set(others.map(({ name }) => nodeOf.get(name)));
    const takenNames = new Set(members.map(({ name }) => name));
    const free = known.specs.filter((spec) => {
      const name = logNameOf(spec);
      if (name === undefined || takenNames.has(name) || takenNodes.has(spec.node)) return false;
      return isUp(known, spec);
    });
    const chosen = free[this.#turn++ % Math.max(1, free.length)];
    return chosen && logNameOf(chosen);
  }
}

/** Its node answered the last time that anything was asked of it, or nothing ever is: then it is tried. */
function isUp({ all }: Known, { node, hasShards }: BackendSpec): boolean {
  const there = all.filter(({ place }) => place.node === node);
  if (there.length === 0) return hasShards === false;
  return there.some(({ state }) => state === 'healthy');
}
