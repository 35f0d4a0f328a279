/**
 * Bytes of a name, a target or an attribute: each character is one byte, 0 to 255. Names in Linux
 * need not be UTF-8, and as texts they are keys of maps and sort as their bytes do.
 */
export type ByteText = string & { readonly ByteText: unique symbol };

export function byteTextOf(bytes: Uint8Array): ByteText {
  const { buffer, byteOffset, length } = bytes;
  return Buffer.from(buffer, byteOffset, length).toString('latin1') as ByteText;
}

/** The bytes of a text in UTF-8. */
export function byteTextFrom(text: string): ByteText {
  return byteTextOf(Buffer.from(text, 'utf8'));
}

export function bytesOfText(text: ByteText): Buffer {
  return Buffer.from(text, 'latin1');
}

/** For people: as UTF-8, bytes that are none, and control characters, as `\xNN`. */
export function shownText(text: ByteText): string {
  const utf8 = bytesOfText(text).toString('utf8');
  const isUtf8 = byteTextFrom(utf8) === text;
  const shown = isUtf8 ? utf8 : text;
  const odd = isUtf8 ? /[\p{Cc}\\]/gu : /[^ -[\]-~]/g;
  return shown.replaceAll(odd, (one) =>
    one === '\\' ? '\\\\' : `\\x${one.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}
