import { blocked } from '../controller/blocked.ts';
import type { Blocked } from '../controller/blocked.ts';
import type { Unit } from '../plan/units.ts';

/** Why units stay where they are, each reason once with all that it holds up. */
export class Holds {
  readonly #all = new Map<string, { readonly why: Blocked; readonly slots: string[] }>();

  /** @returns false */
  add(code: Blocked['code'], message: string, { slots }: Unit): false {
    const key = `${code} ${message}`;
    const known = this.#all.get(key) ?? { why: blocked(code, message), slots: [] };
    known.slots.push(...slots);
    this.#all.set(key, known);
    return false;
  }

  told(): readonly Blocked[] {
    return [...this.#all.values()].map(({ why, slots }) => ({ ...why, slots }));
  }
}
