import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';

import { runProgram } from '@commongrid/base';

const terminal = join(import.meta.dirname, '..', 'src', 'terminal.ts');

/** Says something once its progress was shown. */
const program = `
  import { openTerminal, withProgress } from ${JSON.stringify(terminal)};
  const { promise: shown, resolve } = Promise.withResolvers();
  const write = process.stderr.write.bind(process.stderr);
  process.stderr.write = (text) => {
    if (text.includes('at work')) resolve();
    return write(text);
  };
  const terminal = openTerminal({ allowsColor: false, wantsJson: false });
  await withProgress(terminal, 'at work', shown.then(() => terminal.note('a word')));
`;

test('what is said while progress is shown stands in its place, on a line of its own', async () => {
  const command = '"$NODE" --input-type=module --eval "$PROGRAM"';
  const env = { PATH: '/usr/bin:/bin', NODE: process.execPath, PROGRAM: program };
  const seen = await runProgram('script', ['-qefc', command, '/dev/null'], {
    env,
    timeoutMs: 120_000,
  });
  // oxlint-disable-next-line no-control-regex -- it is how a line is cleared
  assert.match(seen, /^\r\u001b\[Kat work \d+ s\r\u001b\[Ka word\r\n$/);
});
