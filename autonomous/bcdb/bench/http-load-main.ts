// Appends signed records over HTTP, one a request, each client with a key of its own, and prints how
// quick it was. Argument: JSON of an HttpLoad.
import { Agent, request } from 'node:http';
import { canonicalBytes, SigningKey } from '@commongrid/crypto';
import { encodeEntry } from '../src/doors/record-text.ts';
import { signRecord } from '../src/record/author.ts';
import type { HttpLoad } from './bench-server.ts';
import { sampleNamespace, sampleUrl, sampleValue } from './sample-records.ts';

const load = JSON.parse(process.argv[2] ?? '') as HttpLoad;
const agent = new Agent({ keepAlive: true, maxSockets: load.writers.length });
const work = load.writers.map((seed, client) => signed(seed, client));
const startedMs = performance.now();
await Promise.all(work.map(send));
const seconds = (performance.now() - startedMs) / 1000;
agent.destroy();
const requests = load.writers.length * load.requestsEach;
process.stdout.write(`${JSON.stringify({ perSecond: requests / seconds })}\n`);

function signed(seed: string, client: number): readonly string[] {
  const key = SigningKey.fromSeed(Buffer.from(seed, 'hex'));
  const { log, schema } = load;
  return Array.from({ length: load.requestsEach }, (_, index) => {
    const n = load.firstN + index;
    const payload = canonicalBytes(sampleValue(client * 1_000_000 + n));
    const obj = `c${seed.slice(0, 8)}-${n}`;
    const entry = signRecord(
      key,
      { ns: sampleNamespace, op: 'put', url: sampleUrl, obj, schema, payload },
      { log, n, t: Date.now() },
    );
    return JSON.stringify({ records: [encodeEntry(entry)] });
  });
}

async function send(bodies: readonly string[]): Promise<void> {
  for (const body of bodies) await post(body);
}

function post(body: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': body.length };
    const target = { agent, host: '127.0.0.1', port: load.httpPort, path: '/v1/records' };
    const sent = request({ ...target, method: 'POST', headers }, (answer) => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (piece: string) => (text += piece));
      answer.on('end', () => {
        if (answer.statusCode === 200 && text.includes('"receipt"')) resolve();
        else reject(new Error(`${answer.statusCode}: ${text.slice(0, 300)}`));
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}
