import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { runProgram } from '@commongrid/base';

import { NodeNetwork } from '../../src/network/node-network.ts';
import { request } from './network-lab.ts';

// 1. Opens what a killed one left, and brings all to an end as if nothing had been. 2. Tells what is
// then in the kernel. 3. Begins again, and is killed somewhere: the programs in the path see to it.

const [folder = '', prefix = '', plan = ''] = process.argv.slice(2);
const requests = [
  request(0, 'ada', [{ port: 80, protocol: 'tcp', publish: 4001 }]),
  request(1, 'bob', [{ port: 80, protocol: 'udp', publish: 4002 }]),
] as const;

const network = await NodeNetwork.open({ folder, prefix });
for (const wanted of requests) await network.attach(wanted);
const attached = (await network.list()).filter(({ isAttached }) => isAttached).length;
for (const { id } of requests) await network.forget(id);
const left = await runProgram('sh', [
  '-ec',
  'ip -br link | cut -d" " -f1; ls /run/netns | grep "^$0" || :; nft list ruleset; ip route',
  prefix,
]);
process.stdout.write(JSON.stringify({ attached, left }));
await writeFile(join(folder, 'pid'), String(process.pid));
await writeFile(join(folder, 'plan'), plan);
const again = await NodeNetwork.open({ folder, prefix });
await again.attach(requests[0]);
await again.detach(requests[0].id);
await again.attach(requests[1]);
