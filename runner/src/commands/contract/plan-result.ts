import type { Directory, Plan } from '@commongrid/contract';
import type { Contract, ContractId } from '@commongrid/model';

export interface PlanFacts {
  readonly header: Contract;
  readonly plan: Plan;
  readonly directory: Directory;
}

/** A plan as JSON: amounts are texts, as everywhere. */
export function planResult({
  id,
  header,
  plan,
  directory,
}: PlanFacts & { readonly id: ContractId }) {
  const common = { schema: 'grid.contract.plan.1', contract: id, name: header.name, fits: false };
  if (plan.is === 'none') {
    return { ...common, isProven: plan.isProven, obstacles: plain(plan.obstacles) };
  }
  const names = new Map(directory.nodes.map((node) => [node.id, node.name]));
  const { items, cost, tolerance, replacements, alone, secrets } = plan;
  return {
    ...{ ...common, fits: true },
    items: items.map(({ role, replica, node, farm, perMonth }) => {
      const { country, name, owner } = directory.farms.get(farm) ?? {};
      const where = { node, nodeName: names.get(node), farm, farmName: name, owner, country };
      return { role, replica, ...where, perMonth: String(perMonth) };
    }),
    ...{ cost: plain(cost), tolerance, replacements, alone, secrets },
  };
}

/** With texts for amounts. */
function plain(value: unknown): unknown {
  const text = JSON.stringify(value, (_key, one: unknown) =>
    typeof one === 'bigint' ? one.toString() : one,
  );
  return JSON.parse(text) as unknown;
}
