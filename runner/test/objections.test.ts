import assert from 'node:assert/strict';
import { test } from 'node:test';

import { waitFor } from '@commongrid/base';
import { hasCode } from '@commongrid/base/testing';

import { HurriedClock } from './fixtures/hurried-clock.ts';
import { openPaidPlace, price, within } from './fixtures/paid-place.ts';

const hourMs = 3_600_000;
/** What the buyer begins with, and puts aside, smallest units. */
const [pocket, funded] = [1_000_000n, 500_000n];

interface Printed {
  readonly objection: string;
  readonly done: readonly { readonly is: string }[];
  readonly balances: readonly { readonly amount: string }[];
  readonly lines: readonly { readonly kind: string; readonly amount: string }[];
}

test('seconds that both sides call unpaid go back, the rest is paid, and the farmer gives back what he has not earned', async () => {
  const clock = new HurriedClock();
  await using place = await openPaidPlace(funded, 0, { clock, disputeMs: hourMs });
  const { lock, asBuyer, asFarmer } = place;
  type As = typeof asBuyer;
  const does = async (as: As, ...words: string[]): Promise<Printed> =>
    JSON.parse(await as('wallet', ...words, '--json')) as Printed;
  const receipts = async () => (await place.escrow())?.receipts ?? [];
  await waitFor(async () => (await receipts()).length >= 8, { ...within, what: 'receipts' });
  const [, second, , , fifth, sixth] = await receipts();
  assert.ok(second !== undefined && fifth !== undefined && sixth !== undefined);
  const times = (fromMs: number, toMs: number) => [
    ...['--since', new Date(fromMs).toISOString()],
    ...['--until', new Date(toMs).toISOString()],
  ];
  const object = (fromMs: number, toMs: number) =>
    does(asBuyer, 'object', lock, ...times(fromMs, toMs), '--reason', 'it was slow');

  // Four receipts are not to be paid: the farmer agrees. One more: the buyer changes his mind.
  const { objection } = await object(second[0], fifth[1]);
  assert.match(objection, /^[0-9a-f]{32}$/);
  await does(asFarmer, 'decide', lock, objection, 'refund');
  const other = (await object(sixth[0], sixth[1])).objection;
  await does(asFarmer, 'decide', lock, other, 'pay');
  await does(asBuyer, 'decide', lock, other, 'pay');
  await assert.rejects(asBuyer('wallet', 'decide', lock, other, 'never'), /pay or refund/);
  await assert.rejects(
    asFarmer('wallet', 'decide', lock, 'f'.repeat(32), 'pay'),
    hasCode('WALLET_OBJECTION_UNKNOWN'),
  );
  await assert.rejects(asBuyer('wallet', 'decide', lock, objection, 'pay'), /OBJECTION_SETTLED/);
  const decided = (await place.escrow())?.objections.map(({ words }) => words);
  assert.deepEqual(decided, [
    { buyer: 'refund', farmer: 'refund' },
    { buyer: 'pay', farmer: 'pay' },
  ]);

  // The farmer ends it: what no receipt claims goes back at once.
  await place.end();
  const isOver = async () => (await place.escrow())?.place?.untilMs !== undefined;
  await waitFor(isOver, { ...within, what: 'the end of the place' });
  await waitFor(() => place.phase() === 'stopped', { ...within, what: 'the last receipt' });
  assert.match(
    await asBuyer('contract', 'show', 'web'),
    /5000\.00 EUR held, of which what was not/,
  );
  await does(asFarmer, 'give-back', lock);
  const given = await place.escrow();
  assert.ok(given !== undefined && BigInt(given.refunded) > 0n);
  const claimed = given.receipts.reduce((sum, [, , seconds]) => sum + seconds, 0);
  assert.equal(funded - BigInt(given.refunded), price * BigInt(claimed));

  // Pay is for seconds in which the log has the node as present: it has to beat once more, and to be told of.
  const { untilMs = Infinity } = given.place ?? {};
  await waitFor(() => place.heardAtMs() > untilMs, { ...within, what: 'the node to beat' });
  clock.hurry(4 * hourMs);
  const isTold = async () => {
    const { fold } = await place.farmer.rail.sync();
    return (fold.current('grid.presence.1', place.node)?.toMs ?? 0) >= untilMs;
  };
  await waitFor(isTold, { ...within, what: 'the presence of the node' });
  const settled: string[] = [];
  await waitFor(
    async () => {
      const all = [await does(asFarmer, 'settle'), await does(asBuyer, 'settle')];
      settled.push(...all.flatMap(({ done }) => done.map(({ is }) => is)));
      return (await place.escrow())?.isClosed === true;
    },
    { ...within, what: 'all of it to be paid or given back' },
  );
  assert.deepEqual([...new Set(settled)], ['release', 'refund']);
  const { paidSeconds = 0, released = '0', refunded } = (await place.escrow()) ?? {};
  const disputed = given.receipts.slice(1, 5).reduce((sum, [, , seconds]) => sum + seconds, 0);
  assert.ok(disputed > 0 && paidSeconds > 0 && paidSeconds <= claimed - disputed);
  assert.equal(BigInt(released), price * BigInt(paidSeconds));
  assert.equal(BigInt(released) + BigInt(refunded ?? 0), funded);
  const [buyers] = (await does(asBuyer, 'balance')).balances;
  const [farmers] = (await does(asFarmer, 'balance')).balances;
  assert.equal(BigInt(buyers?.amount ?? 0), pocket - BigInt(released));
  assert.equal(BigInt(farmers?.amount ?? 0), BigInt(released) - pocket);
  const { lines } = await does(asBuyer, 'statement');
  assert.deepEqual(
    lines.map(({ kind }) => kind),
    ['transfer', 'escrow', 'refund', 'refund'],
  );
  const csv = await asBuyer('wallet', 'statement', '--csv');
  assert.equal(csv.trimEnd().split('\r\n').length, 1 + lines.length);
});
