import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { isGridError, seededRandom } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import { canonicalBytes, SigningKey } from '@commongrid/crypto';
import type { Files } from '@commongrid/files';
import { faultyFiles } from '@commongrid/files/testing';
import type { FaultyCall } from '@commongrid/files/testing';
import { Ledger } from '../src/ledger/ledger.ts';
import { EmbeddedLog } from '../src/log/embedded/embedded-log.ts';
import { signRecord } from '../src/record/author.ts';
import { checkRecord } from '../src/record/checked-record.ts';
import { genesisPayload, logIdOf } from '../src/record/genesis.ts';
import type { Genesis } from '../src/record/genesis.ts';
import { systemUrls } from '../src/record/system-records.ts';
import { LayeredStore } from '../src/state/layered-store.ts';
import { toBase64url } from '../src/tree/base64.ts';
import { HashStore } from '../src/tree/hash-store.ts';
import { treeHasher } from '../src/tree/node-hasher.ts';

const seed = process.env['GRID_TEST_SEED'] ?? String(Date.now());
const rounds = process.env['GRID_TEST_LONG'] === '1' ? 400 : 60;
const owner = SigningKey.fromSeed(seededRandom('owner').bytes(32));
const genesis: Genesis = {
  format: 'bcdb/1',
  nonce: toBase64url(new Uint8Array(32)),
  at: 1_000_000,
  sequencer: owner.publicKey.text,
  admins: { signers: [owner.publicKey.text], min: 1 },
  releaseKeys: [],
  isOpen: true,
};
const log = toBase64url(logIdOf(genesis));

/** A ledger over files that a test lets fail. */
async function openLedger(
  folder: string,
  files: Files,
): Promise<AsyncDisposable & { ledger: Ledger }> {
  await using opened = new AsyncDisposableStack();
  const engine = opened.use(
    await EmbeddedLog.open({ folder: join(folder, 'log'), log: logIdOf(genesis), files }),
  );
  const hashes = opened.use(
    await HashStore.open({
      folder: join(folder, 'tree'),
      head: engine.head,
      files,
      leafHashes: async function* leafHashes(from, to) {
        for await (const group of engine.read(from, to)) {
          yield group.map(({ leaf }) => treeHasher.leafHash(leaf));
        }
      },
    }),
  );
  const store = opened.use(LayeredStore.open(join(folder, 'state.sqlite')));
  const ledger = Ledger.open({ engine, hashes, store, genesis });
  opened.defer(() => ledger.close());
  await ledger.catchUp();
  const parts = opened.move();
  return { ledger, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}

/** One batch with one record: the genesis first, then a namespace each. */
async function append(ledger: Ledger): Promise<string> {
  const n = (ledger.view.author(owner.publicKey.text)?.n ?? 0) + 1;
  const ns = n === 1 ? 'log' : `space-${n}`;
  const grants = [{ to: owner.publicKey.text, rights: ['admin'] }];
  const said =
    n === 1
      ? { url: systemUrls.genesis, obj: 'genesis', payload: genesisPayload(genesis) }
      : { url: systemUrls.namespace, obj: 'namespace', payload: canonicalBytes({ grants }) };
  const record = checkRecord(signRecord(owner, { ns, op: 'put', ...said }, { log, n, t: 0 }));
  const batch = ledger.begin();
  const { refusal } = batch.judge(record);
  assert.equal(refusal, undefined);
  await ledger.end(batch);
  return ns;
}

test('a call of the file system that fails loses nothing, and shows nothing that is not durable', async () => {
  await using folder = await tempFolder('bcdb-eio');
  const random = seededRandom(seed);
  const taken: string[] = [];
  const stops = new Set<string>();
  for (let round = 0; round < rounds; round++) {
    const context = `round ${round}, GRID_TEST_SEED=${seed}`;
    const code = random.int(0, 2) === 0 ? 'EIO' : 'ENOSPC';
    let left = Number.POSITIVE_INFINITY;
    const fault = ({ name }: FaultyCall): { readonly code: string } | undefined => {
      if (name !== 'write' && name !== 'sync' && name !== 'open') return undefined;
      return left-- > 0 ? undefined : { code };
    };
    await using opened = await openLedger(folder.path, faultyFiles(fault));
    const { ledger } = opened;
    for (const ns of taken) assert.ok(isLive(ledger, ns), `${ns} is lost, ${context}`);
    left = random.int(0, 12);
    for (;;) {
      const { size } = ledger.head;
      try {
        taken.push(await append(ledger));
      } catch (error) {
        assert.ok(isGridError(error), `${String(error)}, ${context}`);
        assert.match(error.code, /^BCDB_LOG_(?:FULL|STOPPED)$/, context);
        stops.add(error.code);
        assert.equal(ledger.head.size, size, context);
        assert.equal(isLive(ledger, `space-${size + 1}`), false, context);
        assert.throws(() => ledger.begin(), { code: 'BCDB_LOG_STOPPED' }, context);
        break;
      }
    }
    left = Number.POSITIVE_INFINITY;
  }
  assert.equal(stops.size, 2, 'both a full disk and a broken one were met');
  assert.ok(taken.length > rounds / 2);
});

function isLive(ledger: Ledger, ns: string): boolean {
  if (ns === 'log') return ledger.head.size > 0;
  return ledger.view.head({ ns, url: systemUrls.namespace, obj: 'namespace' })?.isLive === true;
}
