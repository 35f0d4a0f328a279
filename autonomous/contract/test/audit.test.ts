import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { GridError } from '@commongrid/base';
import { hasCode } from '@commongrid/base/testing';
import type { Trust } from '@commongrid/bcdb/browser';
import type { Citizen, TimedTown } from '@commongrid/bcdb/testing';
import { canonicalHash, canonicalText } from '@commongrid/crypto';
import type { ContractId, LockId } from '@commongrid/model';

import { auditContract, verifyAudit } from '../src/audit/audit-contract.ts';
import type { AuditFinding } from '../src/audit/audit-contract.ts';
import { tellStory } from './support/audited-story.ts';

/** More than one reply of the database holds. */
const gifts = 600;

/** A contract of ada that ran on bob's node, was paid, and ended. One for all tests. */
let timed: TimedTown;
let trust: Trust;
let ada: Citizen;
let bob: Citizen;
let eve: Citizen;
let contract: ContractId;
let lock: LockId;
let text: string;

before(async () => {
  ({ timed, trust, ada, bob, eve, contract, lock } = await tellStory({ gifts }));
  ({ text } = await audit(ada));
});

after(() => timed[Symbol.asyncDispose]());

function audit({ id }: Citizen, limits: { readonly bytesMax?: number } = {}) {
  const signal = AbortSignal.timeout(60_000);
  return auditContract({ source: timed.source, trust, reader: id, contract, signal, ...limits });
}

function verify(file: string, known?: Trust): AuditFinding {
  return verifyAudit(new TextEncoder().encode(file), known);
}

interface ForgedItem {
  at: number;
  readonly record: { readonly seq: number; body?: string };
}

/** What somebody would change in a file. */
interface Forged {
  log: string;
  reader: string;
  extra?: boolean;
  readonly succession: { genesis: string };
  readonly pages: { readonly feeds: { readonly items: ForgedItem[] }[] }[];
  readonly report: {
    readonly money: { readonly totals: { released: string }[] };
    readonly signatures: object[];
  };
}

/** What records of a file say, with their salts. */
function bodiesIn(file: string): readonly string[] {
  const { pages } = JSON.parse(file) as Forged;
  const items = pages.flatMap(({ feeds }) => feeds.flatMap((feed) => feed.items));
  return items.map(({ record }) => Buffer.from(record.body ?? '', 'base64url').toString('latin1'));
}

function at<T>(list: readonly T[], index: number): T {
  const found = list[index];
  assert.ok(found !== undefined);
  return found;
}

/** The file with a change, and a digest that fits: by somebody who knows the format. */
function forged(change: (file: Forged) => unknown): string {
  const { digest: _digest, ...file } = JSON.parse(text) as Forged & { readonly digest: string };
  change(file);
  const digest = canonicalHash(file).toBase64({ alphabet: 'base64url', omitPadding: true });
  return `${canonicalText({ ...file, digest })}\n`;
}

test('an audit says who signed, by which key, and where every unit went', () => {
  const { report, toldCount, head } = verify(text, trust);
  assert.ok((JSON.parse(text) as Forged).pages.length > 1);
  assert.ok(toldCount > report.records.length && head.size > toldCount);
  const { money, signatures, keys, records, agreed } = report;
  const sum = { currency: 'EUR', funded: '400', released: '1', refunded: '399', held: '0' };
  assert.deepEqual(money.totals, [sum]);
  assert.equal(money.escrows[0]?.lock, lock);
  assert.deepEqual(
    money.entries.map(({ url, postings }) => [url, postings[1]?.account, postings[1]?.amount]),
    [
      ['grid.escrow.1', lock, '400'],
      ['grid.release.1', bob.id, '1'],
      ['grid.refund.1', ada.id, '399'],
    ],
  );
  assert.deepEqual(
    signatures.map(({ name, action, verdict }) => [name, action, verdict]),
    [
      ['ada', 'provision', 'approve'],
      ['eve', 'provision', 'approve'],
      ['eve', 'halt', 'approve'],
      ['eve', 'halt', 'reject'],
    ],
  );
  assert.deepEqual(
    agreed.map(({ action, seq }) => [action, seq]),
    [['provision', signatures[1]?.seq]],
  );
  for (const { holder, from } of keys) {
    if (holder?.startsWith('bot:') === true) assert.ok(from !== null && from.seq > 0);
  }
  assert.deepEqual(keys.map(({ role }) => String(role)).toSorted(), [
    ...['device', 'device', 'device', 'node', 'root', 'root', 'root', 'sequencer'],
  ]);
  const types = new Set(records.map(({ url }) => url.split('.')[1]));
  for (const type of [
    ...['contract', 'approval', 'lease', 'lock', 'escrow', 'slice', 'placement', 'receipt'],
    ...['presence', 'release', 'refund', 'bot'],
  ]) {
    assert.ok(types.has(type), `records of type ${type}`);
  }
});

test('buyer, signer and farmer see the same money and signatures, a stranger nothing', async () => {
  const { report } = verify(text, trust);
  for (const who of [bob, eve]) {
    const { finding } = await audit(who);
    assert.deepEqual(finding.report.money, report.money);
    assert.deepEqual(finding.report.signatures, report.signatures);
  }
  const stranger = await timed.town.citizen('mallory');
  await timed.tick();
  await assert.rejects(audit(stranger), hasCode('AUDIT_CONTRACT_ABSENT'));
  await assert.rejects(audit(ada, { bytesMax: 100_000 }), hasCode('AUDIT_FILE_LARGE'));
});

