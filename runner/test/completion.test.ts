import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { runProgram } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';

import { BotFolder } from '../src/commands/bot/bot-folder.ts';
import { GridHome } from '../src/home.ts';
import { runCommand } from './fixtures/run-command.ts';

const contract = `contract:${'a'.repeat(43)}`;
const damaged = `contract:${'b'.repeat(43)}`;

/** A folder of a grid with a service, a bot and a contract. */
async function openHome() {
  const folder = await tempFolder('completion');
  const home = new GridHome(join(folder.path, 'home'));
  await home.create();
  const bot = BotFolder.named(home.path, 'farmer');
  await mkdir(bot.contracts, { recursive: true });
  const trust = { log: 'log', sequencerKey: 'key' };
  await bot.writeConfig({ id: 'bot:farmer', name: 'farmer', url: 'http://127.0.0.1:1', trust });
  const openings = [{ role: { name: 'web', replicas: 2 } }];
  const paper = JSON.stringify({ header: { name: 'shop' }, openings });
  await writeFile(join(bot.contracts, `${contract}.json`), paper);
  await writeFile(join(bot.contracts, `${damaged}.json`), '{');
  const state = { schema: 'grid.state.1', services: { 'bot-farmer': {}, zdb: {}, 'zdb-1': {} } };
  await writeFile(join(home.run, 'state.json'), JSON.stringify(state));
  await writeFile(join(folder.path, 'shop.json'), '{}');
  return {
    path: folder.path,
    home: home.path,
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

/** What a shell is typed after `grid`, up to the tab, and the words that it has then. */
function typedAt(path: string): readonly (readonly [string, readonly string[]])[] {
  return [
    ['stat', ['status']],
    ['up --shards=1', ['up', '--shards=16+4']],
    ['contract show contract:a', ['contract', 'show', contract]],
    [`deploy ${path}/sho`, ['deploy', `${path}/shop.json`]],
  ];
}

const quiet = { HISTFILE: '', INPUTRC: '/dev/null' };

/** Lines that a shell prints which people type into, on a terminal of its own. */
async function typeInto(shell: string, lines: readonly string[], env: Record<string, string>) {
  const printed = await runProgram('script', ['-qec', shell, '/dev/null'], {
    input: `${lines.join('\n')}\nexit\n`,
    // What is typed here is not to be in anybody's history, and nobody's choices count.
    env: { PATH: process.env['PATH'] ?? '', TERM: 'dumb', ...quiet, ...env },
    timeoutMs: 120_000,
  });
  return printed.replaceAll('\r', '').split('\n');
}

for (const [shell, ...setUp] of [
  ['bash --norc -i'],
  ['zsh -f -i', 'autoload -U compinit; compinit -D -u'],
] as const) {
  const [name = ''] = shell.split(' ');
  test(`${name} completes verbs, values of options, names and files`, async () => {
    await using place = await openHome();
    const script = join(place.path, 'script');
    await writeFile(script, (await runCommand(place.home, ['completion', name])).printed);
    // What was completed is shown, not run.
    const show = String.raw`grid() { printf '<%s>' "$@"; echo; }`;
    const typed = typedAt(place.path);
    const tabs = typed.map(([text]) => `grid ${text}\t`);
    const lines = [...setUp, `source ${script}`, show, ...tabs];
    const printed = await typeInto(shell, lines, { GRID_HOME: place.home });
    assert.deepEqual(
      printed.filter((line) => line.startsWith('<')),
      typed.map(([, words]) => words.map((word) => `<${word}>`).join('')),
    );
  });
}

test('fish completes verbs, values of options, names and files', async () => {
  await using place = await openHome();
  const script = join(place.path, 'script');
  await writeFile(script, (await runCommand(place.home, ['completion', 'fish'])).printed);
  const typed = typedAt(place.path);
  const asks = typed.map(([text]) => `complete -C 'grid ${text}'`);
  const words = ['--no-config', '-c', [`source ${script}`, ...asks].join('; ')];
  const printed = await runProgram('fish', words, {
    env: { PATH: process.env['PATH'] ?? '', GRID_HOME: place.home, HOME: place.path },
    cwd: place.path,
    timeoutMs: 120_000,
  });
  const candidates = printed.trim().split('\n');
  assert.deepEqual(
    candidates.map((line) => line.split('\t')[0]),
    typed.map(([, all]) => all.at(-1)),
  );
});

test('words are completed by what may stand there', async () => {
  await using place = await openHome();
  const candidatesOf = async (...words: string[]): Promise<readonly string[]> => {
    const { printed } = await runCommand(place.home, ['completion', 'words', '--', ...words]);
    return printed.split('\n').flatMap((line) => line.split('\t')[0] || []);
  };
  assert.deepEqual(await candidatesOf('s3', 'que'), ['words']);
  assert.deepEqual(await candidatesOf('bot', 'status', 'f'), ['words', 'farmer']);
  assert.deepEqual(await candidatesOf('s3', 'quo'), ['words', 'quota']);
  assert.deepEqual(await candidatesOf('down', 'zdb-1', 'zdb'), ['words', 'zdb', 'zdb-1']);
  assert.deepEqual(await candidatesOf('up', '--shards', 'n'), ['words', 'none']);
  assert.deepEqual(await candidatesOf('up', '--shar'), ['words', '--shards']);
  assert.deepEqual(await candidatesOf('up', '--shards', 'none', '--no-no'), ['words', '--no-node']);
  assert.deepEqual(await candidatesOf('exec', 'shop/web/0', '--', '--h'), ['words']);
  const ofShop = ['shop', 'shop/web', 'shop/web/0', 'shop/web/1'];
  assert.deepEqual(await candidatesOf('exec', 'shop'), ['words', ...ofShop]);
  assert.deepEqual(await candidatesOf('logs', '-f', 'shop/web/'), ['words', ...ofShop.slice(2)]);
  assert.deepEqual(await candidatesOf('restart', damaged), ['words', damaged]);
  assert.deepEqual(await candidatesOf('ls', 'sh'), ['words', 'shop']);
  assert.deepEqual(await candidatesOf('describe', 'sh'), ['words', 'shop']);
  assert.deepEqual(await candidatesOf('cp', ''), ['files']);
  assert.deepEqual(await candidatesOf('contract', 'build', ''), ['files']);
  assert.deepEqual(await candidatesOf('backup', '--full', '/mnt/'), ['files']);
  assert.deepEqual(await candidatesOf('restore', ''), ['files']);
  assert.deepEqual(await candidatesOf('no-such-verb', ''), ['words']);
  const all = await candidatesOf('');
  assert.ok(all.includes('status') && all.includes('help'));
});
