import type { Random } from '@commongrid/base';
import type { ContractDefinition } from '@commongrid/contract';
import type { Order } from './orders.ts';

/** Something that an owner wants of a contract that runs, ms since the start of the faults. */
export type Affair = { readonly atMs: number; readonly order: number } & (
  | { readonly is: 'remove' }
  /** Another contract takes its place. */
  | { readonly is: 'upgrade'; readonly definition: ContractDefinition }
);

/** Draws what owners want: seldom more than one thing, never two of one contract. */
export function drawAffairs(
  random: Random,
  orders: readonly Pick<Order, 'draft'>[],
  wanted: readonly { readonly definition: ContractDefinition }[],
  windowMs: number,
): readonly Affair[] {
  return wanted.flatMap(({ definition }, order): readonly Affair[] => {
    const when = { atMs: random.int(0, windowMs), order };
    const chance = random.int(0, 8);
    const replaces = orders[order]?.draft.id;
    if (chance === 0) return [{ ...when, is: 'remove' }];
    const [role] = definition.roles;
    if (chance > 1 || replaces === undefined || role?.volume !== undefined) return [];
    const roles = definition.roles.map((one) => ({ ...one, memory: '384MiB' as const }));
    return [{ ...when, is: 'upgrade', definition: { ...definition, replaces, roles } }];
  });
}
