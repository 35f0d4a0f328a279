import { isGridError } from '@commongrid/base/browser';
import type { Lease, LeaseName } from '@commongrid/model';
import type { LeaseDoor } from '../presence/lease-holder.ts';
import { leaseUrl } from '../presence/lease-url.ts';
import { gridNamespace } from '../state/identities.ts';
import type { BcdbClient } from './bcdb-client.ts';
import { MessageLink } from './message-link.ts';

export interface HttpLeaseDoorOptions {
  /** Address of the HTTP door. */
  readonly url: string;
  /** Connected there with the key of the holder. */
  readonly client: BcdbClient;
  /** How long a renewal may take. Default 30 s; its holder gives up earlier. */
  readonly timeoutMs?: number;
}

/** Leases at a server, for a `LeaseHolder`. */
export class HttpLeaseDoor implements LeaseDoor {
  readonly #client: BcdbClient;
  readonly #link: MessageLink;

  constructor({ url, client, timeoutMs = 30_000 }: HttpLeaseDoorOptions) {
    this.#client = client;
    this.#link = new MessageLink(url, timeoutMs);
  }

  /** @throws BCDB_DENIED, BCDB_UNREACHABLE */
  async current(name: LeaseName, signal: AbortSignal | undefined): Promise<Lease | undefined> {
    try {
      const path = `/v1/leases/${encodeURIComponent(name)}`;
      const { lease } = await this.#client.read<{ readonly lease: Lease }>(path, { signal });
      return lease;
    } catch (error) {
      if (isGridError(error, 'BCDB_NOT_FOUND')) return undefined;
      throw error;
    }
  }

  /** @throws BCDB_LEASE_HELD, BCDB_RULE_BROKEN, BCDB_UNREACHABLE when it is not known whether it is in */
  write(lease: Lease, signal: AbortSignal | undefined): Promise<unknown> {
    const name = { ns: gridNamespace, url: leaseUrl, obj: lease.name };
    return this.#client.write({ ...name, op: 'put', value: lease }, { signal });
  }

  /** @throws BCDB_LEASE_LOST, BCDB_EPOCH_OVER, BCDB_UNREACHABLE */
  renew(message: Uint8Array, signal: AbortSignal | undefined): Promise<unknown> {
    return this.#link.send('/v1/renewals', message, signal);
  }
}
