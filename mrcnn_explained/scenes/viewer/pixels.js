// Pixels and their colours: bytes and maps of values as canvases that can be drawn at any size.

import { alignedBuffer, decodeBytes } from "./layers.js";
import { WHITE } from "./palette.js";  // bundle.py writes it

const VIRIDIS = [
  [68, 1, 84], [72, 40, 120], [62, 74, 137], [49, 104, 142], [38, 130, 142],
  [31, 158, 137], [53, 183, 121], [110, 206, 88], [181, 222, 43], [253, 231, 37],
];

/** Red, green and blue of a colour, 0 to 255 each. */
const channelsOf = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));

/** A pixel as ImageData holds it; every browser runs on a little-endian machine. */
const packPixel = ([r, g, b], alpha) => ((alpha << 24) | (b << 16) | (g << 8) | r) >>> 0;

/** The colour of a value 0 to 1 in the palette viridis. */
function viridis(value) {
  const position = Math.min(Math.max(value, 0), 1) * (VIRIDIS.length - 1);
  const low = Math.floor(position), high = Math.min(low + 1, VIRIDIS.length - 1);
  return VIRIDIS[low].map((v, i) => Math.round(v + (VIRIDIS[high][i] - v) * (position - low)));
}

const VIRIDIS_PIXELS = Uint32Array.from({ length: 256 }, (_, v) => packPixel(viridis(v / 255), 255));

/** Pixels of one colour, from transparent (0) to opaque (255). */
const tintPixels = (hex) =>
  Uint32Array.from({ length: 256 }, (_, value) => packPixel(channelsOf(hex), value));

/** How bright a colour is to the eye, 0 to 1: the same as `luminance` in plots/. */
function luminance(hex) {
  const [r, g, b] = channelsOf(hex).map((channel) => {
    const v = channel / 255;
    return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** Black or white, whichever is easier to read on a colour: the same as `ink_on` in plots/. */
export const inkOn = (hex) => (luminance(hex) > 0.179 ? "#000000" : WHITE);

/** A colour of the same hue that can be read on white or black: the same as `text_color`. */
export function textColor(hex, background) {
  const far = luminance(background) > 0.179 ? 0 : 255;
  const contrast = (color) => {
    const [dark, light] = [luminance(color), luminance(background)].sort((a, b) => a - b);
    return (light + 0.05) / (dark + 0.05);
  };
  let color = hex, channels = channelsOf(hex);
  while (contrast(color) < 4.5) {
    channels = channels.map((value) => far + (value - far) * 0.98);
    color = `#${channels.map((v) => Math.round(v).toString(16).padStart(2, "0")).join("")}`;
  }
  return color.toUpperCase();
}

/**
 * Pixels, or a map and its threshold, as a canvas that can be drawn at any size.
 * @param {Pixels | ImageLayer} layer
 * @param {number} [threshold] of a thresholded map
 */
export function imageCanvas(layer, threshold) {
  const { width, height, channels, tint, thresholded } = layer;
  const source = thresholded
    ? new Float64Array(alignedBuffer(layer.data)).map((value) => (value >= threshold ? 255 : 0))
    : decodeBytes(layer.data);
  const image = new ImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  const palette = tint ? tintPixels(tint) : VIRIDIS_PIXELS;
  for (let i = 0; i < width * height; i++) {
    pixels[i] = channels === 3
      ? packPixel([source[3 * i], source[3 * i + 1], source[3 * i + 2]], 255)
      : palette[source[i]];
  }
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}
