import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { reservePort } from '@commongrid/base';
import { DockerRegistry } from '@commongrid/flist/testing';
import { root, run, tempFolder, TestGrid } from './grid-process.ts';
import type { Ended } from './grid-process.ts';
import { firstDifference, printedBySteps, scriptOf, stepsOf } from './tour-steps.ts';
import type { TourStep } from './tour-steps.ts';

/** Words of a document, and what stands for them on this machine. */
type Places = Readonly<Record<string, string>>;

/** Runs the shell lines under the first heading `## A tour...` of a page as they are written. */
async function tour(
  grid: TestGrid,
  page: string,
  instead: Places = {},
  env: Places = {},
): Promise<Ended> {
  const text = await readFile(join(root, 'docs', 'operate', page), 'utf8');
  const [, lines = ''] = /^## A tour[^]*?```sh\n([^]*?)```/m.exec(text) ?? [];
  assert.match(lines, /^\.\/grid up/);
  return runLines(grid, lines, instead, env);
}

/** Runs lines for the usual places on a grid that is up already, at places of its own. */
async function runLines(
  grid: TestGrid,
  lines: string,
  instead: Places,
  env: Places,
): Promise<Ended> {
  const { stdout } = await grid.run('up', '--port-base', '0', '--json');
  const portOf = (name: string): string =>
    new RegExp(`"${name}":"127\\.0\\.0\\.1:(\\d+)`).exec(stdout)?.[1] ?? '';
  const places: Places = {
    ...{ '/var/lib/grid': grid.home, '-p 9900': `-p ${portOf('zdb')}` },
    ...{ '6381': portOf('bcdb-http'), '9100': portOf('hub'), ...instead },
  };
  // Some of the lines wait until something happens.
  return run('timeout', ['900', 'sh', '-euc', replaced(lines, places)], {
    cwd: root,
    env: { GRID_HOME: grid.home, ...env },
  });
}

/** At once, so that what is put in is not taken for what is to be replaced. */
function replaced(text: string, places: Places): string {
  const named = Object.keys(places).map((of) => RegExp.escape(of));
  return text.replace(new RegExp(named.join('|'), 'g'), (of) => places[of] ?? '');
}

/** The steps under the heading `## A tour` of the README, whatever stands between them. */
async function readmeSteps(): Promise<readonly TourStep[]> {
  const readme = await readFile(join(root, 'README.md'), 'utf8');
  const [section = ''] = /^## A tour\n[^]*?(?=^## )/m.exec(readme) ?? [];
  const blocks = [...section.matchAll(/^```console\n([^]*?)^```/gm)];
  return blocks.flatMap(([, block = '']) => stepsOf(block));
}

/** A copy of an example that publishes another port. */
async function exampleAt(folder: string, name: string, port: string): Promise<string> {
  const text = await readFile(join(root, 'examples', name), 'utf8');
  const file = join(folder, name);
  await writeFile(file, text.replace(/(?<="publish": )\d+/, port));
  return file;
}

test('the tour of the README prints what the README shows', async () => {
  await using folder = await tempFolder();
  await using grid = await TestGrid.open({ hasNode: true, hasBots: true, shards: '4+2' });
  const [webPort, cachePort] = [String(await reservePort()), String(await reservePort())];
  const places = {
    'examples/web.json': await exampleAt(folder.path, 'web.json', webPort),
    'examples/cache.json': await exampleAt(folder.path, 'cache.json', cachePort),
    ...{ ':8080': `:${webPort}`, '-p 6390': `-p ${cachePort}` },
  };
  const steps = await readmeSteps();
  assert.ok(steps.length > 10);
  const { status, stdout, stderr } = await runLines(grid, scriptOf(steps), places, {});
  assert.equal(status, 0, stdout + stderr);
  const { node } = await grid.json<{ readonly node: { readonly name: string } }>('up');
  // Both may name the machine by any word.
  const machine = new RegExp(`\\b(?:debian|${RegExp.escape(node.name)})\\b`, 'g');
  const lines = (texts: readonly string[]): readonly string[] =>
    texts.map((text) => text.replaceAll(machine, 'NAME'));
  const printed = printedBySteps(stdout.replaceAll(grid.home, '/var/lib/grid'));
  for (const [at, { command, printed: shown }] of steps.entries()) {
    const difference = firstDifference(lines(shown), lines(printed[at] ?? []));
    assert.equal(difference, undefined, `$ ${command}\n${difference}`);
  }
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
  const file = await exampleAt(path, 'shop.json', port);
  const rented = await exampleAt(path, 'web.json', String(await reservePort()));
  const places = {
    'examples/web.json': rented,
    ...{ '--prefix sh ': `--prefix ${prefix} `, '--prefix sh\n': `--prefix ${prefix}\n` },
    ...{ 'examples/shop.json': file, ':8081': `:${port}`, shed: name },
    '198.18.0.': `198.18.${randomInt(128, 255)}.`,
  };
  const env = { TMPDIR: path };
  const { status, stdout, stderr } = await tour(grid, 'contract.md', places, env);
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
  const { status, stdout, stderr } = await tour(grid, 'zero-db.md');
  assert.equal(status, 0, stderr);
  assert.equal(stderr, '');
  assert.deepEqual(stdout.match(/^hello$/gm), ['hello', 'hello']);
  assert.match(stdout, /^photos /m);
  assert.match(stdout, /the data stays/);
});

test('the tour of the database works as it is written', async () => {
  await using grid = await TestGrid.open();
  const { status, stdout, stderr } = await tour(grid, 'bcdb.md');
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
  const { status, stdout, stderr } = await tour(grid, 's3.md');
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
  const { status, stdout, stderr } = await tour(grid, 'images.md', {
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
