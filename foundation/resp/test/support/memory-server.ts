import { openToyStore, toyHandler } from './toy-store.ts';

// A server of its own, so that its memory can be measured: prints its port, then at each line on
// stdin the most memory that it ever used and its counts.
const values = new Map([['big', Buffer.alloc(8 * 1024 * 1024, 'b')]]);
const server = await openToyStore({ onConnection: () => toyHandler(values) });
process.stdout.write(`${server.addresses[0]?.port ?? 0}\n`);
process.stdin.on('data', () => {
  const maxRssBytes = process.resourceUsage().maxRSS * 1024;
  process.stdout.write(`${JSON.stringify({ maxRssBytes, ...server.stats })}\n`);
});
process.stdin.on('end', () => process.exit(0));
