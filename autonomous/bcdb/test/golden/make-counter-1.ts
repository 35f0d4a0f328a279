// Writes counter-1.jsonl: run once, when rules are released. Released rules and their log never change.
import { writeFileSync } from 'node:fs';
import { recordLine } from '../../src/offline/export-line.ts';
import { counterWorld, tellGolden } from '../support/counter-rules.ts';

using world = counterWorld();
tellGolden(world);
const lines = world.told.map(({ entry, code, digest }, index) => {
  const record = JSON.parse(recordLine(index, entry)) as Record<string, unknown>;
  return JSON.stringify({ ...record, ...(code === undefined ? {} : { code }), digest });
});
const head = JSON.stringify({ genesis: world.genesis });
writeFileSync(new URL('counter-1.jsonl', import.meta.url), `${[head, ...lines].join('\n')}\n`);
