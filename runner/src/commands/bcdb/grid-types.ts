import type { Bcdb } from '@commongrid/bcdb';
import { systemUrls } from '@commongrid/bcdb';
import type { JsonValue } from '@commongrid/crypto';
import { recordTypes } from '@commongrid/model';

/** Where farms, nodes and bots of everybody are; its rules judge who may say what. */
const gridNamespace = 'grid';

/** Where the owner keeps contacts, notes, tasks and the like. Nobody else may read it. */
const ownNamespace = 'me';

/**
 * Makes the namespaces that a grid begins with, and defines the types in them. What is there already
 * stays as it is, so a newer release adds the types that it brings.
 */
export async function makeGridNamespaces(bcdb: Bcdb): Promise<void> {
  if (!bcdb.hasNamespace(gridNamespace)) {
    const owner = { to: bcdb.owner, rights: ['admin'] };
    const everybody = { to: 'anyone', rights: ['read', 'write'] };
    const value = { grants: [owner, everybody], validator: 'grid@1' };
    const url = systemUrls.namespace;
    await bcdb.write({ ns: gridNamespace, op: 'put', url, obj: 'namespace', value });
  }
  if (!bcdb.hasNamespace(ownNamespace)) await bcdb.createNamespace(ownNamespace);
  const missing = [...recordTypes.values()].flatMap(({ url, namespace, schema }) => {
    const ns = namespaceFor(namespace);
    return ns === undefined || bcdb.schemaOf(ns, url) !== undefined ? [] : [{ ns, url, schema }];
  });
  // Written together they share a commit.
  await Promise.all(
    missing.map(({ ns, url, schema }) =>
      bcdb.defineSchema(ns, url, JSON.parse(JSON.stringify(schema)) as JsonValue),
    ),
  );
}

function namespaceFor(kind: 'grid' | 'wallet' | 'user'): string | undefined {
  if (kind === 'grid') return gridNamespace;
  return kind === 'user' ? ownNamespace : undefined;
}
