import { GridError } from '@commongrid/base';
import type { BcdbErrorCode } from '../../errors.ts';
import { logNamespace, systemUrls } from '../../record/system-records.ts';
import { namespaceScope } from '../../state/access.ts';
import type { Identity } from './identity.ts';

/** What the rights of a reader are judged by: the database. */
export interface RightsSource {
  may(ns: string, key: string, right: 'read', url: string, obj: string): boolean;
  mayEverywhere(ns: string, key: string, right: 'read', url?: string): boolean;
  hasAnyRight(ns: string, key: string): boolean;
  hasNamespace(ns: string): boolean;
}

/**
 * What somebody may see. The log's own namespace (genesis, ticks) is open: whoever verifies needs
 * it. The record of a namespace is open to all who have any right there: who writes has to know
 * whether it is private.
 */
export class ReadRights {
  readonly #source: RightsSource;

  constructor(source: RightsSource) {
    this.#source = source;
  }

  mayRead({ key }: Identity, ns: string, url: string, obj: string): boolean {
    if (ns === logNamespace || this.#source.may(ns, key, 'read', url, obj)) return true;
    const isNamespace = url === systemUrls.namespace && obj === namespaceScope;
    return isNamespace && this.#source.hasAnyRight(ns, key);
  }

  /** Whether a namespace as such may be seen: its name and types. */
  maySee({ key }: Identity, ns: string): boolean {
    return this.#source.may(ns, key, 'read', '', '');
  }

  /** @throws BCDB_AUTH_NEEDED, BCDB_DENIED, BCDB_NAMESPACE_UNKNOWN */
  requireRead(who: Identity, ns: string, url: string, obj: string): void {
    if (!this.mayRead(who, ns, url, obj)) throw this.#refusal(who, ns, `${url} ${obj}`);
  }

  /**
   * A question over a whole type, or over a namespace, tells of all that is there: so all of it must
   * be open to who asks, also objects with an access list of their own.
   * @throws BCDB_AUTH_NEEDED, BCDB_DENIED, BCDB_NAMESPACE_UNKNOWN
   */
  requireReadAll(who: Identity, ns: string, url?: string): void {
    if (this.#source.mayEverywhere(ns, who.key, 'read', url)) return;
    throw this.#refusal(who, ns, `all of ${url ?? 'it'}`);
  }

  /** Only the owner is told that a namespace does not exist; to others it is one without rights. */
  #refusal(who: Identity, ns: string, what: string): GridError<BcdbErrorCode> {
    if (who.kind === 'anyone') return authNeeded();
    if (who.kind === 'owner' && !this.#source.hasNamespace(ns)) {
      return new GridError('BCDB_NAMESPACE_UNKNOWN', `there is no namespace ${ns}`, {
        hint: 'create it first',
      });
    }
    return new GridError('BCDB_DENIED', `${who.key} may not read ${what} in ${ns}`, {
      hint: 'ask an admin of the namespace',
    });
  }
}

/**
 * The owner, for whom the server signs.
 * @throws BCDB_AUTH_NEEDED, BCDB_DENIED
 */
export function requireOwner(who: Identity): void {
  if (who.kind === 'anyone') throw authNeeded();
  if (who.kind === 'owner') return;
  throw new GridError<BcdbErrorCode>('BCDB_DENIED', 'the server signs for its owner only', {
    hint: 'sign the record yourself and send that',
  });
}

/** Nobody has said who he is. */
export function authNeeded(): GridError<BcdbErrorCode> {
  return new GridError('BCDB_AUTH_NEEDED', 'who are you?', {
    hint: 'show the token of the owner, or answer a challenge with your key',
  });
}
