import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { reservePort } from '@commongrid/base';
import { DockerRegistry } from '@commongrid/flist/testing';
import { root, run, tempFolder, TestGrid } from './grid-process.ts';
import type { Ended } from './grid-process.ts';

/** Runs the shell lines of a section as they are written, on a grid that is up already. */
async function tour(
  grid: TestGrid,
  heading: string,
  instead: Readonly<Record<string, string>> = {},
  env: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const readme = await readFile(join(root, 'README.md'), 'utf8');
  const [, lines = ''] =
    new RegExp(`## ${heading}[\\s\\S]*?\`\`\`sh\\n([\\s\\S]*?)\`\`\``).exec(readme) ?? [];
  assert.match(lines, /^\.\/grid up/);
  const { stdout } = await grid.run('up', '--port-base', '0', '--json');
  const portOf = (name: string): string =>
    new RegExp(`"${name}":"127\\.0\\.0\\.1:(\\d+)`).exec(stdout)?.[1] ?? '';
  const places: Readonly<Record<string, string>> = {
    ...{ '/var/lib/grid': grid.home, '-p 9900': `-p ${portOf('zdb')}` },
    ...{ '6381': portOf('bcdb-http'), '9100': portOf('hub'), ...instead },
  };
  // At once, so that what is put in is not taken for what is to be replaced.
  const named = new RegExp(
    Object.keys(places)
      .map((of) => RegExp.escape(of))
      .join('|'),
    'g',
  );
  const script = lines.replace(named, (of) => places[of] ?? '');
  // Some of its lines wait until something happens.
  return run('timeout', ['900', 'sh', '-euc', script], {
    cwd: root,
    env: { GRID_HOME: grid.home, ...env },
  });
}

test('the tour of a node works as it is written', async () => {
  await using grid = await TestGrid.open({ hasNode: true });
  await using folder = await tempFolder();
  const port = String(await reservePort());
  const file = join(folder.path, 'web.json');
  const example = await readFile(join(root, 'examples', 'web.json'), 'utf8');
  await writeFile(file, example.replace('8080', port));
  const { status, stdout, stderr } = await tour(grid, 'A tour of a node', {
    'examples/web.json': file,
    '127.0.0.1:8080': `127.0.0.1:${port}`,
  });
  assert.equal(status, 0, stderr + stdout);
  assert.match(stderr, / web\/0 {2}healthy/);
  assert.match(stdout, new RegExp(`^web/web/0 +healthy +\\S+ +\\S+:${port} +\\d+[sm]$`, 'm'));
  assert.match(stdout, /^start 1$/m);
  assert.match(stdout, / web\/web\/0 +failed +NODE_ENDED /);
  // One line, two, three.
  assert.equal(stdout.match(/^\w{3} \w{3} +\d+ [\d:]{8} UTC \d{4}$/gm)?.length, 6, stdout);
  assert.match(stdout, /^web is ended: contract:/m);
});

/** Takes away what a tour that was broken off left of its second machine. */
async function clearAway(folder: string, name: string, prefix: string): Promise<void> {
  const lines = [
    'for p in $(grep -lFas "$0" /proc/[0-9]*/cmdline); do p=${p#/proc/}; p=${p%/cmdline}',
    '[ "$p" = $$ ] || kill "$p" || true; done',
    '[ -e /run/netns/$1 ] || exit 0',
    'for d in "$0"/*/$1; do for i in $(seq 60); do',
    'nsenter --net=/run/netns/$1 ./grid node leave --data "$d" --prefix $2 && break; sleep 1',
    'done; done; ip netns delete $1; nft delete table ip $1',
  ];
  await run('sh', ['-c', lines.join('\n'), folder, name, prefix], { cwd: root });
}

