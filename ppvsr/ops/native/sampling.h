// Where the taps of a tile of pixels read, and reading there. Everything outside a picture is zero.
#pragma once

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <type_traits>

#include "deform.h"
#include "layout.h"
#include "matrix.h"

namespace ppvsr {

// The pixels of a tile: where the first tap would read without an offset.
struct Places {
  alignas(64) float y[TILE], x[TILE];
};

// Places of the output pixels from `first` on.
inline Places places(const Deform& d, long first) {
  Places to;
  long row = first / d.ow, column = first % d.ow;
  for (long p = 0; p < TILE; ++p) {
    to.y[p] = float(row * d.sh - d.ph);
    to.x[p] = float(column * d.sw - d.pw);
    if (++column == d.ow) column = 0, ++row;
  }
  return to;
}

// What one tap of one deformable group does at the pixels of a tile.
struct Spots {
  alignas(64) int at[TILE];          // where the upper left of the pixels around the spot lies
  alignas(64) float share[4][TILE];  // how much they count, mask included: the upper two, left first; the lower two
  alignas(64) float down[TILE], right[TILE];  // how far the spot lies from the upper left one, 0 to 1
  alignas(64) float mask[TILE];
};

// The spots `dy`, `dx` away from where tap `tap` lies, in a picture of `lay_out`. One that is far outside or not a number
// is put below the picture, where all four pixels are zero.
APART void surround(const Deform& d, const Places& from, long tap, const float* dy, const float* dx, const float* mask,
                     Spots& to) {
  const float height = float(d.h), width = float(d.w);
  const float down = float(tap / d.kw * d.dh), right = float(tap % d.kw * d.dw);
  const int line = int(pitch(d)), stride = int(d.c / d.dg);
  for (int p = 0; p < TILE; p += LANES) {
    Floats y = load<LANES>(from.y + p) + down + load<LANES>(dy + p);
    Floats x = load<LANES>(from.x + p) + right + load<LANES>(dx + p);
    const Ints inside = (y > -1.f) & (x > -1.f) & (y < height) & (x < width);
    y = inside ? y : Floats{} + height;
    x = inside ? x : Floats{} - 1;
    Ints i = __builtin_convertvector(y, Ints), j = __builtin_convertvector(x, Ints);  // towards zero ...
    i += __builtin_convertvector(i, Floats) > y;  // ... and now downwards: true is -1
    j += __builtin_convertvector(j, Floats) > x;
    const Floats b = y - __builtin_convertvector(i, Floats), r = x - __builtin_convertvector(j, Floats);
    const Floats weight = load<LANES>(mask + p), lower = weight * b, upper = weight - lower;
    store<LANES>(to.at + p, ((i + 1) * line + j + 1) * stride);
    store<LANES>(to.share[0] + p, upper - upper * r);
    store<LANES>(to.share[1] + p, upper * r);
    store<LANES>(to.share[2] + p, lower - lower * r);
    store<LANES>(to.share[3] + p, lower * r);
    store<LANES>(to.down + p, b);
    store<LANES>(to.right + p, r);
    store<LANES>(to.mask + p, weight);
  }
}

// The spots of tap `tap` of deformable group `item` (counted over the pictures) for the `count` output pixels from
// `first` on; those after them read nothing.
inline void locate(const Deform& d, const Places& from, const float* offset, const float* mask, long item, long tap,
                   long first, long count, Spots& to) {
  const float* dy = offset + 2 * (item * d.taps() + tap) * d.pixels() + first;
  const float* dx = dy + d.pixels();
  mask += (item * d.taps() + tap) * d.pixels() + first;
  if (count < TILE) {
    float y[TILE], x[TILE], m[TILE] = {};
    std::fill_n(y, TILE, -INFINITY);
    std::fill_n(x, TILE, -INFINITY);
    std::copy_n(dy, count, y);
    std::copy_n(dx, count, x);
    std::copy_n(mask, count, m);
    surround(d, from, tap, y, x, m, to);
  } else {
    surround(d, from, tap, dy, dx, mask, to);
    // More planes are read in turn than the machine follows by itself: ask for those of the next tile.
    for (const float* plane : {dy, dx, mask})
      for (int p = 0; p <= TILE; p += 16) __builtin_prefetch(plane + TILE + p);
  }
}

// Do f<W>(channel) for strips of W channels, as wide as possible.
template <int W = LANES, class F>
inline void strips(long channels, const F& f, long from = 0) {
  for (; from + W <= channels; from += W) f(std::integral_constant<int, W>(), from);
  if constexpr (W > 4)
    strips<W / 2>(channels, f, from);
  else if constexpr (W == 4)
    strips<1>(channels, f, from);
}

}  // namespace ppvsr
