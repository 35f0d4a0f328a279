import { arch, cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { defaultServerLimits, MemoryPool, ReplyWriter, RequestParser } from '../src/index.ts';

// CPU time of parsing requests and writing replies, without any socket. `--json` for machines.

const pipeline = 16;
const rounds = 21;
const perRound = 20_000;

interface Result {
  readonly name: string;
  readonly medianNs: number;
  readonly p99Ns: number;
}

function main(): void {
  const { values } = parseArgs({ options: { json: { type: 'boolean', default: false } } });
  const value = Buffer.alloc(512, 'v');
  const key = Buffer.from('key:000000000123');
  const cases = [
    { name: 'parse SET, 512 B, 16 at once', run: parsing([Buffer.from('SET'), key, value]) },
    { name: 'parse GET, 16 at once', run: parsing([Buffer.from('GET'), key]) },
    { name: 'write a bulk string of 512 B', run: writing((writer) => writer.bulk(value)) },
    { name: 'write +OK', run: writing((writer) => writer.ok()) },
  ];
  // Interleaved, so that a busy moment of the machine hits all alike.
  const samples = cases.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    for (const [i, { run }] of cases.entries()) samples[i]?.push(run() * 1e6);
  }
  const results = cases.map(({ name }, i) => summarize(name, samples[i] ?? []));
  const machine = `${cpus()[0]?.model ?? arch()}, Node ${process.versions.node}`;
  if (values.json) {
    console.log(JSON.stringify({ machine, results }));
    return;
  }
  console.log(machine);
  for (const { name, medianNs, p99Ns } of results) {
    console.log(
      `${name.padEnd(32)} ${medianNs.toFixed(0).padStart(6)} ns, p99 ${p99Ns.toFixed(0)}`,
    );
  }
}

/** Gives a function that answers the ms for one request. */
function parsing(args: readonly Buffer[]): () => number {
  const one: Buffer[] = [Buffer.from(`*${args.length}\r\n`)];
  for (const arg of args) one.push(Buffer.from(`$${arg.length}\r\n`), arg, Buffer.from('\r\n'));
  const stream = Buffer.concat(Array.from({ length: pipeline }, () => Buffer.concat(one)));
  const parser = new RequestParser(defaultServerLimits);
  return () => {
    const startMs = performance.now();
    let count = 0;
    while (count < perRound) {
      const space = parser.space();
      // As if the kernel had read it there: the copy of the bytes themselves is not counted on.
      if (count < pipeline) stream.copy(space);
      parser.accept(space, stream.length);
      while (parser.next()) count++;
    }
    return (performance.now() - startMs) / count;
  };
}

/** Gives a function that answers the ms for one reply. */
function writing(write: (writer: ReplyWriter) => void): () => number {
  const pool = new MemoryPool();
  const writer = new ReplyWriter(pool);
  return () => {
    const startMs = performance.now();
    for (let count = 0; count < perRound; count += pipeline) {
      for (let i = 0; i < pipeline; i++) write(writer);
      for (const { memory } of writer.take()) pool.release(memory);
    }
    return (performance.now() - startMs) / perRound;
  };
}

function summarize(name: string, samples: readonly number[]): Result {
  const sorted = samples.toSorted((a, b) => a - b);
  const at = (part: number): number => sorted[Math.floor(part * (sorted.length - 1))] ?? Number.NaN;
  return { name, medianNs: at(0.5), p99Ns: at(0.99) };
}

main();