test('the tour of contracts and money works as it is written', async () => {
  await using stack = new AsyncDisposableStack();
  const { path } = stack.use(await tempFolder());
  const grid = stack.use(await TestGrid.open({ hasNode: true, hasBots: true }));
  const tag = randomInt(0x1000, 0x10000).toString(16);
  const [name, prefix, port] = [`shed${tag}`, `s${tag.slice(0, 2)}`, String(await reservePort())];
  stack.defer(() => clearAway(path, name, prefix));
  const file = join(path, 'shop.json');
  const example = await readFile(join(root, 'examples', 'shop.json'), 'utf8');
  await writeFile(file, example.replace('8081', port));
  const rented = join(path, 'web.json');
  const web = await readFile(join(root, 'examples', 'web.json'), 'utf8');
  await writeFile(rented, web.replace('8080', String(await reservePort())));
  const places = {
    'examples/web.json': rented,
    ...{ '--prefix sh ': `--prefix ${prefix} `, '--prefix sh\n': `--prefix ${prefix}\n` },
    ...{ 'examples/shop.json': file, ':8081': `:${port}`, shed: name },
    '198.18.0.': `198.18.${randomInt(128, 255)}.`,
  };
  const env = { TMPDIR: path };
  const { status, stdout, stderr } = await tour(grid, 'A tour of contracts and money', places, env);
  assert.equal(status, 0, stderr + stdout);
  assert.match(stdout, /^1000\.000000 +GRD$/m);
  assert.match(
    stdout,
    /^web +running +2 of 2 ready +\d+\.\d+ GRD a month +paid until \S+Z +buyer$/m,
  );
  assert.match(stdout, /^ +web\/0 +node +paid until /m);
  assert.match(stdout, new RegExp(`^ +web/0 +${name} +home`, 'm'));
  assert.match(stdout, /^shop is agreed$/m);
  assert.equal(stdout.match(/^the shop is open$/gm)?.length, 2, stdout);
  // It answers a moment before the node calls it healthy.
  const stays = stdout.matchAll(/^ +web\/0 +(?:running|healthy) +(\S+)/gm);
  const [there, here] = [...stays].map(([, node]) => node);
  assert.ok(there !== undefined && here !== undefined && there !== here, stdout);
  assert.match(
    stdout,
    /^ +GRD +\d+ funded = 0 paid \+ 0 given back \+ \d+ held, in the smallest unit$/m,
  );
  assert.match(stdout, /^Proven$/m);
});

test('the tour of the store works as it is written', async () => {
  await using grid = await TestGrid.open();
  const { status, stdout, stderr } = await tour(grid, 'A tour of the store');
  assert.equal(status, 0, stderr);
  assert.equal(stderr, '');
  assert.deepEqual(stdout.match(/^hello$/gm), ['hello', 'hello']);
  assert.match(stdout, /^photos /m);
  assert.match(stdout, /the data stays/);
});

test('the tour of the database works as it is written', async () => {
  await using grid = await TestGrid.open();
  const { status, stdout, stderr } = await tour(grid, 'A tour of the database');
  assert.equal(status, 0, stderr);
  assert.equal(stderr, '');
  // Found by a word, and by a field.
  assert.equal(stdout.match(/^roof +org\.example\.decision\.1 .*"Mend the roof"/gm)?.length, 2);
  assert.match(stdout, / is open \(1 for, 0 against\)/);
  assert.match(stdout, / has taken effect \(2 for, 0 against\)/);
  assert.match(stdout, /put .*"A new roof"[^]*put .*"Mend the roof"/);
  assert.match(stdout, /^proven: record \d+ of \d+/m);
  assert.match(stdout, /^sound: \d+ records of log /m);
});

test('the tour of S3 works as it is written', async () => {
  await using grid = await TestGrid.open({ shards: '4+2' });
  const { status, stdout, stderr } = await tour(grid, 'A tour of S3');
  assert.equal(status, 0, stderr + stdout);
  assert.match(stdout, /^make_bucket: films$/m);
  assert.match(stdout, /^stopped: zdb-3, zdb-5;/m);
  assert.match(stdout, /^read again$/m);
  assert.match(stdout, /^nothing is missing in [56] chunks$/m);
  assert.match(stdout, /^proven: films\/film, version [0-9a-f]{32}, existed on /m);
  // The wiped ones, too, have a shard of each of its chunks again.
  assert.equal(stdout.match(/ [56] shards /g)?.length, 6);
});

test('the tour of images works as it is written', async () => {
  await using folder = await tempFolder();
  await using registry = await DockerRegistry.open(folder.path);
  await using grid = await TestGrid.open();
  const { status, stdout, stderr } = await tour(grid, 'A tour of images', {
    '127.0.0.1:5000': registry.host,
  });
  assert.equal(status, 0, stderr + stdout);
  assert.equal(stderr, '');
  assert.match(stdout, /^ +command +\/bin\/sh$/m);
  assert.match(stdout, /^hello from an image$/m);
  assert.match(stdout, / as owner\/tools:1: \d+ chunks, 0 B over the wire$/m);
  assert.match(stdout, /^[0-9a-f]{64} is whole: /m);
  const [, signer] = / is signed by (\S+)$/m.exec(stdout) ?? [];
  assert.ok(signer !== undefined && stdout.includes(`\nsigned by ${signer}\n`), stdout);
});
