import type { SourceFile } from './source-files.ts';

/** A test that a document names. */
export interface NamedTest {
  /** As the document links to it. */
  readonly file: string;
  readonly name: string;
}

/** Tests named as `[words](path/to/file.ts): name of the test`, up to the end of the cell, `;` or line. */
export function namedTestsOf({ text }: SourceFile): readonly NamedTest[] {
  const named = text.matchAll(/\]\((?<file>[^)\s]+\.ts)\): (?<name>[^;|\n]+)/g);
  return [...named].map(({ groups = {} }) => {
    const { file = '', name = '' } = groups;
    return { file, name: name.trim() };
  });
}

/** Whether a file has a test of that name. */
export function hasTest(text: string, name: string): boolean {
  // A long call has its first word on a line of its own.
  const calls = text.replaceAll(/\(\s+/g, '(');
  return ["'", '`', '"'].some((quote) => calls.includes(`(${quote}${name}${quote}`));
}
