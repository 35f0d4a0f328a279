import assert from 'node:assert/strict';
import { test } from 'node:test';

import { parseAddress } from './connection.ts';
import { parseFields } from './info-fields.ts';

test('fields are read from the lines of INFO, titles are not', () => {
  const text = '# server\r\nserver_name: zdb\r\n\r\n# disk\nuptime: 7\npath: C:a\nempty:\n';
  const fields = { server_name: 'zdb', uptime: '7', path: 'C:a', empty: '' };
  assert.deepEqual(parseFields(text), fields);
});

test('an address is read with a name, an IPv4 and an IPv6 host', () => {
  assert.deepEqual(parseAddress('node-1:9900'), { host: 'node-1', port: 9900 });
  assert.deepEqual(parseAddress('127.0.0.1:0'), { host: '127.0.0.1', port: 0 });
  assert.deepEqual(parseAddress('[::1]:9900'), { host: '::1', port: 9900 });
});

test('an address without a port, or with an impossible one, is refused', () => {
  for (const text of ['node-1', ':9900', '::1:9900', 'a:65536', 'a:-1', 'a:9900x']) {
    assert.throws(() => parseAddress(text), /give an address/, text);
  }
});
