import { isGridError } from '@commongrid/base';
import type { Bcdb } from '@commongrid/bcdb';
import { systemUrls } from '@commongrid/bcdb';
import type { JsonValue } from '@commongrid/crypto';
import { recordTypes } from '@commongrid/model';
import type { RecordType } from '@commongrid/model';

/** Where farms, nodes and bots of everybody are; its rules judge who may say what. */
const gridNamespace = 'grid';

/** Where money moves; its rules judge who may move what. */
const walletNamespace = 'wallet';

/** Where the owner keeps contacts, notes, tasks and the like. Nobody else may read it. */
const ownNamespace = 'me';

/**
 * Makes the namespaces that a grid begins with, and defines the types in them. A newer release adds the
 * types that it brings, and what it takes besides in those that are there. What would take less than
 * before stays as it is: the rules of the grid judge it anyway.
 */
export async function makeGridNamespaces(bcdb: Bcdb): Promise<void> {
  await openToAll(bcdb, gridNamespace, 'grid@1');
  await openToAll(bcdb, walletNamespace, 'wallet@1');
  if (!bcdb.hasNamespace(ownNamespace)) await bcdb.createNamespace(ownNamespace);
  // Written together they share a commit.
  await Promise.all([...recordTypes.values()].map((type) => defineType(bcdb, type)));
}

async function defineType(bcdb: Bcdb, { url, namespace, schema, schemaId }: RecordType) {
  const ns = namespaceFor(namespace);
  const known = bcdb.schemaOf(ns, url);
  if (known === schemaId) return;
  try {
    await bcdb.defineSchema(ns, url, JSON.parse(JSON.stringify(schema)) as JsonValue);
  } catch (error) {
    if (known === undefined || !isGridError(error, 'BCDB_SCHEMA_INCOMPATIBLE')) throw error;
  }
}

/** A namespace in which anybody may say what its rules let in. */
async function openToAll(bcdb: Bcdb, ns: string, validator: string): Promise<void> {
  if (bcdb.hasNamespace(ns)) return;
  const owner = { to: bcdb.owner, rights: ['admin'] };
  const everybody = { to: 'anyone', rights: ['read', 'write'] };
  const value = { grants: [owner, everybody], validator };
  await bcdb.write({ ns, op: 'put', url: systemUrls.namespace, obj: 'namespace', value });
}

function namespaceFor(kind: 'grid' | 'wallet' | 'user'): string {
  if (kind === 'grid') return gridNamespace;
  return kind === 'wallet' ? walletNamespace : ownNamespace;
}
