// Replaces a file for ever, each time by 64 KiB of one letter.
import { writeFileAtomic } from '../../src/index.ts';

const [path = ''] = process.argv.slice(2);
for (let round = 0; ; round++) {
  await writeFileAtomic(path, String.fromCharCode(97 + (round % 26)).repeat(65_536));
  if (round === 3) console.log('going');
}
