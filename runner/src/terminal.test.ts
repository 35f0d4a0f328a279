import assert from 'node:assert/strict';
import { test } from 'node:test';

import { formatTable, plainLines, plainText } from './terminal.ts';

test('a table lines its columns up and has no blanks at the end', () => {
  const table = formatTable([
    ['name', 'used'],
    ['photos', '1'],
    ['a', ''],
  ]);
  assert.equal(table, 'name    used\nphotos  1\na');
});

test('words of others stay on their line and are seen as they are', () => {
  const forged = 'shop\r\n\u001b[31mnext: \u202egrid rm\u009b2K\u200b';
  assert.equal(plainText(forged), String.raw`shop \u001b[31mnext: \u202egrid rm\u009b2K\u200b`);
  assert.equal(plainText('a\u2028b\tc'), 'a b c');
  assert.equal(plainText('Åsa, 東京 🙂'), 'Åsa, 東京 🙂');
  const json = JSON.stringify({ text: 'tag \u{e0041} soft\u00ad' });
  assert.deepEqual(JSON.parse(plainText(json)), JSON.parse(json));
  assert.equal(
    formatTable([
      ['a\nb', 'c'],
      ['d', ''],
    ]),
    'a b  c\nd',
  );
});

test('what is printed keeps its own lines and styles, and obeys nothing else', () => {
  const own = '\u001b[1mtitle\u001b[0m\n\t\u001b[31mbad\u001b[0m';
  assert.equal(plainLines(own), own);
  const forged = 'a\u001b[2Jb\u001b]0;c\u0007\rd';
  assert.equal(plainLines(`${own}\r\n${forged}`), `${own}\r\n${plainText(forged)}`);
});
