interface VictimRules<Machine> {
  readonly count: number;
  /** Machines with members of the log, and those of the keys: each group bears the loss of some. */
  readonly members: readonly ReadonlySet<Machine>[];
  /** How many members of a group may be lost. */
  readonly borne: number;
}

/**
 * The first choice in this order that leaves each group a majority; where there is none, the first one of all. What is
 * back first is the first of them: a member of the log where there is one, as the log may need it.
 * @returns undefined where there are too few
 */
export function victimsOf<Machine>(
  order: readonly Machine[],
  { count, members, borne }: VictimRules<Machine>,
): readonly Machine[] | undefined {
  if (order.length < count) return undefined;
  const isBorne = (chosen: readonly Machine[]): boolean =>
    members.every((group) => chosen.filter((one) => group.has(one)).length <= borne);
  const victims = firstChoice(order, count, isBorne) ?? order.slice(0, count);
  const [log] = members;
  return victims.toSorted((a, b) => Number(log?.has(b) ?? false) - Number(log?.has(a) ?? false));
}

/** The first so many in their order of which each part suits, too. */
function firstChoice<Machine>(
  order: readonly Machine[],
  count: number,
  isSuited: (chosen: readonly Machine[]) => boolean,
  chosen: readonly Machine[] = [],
): readonly Machine[] | undefined {
  if (chosen.length === count) return chosen;
  for (let at = 0; at + count - chosen.length <= order.length; at++) {
    const next = [...chosen, ...order.slice(at, at + 1)];
    const found = isSuited(next) && firstChoice(order.slice(at + 1), count, isSuited, next);
    if (found) return found;
  }
  return undefined;
}
