import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { operations, refusedOperations } from '../src/protocol/operations.ts';

const page = join(import.meta.dirname, '../../../docs/operate/s3-operations.md');

test('the page of operations names all that are answered and all that are refused', async () => {
  const text = await readFile(page, 'utf8');
  const [answered = '', refused = ''] = text.split('\n## Refused\n');
  const namesIn = (part: string): string[] => {
    const listed = part
      .trim()
      .split('\n\n')
      .filter((block) => /^(?:\*\*[\w ]+\*\*: )?[A-Z][A-Za-z0-9]+,[\s\S]*\.$/.test(block));
    const names = listed.flatMap((block) => block.match(/\b[A-Z][a-z]+[A-Z]\w+\b/g) ?? []);
    return names.toSorted();
  };
  assert.deepEqual(namesIn(answered), Object.keys(operations).toSorted());
  assert.deepEqual(namesIn(refused), Object.keys(refusedOperations).toSorted());
});
