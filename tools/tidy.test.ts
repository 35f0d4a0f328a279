import assert from 'node:assert/strict';
import { test } from 'node:test';

import { findTidyFaults } from './tidy.ts';

function faultsOf(path: string, text: string): number {
  return findTidyFaults({ path, text }).length;
}

test('a tidy file has no fault', () => {
  assert.equal(faultsOf('runner/src/command-table.ts', 'const a = 1;\n'), 0);
});

test('a name that is not kebab-case is a fault', () => {
  assert.equal(faultsOf('runner/src/commandTable.ts', ''), 1);
  assert.equal(faultsOf('docs/README.md', ''), 0);
});

test('code over 500 lines is a fault', () => {
  assert.equal(faultsOf('a/b.ts', 'x\n'.repeat(500)), 0);
  assert.equal(faultsOf('a/b.ts', 'x\n'.repeat(501)), 1);
});

test('a path into a private folder is a fault', () => {
  assert.equal(faultsOf('docs/a.md', ['see ', 'home', 'ann'].join('/')), 1);
  assert.equal(faultsOf('docs/a.md', 'see ~/home/ann and /var/lib/grid'), 0);
});

test('a lockfile that names a registry is a fault', () => {
  assert.equal(faultsOf('package-lock.json', '"resolved": "https://example.org/a.tgz"'), 1);
  assert.equal(faultsOf('package-lock.json', '"resolved": "foundation/base"'), 0);
});

test('work to do without an owner is a fault', () => {
  const word = ['TO', 'DO'].join('');
  assert.equal(faultsOf('a/b.ts', `// ${word}: later`), 1);
  assert.equal(faultsOf('a/b.ts', `// ${word}(ann): later`), 0);
});
