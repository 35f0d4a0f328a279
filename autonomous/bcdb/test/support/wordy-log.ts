import { Type } from 'typebox';
import { indexed, searchable, Text } from '../../src/schema/fields.ts';
import { EffectLog } from '../projection-fixture.ts';

export const wordyUrl = 'net.example.note.1';

/** A log of texts with many different words; the same one in each process. */
export function wordyLog(): EffectLog {
  const log = new EffectLog();
  log.schema(wordyUrl, Type.Object({ name: indexed(Text()), note: searchable(Text()) }));
  for (let i = 0; i < 600; i++) {
    const words = Array.from({ length: 60 }, (_, k) => `w${(i * 7919 + k * 104_729) % 9973}`);
    log.put(wordyUrl, `o${i % 500}`, { name: `name ${i}`, note: words.join(' ') });
    if (i % 50 === 49) log.erase(wordyUrl, `o${i - 7}`);
  }
  return log;
}
