/** `zdb, zdb-1 … zdb-6, s3` of names in order. */
export function nameRanges(names: readonly string[]): string {
  const rows = names.map((name) => ({ name, kind: '', cells: [] }));
  return serviceRanges(rows).flat().join(', ');
}

/** A row of a table of services. */
export interface ServiceRow {
  readonly name: string;
  /** Numbered services that are alike share a row. */
  readonly kind: string;
  readonly cells: readonly string[];
}

/**
 * The rows of a table, each with its name in front. Services that are numbered one after the other
 * and of one kind share a row, `zdb-1 … zdb-6`: of each cell the first, and where the last differs.
 * Two have a row each: dots between them would say less, in more room.
 */
export function serviceRanges(rows: readonly ServiceRow[]): string[][] {
  const table: string[][] = [];
  for (let at = 0; at < rows.length;) {
    const found = rangeAt(rows, at);
    const range = found.length < 3 ? found.slice(0, 1) : found;
    const cells = range.map(({ name, cells: rest }) => [name, ...rest]);
    const [first = [], last = []] = [cells[0], cells.at(-1)];
    table.push(first.map((cell, column) => spanOf(cell, last[column] ?? '')));
    at += range.length;
  }
  return table;
}

function spanOf(first: string, last: string): string {
  if (first === last) return first;
  let at = 0;
  while (first[at] === last[at]) at += 1;
  // From the beginning of the word, number or file name that differs.
  const [head = ''] = /^.*[ :/]/.exec(first.slice(0, at)) ?? [];
  return `${first} … ${last.slice(head.length)}`;
}

function rangeAt(rows: readonly ServiceRow[], start: number): readonly ServiceRow[] {
  let end = start + 1;
  while (end < rows.length && follows(rows[end - 1], rows[end])) end += 1;
  return rows.slice(start, end);
}

function follows(before: ServiceRow | undefined, row: ServiceRow | undefined): boolean {
  const [one, other] = [numbered(before), numbered(row)];
  if (one === undefined || other === undefined || before?.kind !== row?.kind) return false;
  return one.stem === other.stem && one.no + 1 === other.no;
}

function numbered(row: ServiceRow | undefined): { stem: string; no: number } | undefined {
  const [, stem, no] = /^(.*-)(\d+)$/.exec(row?.name ?? '') ?? [];
  return stem === undefined ? undefined : { stem, no: Number(no) };
}
