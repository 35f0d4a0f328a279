import type { Directory, Plan } from '@commongrid/contract';
import type { Contract, ContractId, NodeId } from '@commongrid/model';

export interface PlanFacts {
  readonly header: Contract;
  readonly plan: Plan;
  readonly directory: Directory;
  /** Measured from this machine, ms, where that was asked for. */
  readonly latencies?: ReadonlyMap<NodeId, number | undefined> | undefined;
}

/** A plan as JSON: amounts are texts, as everywhere. */
export function planResult({
  id,
  header,
  plan,
  directory,
  latencies,
}: PlanFacts & { readonly id: ContractId }) {
  const common = { schema: 'grid.contract.plan.1', contract: id, name: header.name, fits: false };
  const answers = [...directory.farms.values()].flatMap(({ id: farm, name, answer }) => {
    if (answer === undefined) return [];
    const { is, ...said } =
      answer.is === 'quoted' ? { is: answer.is, untilMs: answer.untilMs } : answer;
    return [{ farm, name, is, ...said }];
  });
  if (plan.is === 'none') {
    const { isProven, obstacles, changes } = plan;
    return { ...common, isProven, ...plain({ obstacles, changes }), answers };
  }
  const nodes = new Map(directory.nodes.map((node) => [node.id, node]));
  const { items, cost, tolerance, whole, data, replacements, alone, secrets } = plan;
  return {
    ...{ ...common, fits: true },
    items: items.map(({ role, replica, node, farm, perMonth }) => {
      const { country, name, owner, answer } = directory.farms.get(farm) ?? {};
      const { name: nodeName, uptime = null } = nodes.get(node) ?? {};
      const latencyMs = latencies?.get(node) ?? null;
      const where = { node, nodeName, uptime, latencyMs, farm, farmName: name, owner, country };
      const price = owner === header.owner ? 'own' : answer?.is === 'quoted' ? 'quoted' : 'list';
      return { role, replica, ...where, perMonth: String(perMonth), price };
    }),
    ...{ ...plain({ cost }), tolerance, whole: whole ?? null, data: data ?? null },
    ...{ replacements, alone, secrets },
    answers,
  };
}

/** With texts for amounts. */
function plain(value: object): object {
  const text = JSON.stringify(value, (_key, one: unknown) =>
    typeof one === 'bigint' ? one.toString() : one,
  );
  return JSON.parse(text) as object;
}
