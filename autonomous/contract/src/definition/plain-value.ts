/** Something that is no data, and where it is. Without imports: code of contracts is run beside it. */
export class NotPlainError extends Error {
  override readonly name: string = 'NotPlainError';
  readonly path: string;

  constructor(path: string, message: string) {
    super(message);
    this.path = path;
  }
}

/**
 * What JSON says of a value: whole numbers of any size as text, no member that is undefined. What
 * JSON would drop or change without a word is a fault, so that nothing is signed that its author did
 * not write.
 * @throws NotPlainError
 */
export function plainValue(value: unknown, path = ''): unknown {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'bigint':
      return value.toString();
    case 'number':
      if (Number.isFinite(value)) return value;
      throw new NotPlainError(path, `${value} is no number of JSON`);
    case 'object':
      return value === null ? null : plainObject(value, path);
    default:
      throw new NotPlainError(path, `a contract is data, and has no ${typeof value}`);
  }
}

function plainObject(value: object, path: string): unknown {
  if (path.length > pathMax) throw new NotPlainError(path, 'it is nested too deep');
  if (Array.isArray(value)) return value.map((one, index) => plainValue(one, `${path}/${index}`));
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
    throw new NotPlainError(path, 'a contract is data: plain objects, lists, texts and numbers');
  }
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return Object.fromEntries(
    members.map(([key, member]) => [key, plainValue(member, `${path}/${key}`)]),
  );
}

/** Longer is no path of a contract, but one of something that contains itself. */
const pathMax = 2_000;
