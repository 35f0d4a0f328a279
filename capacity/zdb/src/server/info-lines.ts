/** Lines of `name: value` under a title, as INFO and NSINFO answer them. */
export type InfoSection = readonly [
  title: string,
  fields: readonly (readonly [name: string, value: string | number])[],
];

/**
 * Between name and value stand a colon and a space, as in 0-db; parsers of Redis clients trim it,
 * except in the fields of which they compare the text, which go without.
 */
export function lines(sections: readonly InfoSection[]): string {
  return sections
    .map(([title, fields]) => {
      const body = fields.map(([name, value]) => `${name}:${gap(name)}${value}\r\n`).join('');
      return `# ${title}\r\n${body}`;
    })
    .join('\r\n');
}

export function mib(bytes: number): string {
  return (bytes / 1048576).toFixed(2);
}

export function kib(bytes: number): string {
  return (bytes / 1024).toFixed(2);
}

export function yesNo(is: boolean): string {
  return is ? 'yes' : 'no';
}

const comparedByClients = new Set(['loading', 'redis_version', 'redis_mode', 'role']);

function gap(name: string): string {
  return comparedByClients.has(name) ? '' : ' ';
}
