/*
 * The load client's process: `node load-main.ts SPEC`, result as JSON on stdout. It signs as S3 asks,
 * with UNSIGNED-PAYLOAD; its own CPU time is counted nowhere.
 */
import { Agent, request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { once } from 'node:events';

import { seededRandom } from '@commongrid/base';
import { percentile } from '@commongrid/system/bench';

import { canonicalHash } from '../src/protocol/canonical-request.ts';
import { Query } from '../src/protocol/query.ts';
import { sign, signingKey } from '../src/protocol/signing-key.ts';
import type { LoadResult, LoadSpec } from './load-spec.ts';

/** An answer 503 says that it may be tried again. */
const triesMax = 5;

class Load {
  readonly #spec: LoadSpec;
  readonly #agent: Agent;
  readonly #body: Buffer;
  readonly #latenciesMs: number[] = [];
  #next = 0;
  #retries = 0;

  constructor(spec: LoadSpec) {
    this.#spec = spec;
    this.#agent = new Agent({ keepAlive: true, maxSockets: spec.connections });
    this.#body = Buffer.from(seededRandom(spec.prefix).bytes(spec.sizeBytes));
  }

  async run(): Promise<LoadResult> {
    const startMs = performance.now();
    const workers = Array.from({ length: this.#spec.connections }, () => this.#work());
    await Promise.all(workers);
    const seconds = (performance.now() - startMs) / 1000;
    this.#agent.destroy();
    return {
      seconds,
      p50Ms: percentile(this.#latenciesMs, 0.5),
      p99Ms: percentile(this.#latenciesMs, 0.99),
      retries: this.#retries,
    };
  }

  async #work(): Promise<void> {
    const { requests, objects, bucket, prefix } = this.#spec;
    while (this.#next < requests) {
      const path = `/${bucket}/${prefix}/${this.#next++ % objects}`;
      const startMs = performance.now();
      for (let tries = 1; (await this.#ask(path)) !== 200; tries++) {
        if (tries === triesMax) throw new Error(`${this.#spec.method} ${path} failed`);
        this.#retries++;
      }
      this.#latenciesMs.push(performance.now() - startMs);
    }
  }

  async #ask(path: string): Promise<number> {
    const { port, method, sizeBytes } = this.#spec;
    const headers = signedHeaders(this.#spec, method, path);
    if (method === 'PUT') headers['content-length'] = String(sizeBytes);
    const agent = this.#agent;
    const asked = request({ host: '127.0.0.1', port, method, path, headers, agent });
    asked.end(method === 'PUT' ? this.#body : undefined);
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    let receivedBytes = 0;
    answer.on('data', (bytes: Buffer) => (receivedBytes += bytes.length));
    await once(answer, 'end');
    const { statusCode = 0 } = answer;
    if (method === 'GET' && statusCode === 200 && receivedBytes !== sizeBytes) {
      throw new Error(`GET ${path} gave ${receivedBytes} of ${sizeBytes} bytes`);
    }
    if (statusCode !== 200 && statusCode !== 503) {
      throw new Error(`${method} ${path} was answered ${statusCode}`);
    }
    return statusCode;
  }
}

function signedHeaders(spec: LoadSpec, method: string, path: string): Record<string, string> {
  const { accessKey, secretKey, region, port } = spec;
  const timestamp = new Date().toISOString().replace(/[-:]|\.\d{3}/g, '');
  const day = timestamp.slice(0, 8);
  const payloadHash = 'UNSIGNED-PAYLOAD';
  const headers: Record<string, string> = {
    host: `127.0.0.1:${port}`,
    'x-amz-content-sha256': payloadHash,
    'x-amz-date': timestamp,
  };
  const signedNames = Object.keys(headers);
  const canonical = canonicalHash({
    ...{ method, path, query: Query.parse(''), payloadHash },
    rawHeaders: Object.entries(headers).flat(),
    signedHeaders: signedNames,
  });
  const scope = `${day}/${region}/s3/aws4_request`;
  const key = signingKey(secretKey, { day, region });
  const signature = sign(key, `AWS4-HMAC-SHA256\n${timestamp}\n${scope}\n${canonical}`);
  headers['authorization'] =
    `AWS4-HMAC-SHA256 Credential=${accessKey}/${scope}, ` +
    `SignedHeaders=${signedNames.join(';')}, Signature=${signature}`;
  return headers;
}

const spec = JSON.parse(process.argv[2] ?? '') as LoadSpec;
console.log(JSON.stringify(await new Load(spec).run()));
