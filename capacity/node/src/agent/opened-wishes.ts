import { isDeepStrictEqual } from 'node:util';
import type { SealingKey } from '@commongrid/crypto';
import type { ContractRole, SealedAssignment } from '@commongrid/model';
import type { Wish } from '../reconcile/wish.ts';
import { shortIdOf } from '../short-id.ts';
import { openSecrets } from './open-secrets.ts';
import { checkRole } from './role-check.ts';

type Running = Wish & { readonly is: 'running' };

interface Opened {
  readonly sealed: SealedAssignment;
  readonly wish: Running;
}

/**
 * Makes wishes of verified assignments: opens what is sealed in them, and checks their roles. They are
 * worked out again and again, and mostly come to the same: then it is the same wish as before.
 */
export class OpenedWishes {
  readonly #key: SealingKey;
  readonly #log: string;
  /** By the role, which goes when its record does. */
  readonly #known = new WeakMap<ContractRole, Opened>();

  /** @param log hash of the genesis */
  constructor(key: SealingKey, log: string) {
    this.#key = key;
    this.#log = log;
  }

  /**
   * @param cutOffMs of a single writer
   * @throws NODE_SECRET_MISMATCH, NODE_ROLE_INVALID
   */
  async of(sealed: SealedAssignment, cutOffMs?: number): Promise<Running> {
    const known = this.#known.get(sealed.role);
    const isSame = known !== undefined && isDeepStrictEqual(known.sealed, sealed);
    if (isSame && known.wish.assignment.cutOffMs === cutOffMs) return known.wish;
    const secrets = await openSecrets(this.#key, this.#log, sealed);
    const limit = cutOffMs === undefined ? {} : { cutOffMs };
    const assignment = { ...sealed, key: shortIdOf(sealed.id), secrets, ...limit };
    checkRole(assignment);
    const wish: Running = { is: 'running', assignment };
    this.#known.set(sealed.role, { sealed, wish });
    return wish;
  }
}
