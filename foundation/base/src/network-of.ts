/**
 * What a peer cannot change at will: its address, or the upper half of it for IPv6. A text that is
 * no address stays as it is.
 */
export function networkOf(address: string): string {
  const host = address.replace(/%.*$/, '');
  if (host.includes('.') || !host.includes(':')) return host.slice(host.lastIndexOf(':') + 1);
  // The zeroes that `::` stands for, up to the fourth group.
  const [head = '', tail] = host.split('::');
  const groups = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  while (tail !== undefined && groups.length + after.length < 8) groups.push('0');
  return [...groups, ...after].slice(0, 4).join(':').toLowerCase();
}
