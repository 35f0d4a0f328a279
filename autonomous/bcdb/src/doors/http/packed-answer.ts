import { promisify } from 'node:util';
import { zstdCompress } from 'node:zlib';
import type { FastifyReply, FastifyRequest } from 'fastify';

const compress = promisify(zstdCompress);

/** Answers below this are sent as they are: they fit into one packet anyway. */
const packFromBytes = 1024;

/** Compresses an answer for who takes zstd: base64url and hashes in JSON are a third air. */
export async function packAnswer(
  request: FastifyRequest,
  reply: FastifyReply,
  payload: unknown,
): Promise<unknown> {
  const accepted = request.headers['accept-encoding'] ?? '';
  const takesZstd = accepted.split(/[\s,]+/).includes('zstd');
  if (!takesZstd || typeof payload !== 'string' || payload.length < packFromBytes) return payload;
  reply.header('content-encoding', 'zstd');
  return compress(payload);
}
