import type { ContractId, NodeId } from '@commongrid/model';
import type { NodeWatch } from '../heal/node-watch.ts';
import type { ContractIndex } from './contract-index.ts';

/** Tells which contracts a node means something else to than at the look before. */
export class OutlookChanges {
  /** Of nodes that are not heard of, what each contract on them took them for. */
  #before: ReadonlyMap<NodeId, ReadonlyMap<ContractId, string>> = new Map();

  /** @returns contracts for which a node fell silent, is lost by now, or came back */
  take(
    watch: Pick<NodeWatch, 'silent' | 'outlook'>,
    index: Pick<ContractIndex, 'contractsOn'>,
  ): ReadonlySet<ContractId> {
    const changed = new Set<ContractId>();
    const now = new Map<NodeId, ReadonlyMap<ContractId, string>>();
    for (const node of watch.silent()) {
      const outlooks = new Map<ContractId, string>();
      for (const [id, patience] of index.contractsOn(node)) {
        // A move that was begun counts from another time.
        const [plain, begun] = [watch.outlook(node, patience), watch.outlook(node, patience, true)];
        outlooks.set(id, `${plain} ${begun}`);
        if (this.#before.get(node)?.get(id) !== outlooks.get(id)) changed.add(id);
      }
      now.set(node, outlooks);
    }
    for (const [node, outlooks] of this.#before) {
      if (!now.has(node)) for (const id of outlooks.keys()) changed.add(id);
    }
    this.#before = now;
    return changed;
  }
}
