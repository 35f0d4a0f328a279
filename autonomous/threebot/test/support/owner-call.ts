import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { text } from 'node:stream/consumers';
import type { Bot } from '../../src/index.ts';

/** Calls a method of a bot as its owner does, by HTTP and the token. */
export async function ownerCall(
  { httpAddress }: Bot,
  token: string,
  method: string,
  input: object,
): Promise<unknown> {
  const outgoing = request({
    ...{ ...httpAddress, path: `/actors/${method.replace('.', '/')}`, method: 'POST' },
    ...{ rejectUnauthorized: false, agent: false },
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
  });
  outgoing.end(JSON.stringify(input));
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  const value: unknown = JSON.parse(await text(response));
  if (response.statusCode !== 200) throw new Error(JSON.stringify(value));
  return value;
}
