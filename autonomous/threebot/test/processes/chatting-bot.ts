import { join } from 'node:path';
import { isGridError, retry } from '@commongrid/base';
import { SealingKey, SigningKey } from '@commongrid/crypto';
import { Bot } from '../../src/index.ts';
import { chat } from '../support/chat.ts';
import { KeptHeads } from '../support/kept-heads.ts';

/** What the test tells the process. */
export interface ChatPlan {
  readonly folder: string;
  readonly id: string;
  /** Seed of the device key, base64url. */
  readonly seed: string;
  readonly url: string;
  readonly trust: { readonly log: string; readonly sequencerKey: string };
  readonly host: string;
  readonly port: number;
  readonly to: string;
  readonly batches: number;
  readonly size: number;
}

const [text = '{}'] = process.argv.slice(2);
const plan = JSON.parse(text) as ChatPlan;
const seed = Buffer.from(plan.seed, 'base64url');
const bot = await Bot.open({
  ...{ folder: plan.folder, id: plan.id, url: plan.url, trust: plan.trust, actors: [chat] },
  key: SigningKey.fromSeed(seed),
  sealingKeys: [SealingKey.derive(seed)],
  heads: new KeptHeads(join(plan.folder, 'heads')),
  ownerToken: plan.seed,
  listen: { host: plan.host, port: plan.port },
});
process.stdin.resume();
process.stdin.once('end', () => process.kill(process.pid, 'SIGKILL'));
const again = {
  attempts: 1_000,
  maxMs: 1_000,
  shouldRetry: (error: unknown) => isGridError(error),
} as const;
await retry(() => bot.publish(), again);
process.stdout.write('ready\n');
const self = bot.client(chat, bot.id);
for (let batch = 0; batch < plan.batches; batch++) {
  await retry(() => self.batch({ batch, size: plan.size, to: plan.to }), again);
}
