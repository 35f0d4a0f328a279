import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Door, openServer } from './support/door.ts';

test('server forgets the next id of a namespace that is gone, and of no other', async () => {
  await using door = await Door.open();
  const ask = await door.client();
  for (const name of ['kept', 'emptied', 'removed']) {
    assert.equal(await ask('NSNEW', name), '+OK');
    assert.equal(await ask('NSSET', name, 'mode', 'seq'), '+OK');
    assert.equal(await ask('NSSET', name, 'password', 'p'), '+OK');
    assert.equal(await ask('NSSET', name, 'public', '0'), '+OK');
    assert.equal(await ask('SELECT', name, 'p'), '+OK');
    for (let id = 0; id < 3; id++) {
      const key = Buffer.from(`0${id}00000000000000`, 'hex').toString('latin1');
      assert.equal(await ask('SET', '', `value ${id}`), `"${key}"`);
      assert.equal(await ask('DEL', Buffer.from(key, 'latin1')), '+OK');
    }
  }
  const { table, namespaces } = door.server.store;
  const numberOf = (name: string): number => namespaces.get(name)?.id ?? 0;
  const former = [numberOf('emptied'), numberOf('removed')];
  await ask('SELECT', 'emptied', 'p');
  assert.equal(await ask('FLUSH'), '+OK');
  assert.equal(await ask('NSDEL', 'removed'), '+OK');
  assert.ok(former.every((id) => table.nextIds.has(id)));
  assert.equal(await ask('COMPACT'), '+OK');
  assert.deepEqual([...table.nextIds], [[numberOf('kept'), 3]]);
  await door.server.close();
  await using server = await openServer(door.folder.path);
  assert.deepEqual([...server.store.table.nextIds], [[numberOf('kept'), 3]]);
  const again = await new Door(server, door.folder).client();
  await again('SELECT', 'kept', 'p');
  assert.equal(await again('SET', '', 'value'), '"\x03\0\0\0\0\0\0\0"');
});
