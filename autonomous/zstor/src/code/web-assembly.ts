/** Types of what is used here of the WebAssembly JavaScript API: those of Node have none of it. */

export interface WasmMemory {
  readonly buffer: ArrayBuffer;
}

interface WasmModule {
  readonly [Symbol.toStringTag]: 'WebAssembly.Module';
}

interface WasmInstance {
  readonly exports: Readonly<Record<string, unknown>>;
}

interface WebAssemblyApi {
  readonly validate: (bytes: Uint8Array) => boolean;
  /** Sizes are in pages of 64 KiB. */
  readonly Memory: new (size: { initial: number; maximum: number }) => WasmMemory;
  readonly Module: new (bytes: Uint8Array) => WasmModule;
  readonly Instance: new (
    module: WasmModule,
    imports: { readonly host: { readonly memory: WasmMemory } },
  ) => WasmInstance;
}

export const { WebAssembly: webAssembly } = globalThis as unknown as {
  readonly WebAssembly: WebAssemblyApi;
};
