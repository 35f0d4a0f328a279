import type { LeaseName } from '../fields.ts';
import type { RecordOf, RecordUrl } from '../record-types.ts';
import { contractIdOf } from '../records/contract.ts';
import type { Contract } from '../records/contract.ts';
import type { ContractRole } from '../records/contract-role.ts';
import { openingHash } from '../rules/derive-slice.ts';
import { userExamples } from './user-examples.ts';
import { fakeId } from './ids.ts';

const bot = fakeId.bot(1);
const farm = fakeId.farm(1);
const node = fakeId.node(1);
const lock = fakeId.lock(1);
const lockSum = { amount: fakeId.amount(120), currency: 'EUR' };
const resources = { cpuMilli: 500, memoryBytes: 2 ** 29, ssdBytes: 2 ** 33, hddBytes: 0, ipv4: 0 };

const role: ContractRole = {
  name: 'shard',
  replicas: 20,
  workload: {
    kind: 'zdb',
    zdb: { mode: 'user', sizeBytes: 2 ** 33, disk: 'ssd', password: 'admin', isPublic: false },
  },
  resources,
  networks: ['inner'],
  health: {
    probe: 'tcp',
    port: 'zdb',
    everySeconds: 5,
    timeoutSeconds: 2,
    failures: 3,
    startSeconds: 30,
  },
  restart: { policy: 'always', delayMs: 1000, delayMaxMs: 300_000 },
  after: [],
  spread: { perFarm: 4, perCountry: 8, distinctNodes: true },
  data: 'dispersed',
  onIsolation: 'keep',
};

const opening = { salt: fakeId.nonce16(3), role };

const lines = [{ role: 'owner', signers: [bot], min: 1 }];

const contract: Contract = {
  v: 1,
  log: fakeId.hash(1),
  nonce: fakeId.hash(2),
  name: 'Archive of the town',
  owner: bot,
  rules: 'grid@1',
  controllers: [fakeId.key(3)],
  roles: [{ name: 'shard', hash: openingHash(opening) }],
  networks: [{ name: 'inner', range: '10.10.0.0/16' }],
  secrets: [
    { name: 'admin', commit: fakeId.hash(4), keepers: [{ key: fakeId.key(3), box: 'AAAA' }] },
  ],
  policy: { provision: lines, upgrade: lines, change: lines, remove: lines },
  budget: { currency: 'EUR', perMonth: fakeId.amount(4000), total: fakeId.amount(48_000) },
  term: { fromMs: 1_700_000_000_000, untilMs: 1_731_536_000_000, graceMs: 1_209_600_000 },
  heal: {
    suspectAfterMs: 3000,
    replaceAfterMs: 10_000,
    maxPerHour: 8,
    mayMoveTo: { countries: ['BE', 'CH', 'EG'] },
  },
  mayRollBack: true,
};
const contractId = contractIdOf(contract);
const workload = fakeId.workload(contractId, 'shard', 0);
const lease = contractId as string as LeaseName;
const hourMs = { fromMs: 1_700_000_000_000, toMs: 1_700_003_600_000 };

