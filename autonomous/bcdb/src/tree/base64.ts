/** Bytes as base64url without padding: how records and proofs name hashes and carry bytes. */
export function toBase64url(bytes: Uint8Array): string {
  return bytes.toBase64({ alphabet: 'base64url', omitPadding: true });
}

/** Undefined unless the text is the one that `toBase64url` writes. */
export function fromBase64url(text: string): Uint8Array | undefined {
  return decode(text, 'base64url', toBase64url);
}

/** Undefined unless the text is standard base64 with padding, in its one spelling. */
export function fromBase64(text: string): Uint8Array | undefined {
  return decode(text, 'base64', (bytes) => bytes.toBase64());
}

/** The decoder takes white space, stray bits and wrong padding: what comes back must be the same. */
function decode(
  text: string,
  alphabet: 'base64' | 'base64url',
  encode: (bytes: Uint8Array) => string,
): Uint8Array | undefined {
  try {
    const bytes = Uint8Array.fromBase64(text, { alphabet });
    return encode(bytes) === text ? bytes : undefined;
  } catch {
    return undefined;
  }
}
