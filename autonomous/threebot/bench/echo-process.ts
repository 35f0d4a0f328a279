import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { SealingKey, SigningKey } from '@commongrid/crypto';
import { WebSocketServer } from 'ws';
import { Bot } from '../src/index.ts';
import { makeCredentials, tlsVersion } from '../src/keys/certificate.ts';
import { KeptHeads } from '../test/support/kept-heads.ts';
import { benchLimits, echoes } from './echoes.ts';

/** What the benchmark tells the process. */
export interface EchoPlan {
  readonly folder: string;
  readonly id: string;
  /** Seed of the device key, base64url. */
  readonly seed: string;
  readonly url: string;
  readonly trust: { readonly log: string; readonly sequencerKey: string };
}

// A bot, and beside it the barest server that answers over WebSocket and mutual TLS 1.3.
const [text = '{}'] = process.argv.slice(2);
const { folder, id, seed: seedText, url, trust } = JSON.parse(text) as EchoPlan;
const seed = Buffer.from(seedText, 'base64url');
const key = SigningKey.fromSeed(seed);
const bot = await Bot.open({
  ...{ folder, id, key, url, trust, actors: [echoes], limits: benchLimits },
  sealingKeys: [SealingKey.derive(seed)],
  heads: new KeptHeads(join(folder, 'heads')),
  ownerToken: seedText,
  listen: { host: '127.0.0.1', port: 0 },
});
await bot.publish();
const server = createServer({
  ...(await makeCredentials(key)),
  ...tlsVersion,
  requestCert: true,
  rejectUnauthorized: false,
});
new WebSocketServer({ server, perMessageDeflate: false }).on('connection', (socket) => {
  socket.on('message', (data) => socket.send((data as Buffer).toString()));
});
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  process.stdout.write(`${JSON.stringify({ port })}\n`);
});
process.stdin.resume();
process.stdin.once('end', () => process.kill(process.pid, 'SIGKILL'));
