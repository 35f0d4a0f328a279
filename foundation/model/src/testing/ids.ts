import type {
  Amount,
  BotId,
  ContractId,
  FarmId,
  FlistDigest,
  Hash,
  KeyText,
  LockId,
  NodeId,
  SealingKeyText,
  SharedAccountId,
  TransferId,
  WorkloadId,
} from '../fields.ts';

/** Well-formed ids and keys for tests: the same number gives the same text. Nobody has the keys. */
export const fakeId = {
  key: (n: number) => `ed25519:${text(32, n)}` as KeyText,
  seal: (n: number) => `x25519:${text(32, n)}` as SealingKeyText,
  bot: (n: number) => `bot:${text(32, n)}` as BotId,
  node: (n: number) => `node:${text(32, n)}` as NodeId,
  farm: (n: number) => `farm:${text(16, n)}` as FarmId,
  contract: (n: number) => `contract:${text(32, n)}` as ContractId,
  lock: (n: number) => `lock:${text(16, n)}` as LockId,
  account: (n: number) => `account:${text(16, n)}` as SharedAccountId,
  transfer: (n: number) => `transfer:${text(16, n)}` as TransferId,
  hash: (n: number) => text(32, n) as Hash,
  nonce16: (n: number) => text(16, n),
  hex16: (n: number) => n.toString(16).padStart(32, '0'),
  signature: (n: number) => text(64, n),
  digest: (n: number) => n.toString(16).padStart(64, '0') as FlistDigest,
  amount: (n: number) => String(n) as Amount,
  workload: (contract: ContractId, role: string, replica: number) =>
    `${contract}/${role}/${replica}` as WorkloadId,
} as const;

/** So many bytes with the number at their end, base64url. */
function text(sizeBytes: number, n: number): string {
  const bytes = new Uint8Array(sizeBytes);
  new DataView(bytes.buffer).setUint32(sizeBytes - 4, n);
  return bytes.toBase64({ alphabet: 'base64url', omitPadding: true });
}
