import { join } from 'node:path';

import { GridError, Mutex, systemClock } from '@commongrid/base';
import type { Clock } from '@commongrid/base';
import { botBehind, workloadParts } from '@commongrid/model';
import type { BotId, IdentityView, Moment, NodeId, WorkloadId } from '@commongrid/model';

import type { NodeErrorCode } from '../errors.ts';
import { invalidToken, readToken } from './access-token.ts';
import type { AccessClaim, SignedClaim } from './access-token.ts';
import { UsedTokens } from './used-tokens.ts';

export interface AccessDeskOptions {
  /** A folder of the node, which must be there. */
  readonly folder: string;
  readonly log: string;
  readonly node: NodeId;
  readonly clock?: Clock;
}

/** What the node knows when it is asked. */
export interface AccessView {
  readonly grid: IdentityView;
  /** The end of what it knows of the log. */
  readonly moment: Moment;
  /** Revision of a workload that is on this node. */
  readonly revisionOf: (workload: WorkloadId) => number | undefined;
}

/** A token is good for so long at most. */
export const accessMsMax = 300_000;

/**
 * Lets owners do something to their workloads, once for each token. Time is the node's own clock,
 * and never earlier than the log: so it also works while the log is away.
 */
export class AccessDesk {
  readonly #options: Omit<AccessDeskOptions, 'folder'>;
  readonly #used: UsedTokens;
  readonly #clock: Clock;
  readonly #mutex = new Mutex();

  /** Use `open`. */
  constructor(options: Omit<AccessDeskOptions, 'folder'>, used: UsedTokens) {
    this.#options = options;
    this.#used = used;
    this.#clock = options.clock ?? systemClock;
  }

  static async open({ folder, ...options }: AccessDeskOptions): Promise<AccessDesk> {
    const { clock = systemClock } = options;
    const path = join(folder, 'used-tokens.json');
    return new AccessDesk(options, await UsedTokens.open(path, clock.nowMs() + accessMsMax));
  }

  /**
   * What a token allows, which it then allows no more.
   * @throws NODE_TOKEN_INVALID, NODE_TOKEN_OTHER_NODE, NODE_TOKEN_OTHER_VERB, NODE_TOKEN_EXPIRED,
   *   NODE_NOT_OWNER, NODE_WORKLOAD_UNKNOWN, NODE_TOKEN_OTHER_REVISION, NODE_TOKEN_USED,
   *   NODE_TOKENS_TOO_MANY
   */
  verify(token: string, verb: AccessClaim['verb'], view: AccessView): Promise<AccessClaim> {
    return this.#mutex.run(async () => {
      const signed = readToken(token);
      const { claim } = signed;
      this.#checkPlace(claim, verb);
      const nowMs = Math.max(this.#clock.nowMs(), view.moment.at);
      checkTime(claim, nowMs);
      const owner = checkOwner(signed, view);
      checkRevision(claim, view);
      if (this.#used.has(claim.nonce, claim.expMs)) {
        throw refused('NODE_TOKEN_USED', 'the token was used');
      }
      await this.#used.add(claim.nonce, { expMs: claim.expMs, owner }, nowMs);
      return claim;
    });
  }

  #checkPlace({ log, node, verb }: AccessClaim, wanted: AccessClaim['verb']): void {
    if (log !== this.#options.log || node !== this.#options.node) {
      throw refused('NODE_TOKEN_OTHER_NODE', 'the token is for another node');
    }
    if (verb !== wanted) {
      throw refused('NODE_TOKEN_OTHER_VERB', `the token is for ${verb}, not for ${wanted}`);
    }
  }
}

function checkTime({ expMs }: AccessClaim, nowMs: number): void {
  if (expMs <= nowMs) throw refused('NODE_TOKEN_EXPIRED', 'the token is too old');
  if (expMs > nowMs + accessMsMax) throw invalidToken('the token is good for too long');
}

/** Strangers do not learn which workloads are here: they are refused before. */
function checkOwner({ claim, key }: SignedClaim, { grid, moment }: AccessView): BotId {
  const signer = botBehind(grid, key, 'device', moment);
  const contract = grid.current('grid.contract.1', workloadParts(claim.workload).contract);
  if (signer !== undefined && signer === contract?.owner) return signer;
  throw refused('NODE_NOT_OWNER', 'no device of the owner of that contract signed the token');
}

function checkRevision({ workload, revision }: AccessClaim, view: AccessView): void {
  const present = view.revisionOf(workload);
  if (present === undefined) {
    throw refused('NODE_WORKLOAD_UNKNOWN', `${workload} is not on this node`);
  }
  if (present === revision) return;
  const message = `the node runs revision ${present}, the token is for ${revision}`;
  throw refused('NODE_TOKEN_OTHER_REVISION', message);
}

function refused(code: NodeErrorCode, message: string): GridError<NodeErrorCode> {
  return new GridError(code, message, { hint: 'sign a new token' });
}
