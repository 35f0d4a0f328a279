import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  formatGridAddress,
  isWithin,
  parseGridAddress,
  requireDataPath,
  splitDataPath,
} from './grid-address.ts';

test('an address names a bot by name or id, and an object of it', () => {
  const id = `bot:${'A'.repeat(43)}`;
  assert.deepEqual(parseGridAddress('grid://ada/notes/1'), { bot: 'ada', path: 'notes/1' });
  assert.deepEqual(parseGridAddress(`grid://${id}/notes/a:b`), { bot: id, path: 'notes/a:b' });
  assert.deepEqual(parseGridAddress('grid://ada/'), { bot: 'ada', path: '' });
  assert.deepEqual(parseGridAddress('grid://ada/files/a%20b/%C3%A4'), {
    bot: 'ada',
    path: 'files/a b/ä',
  });
  assert.deepEqual(splitDataPath('files/a/b'), { root: 'files', rest: 'a/b' });
  assert.ok(isWithin('notes/1', 'notes') && !isWithin('notes2', 'notes'));
});

test('an address that leads elsewhere is refused', () => {
  const wrong = [
    ...['http://ada/notes/1', 'grid://', 'grid://A/notes/1', 'grid://ada/Notes/1'],
    ...['grid://ada/files/../x', 'grid://ada/files/%2e%2e/x', 'grid://ada/files//x'],
    ...['grid://ada/notes/a%2Fb', 'grid://ada/notes/%zz', 'grid://ada/notes/%00'],
    ...['grid://ada/notes/.', `grid://ada/notes/${'x'.repeat(600)}`],
  ];
  for (const text of wrong) {
    assert.throws(() => parseGridAddress(text), { code: 'BOT_ADDRESS_INVALID' }, text);
  }
});

test('what is written as an address is read as the same', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: 'binary', maxLength: 20 }), { maxLength: 5 }),
      (parts) => {
        const path = ['files', ...parts].join('/');
        try {
          requireDataPath(path);
        } catch {
          return;
        }
        const address = { bot: 'ada', path };
        assert.deepEqual(parseGridAddress(formatGridAddress(address)), address);
      },
    ),
  );
});
