import { Type } from 'typebox';
import type { Static } from 'typebox';
import type { NodeId } from '@commongrid/model';
import { idPatterns } from '@commongrid/model';
import { field, SignedMessage } from './signed-message.ts';

const schema = Type.Object(
  {
    /** Hash of the genesis. */
    log: field.hash,
    node: Type.Unsafe<NodeId>(Type.String({ pattern: `^${idPatterns.node}$` })),
    /** The node's newest logged session: its number, and what was drawn at that boot. */
    session: field.counter,
    boot: field.nonce,
    /** Run of the sequencer that it is for, so that no later run takes it. */
    epoch: field.nonce,
    /** Above that of all heartbeats before in this session. */
    counter: field.counter,
    /** The newest head of the log that the node has verified. */
    checkpoint: Type.Object(
      { size: field.size, root: field.hash },
      { additionalProperties: false },
    ),
    /** The node's own clock, milliseconds since 1970: for people; nothing is decided by it. */
    at: Type.Optional(field.size),
  },
  { additionalProperties: false },
);

/** A node says that it lives, and which log it sees. Signed by the node's key. */
export const heartbeat = new SignedMessage('commongrid/heartbeat/1', schema);
export type Heartbeat = Static<typeof schema>;
