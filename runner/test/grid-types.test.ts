import assert from 'node:assert/strict';
import { test } from 'node:test';

import { tempFolder } from '@commongrid/base/testing';
import { Bcdb } from '@commongrid/bcdb';
import { SigningKey } from '@commongrid/crypto';
import type { JsonValue } from '@commongrid/crypto';
import { recordTypes } from '@commongrid/model';

import { makeGridNamespaces } from '../src/commands/bcdb/grid-types.ts';

const url = 'grid.placement.1';

/** The schema of a placement as this release has it. */
function placementSchema(): { properties: Record<string, JsonValue>; required: string[] } {
  return JSON.parse(JSON.stringify(recordTypes.get(url)?.schema)) as ReturnType<
    typeof placementSchema
  >;
}

async function gridWith(folder: string, schema: JsonValue): Promise<Bcdb> {
  const bcdb = await Bcdb.open({ dataDir: folder, owner: SigningKey.generate() });
  const namespace = { url: 'bcdb.namespace.1', obj: 'namespace' } as const;
  const value = { grants: [{ to: bcdb.owner, rights: ['admin'] }], validator: 'grid@1' };
  await bcdb.write({ ns: 'grid', op: 'put', ...namespace, value });
  await bcdb.defineSchema('grid', url, schema);
  return bcdb;
}

test('a grid that is there takes what a newer release says besides, once', async () => {
  await using folder = await tempFolder();
  const { notAfterMs: _later, ...properties } = placementSchema().properties;
  const former = { ...placementSchema(), properties };
  await using bcdb = await gridWith(folder.path, former);
  const id = recordTypes.get(url)?.schemaId;
  assert.notEqual(bcdb.schemaOf('grid', url), id);
  await makeGridNamespaces(bcdb);
  assert.equal(bcdb.schemaOf('grid', url), id);
  const { size } = bcdb.head;
  await makeGridNamespaces(bcdb);
  assert.equal(bcdb.head.size, size);
});

test('a grid that is there goes on where a release would take less than before', async () => {
  await using folder = await tempFolder();
  const { required, ...wider } = placementSchema();
  assert.ok(required.includes('expMs'));
  const former = { ...wider, required: required.filter((name) => name !== 'expMs') };
  await using bcdb = await gridWith(folder.path, former);
  const before = bcdb.schemaOf('grid', url);
  await makeGridNamespaces(bcdb);
  assert.equal(bcdb.schemaOf('grid', url), before);
  assert.equal(bcdb.schemaOf('grid', 'grid.bot.1'), recordTypes.get('grid.bot.1')?.schemaId);
});
