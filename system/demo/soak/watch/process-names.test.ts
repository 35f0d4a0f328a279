import assert from 'node:assert/strict';
import { test } from 'node:test';

import { nameOf } from './process-names.ts';

const town = {
  home: '/town/home',
  machines: [
    { name: 'be-1', folder: '/town/nodes/00' },
    { name: 'be-2', folder: '/town/nodes/01' },
  ],
};
const grid = ['/bin/node', '--optimize-for-size', '/grid/runner/src/main.ts'];

test('processes of a town are called by what they are and where', () => {
  const lines: readonly (readonly [string | undefined, readonly string[]])[] = [
    ['database', [...grid, 'bcdb', 'serve', '--data=/town/home/bcdb', '--http=127.0.0.1:1']],
    ['hub', [...grid, 'hub', 'serve', '--data=/town/home/hub']],
    ['Zero-DB', [...grid, 'zdb', 'serve', '--data=/town/home/zdb']],
    ['Zero-DB of be-2', [...grid, 'zdb', 'serve', '--data', '/town/nodes/01/machine/zdb/ssd/data']],
    ['agent of be-1', [...grid, 'node', 'agent', '--keeper=7', '--data', '/town/nodes/00']],
    ['keeper of be-1', [...grid, 'node', 'start', '--data', '/town/nodes/00']],
    ['bot buyer', [...grid, 'bot', 'start', 'buyer', '--data=/town/home/bots/buyer']],
    [
      'front door',
      ['/bin/node', '/grid/runner/src/front-door/front-door-process.ts', '/town/home'],
    ],
    [
      'image service of be-1',
      ['/bin/node', '/x/image-service-process.ts', '/town/nodes/00/images'],
    ],
  ];
  for (const [name, words] of lines) assert.equal(nameOf(words, town), name, words.join(' '));
});

test('what is of another town, or does not live long, has no name', () => {
  for (const words of [
    [...grid, 'bcdb', 'serve', '--data=/other/home/bcdb'],
    [...grid, 'node', 'agent', '--data', '/town/nodes/000'],
    [...grid, 'bot', 'init', 'expert', '--data=/town/home/bots/expert'],
    ['/usr/bin/conmon', '--bundle', '/town/nodes/00/machine/bundles/0123456789ab'],
    ['rclone', 'copy', '/town/home/data'],
    [],
  ]) {
    assert.equal(nameOf(words, town), undefined, words.join(' '));
  }
});
