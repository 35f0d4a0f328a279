import { randomBytes } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';

import { repeat } from '@commongrid/base';
import type { Clock, Logger } from '@commongrid/base';
import { statementOf } from '@commongrid/zstor';
import type { Catalog } from '@commongrid/zstor';

import { healthPath } from '../protocol/s3-endpoint.ts';

/** Which head took the catalogue over last, and where it can be asked whether it still serves. */
export const activeHeadTable = `
  CREATE TABLE s3_active_head (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    head BLOB NOT NULL,
    address TEXT NOT NULL
  ) STRICT;
`;

/** Longest wait for the active head to say that it serves. */
const askMsMax = 500;
/** How often a head looks whether it serves anew, and has to say so. */
const announceEveryMs = 200;

/** Says where this head is while it serves, and asks the other one whether it does. */
export class ActiveHead {
  readonly #head = randomBytes(16);
  #announcedEpoch: number | undefined;

  /**
   * Whether another head serves: the one at `address`, else the one that said last where it is. A
   * head whose own name stands there took over last, and may do so again.
   */
  async isOther(
    catalog: Pick<Catalog, 'read'>,
    address: string | undefined,
    signal: AbortSignal,
  ): Promise<boolean> {
    const last = catalog.read(findActive);
    if (last !== undefined && this.#head.equals(last.head)) return false;
    const asked = address ?? last?.address;
    return asked !== undefined && serves(asked, signal);
  }

  /** Says at `address()` that this head serves, whenever it has taken over, until the signal fires. */
  async announce(
    catalog: Catalog,
    address: () => string,
    options: { readonly signal: AbortSignal; readonly clock: Clock; readonly logger: Logger },
  ): Promise<void> {
    const { signal, clock, logger } = options;
    const onError = (err: unknown): void => logger.warn({ err }, 'cannot say where this head is');
    const look = (): Promise<void> => this.announceOnce(catalog, address());
    await repeat(announceEveryMs, look, { signal, clock, onError });
  }

  /** Throws as `Catalog.write`. */
  async announceOnce(catalog: Catalog, address: string): Promise<void> {
    if (!catalog.isServing || catalog.epoch === this.#announcedEpoch) return;
    const { epoch } = catalog;
    await catalog.write((db) => {
      statementOf(db, 'INSERT OR REPLACE INTO s3_active_head VALUES (1, ?, ?)').run(
        this.#head,
        address,
      );
    });
    this.#announcedEpoch = epoch;
  }
}

function findActive(
  db: DatabaseSync,
): { readonly head: Uint8Array; readonly address: string } | undefined {
  // The tables of a new store are made when it is first taken over.
  const table = `SELECT 1 FROM sqlite_schema WHERE name = 's3_active_head'`;
  if (statementOf(db, table).get() === undefined) return undefined;
  const row = statementOf(db, 'SELECT head, address FROM s3_active_head').get();
  if (row === undefined || !(row['head'] instanceof Uint8Array)) return undefined;
  return { head: row['head'], address: String(row['address']) };
}

async function serves(address: string, signal: AbortSignal): Promise<boolean> {
  const late = new AbortController();
  // A process that stood still itself hears first what came meanwhile.
  const timer = setTimeout(() => setImmediate(() => late.abort()), askMsMax);
  try {
    const within = AbortSignal.any([signal, late.signal]);
    const answer = await fetch(`http://${address}${healthPath}`, { signal: within });
    await answer.arrayBuffer();
    return answer.status === 200;
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
  }
}
