import { ProjectionWriter } from '../../src/projection/projection-writer.ts';
import { wordyLog } from '../support/wordy-log.ts';

/**
 * Applies a log to the folder that it is given, with steps of merging between, and prints each size
 * that can be read. Lets its file be read from a size on, the second argument. Ends by itself when all
 * is done.
 */
using writer = ProjectionWriter.open({ folder: process.argv[2] ?? '' });
const settlesAt = Number(process.argv[3]);
const log = wordyLog();
for (let at = writer.size; at < log.size; at = writer.size) {
  writer.apply(log.batch(at, at + 1));
  if (at % 4 === 0) writer.mergeText();
  if (at >= settlesAt) writer.settle();
  console.log(writer.readableSize ?? 0);
}
while (writer.mergeText()) console.log(writer.size);
console.log('done');
