import assert from 'node:assert/strict';
import { test } from 'node:test';

import { hasCode } from '@commongrid/base/testing';
import { contract } from './contract.ts';
import { readDefinition } from './read-definition.ts';

const flist = 'a'.repeat(64);

test('types find what does not fit while a contract is written', () => {
  const sound = contract({
    name: 'shop',
    secrets: { admin: { generate: 32 }, key: { file: 'key' } },
    networks: { inner: '10.10.0.0/16' },
    roles: [
      { name: 'disk', volume: { size: '64MiB' } },
      { name: 'store', zdb: { size: '1GiB', password: 'admin' } },
      {
        name: 'web',
        ...{ cpu: 0.5, memory: '64MiB', networks: ['inner'] },
        after: ['disk'],
        container: {
          flist,
          secretEnv: [{ name: 'KEY', secret: 'key' }],
          volumes: [{ role: 'disk', path: '/data', isReadOnly: false }],
          ports: [{ name: 'http', port: 80, protocol: 'tcp' }],
        },
        health: { probe: 'http', port: 'http', path: '/' },
      },
    ],
  });
  assert.equal(readDefinition(sound).roles.length, 3);
  const volume = { size: '64MiB' } as const;
  const container = { flist } as const;
  const wrong = [
    // @ts-expect-error a role that is not there
    contract({ name: 'x', roles: [{ name: 'disk', volume, after: ['other'] }] }),
    // @ts-expect-error a secret that is not there
    contract({ name: 'x', roles: [{ name: 'a', zdb: { size: '1GiB', password: 'no' } }] }),
    contract({
      name: 'x',
      secrets: { admin: 'x' },
      // @ts-expect-error another secret than the one that is there
      roles: [{ name: 'a', zdb: { size: '1GiB', password: 'admins' } }],
    }),
    // @ts-expect-error a network that is not there
    contract({ name: 'x', roles: [{ name: 'disk', volume, networks: ['inner'] }] }),
    // @ts-expect-error no size
    contract({ name: 'x', roles: [{ name: 'disk', volume: { size: '64 megs' } }] }),
    // @ts-expect-error neither a container nor a volume nor a namespace
    contract({ name: 'x', roles: [{ name: 'disk' }] }),
    // @ts-expect-error two of them
    contract({ name: 'x', roles: [{ name: 'disk', volume, container }] }),
    // @ts-expect-error no such field
    contract({ name: 'x', roles: [{ name: 'disk', volume, replica: 3 }] }),
    // @ts-expect-error a container without an image
    contract({ name: 'x', roles: [{ name: 'web', container: { args: ['x'] } }] }),
    // @ts-expect-error a probe without what it needs
    contract({ name: 'x', roles: [{ name: 'web', container, health: { probe: 'http' } }] }),
    // @ts-expect-error no kind of data
    contract({ name: 'x', roles: [{ name: 'disk', volume, data: 'shared' }] }),
    // @ts-expect-error no such action
    contract({ name: 'x', roles: [{ name: 'disk', volume }], policy: { delete: [] } }),
    // @ts-expect-error money is no fraction
    contract({ name: 'x', roles: [], budget: { currency: 'EUR', perMonth: '1.5', total: 0 } }),
  ];
  for (const one of wrong) {
    assert.throws(() => readDefinition(one), hasCode('CONTRACT_DEFINITION_INVALID'));
  }
});
