export { BcdbClient } from './client/bcdb-client.ts';
export type { BcdbClientOptions } from './client/bcdb-client.ts';
export type { ClientReceipt, ClientStatement } from './client/record-writer.ts';
export type { Signer } from './client/signer.ts';
export type { BcdbErrorCode } from './errors.ts';
export type { Entry } from './record/entry.ts';
export { envelopeText, parseEnvelope } from './record/envelope.ts';
export type { Envelope, RecordOp, TreeHead } from './record/envelope.ts';
export { parseTilePath, tilePath } from './tree/tile-path.ts';
export type { TileName } from './tree/tile-path.ts';
export { decodeCertificate, handoverBytes, handoverDomain } from './record/handover.ts';
export type { HandoverCertificate, HandoverStatement } from './record/handover.ts';
export { newestSequencer, sequencerAt } from './tree/succession.ts';
export type { Succession } from './tree/succession.ts';
export {
  extendTrust,
  verifyCheckpoint,
  verifyConsistency,
  verifyEnvelope,
  verifyRecordProof,
} from './tree/browser-verifier.ts';
export { TreeHasher } from './tree/merkle.ts';
export { inclusionProof, isIncluded, rootAt } from './tree/proof.ts';
export type { NodeReader } from './tree/proof.ts';
export type { RecordProof } from './tree/record-proof.ts';
export type { Trust, VerifiedEnvelope, VerifiedHead, VerifiedRecord } from './tree/verifier.ts';
