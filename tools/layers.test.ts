import assert from 'node:assert/strict';
import { test } from 'node:test';

import { findImportFaults, findManifestFaults, importsOf } from './layers.ts';
import type { Layers } from './layers.ts';

const layers: Layers = {
  packages: {
    'low/base': [],
    'low/store': ['low/base'],
    runner: ['low/base', 'low/store'],
    lab: [],
  },
  fromBench: ['lab'],
  doors: ['.', './client', './testing', './bench'],
  testDoors: ['./testing'],
};

function faultsOf(path: string, text: string): string[] {
  return findImportFaults({ path, text }, layers);
}

test('imports are found in every form', () => {
  const text = [
    "import { a } from './a.ts';",
    "import type {\n  B,\n} from './b.ts';",
    "export * from './c.ts';",
    "import './d.ts';",
    "const e = await import('./e.ts');",
    "type F = import('./f.ts').F;",
    "const noImport = 'from';",
  ].join('\n');
  const found = importsOf(text);
  assert.deepEqual(found, ['./a.ts', './b.ts', './c.ts', './d.ts', './e.ts', './f.ts']);
});

test('an arrow of layers.json lets an import through', () => {
  assert.deepEqual(faultsOf('low/store/src/a.ts', "import { x } from '@commongrid/base';"), []);
});

test('an import upwards is a fault', () => {
  const [fault = ''] = faultsOf('low/base/src/a.ts', "import { x } from '@commongrid/store';");
  assert.match(fault, /no arrow leads from low\/base to low\/store/);
});

test('a relative import that leaves its package is a fault', () => {
  const [fault = ''] = faultsOf('low/store/src/a.ts', "import { x } from '../../base/src/x.ts';");
  assert.match(fault, /may not leave its package/);
});

test('an import past the door is a fault', () => {
  const [fault = ''] = faultsOf(
    'runner/src/a.ts',
    "import { x } from '@commongrid/store/src/x.ts';",
  );
  assert.match(fault, /is no door/);
});

test('the testing door opens for tests only', () => {
  const text = "import { x } from '@commongrid/base/testing';";
  assert.equal(faultsOf('low/store/src/a.ts', text).length, 1);
  assert.deepEqual(faultsOf('low/store/src/a.test.ts', text), []);
});

test('the bench door opens for bench folders of every package', () => {
  const text = "import { x } from '@commongrid/lab/bench';";
  assert.equal(faultsOf('low/base/src/a.ts', text).length, 1);
  assert.deepEqual(faultsOf('low/base/bench/a.bench.ts', text), []);
});

test('a door with code of its own is a fault', () => {
  assert.deepEqual(faultsOf('low/base/src/index.ts', "export { a } from './a.ts';\n"), []);
  assert.equal(faultsOf('low/base/src/index.ts', 'export const a = 1;\n').length, 1);
});

test('a manifest with a wrong door or dependency is a fault', () => {
  const manifest = {
    name: '@commongrid/base',
    exports: { '.': './src/index.ts', './inner': './src/inner.ts' },
    dependencies: { '@commongrid/store': '0.1.0', pino: '10.0.0' },
  };
  assert.equal(findManifestFaults('low/base', manifest, layers).length, 2);
});
