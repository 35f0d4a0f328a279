import { GridProcess } from '../support/grid-process.ts';

// A database with the phonebook and some bots in it; it says where it is, and ends with its parent.
const [text = '{}'] = process.argv.slice(2);
const grid = await GridProcess.open(JSON.parse(text) as Parameters<typeof GridProcess.open>[0]);
process.stdout.write(`${JSON.stringify({ url: grid.url, trust: grid.trust })}\n`);
process.stdin.resume();
process.stdin.once('end', () => process.kill(process.pid, 'SIGKILL'));
