import { deepEqual, equal, throws } from 'node:assert/strict';
import { suite, test } from 'node:test';

import { hubOrigin, parseSource, sourceText } from './source-text.ts';

suite('the text of a source', () => {
  test('is read as it is written', () => {
    const texts = [
      '/srv/flists',
      'http://127.0.0.1:9100',
      'https://hub.example',
      'zdb://127.0.0.1:9900/chunks',
      'zdb://[::1]:9900/chunks',
    ];
    for (const text of texts) equal(sourceText(parseSource(text)), text);
    const zstor = parseSource('zstor:/srv/stor', { backends: '/srv/backends.json' });
    equal(sourceText(zstor), 'zstor:/srv/stor');
    equal(sourceText({ url: 'http://127.0.0.1/elsewhere' }), 'http://127.0.0.1/elsewhere');
  });

  test('says which hub it is, and where a password is', () => {
    equal(hubOrigin(parseSource('https://hub.example/')), 'https://hub.example');
    equal(hubOrigin(parseSource('/srv/flists')), undefined);
    deepEqual(parseSource('zdb://[::1]:9900/a', { passwordFile: '/srv/secret' }), {
      zdb: { host: '::1', port: 9900, namespace: 'a', passwordFile: '/srv/secret' },
    });
  });

  test('is refused when it is none', () => {
    const texts = [
      'http://hub.example/x',
      'https://',
      'zdb://host/ns',
      'zdb://host:1',
      'zstor:/srv',
    ];
    for (const text of texts)
      throws(() => parseSource(text), { code: 'commander.invalidArgument' });
  });
});
