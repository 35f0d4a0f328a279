/** Somebody in a crowd. */
export interface Member {
  /** Where it comes from. */
  readonly address: string;
  /** It waits for an answer. */
  readonly isBusy: boolean;
}

/** Who came, by address, in order of arrival. */
export class Crowd<T extends Member> {
  readonly #groups = new Map<string, Set<T>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(member: T): void {
    const group = this.#groups.get(member.address);
    if (group === undefined) this.#groups.set(member.address, new Set([member]));
    else group.add(member);
    this.#size++;
  }

  delete(member: T): void {
    const group = this.#groups.get(member.address);
    if (group?.delete(member) !== true) return;
    this.#size--;
    if (group.size === 0) this.#groups.delete(member.address);
  }

  /**
   * Who goes first when there are too many: of the address that has most, so that a crowd from one
   * place pushes out its own; the oldest idle one, or the oldest.
   */
  first(): T | undefined {
    let largest: Set<T> | undefined;
    for (const group of this.#groups.values()) {
      if (group.size > (largest?.size ?? 0)) largest = group;
    }
    let oldest: T | undefined;
    for (const member of largest ?? []) {
      if (!member.isBusy) return member;
      oldest ??= member;
    }
    return oldest;
  }
}
