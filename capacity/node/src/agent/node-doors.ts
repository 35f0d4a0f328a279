import { join } from 'node:path';
import { closeOnce, ControlSocket } from '@commongrid/base';
import type { Logger } from '@commongrid/base';
import type { WorkloadId } from '@commongrid/model';

import { AccessDesk } from '../access/access-desk.ts';
import type { AccessView } from '../access/access-desk.ts';
import { AccessDoor } from '../access/access-door.ts';
import type { Releases } from '../release/releases.ts';
import type { NodeAgent } from './node-agent.ts';
import { nodeActions } from './node-actions.ts';

export interface NodeDoorsOptions {
  readonly agent: NodeAgent;
  /** Undefined where no keeper starts other releases. */
  readonly releases?: Pick<Releases, 'status'> | undefined;
  /** Of the node. */
  readonly folder: string;
  readonly logger?: Logger;
}

/** Where those who operate a node give it orders. */
export function nodeControlPath(folder: string): string {
  return join(folder, 'control.sock');
}

/** Where owners of workloads come to them. */
export function nodeAccessPath(folder: string): string {
  return join(folder, 'access.sock');
}

/** How people on the machine reach a node: two Unix sockets, and no port. */
export class NodeDoors implements AsyncDisposable {
  readonly close: () => Promise<void>;

  private constructor(close: () => Promise<void>) {
    this.close = closeOnce(close);
  }

  static async open({ agent, releases, folder, logger }: NodeDoorsOptions): Promise<NodeDoors> {
    await using stack = new AsyncDisposableStack();
    const usual = logger === undefined ? {} : { logger };
    const { containers } = agent.machine;
    if (containers !== undefined) {
      const desk = await AccessDesk.open({ folder, log: agent.log, node: agent.id });
      const path = nodeAccessPath(folder);
      const view = (): AccessView => viewOf(agent);
      const restart = (id: WorkloadId): Promise<void> => agent.reconciler.restart(id);
      const kindOf = (id: WorkloadId) => agent.state.workload(id)?.known.role.workload.kind;
      stack.use(await AccessDoor.open({ path, desk, view, containers, kindOf, restart, ...usual }));
    }
    const path = nodeControlPath(folder);
    stack.use(await ControlSocket.open({ path, actions: nodeActions(agent, releases), ...usual }));
    const kept = stack.move();
    return new NodeDoors(() => kept.disposeAsync());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function viewOf({ view, state, logTimeMs }: NodeAgent): AccessView {
  return {
    grid: view,
    // All that the node knows happened before now.
    moment: { seq: Number.MAX_SAFE_INTEGER, at: logTimeMs },
    revisionOf: (id) => state.workload(id)?.known.revision,
  };
}