test('an audit has every record of its contract that is in the log, and of no other', async () => {
  const { bcdb } = timed;
  const { report } = verify(text, trust);
  const here = new Set(report.records.map(({ seq }) => seq));
  for await (const group of bcdb.read(0, report.records.at(-1)?.seq ?? 0)) {
    for (const { seq, body } of group) {
      const says = body === undefined ? '' : Buffer.from(body).toString('latin1');
      if (says.includes(contract) || says.includes(lock)) assert.ok(here.has(seq), `record ${seq}`);
    }
  }
  const others = report.records.filter(({ url, obj }) => {
    return url === 'grid.contract.1' && obj !== contract;
  });
  assert.deepEqual(others, []);
});

test('a file has no payload of workloads of other contracts, and none else may be left out', () => {
  const { report, withheldCount } = verify(text, trust);
  assert.equal(withheldCount, 1);
  const slices = bodiesIn(text).filter((body) => body.includes('"revision":1,"secrets":['));
  assert.ok(slices.length > 0 && slices.every((body) => body.includes(contract)));
  for (const type of ['grid.slice.1', 'grid.receipt.1', 'grid.lock.1', 'grid.approval.1']) {
    const seq = report.records.find(({ url }) => url === type)?.seq;
    const hide = (file: Forged): void => {
      for (const { record } of file.pages.flatMap(({ feeds }) => feeds.flatMap((f) => f.items))) {
        if (record.seq === seq) delete record.body;
      }
    };
    assert.throws(() => verify(forged(hide), trust), hasCode('AUDIT_RECORDS_INVALID'), type);
  }
});

test('a file of which one byte differs is refused, and says where', () => {
  const bytes = new TextEncoder().encode(text);
  const marks = [
    ...['"checkpoint":"', '"leaf":"', '"body":"', '"path":["', '"chain":"', '"at":', '"count":'],
    ...['"digest":"', '"log":"', '"contract":"', '"reader":"', '"genesis":"', '"held":"'],
    ...['"expMs":', '"root":"', '"seq":', '"schema":"', '"released":"'],
  ];
  const places = marks.map((mark) => text.indexOf(mark) + mark.length);
  for (let n = 0; n < 25; n++) places.push(Math.floor((n * bytes.length) / 25));
  places.push(bytes.length - 1);
  for (const place of places) {
    const changed = bytes.slice();
    changed[place] = (changed[place] ?? 0) ^ 1;
    assert.throws(
      () => verifyAudit(changed, trust),
      (error) => error instanceof GridError && error.code.startsWith('AUDIT_'),
      `byte ${place}`,
    );
  }
  assert.throws(() => verifyAudit(bytes.subarray(0, -100)), hasCode('AUDIT_FILE_DAMAGED'));
});

test('what somebody changes who knows the format is found by what it contradicts', () => {
  const refuses = (change: (file: Forged) => unknown, code: string, path?: string): void => {
    assert.throws(
      () => verify(forged(change), trust),
      (error) => {
        assert.ok(error instanceof GridError && error.code === code, String(error));
        if (path !== undefined) assert.equal(error.details['path'], path);
        return true;
      },
    );
  };
  assert.equal(
    verify(
      forged(() => {}),
      trust,
    ).log,
    trust.log,
  );
  const totals = '/report/money/totals/0/released';
  refuses(
    (file) => (at(file.report.money.totals, 0).released = '2'),
    'AUDIT_REPORT_DIFFERS',
    totals,
  );
  refuses((file) => file.report.signatures.pop(), 'AUDIT_REPORT_DIFFERS', '/report/signatures/3');
  const records = 'AUDIT_RECORDS_INVALID';
  const itemsOf = ({ pages }: Forged) => at(at(pages, 0).feeds, 0).items;
  refuses((file) => itemsOf(file).pop(), records, '/pages/0');
  // Times enter the hash over all of a feed, which is known at its end.
  refuses((file) => (at(itemsOf(file), 3).at += 1), records);
  refuses((file) => file.pages.pop(), records);
  refuses((file) => file.pages.push(at(file.pages, 0)), records);
  refuses((file) => (file.reader = eve.id), records, '/pages/0');
  const other = trust.log.replace(/^./, (one) => (one === 'A' ? 'B' : 'A'));
  refuses((file) => (file.log = other), 'AUDIT_TRUST_DIFFERS');
  refuses((file) => (file.extra = true), 'AUDIT_FILE_INVALID', '/extra');
  refuses(({ succession }) => {
    succession.genesis = succession.genesis.replace('"isOpen":false', '"isOpen":true');
  }, 'AUDIT_TRUST_DIFFERS');
});

test('a file of another log is not taken for the one that is meant', () => {
  const other = { ...trust, sequencerKey: `ed25519:${'A'.repeat(43)}` };
  assert.throws(() => verify(text, other), hasCode('AUDIT_TRUST_DIFFERS'));
  assert.equal(verify(text).log, trust.log);
});
