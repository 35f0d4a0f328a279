import { verifyBy } from '../tree/browser-verifier.ts';
import { nodePrimitives } from '../tree/node-primitives.ts';

// Whoever comes by the door for Node has node:crypto; the door for browsers leaves this out.
verifyBy(nodePrimitives);
