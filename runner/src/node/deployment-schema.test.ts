import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { deploymentSchema, parseDeploymentFile, roleSchema } from '@commongrid/model';
import { examples } from '@commongrid/model/testing';
import { Ajv2020 } from 'ajv/dist/2020.js';

const root = join(import.meta.dirname, '..', '..', '..');
const ajv = new Ajv2020({ strict: false });
const isDeployment = ajv.compile(deploymentSchema);

function deploymentWith(role: object, more: object = {}): unknown {
  return { name: 'web', roles: [{ name: 'web', ...role }], ...more };
}

test('the examples of deployments fit the schema that is published', async () => {
  const page = await readFile(join(root, 'docs', 'operate', 'node.md'), 'utf8');
  const shown = [...page.matchAll(/```json\n([\s\S]*?)```/g)].map(([, text = '']) => text);
  const example = await readFile(join(root, 'examples', 'web.json'), 'utf8');
  assert.ok(shown.length > 0);
  for (const text of [example, ...shown]) {
    const value: unknown = JSON.parse(text);
    assert.ok(isDeployment(value), ajv.errorsText(isDeployment.errors));
    assert.equal(parseDeploymentFile(value), value);
  }
});

test('an ordinary validator and the program agree on what is a deployment', () => {
  const image = { image: 'base' };
  const good = [
    deploymentWith({ volume: { size: '1GiB' } }),
    deploymentWith({ volume: { sizeBytes: 2 ** 30, disk: 'hdd' }, replicas: 3 }),
    deploymentWith({ zdb: { size: 4096, password: 'word' } }, { secrets: { word: 'x' } }),
    deploymentWith({ container: image, memory: '1.5 GB', cpu: 0.25 }, { days: 0.5 }),
    deploymentWith({ container: { flist: 'a'.repeat(64), rootBytes: '64MiB' } }, { $schema: 'x' }),
    deploymentWith({ container: image }, { secrets: { word: { file: '/srv/word' } } }),
  ];
  for (const value of good) {
    assert.ok(
      isDeployment(value),
      `${JSON.stringify(value)}: ${ajv.errorsText(isDeployment.errors)}`,
    );
    assert.equal(parseDeploymentFile(value), value);
  }
  const bad = [
    {},
    { name: 'web', roles: [] },
    deploymentWith({}),
    deploymentWith({ container: image, volume: { size: '1GiB' } }),
    deploymentWith({ container: {} }),
    deploymentWith({ container: { ...image, flist: 'a'.repeat(64) } }),
    deploymentWith({ container: { ...image, imag: 'base' } }),
    deploymentWith({ volume: { size: '1 gigabyte' } }),
    deploymentWith({ volume: {} }),
    deploymentWith({ zdb: { size: '1GiB' } }),
    deploymentWith({ volume: { size: '1GiB' } }, { secret: {} }),
    deploymentWith({ volume: { size: '1GiB' } }, { secrets: { Word: 'x' } }),
    deploymentWith({ volume: { size: '1GiB' }, cpu: '1' }),
  ];
  for (const value of bad) {
    assert.equal(isDeployment(value), false, JSON.stringify(value));
    assert.throws(() => parseDeploymentFile(value), { code: 'MODEL_RECORD_INVALID' });
  }
});

test('the schema of roles has each type of workload by its name', () => {
  const isRole = ajv.compile(roleSchema);
  const { role } = examples['grid.slice.1'].opening;
  assert.ok(isRole(role), ajv.errorsText(isRole.errors));
  assert.equal(isRole({ ...role, replicas: 0 }), false);
  const { workload } = role;
  const kinds = ['container', 'volume', 'zdb', 'gateway'] as const;
  const { $defs } = roleSchema as { readonly $defs: Readonly<Record<string, object>> };
  assert.deepEqual(Object.keys($defs), kinds);
  for (const kind of kinds) {
    const isKind = ajv.compile($defs[kind] ?? {});
    assert.equal(isKind(workload[kind] ?? {}), workload.kind === kind, kind);
  }
});