/** A sound payload of each type. They name each other, and are not a story that the rules accept. */
export const examples: { readonly [Url in RecordUrl]: RecordOf<Url> } = {
  ...userExamples,
  'grid.account.1': {
    id: fakeId.account(1),
    name: 'Board of the library',
    revision: 1,
    signers: [bot, fakeId.bot(8)],
    min: 2,
  },
  'grid.adoption.1': { node, farm, standing: 'active' },
  'grid.allowance.1': {
    contract: contractId,
    from: bot,
    perMonth: fakeId.amount(500),
    currency: 'EUR',
    expMs: 1_731_536_000_000,
  },
  'grid.approval.1': {
    contract: contractId,
    signer: bot,
    role: 'owner',
    action: 'provision',
    hash: fakeId.hash(5),
    replaces: fakeId.contract(9),
    verdict: 'approve',
    expMs: 1_700_086_400_000,
  },
  'grid.bot.1': {
    id: bot,
    name: 'ada',
    root: fakeId.key(1),
    rootProof: fakeId.signature(1),
    seal: fakeId.seal(1),
    keys: [
      {
        key: fakeId.key(2),
        role: 'device',
        proof: fakeId.signature(2),
        seal: fakeId.seal(2),
        label: 'phone',
        ended: 'retired',
      },
    ],
    addresses: ['https://ada.example:8443'],
    about: 'Keeps the archive of the town',
    recovery: { threshold: 2, keys: [fakeId.key(11), fakeId.key(12), fakeId.key(13)] },
    backup: { urls: ['https://backup.example/ada'], hash: fakeId.hash(7) },
  },
  'grid.consent.1': {
    subject: fakeId.hash(9),
    account: fakeId.account(1),
    by: bot,
    expMs: 1_700_000_600_000,
  },
  'grid.contract.1': contract,
  'grid.currency.1': {
    code: 'EUR',
    name: 'Euro',
    decimals: 2,
    issuer: bot,
    maxSupply: fakeId.amount(1_000_000),
  },
  'grid.escrow.1': {
    lock,
    contract: contractId,
    from: bot,
    ...lockSum,
    expMs: 1_700_000_600_000,
  },
  'grid.event.1': {
    node,
    workload,
    revision: 1,
    phase: 'failed',
    code: 'PULL_FAILED',
    message: 'no mirror answers',
    hint: 'see the gateway of the farm',
    isRetryable: true,
    at: 1_700_000_000_000,
  },
  'grid.farm.1': {
    id: farm,
    owner: bot,
    name: 'cellar',
    about: 'Four machines below the library',
    location: { country: 'BE', city: 'Gent', latMicrodeg: 51_054_000, lonMicrodeg: 3_717_000 },
    prices: {
      currency: 'EUR',
      unitHours: 1000,
      cu: fakeId.amount(900),
      su: fakeId.amount(400),
      nu: fakeId.amount(50),
      ipv4: fakeId.amount(2000),
    },
    publicIps: ['192.0.2.7', '2001:db8::7/64'],
  },
  'grid.grant.1': {
    node,
    contract: contractId,
    role: 'shard',
    allows: 'elevated',
    expMs: 1_731_536_000_000,
  },
  'grid.lease.1': { name: lease, holder: fakeId.key(3), fence: 1, ttlMs: 15_000, isReleased: true },
  'grid.lock.1': {
    id: lock,
    contract: contractId,
    node,
    farmer: bot,
    buyer: bot,
    slot: { role: 'shard', replica: 0 },
    resources,
    price: { ...lockSum, perSeconds: 3600 },
    minFund: fakeId.amount(120),
    arbiter: fakeId.bot(8),
    disputeMs: 86_400_000,
    onDispute: 'refund',
    expiresMs: 1_700_000_600_000,
  },
  'grid.node.1': {
    id: node,
    farm,
    name: 'shelf-3',
    capacity: { cpuMilli: 8000, memoryBytes: 2 ** 34, ssdBytes: 2 ** 40, hddBytes: 2 ** 43 },
    features: ['overlay', 'zdb'],
    addresses: ['tcp://192.0.2.7:9900'],
    seal: fakeId.seal(4),
    overlay: fakeId.seal(5),
    software: '1.0.0',
    invite: fakeId.hash(4),
  },
  'grid.objection.1': {
    id: fakeId.hex16(1),
    lock,
    workload,
    by: bot,
    ...hourMs,
    says: 'object',
    reason: 'no probe got an answer',
  },
  'grid.placement.1': {
    contract: contractId,
    revision: 1,
    lease,
    fence: 1,
    items: [{ role: 'shard', replica: 0, node, lock, slice: fakeId.hash(8) }],
    reason: 'initial',
    expMs: 1_700_000_600_000,
  },
  'grid.presence.1': {
    node,
    session: 1,
    ...hourMs,
    gaps: [{ fromMs: 1_700_000_060_000, toMs: 1_700_000_065_000 }],
  },
  'grid.receipt.1': {
    node,
    workload,
    lock,
    session: 1,
    ...hourMs,
    healthySeconds: 3590,
    usage: {
      cpuSeconds: 60,
      memoryByteSeconds: fakeId.amount(1_932_735_283_200),
      diskBytes: 2 ** 31,
      receivedBytes: 2 ** 20,
      sentBytes: 2 ** 21,
    },
  },
  'grid.recovery.1': {
    bot,
    action: 'replace',
    root: fakeId.key(21),
    rootProof: fakeId.signature(3),
    by: fakeId.key(11),
  },
  'grid.refund.1': { lock },
  'grid.release.1': { lock, workload, toMs: 1_700_003_600_000, expMs: 1_700_090_000_000 },
  'grid.session.1': { node, n: 1, bootId: fakeId.nonce16(2) },
  'grid.settlement.1': { transfer: fakeId.transfer(1), preimage: fakeId.hash(10) },
  'grid.slice.1': {
    node,
    contract: contractId,
    workload,
    revision: 1,
    opening,
    addresses: [{ network: 'inner', ip: '10.10.0.2' }],
    secrets: [{ name: 'admin', box: 'AAAA' }],
  },
  'grid.software.1': { name: 'node', version: '1.0.3', flist: fakeId.digest(9), isRollback: true },
  'grid.tombstone.1': { workload, revision: 3, reason: 'replaced' },
  'grid.transfer.1': {
    id: fakeId.transfer(1),
    from: bot,
    to: fakeId.account(1),
    ...lockSum,
    memo: 'rent of March',
    expMs: 1_700_000_600_000,
    condition: { hash: fakeId.hash(11), untilMs: 1_700_003_600_000 },
  },
};
