import type { Reply } from '@commongrid/resp';

/** The fields of INFO and NSINFO: lines `name: value`. */
export function fieldsIn(reply: Reply): ReadonlyMap<string, string> {
  const fields = textOf(reply).matchAll(/^([a-z_0-9]+): ?(.*?)\r?$/gm);
  return new Map(fields.map(([, name = '', value = '']) => [name, value]));
}

/** A reply that is text; '' for any other. */
export function textOf(reply: Reply): string {
  if (Buffer.isBuffer(reply)) return reply.toString();
  return typeof reply === 'string' ? reply : '';
}
