import { isUtf8 } from 'node:buffer';

import { S3Error } from './s3-error.ts';

/** Largest document: 10,000 parts or 1,000 long keys. */
const xmlBytesMax = 4 << 20;
/** Elements of one document: 10,000 parts with six each, and some. */
const xmlElementsMax = 80_000;
/** Elements inside each other; S3's deepest document has six. */
const xmlDepthMax = 12;
/** Attributes of one element. */
const xmlAttributesMax = 8;

/** An element without its attributes: S3 has only namespaces and `xsi:type` in them. */
export interface XmlElement {
  /** Without its prefix. */
  readonly name: string;
  /** What stands between its children too. */
  readonly text: string;
  readonly children: readonly XmlElement[];
  /** The value of `xsi:type`. */
  readonly type: string | undefined;
}

interface OpenElement {
  readonly name: string;
  readonly rawName: string;
  text: string;
  readonly children: XmlElement[];
  readonly type: string | undefined;
}

const nameAt = /[A-Za-z_][\w.-]*(?::[A-Za-z_][\w.-]*)?/y;
const attributeAt = /\s+([A-Za-z_][\w.:-]*)\s*=\s*(?:"([^"<]*)"|'([^'<]*)')/y;
const tagEndAt = /\s*(\/?)>/y;
const closeAt = /\s*>/y;
const entity = /&(?:(amp|lt|gt|quot|apos)|#(\d{1,7})|#x([0-9A-Fa-f]{1,6}));|&/g;
const named: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
};

/**
 * Reads one document of UTF-8. Of XML it has elements, attributes, text, CDATA, comments and
 * character references; a document type is refused, so that there are no other entities.
 * @throws S3Error MalformedXML
 */
export function readXml(bytes: Buffer): XmlElement {
  if (bytes.length > xmlBytesMax) throw new S3Error('MaxMessageLengthExceeded');
  if (!isUtf8(bytes)) throw malformed();
  return new XmlReader(bytes.toString('utf8')).read();
}

class XmlReader {
  readonly #source: string;
  readonly #open: OpenElement[] = [];
  #at = 0;
  #elements = 0;
  #root: XmlElement | undefined;

  constructor(source: string) {
    this.#source = source;
  }

  read(): XmlElement {
    const source = this.#source;
    this.#at = source.startsWith('\uFEFF') ? 1 : 0;
    if (source.startsWith('<?xml', this.#at)) this.#skipPast('?>');
    while (this.#at < source.length) {
      const tag = source.indexOf('<', this.#at);
      const end = tag < 0 ? source.length : tag;
      if (end > this.#at) this.#addText(unescapeXml(source.slice(this.#at, end)));
      this.#at = end;
      if (tag >= 0) this.#readMarkup();
    }
    if (this.#root === undefined || this.#open.length > 0) throw malformed();
    return this.#root;
  }

  #readMarkup(): void {
    const source = this.#source;
    if (source.startsWith('</', this.#at)) {
      this.#at += 2;
      this.#close();
    } else if (source.startsWith('<!--', this.#at)) {
      this.#at += 4;
      this.#skipPast('-->');
    } else if (source.startsWith('<![CDATA[', this.#at)) {
      const from = this.#at + 9;
      this.#skipPast(']]>');
      if (this.#open.length === 0) throw malformed();
      this.#addText(source.slice(from, this.#at - 3));
    } else {
      this.#at += 1;
      this.#begin();
    }
  }

  #begin(): void {
    this.#elements += 1;
    const isRoot = this.#open.length === 0;
    if (isRoot && this.#root !== undefined) throw malformed();
    if (this.#open.length >= xmlDepthMax || this.#elements > xmlElementsMax) throw malformed();
    const rawName = this.#match(nameAt)[0];
    const type = this.#readAttributes();
    const [, slash] = this.#match(tagEndAt);
    const name = rawName.slice(rawName.indexOf(':') + 1);
    const element: OpenElement = { name, rawName, text: '', children: [], type };
    if (slash === '/') this.#add(element);
    else this.#open.push(element);
  }

  #readAttributes(): string | undefined {
    let type: string | undefined;
    for (let count = 0; ; count += 1) {
      attributeAt.lastIndex = this.#at;
      const match = attributeAt.exec(this.#source);
      if (match === null) return type;
      if (count >= xmlAttributesMax) throw malformed();
      this.#at = attributeAt.lastIndex;
      const value = unescapeXml(match[2] ?? match[3] ?? '');
      if (match[1]?.endsWith(':type') === true) type = value;
    }
  }

  #close(): void {
    const [rawName] = this.#match(nameAt);
    this.#match(closeAt);
    const element = this.#open.pop();
    if (element?.rawName !== rawName) throw malformed();
    this.#add(element);
  }

  #add({ name, text, children, type }: OpenElement): void {
    const element: XmlElement = { name, text, children, type };
    const parent = this.#open.at(-1);
    if (parent === undefined) this.#root = element;
    else parent.children.push(element);
  }

  #addText(text: string): void {
    const parent = this.#open.at(-1);
    if (parent !== undefined) parent.text += text;
    else if (text.trim() !== '') throw malformed();
  }

  #match(pattern: RegExp): RegExpExecArray {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#source);
    if (match === null) throw malformed();
    this.#at = pattern.lastIndex;
    return match;
  }

  #skipPast(end: string): void {
    const found = this.#source.indexOf(end, this.#at);
    if (found < 0) throw malformed();
    this.#at = found + end.length;
  }
}

function unescapeXml(text: string): string {
  if (!text.includes('&')) return text;
  return text.replace(entity, (_all, name?: string, decimal?: string, hex?: string) => {
    if (name !== undefined) return named[name] ?? '';
    const code = decimal === undefined ? Number.parseInt(hex ?? 'x', 16) : Number(decimal);
    // A lone half of a pair is no character, and a stray ampersand gives NaN.
    if (!(code <= 0x10ffff) || (code >= 0xd800 && code <= 0xdfff)) throw malformed();
    return String.fromCodePoint(code);
  });
}

function malformed(): S3Error {
  return new S3Error('MalformedXML');
}
