// The data of a Map: header and arrays. map_format.py describes both.

/** Bytes of the block: base64 of a page, or what a widget sent. */
function bytesOf(block) {
  if (typeof block === "string") return Uint8Array.from(atob(block.trim()), (c) => c.charCodeAt(0));
  return new Uint8Array(block.buffer ?? block, block.byteOffset ?? 0, block.byteLength);
}

/** Unpack the block of a Map into arrays by name: views of one buffer. */
export async function unpack(block, index) {
  const stream = new Blob([bytesOf(block)]).stream().pipeThrough(new DecompressionStream("deflate"));
  const buffer = await new Response(stream).arrayBuffer();
  const types = { uint8: Uint8Array, uint16: Uint16Array, int32: Int32Array, float32: Float32Array };
  const size = (shape) => shape.reduce((product, side) => product * side, 1);
  return Object.fromEntries(Object.entries(index).map(([name, { dtype, shape, at }]) =>
    [name, new types[dtype](buffer, at, size(shape))]));
}
