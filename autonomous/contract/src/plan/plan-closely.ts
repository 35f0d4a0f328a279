import type { FarmId, NodeId } from '@commongrid/model';
import type {
  Directory,
  DirectoryFarm,
  DirectoryNode,
  FarmerAnswer,
} from '../directory/directory.ts';
import { withInspections } from '../directory/inspect-nodes.ts';
import type { NodeInspection } from '../directory/inspect-nodes.ts';
import { tryPlacement } from './placement-trial.ts';
import type { PlacementTrial } from './placement-trial.ts';
import { planContract } from './plan-contract.ts';
import type { Plan, PlanInput } from './plan-contract.ts';
import { priceFor } from './unit-price.ts';

/** Farms of others that are asked for a plan. */
const askedFarmsMax = 16;
/** Of these, the cheapest by their lists, whether or not the first plan has them. */
const cheapestAskedMax = 8;
/** Nodes that are looked into for a plan that asks for uptime. */
const inspectedNodesMax = 1_000;
/** Plans that are made, each with what was learned of the nodes and farms of the one before. */
const roundsMax = 12;

/** A farm that is asked, and for each role that suits a node of it which one. */
export interface FarmQuestion {
  readonly farm: DirectoryFarm;
  readonly nodes: ReadonlyMap<string, NodeId>;
}

/** What a plan can learn beyond the directory. */
export interface PlanSources {
  readonly inspect: (
    nodes: readonly DirectoryNode[],
  ) => Promise<ReadonlyMap<NodeId, NodeInspection>>;
  /** Asks farmers what their farms cost; without it prices are those of lists. */
  readonly quote?:
    | ((questions: readonly FarmQuestion[]) => Promise<ReadonlyMap<FarmId, FarmerAnswer>>)
    | undefined;
}

export interface ClosePlan {
  readonly plan: Plan;
  /** With what was learned. */
  readonly directory: Directory;
}

/**
 * Plans a contract, looks closer at the nodes and farms of that plan, and plans again with what that
 * shows, until nothing of the plan is new: so what it takes was looked into, and asked as far as
 * `askedFarmsMax` goes.
 */
export async function planClosely(input: PlanInput, sources: PlanSources): Promise<ClosePlan> {
  let { directory } = input;
  const inspected = new Set<NodeId>();
  const asked = new Set<FarmId>();
  const look = async (nodes: readonly DirectoryNode[]): Promise<void> => {
    directory = withInspections(directory, await sources.inspect(nodes));
    for (const { id } of nodes) inspected.add(id);
  };
  if (input.wishes?.uptimeMin !== undefined) {
    const able = directory.nodes.filter((one) => one.isInService && one.presence === 'alive');
    await look(able.slice(0, inspectedNodesMax));
  }
  for (let round = 0; round < roundsMax; round++) {
    const now = { ...input, directory };
    const trial = tryPlacement(now);
    const used = new Set(trial.items.map(({ node }) => node));
    const nodes = directory.nodes.filter(({ id }) => used.has(id) && !inspected.has(id));
    const questions = sources.quote === undefined ? [] : questionsOf(now, trial, asked);
    if (nodes.length === 0 && questions.length === 0) break;
    if (nodes.length > 0) await look(nodes);
    if (questions.length > 0 && sources.quote !== undefined) {
      directory = withAnswers(directory, await sources.quote(questions));
      for (const { farm } of questions) asked.add(farm.id);
    }
  }
  return { plan: planContract({ ...input, directory }), directory };
}

/** Farms that are to be asked: those of the plan, and at first the cheapest, too. */
function questionsOf(
  { header, roles, directory }: PlanInput,
  { kinds, screenings, items }: PlacementTrial,
  asked: ReadonlySet<FarmId>,
): readonly FarmQuestion[] {
  const nodesIn = new Map<FarmId, Map<string, NodeId>>();
  for (const [kind, { roles: own }] of kinds.entries()) {
    for (const [at, { id, farm }] of directory.nodes.entries()) {
      if (screenings[kind]?.suits[at] !== true) continue;
      const nodes = nodesIn.get(farm) ?? new Map<string, NodeId>();
      for (const { name } of own) if (!nodes.has(name)) nodes.set(name, id);
      nodesIn.set(farm, nodes);
    }
  }
  const used = new Set(items.map(({ farm }) => farm));
  const known = [...nodesIn].flatMap(([id, nodes]) => {
    const farm = directory.farms.get(id);
    if (farm === undefined || farm.owner === header.owner || asked.has(id)) return [];
    const own = roles.filter(({ name }) => nodes.has(name));
    const cost = priceFor(own, farm, header) ?? 0n;
    return [{ farm, nodes, isWhole: own.length === roles.length, cost, isUsed: used.has(id) }];
  });
  const byCost = known.toSorted(
    (a, b) => Number(b.isWhole) - Number(a.isWhole) || Number(a.cost - b.cost),
  );
  // Who asks nobody so far asks more than the plan has: discounts may turn their order around.
  const cheapest = asked.size === 0 && items.some(({ perMonth }) => perMonth > 0n);
  const others = byCost.filter(({ isUsed }) => !isUsed);
  const wanted = [
    ...byCost.filter(({ isUsed }) => isUsed),
    ...others.slice(0, cheapest ? cheapestAskedMax : 0),
  ];
  return wanted.slice(0, askedFarmsMax - asked.size).map(({ farm, nodes }) => ({ farm, nodes }));
}

function withAnswers(
  { farms, ...rest }: Directory,
  answers: ReadonlyMap<FarmId, FarmerAnswer>,
): Directory {
  return {
    ...rest,
    farms: new Map(
      [...farms].map(([id, farm]) => {
        const answer = answers.get(id);
        return [id, answer === undefined ? farm : { ...farm, answer }];
      }),
    ),
  };
}
