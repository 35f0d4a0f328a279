import { withTimeout } from '@commongrid/base';
import type { Clock } from '@commongrid/base';
import type { JsonValue } from '@commongrid/crypto';
import type { Database } from '../../database.ts';
import { writeCursor } from '../../projection/cursor.ts';
import type { FindQuery, FoundPage } from '../../projection/find.ts';
import type { ObjectChange, ObjectVersion } from '../../projection/object-row.ts';
import type { NamespaceRecord, SchemaRecord } from '../../record/system-records.ts';
import { systemUrls } from '../../record/system-records.ts';
import { namespaceScope } from '../../state/access.ts';
import { isSystem } from '../../state/administrative.ts';

/** Objects of one reply. */
export const replyObjectsMax = 1000;

/** Bytes of payloads in one reply, above which it takes no further object. */
export const replyBytesMax = 8 << 20;

/** Objects that are fetched at one time: some of the largest must not fill the memory. */
const chunkObjects = 50;

/** How long a read waits for the projection, which is making its files anew if it takes so long. */
const catchUpMsMax = 10_000;

/** A run of the objects of a type, in order of their ids. */
export interface ObjectRun {
  readonly rows: readonly ObjectVersion[];
  /** Whether there are none after them. */
  readonly isEnd: boolean;
}

/** What the door reads of objects: all of it from the projection. */
export class Objects {
  readonly #bcdb: Database;
  readonly #clock: Clock;

  constructor(bcdb: Database, clock: Clock) {
    this.#bcdb = bcdb;
    this.#clock = clock;
  }

  /** Whether a read shows all that is durable. */
  get isCurrent(): boolean {
    return this.#bcdb.projection.appliedSize >= this.#bcdb.head.size;
  }

  /**
   * Resolves once a read shows all that is durable now.
   * @throws BCDB_PROJECTION_STOPPED, BASE_TIMEOUT, BASE_ABORTED
   */
  async caughtUp(signal: AbortSignal): Promise<void> {
    if (this.isCurrent) return;
    const last = this.#bcdb.head.size - 1;
    await withTimeout((limited) => this.#bcdb.projection.waitFor(last, { signal: limited }), {
      timeoutMs: catchUpMsMax,
      what: `record ${last} in the projection`,
      signal,
      clock: this.#clock,
    });
  }

  /** The current version of an object, in this turn. */
  get(ns: string, url: string, obj: string): ObjectVersion | undefined {
    return this.#bcdb.projection.getNow(ns, url, obj);
  }

  count(ns: string, url: string): Promise<number> {
    return this.#bcdb.projection.count(ns, url);
  }

  /** Objects after an id, up to `count` and the limits of a reply. */
  async run(ns: string, url: string, after: string, count: number): Promise<ObjectRun> {
    const rows: ObjectVersion[] = [];
    let bytes = 0;
    let isEnd = false;
    while (!isEnd && rows.length < count && bytes < replyBytesMax) {
      const last = rows.at(-1)?.obj ?? after;
      const limit = Math.min(chunkObjects, count - rows.length);
      const page = await this.find(ns, {
        url,
        limit,
        ...(last === '' ? {} : { cursor: writeCursor({ url, scan: false }, [last]) }),
      });
      rows.push(...page.rows);
      bytes += page.rows.reduce((sum, { payload }) => sum + (payload?.length ?? 0), 0);
      isEnd = page.cursor === undefined;
    }
    return { rows, isEnd };
  }

  find(ns: string, query: FindQuery): Promise<FoundPage> {
    return this.#bcdb.projection.find(ns, query);
  }

  search(ns: string, url: string, text: string, limit: number | undefined): Promise<FoundPage> {
    return this.#bcdb.projection.search(ns, { text, url, limit });
  }

  history(
    ns: string,
    url: string,
    obj: string,
    options: { readonly before?: number; readonly limit?: number },
  ): Promise<readonly ObjectChange[]> {
    return this.#bcdb.projection.history(ns, url, obj, options);
  }

  /** The newest schema of a type. */
  schema(ns: string, url: string): JsonValue | undefined {
    const name = { ns, url: systemUrls.schema, obj: url };
    const document = this.#bcdb.state.document<SchemaRecord>(name);
    return document?.value.schema as JsonValue | undefined;
  }

  /** Types of a namespace: those with a schema, and those that a private namespace has objects of. */
  async types(ns: string): Promise<readonly string[]> {
    const { state, projection } = this.#bcdb;
    const name = { ns, url: systemUrls.namespace, obj: namespaceScope };
    if (state.document<NamespaceRecord>(name)?.value.isPrivate !== true) {
      return [...state.documents(ns, systemUrls.schema).keys()];
    }
    const types = await projection.types(ns);
    return types.map(({ url }) => url).filter((url) => !isSystem(url));
  }
}
