import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { cp } from 'node:fs/promises';
import { tempFolder } from '@commongrid/base/testing';
import { type Asker, bytesOf, Door, field, openServer } from './support/door.ts';

/** Commands, as words, and what must come back. */
type Script = readonly (readonly [command: string, expected: string | RegExp])[];

async function play(ask: Asker, script: Script): Promise<void> {
  for (const [command, expected] of script) {
    const args = command.split(' ').map((word) => (word === "''" ? '' : word));
    const got = await ask(...args);
    if (typeof expected === 'string') assert.equal(got, expected, command);
    else assert.match(got, expected, command);
  }
}

const longKey = 'k'.repeat(255);
const tooLongKey = 'k'.repeat(256);
const longName = 'n'.repeat(129);

suite('commands', { concurrency: false }, () => {
  test('server answers commands on keys as 0-db does', async () => {
    await using door = await Door.open();
    await play(await door.client(), [
      ['SET a 1', '"a"'],
      ['set a 1', 'nil'],
      ['SETX a 2', '"a"'],
      ['GET a', '"2"'],
      ['GET b', 'nil'],
      ["SET empty ''", '"empty"'],
      ['GET empty', '""'],
      ["SET empty ''", 'nil'],
      ["SET '' x", '-Invalid argument, key needed'],
      [`SET ${longKey} x`, `"${longKey}"`],
      [`GET ${longKey}`, '"x"'],
      [`SET ${tooLongKey} x`, '-Key too large'],
      [`GET ${tooLongKey}`, '-Invalid key'],
      ["GET ''", '-Invalid argument'],
      ['GET', '-Unexpected arguments'],
      ['GET a b', '-Unexpected arguments'],
      ['SET a', '-Unexpected arguments'],
      ['SET a b 1 2', '-Unexpected arguments'],
      ['SET dated v 1000', '"dated"'],
      ['KEYTIME dated', ':1000'],
      ['SET dated v -1', '-Invalid argument'],
      ['SET dated v soon', '-Invalid argument'],
      ['KEYTIME nix', 'nil'],
      ['SET part abcdef', '"part"'],
      ['GETRANGE part 1 3', '"bcd"'],
      ['GETRANGE part 4 100', '"ef"'],
      ['GETRANGE part -3 -2', '"de"'],
      ['GETRANGE part 6 9', '""'],
      ['GETRANGE part 3 2', '""'],
      ['GETRANGE nix 0 1', 'nil'],
      ['GETRANGE part x 1', '-Invalid arguments'],
      ['GETRANGE part 1', '-Unexpected arguments'],
      ['DEL part', '+OK'],
      ['LENGTH a', ':1'],
      ['LENGTH nix', 'nil'],
      ['EXISTS a', ':1'],
      ['EXISTS nix', ':0'],
      ['CHECK a', ':1'],
      ['CHECK nix', 'nil'],
      ['KEYCUR nix', 'nil'],
      ['MGET a nix empty', '["2", nil, ""]'],
      ['DBSIZE', ':4'],
      ['DEL a', '+OK'],
      ['DEL a', '-Key not found'],
      ['EXISTS a', ':0'],
      ['DEL dated 2000', '+OK'],
      ['DBSIZE', ':2'],
      ['G', '-Command not supported'],
      ['STOP', '-Command not supported'],
      ['MIRROR', /^-MIRROR is not supported: .*--replica-of/],
      ['MASTER', /^-MASTER is not supported: .*--replica-of/],
      ['HOOKS', /^-HOOKS is not supported: .*webhook/],
    ]);
  });

  test('server stores and deletes many keys at once', async () => {
    await using door = await Door.open();
    const ask = await door.client();
    await play(ask, [
      ['MSET a 1 b 2 c 3', '+OK'],
      ['MGET a b c', '["1", "2", "3"]'],
      ['MSET a', '-Unexpected arguments'],
      ['MSET a 1 b', '-Unexpected arguments'],
      [`MSET x 1 ${tooLongKey} 2`, '-Key too large'],
      ['EXISTS x', ':0'],
      ["MSET x 1 '' 2", '-Invalid argument, key needed'],
      ['EXISTS x', ':0'],
      ['MSET d 1 d 2', '+OK'],
      ['GET d', '"2"'],
      ['MDEL a nix b a', ':2'],
      ['MGET a b c', '[nil, nil, "3"]'],
    ]);
    const large = Buffer.alloc(5 * 1024 * 1024, 'x');
    assert.match(await ask('MSET', 'p', large, 'q', large), /^-A batch holds at most \d+ bytes$/);
    assert.equal(await ask('EXISTS', 'p'), ':0');
  });

  test('server refuses a whole batch that does not fit or that worm forbids', async () => {
    await using door = await Door.open();
    await play(await door.client(), [
      ['NSNEW small', '+OK'],
      ['NSSET small maxsize 1000', '+OK'],
      ['SELECT small', '+OK'],
      [`MSET a ${'x'.repeat(300)} b ${'x'.repeat(300)} c ${'x'.repeat(300)}`, /^-No space left/],
      ['DBSIZE', ':0'],
      [`MSET a ${'x'.repeat(300)} b ${'x'.repeat(300)}`, '+OK'],
      ['NSSET small worm 1', '+OK'],
      ['MSET c 1 a 2', '-Namespace is protected by worm mode'],
      ['EXISTS c', ':0'],
      ['MSET d 1 d 2', '-Namespace is protected by worm mode'],
      ['EXISTS d', ':0'],
      ['MDEL a', '-Cannot delete a key when namespace is in worm mode'],
    ]);
  });

  test('server walks keys in the order of writing, forwards and backwards', async () => {
    await using door = await Door.open();
    const ask = await door.client();
    await play(ask, [
      ['SCAN', '-No more data'],
      ['RSCAN', '-No more data'],
      ['KSCAN x', '-No keys match'],
      ['SET a:1 x 100', '"a:1"'],
      ['SET b:1 xx 200', '"b:1"'],
      ['SET a:2 xxx 300', '"a:2"'],
      ['SET a:1 changed 400', '"a:1"'],
      ['SCAN nonsense', '-Invalid key format'],
      ['SCAN COUNT', '-Invalid arguments'],
      ['SCAN COUNT 0', '-Invalid arguments'],
      ['SCAN MATCH a*b', '-Only MATCH prefix* is supported'],
    ]);
    const all = '[["b:1", :2, :200], ["a:2", :3, :300], ["a:1", :7, :400]]';
    const first = await ask('SCAN');
    assert.ok(first.endsWith(`, ${all}]`), first);
    assert.equal(await ask('SCANX'), first);
    const backward = '[["a:1", :7, :400], ["a:2", :3, :300], ["b:1", :2, :200]]';
    assert.ok((await ask('RSCAN')).endsWith(`, ${backward}]`));
    assert.ok((await ask('SCAN', 'MATCH', 'b*')).endsWith('[["b:1", :2, :200]]]'));
    assert.equal(await ask('KSCAN', 'a:'), '["0", ["a:2", "a:1"]]');
    const cursor = bytesOf((await ask('SCAN', 'COUNT', '1')).slice(1, 20));
    assert.equal(cursor.length, 17);
    assert.ok((await ask('SCAN', cursor, 'COUNT', '1')).endsWith('[["a:2", :3, :300]]]'));
    const ofB = bytesOf(await ask('KEYCUR', 'b:1'));
    assert.deepEqual(ofB, cursor);
    await ask('DEL', 'b:1');
    assert.ok((await ask('SCAN', ofB)).includes('["a:2", :3, :300], ["a:1", :7, :400]'));
    assert.equal(await ask('RSCAN', ofB), '-No more data');
    cursor[5] = 99;
    assert.equal(await ask('SCAN', cursor), '-Invalid key format');
    const page = await ask('KSCAN', 'a:', 'COUNT', '1');
    assert.match(page, /^\["[^"]{17}", \["a:2"\]\]$/s);
    assert.equal(await ask('KSCAN', 'a:', bytesOf(page.slice(1, 20))), '["0", ["a:1"]]');
    await ask('NSNEW', 'other');
    await ask('SELECT', 'other');
    assert.equal(await ask('SCAN', ofB), '-Invalid key format');
  });

  test('server shows former versions, also of deleted keys', async () => {
    await using door = await Door.open();
    const ask = await door.client();
    await play(ask, [
      ['NSSET default history all', '+OK'],
      ['SET k one 100', '"k"'],
      ['SET k two 200', '"k"'],
      ['DEL k 300', '+OK'],
      ['HISTORY nix', '-Key not found'],
      [`HISTORY ${tooLongKey}`, '-Invalid arguments (invalid key)'],
      ['HISTORY k short', '-Invalid arguments (index query)'],
      ['SET other x', '"other"'],
    ]);
    const deleted = await ask('HISTORY', 'k');
    assert.match(deleted, /^\["[^"]{8}", "300", nil\]$/s);
    const token = bytesOf(deleted.slice(1, 11));
    const second = await ask('HISTORY', 'k', token);
    assert.match(second, /^\["[^"]{8}", "200", "two"\]$/s);
    const first = await ask('HISTORY', 'k', bytesOf(second.slice(1, 11)));
    assert.equal(first, '[nil, "100", "one"]');
    assert.equal(await ask('HISTORY', 'k', Buffer.alloc(8)), '-No more history');
    assert.equal(await ask('HISTORY', 'other', token), '-No more history');
  });

  test('server hands out ids in sequential mode', async () => {
    await using door = await Door.open();
    const ask = await door.client();
    await play(ask, [
      ['NSNEW ids', '+OK'],
      ['NSSET ids mode seq', '+OK'],
      ['SELECT ids', '+OK'],
      ["SET '' zero", '"\0\0\0\0\0\0\0\0"'],
      ["SET '' one", '"\u0001\0\0\0\0\0\0\0"'],
      ['SET mykey x', '-Invalid key, only update authorized'],
      ['MSET a b', '-Invalid key, only update authorized'],
    ]);
    const id = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);
    assert.equal(await ask('SET', id, 'changed'), '"\u0001\0\0\0\0\0\0\0"');
    assert.equal(await ask('GET', id), '"changed"');
    assert.equal(await ask('SET', Buffer.from([9, 0, 0, 0, 0, 0, 0, 0]), 'x'), updateOnly);
    assert.equal(await ask('DEL', id), '+OK');
    assert.equal(await ask('SET', id, 'x'), updateOnly);
    assert.equal(await ask('SET', '', 'two'), '"\u0002\0\0\0\0\0\0\0"');
    assert.equal(
      await ask('NSSET', 'ids', 'mode', 'user'),
      '-Cannot change mode of used namespace',
    );
    const info = await ask('NSINFO', 'ids');
    assert.equal(field(info, 'mode'), 'sequential');
    assert.equal(field(info, 'next_internal_id'), '0x0300000000000000');
  });

  test('server goes on with the next id after a crash', async () => {
    await using door = await Door.open({ mode: 'seq' });
    const ask = await door.client();
    for (let i = 0; i < 11; i++) await ask('SET', '', `value ${i}`);
    await ask('DEL', Buffer.from([10, 0, 0, 0, 0, 0, 0, 0]));
    // The folder as it is now is what a crash would leave: nothing was closed.
    await using copy = await tempFolder('zdb-door');
    await cp(door.folder.path, copy.path, { recursive: true });
    await using server = await openServer(copy.path, { mode: 'seq' });
    assert.equal(server.store.table.nextIds.get(1) ?? 0, 0);
    assert.equal(server.store.namespaces.default.nextId, 11);
  });

  test('server answers commands on namespaces as 0-db does', async () => {
    await using door = await Door.open();
    await play(await door.client(), [
      ['NSLIST', '["default"]'],
      ['NSNEW one', '+OK'],
      ['NSNEW one', '-This namespace is not available'],
      ['NSNEW default', '-This name is not allowed'],
      ['NSNEW ..', '-This name is not allowed'],
      ['NSNEW a/b', '-This name is not allowed'],
      [`NSNEW ${longName}`, '-Namespace too long'],
      [`NSINFO ${longName}`, '-Namespace too long'],
      ['NSINFO nix', '-Namespace not found'],
      ['NSLIST', '["default", "one"]'],
      ['NSSET nix maxsize 1', '-Namespace not found'],
      ['NSSET one nix 1', '-Invalid property'],
      [`NSSET one password ${'p'.repeat(64)}`, '-Invalid value'],
      ["NSSET one password ''", /^-Invalid property value/],
      ['NSSET one maxsize much', /^-Invalid property value/],
      ['NSSET one maxsize 99999999999999', /^-Not enough free disk space/],
      ['NSSET one public 2', /^-Invalid property value/],
      ['NSSET one mode odd', '-Invalid property value (expected: user, seq)'],
      ['NSSET one history versions:0', /^-Invalid property value/],
      ['NSSET one history versions:3', '+OK'],
      ['NSINFO one', /history: versions:3\r/],
      ['NSSET default password x', '-Cannot update default namespace'],
      ['NSSET default lock 1', '+OK'],
      ['SET a b', '-Namespace is temporarily locked (read-only)'],
      ['GET a', 'nil'],
      ['DEL a', '-Namespace is temporarily locked (read-only)'],
      ['NSSET default freeze 1', '+OK'],
      ['GET a', '-Namespace is temporarily frozen (read-write disabled)'],
      ['SCAN', '-Namespace is temporarily frozen (read-write disabled)'],
      ['NSSET default freeze 0', '+OK'],
      ['NSSET default lock 0', '+OK'],
      ['SET a b', '"a"'],
      ['SELECT one', '+OK'],
      ['GET a', 'nil'],
      ['NSDEL one', "-Cannot remove namespace you're currently using."],
      ['NSDEL default', '-Cannot remove default namespace'],
      ['NSDEL nix', "-This namespace doesn't exists"],
      ['FLUSH', '-Flushing public namespace denied'],
      ['SET a 1', '"a"'],
      ['NSSET one worm 1', '+OK'],
      ['SET a 2', '-Namespace is protected by worm mode'],
      ['SET b 1', '"b"'],
      ['DEL a', '-Cannot delete a key when namespace is in worm mode'],
      ['NSSET one worm 0', '+OK'],
      ['NSSET one public 0', '+OK'],
      ['NSSET one password pass', '+OK'],
      ['FLUSH', '+OK'],
      ['DBSIZE', ':0'],
      ['GET a', 'nil'],
      ['SELECT default', '+OK'],
      ['NSDEL one', '+OK'],
      ['SELECT one', '-Namespace not found'],
      ['SELECT', '-Unexpected arguments'],
      ['RELOAD default', '+OK'],
      ['RELOAD nix', '-Namespace not found'],
    ]);
  });

  test('server counts physical bytes against the room of a namespace', async () => {
    await using door = await Door.open();
    const ask = await door.client();
    await play(ask, [
      ['NSNEW ns', '+OK'],
      ['NSSET ns history all', '+OK'],
      ['NSSET ns maxsize 4000', '+OK'],
      ['SELECT ns', '+OK'],
    ]);
    let written = 0;
    while ((await ask('SET', 'key', String(written).padStart(900, '0'))) === '"key"') written++;
    assert.equal(written, 4);
    assert.equal(await ask('SET', 'key', 'x'.repeat(900)), '-No space left on this namespace');
    const info = await ask('NSINFO', 'ns');
    const used = Number(field(info, 'used_bytes'));
    assert.ok(used > 4 * 900 && used <= 4000);
    assert.equal(Number(field(info, 'space_available')), 4000 - used);
    assert.equal(await ask('DEL', 'key'), '+OK');
  });

  test('server makes room by compaction when old versions fill a namespace', async () => {
    await using door = await Door.open({ segmentBytes: 1024 * 1024 });
    const ask = await door.client();
    await play(ask, [
      ['NSNEW ns', '+OK'],
      ['NSSET ns maxsize 200000', '+OK'],
      ['SELECT ns', '+OK'],
    ]);
    for (let i = 0; i < 100; i++) {
      assert.equal(await ask('SET', 'key', String(i).padStart(20_000, '0')), '"key"', `write ${i}`);
    }
    assert.equal(await ask('LENGTH', 'key'), ':20000');
  });

  test('server tells what segments hold', async () => {
    await using door = await Door.open();
    const ask = await door.client();
    await play(ask, [
      ['INDEX DIRTY', '[]'],
      ['SET k value 123', '"k"'],
      ['INDEX DIRTY', '[:1]'],
      ['INDEX DIRTY RESET', '+OK'],
      ['INDEX DIRTY', '[]'],
      ['INDEX NIX', '-Invalid arguments'],
      ['NSJUMP', '+OK'],
      ['SET k next 456', '"k"'],
      ['INDEX DIRTY', '[:2]'],
      ['DATA RAW 99 64', '-Invalid Request'],
      ['DATA RAW 2 8', '-Invalid Request'],
      ['DATA RAW 2 66', '-Invalid Request'],
      ['DATA RAW 2 1048576', '-EOF'],
    ]);
    const previous = door.server.store.log.lastSequence - 1;
    const raw = new RegExp(`^\\["k", :${previous}, "0x[0-9a-f]{8}", :0, :456, "next"\\]$`);
    assert.match(await ask('DATA', 'RAW', '2', '64'), raw);
    assert.match(await ask('DATA', 'RAW', '2', '128'), raw);
    await ask('DEL', 'k', '789');
    const info = await ask('NSINFO', 'default');
    assert.equal(field(info, 'data_current_id'), '2');
    const end = Number(field(info, 'data_current_offset'));
    const gone = new RegExp(`^\\["k", :${previous + 1}, "0x[0-9a-f]{8}", :1, :789, nil\\]$`);
    assert.match(await ask('DATA', 'RAW', '2', String(end - 40)), gone);
  });

  test('server proves what it holds, and looks after it', async () => {
    await using door = await Door.open();
    await play(await door.client(), [
      ['SET k value', '"k"'],
      // printf noncevalue | sha256sum
      ['DIGEST k nonce', '"4f166fe8694baf4bac02c5f050a7cf1ef0bca38b3f8148c5a45c1a5650a28c82"'],
      // The same of noncevue, and of nonce.
      ['DIGEST k nonce 1 3', '"39bb130c514ac69f05226a9f800c37505d60c2b43c2ea7adf3a1d758436988cf"'],
      ['DIGEST k nonce 0 99', '"78377b525757b494427f89014f97d79928f3938d14eb51e20fb5dec9834eb304"'],
      ['DIGEST k nonce 1', '-Invalid arguments'],
      ['DIGEST k nonce 3 1', '-Invalid arguments'],
      [`DIGEST k ${'n'.repeat(1024)}`, /^"[0-9a-f]{64}"$/],
      [`DIGEST k ${'n'.repeat(1025)}`, '-Invalid argument'],
      ['DIGEST nix nonce', 'nil'],
      ['DIGEST k', '-Unexpected arguments'],
      ['SCRUB STATUS', /"running", :0/],
      ['SCRUB START', '+OK'],
      ['SCRUB BAD', '["0", []]'],
      ['SCRUB BAD x', '-Invalid key format'],
      ['SCRUB NIX', '-Invalid arguments'],
      ['SET k other', '"k"'],
      ['COMPACT', '+OK'],
      ['COMPACT default', '+OK'],
      ['COMPACT nix', '-Namespace not found'],
      ['GET k', '"other"'],
      ['NSSET default history all', '+OK'],
      ['SET k third', '"k"'],
      ['ERASE k', /^:[12]$/],
      ['GET k', 'nil'],
      ['ERASE k MAYBE', '-Invalid arguments'],
    ]);
  });

  test('server answers what clients ask about it', async () => {
    await using door = await Door.open();
    await play(await door.client(), [
      ['PING', '+PONG'],
      ['PING hello', '"hello"'],
      ['ECHO x', '"x"'],
      ['TIME', /^\["\d{10}", "\d{1,6}"\]$/],
      ['HELLO', /"server", "zdb", .*"proto", :2/],
      ['HELLO 4', /^-NOPROTO/],
      ['HELLO 2 SETNAME a\nid=9', '-Invalid argument'],
      ['HELLO 2 SETNAME me', /"proto", :2/],
      ['CLIENT GETNAME', '"me"'],
      ['CLIENT SETNAME you', '+OK'],
      ['CLIENT SETINFO LIB-NAME tester', '+OK'],
      ['CLIENT INFO', /name=you .*cmd=client .*lib-name=tester/],
      ['CLIENT LIST', /id=1 .*name=you/],
      ['CLIENT ID', ':1'],
      ['CLIENT NIX', /^-CLIENT knows/],
      ['CONFIG GET save', '["save", ""]'],
      ['CONFIG GET append*', '["appendfsync", "always", "appendonly", "yes"]'],
      ['CONFIG SET save x', /^-Only CONFIG GET/],
      ['COMMAND COUNT', /^:\d\d$/],
      ['COMMAND INFO get nix', /^\[\["get", :2, \[\+readonly, \+fast\], :1, :1, :1, .*\], nil\]$/],
      ['COMMAND DOCS get', /^\["get", \["summary", ".*", "since", .*\]\]$/],
      ['COMMAND LIST', /"get"/],
      ['COMMAND NIX', /^-COMMAND knows/],
      ['INFO', /# server\r\nserver_name: zdb\r\n/],
      ['INFO clients', /^"# clients\r\nclients_lifetime: 1\r\n/],
      ['RESET', '+RESET'],
      ['CLIENT GETNAME', 'nil'],
      ['WAIT NIX', '-Unknown command to watch'],
      ['WAIT SET 99', '-Invalid timeout'],
      ['WAIT SET 1800001', '-Invalid timeout'],
      ['WAIT SET 100', '-Timeout'],
      ['AUTH x', '-Authentication disabled'],
      ['QUIT', '+OK'],
    ]);
  });
});

const updateOnly = '-Invalid key, only update authorized';
