// Tiles of pictures for Winograd: 6x6 pixels, of which the inner 4x4 are those of the result; a pack lies side by side.
#pragma once

#include <algorithm>
#include <utility>

#include "matrix.h"

namespace ppvsr {

constexpr int OUT = 4, EDGE = OUT + 2, SIZE = EDGE * EDGE;  // outputs of a tile, pixels of it, places in it
constexpr int SPAN = OUT * LANES;                           // outputs of a pack, side by side

// Where the outputs of a pack begin, in which picture.
struct Place {
  long n, y, x;
};

template <int... I>
inline Floats pick(Floats a, Floats b, std::integer_sequence<int, I...>) {
#if defined(__clang__)
  return __builtin_shufflevector(a, b, I...);
#else
  return __builtin_shuffle(a, b, Ints{I...});
#endif
}

template <int FIRST, int STEP, int... I>
inline Floats every(Floats a, Floats b, std::integer_sequence<int, I...>) {
  return pick(a, b, std::integer_sequence<int, (FIRST + STEP * I)...>());
}

template <int FIRST, int... I>
inline Floats zip(Floats a, Floats b, std::integer_sequence<int, I...>) {
  return pick(a, b, std::integer_sequence<int, (FIRST + I / 2 + I % 2 * LANES)...>());
}

using Count = std::make_integer_sequence<int, LANES>;
inline Floats evens(Floats a, Floats b) { return every<0, 2>(a, b, Count()); }
inline Floats odds(Floats a, Floats b) { return every<1, 2>(a, b, Count()); }
inline Floats shift(Floats a, Floats b) { return every<1, 1>(a, b, Count()); }  // the second of a to the first of b
inline Floats zip_low(Floats a, Floats b) { return zip<0>(a, b, Count()); }
inline Floats zip_high(Floats a, Floats b) { return zip<LANES / 2>(a, b, Count()); }

// B' of six numbers.
inline void inwards(const Floats (&d)[EDGE], Floats (&to)[EDGE]) {
  const Floats even = d[4] - 4.f * d[2], odd = d[3] - 4.f * d[1];
  const Floats half = d[4] - d[2], twice = 2.f * (d[3] - d[1]);
  to[0] = 4.f * d[0] - 5.f * d[2] + d[4];
  to[1] = even + odd;
  to[2] = even - odd;
  to[3] = half + twice;
  to[4] = half - twice;
  to[5] = 4.f * d[1] - 5.f * d[3] + d[5];
}

constexpr int LINE = SPAN + LANES;  // pixels of a line under a pack; SPAN + 2 count
alignas(64) constexpr float NOTHING[LINE] = {};

// Where six lines of pixels of a channel begin under a pack of tiles: one line above it, one pixel before it. What of
// them lies outside of the picture is not read when `begins` or `ends` says that a line goes no further.
struct Lines {
  const float* at[EDGE];
  bool begins, ends;
};

// The lines of a pack that has outputs in its whole breadth: in the picture itself.
inline Lines look(const float* plane, long h, long w, const Place& place) {
  Lines lines{{}, place.x == 0, place.x + SPAN == w};
  for (int i = 0; i < EDGE; ++i) {
    const long y = place.y - 1 + i;
    lines.at[i] = y >= 0 && y < h ? plane + y * w + place.x - 1 : NOTHING;
  }
  return lines;
}

// The same at the end of a picture, where a pack is cut off: copied, with zeros behind.
inline Lines copy(const float* plane, long h, long w, const Place& place, float (&to)[EDGE][LINE]) {
  Lines lines{{}, false, false};
  const long from = std::max(place.x - 1, 0L);
  for (int i = 0; i < EDGE; ++i) {
    const long y = place.y - 1 + i;
    std::fill_n(to[i], LINE, 0.f);
    if (y >= 0 && y < h) std::copy(plane + y * w + from, plane + (y + 1) * w, to[i] + (from - place.x + 1));
    lines.at[i] = to[i];
  }
  return lines;
}

// Transform a pack of tiles of one channel: place i of the tiles to to[i * gap].
APART void transform(const Lines& lines, float* to, long gap) {
  alignas(64) float half[EDGE][LINE];  // transformed downwards
  Floats in[EDGE], out[EDGE];
  for (int v = 0; v <= OUT; ++v) {
#pragma GCC unroll 6
    for (int i = 0; i < EDGE; ++i) {
      const float* from = lines.at[i] + v * LANES;
      if (v == 0 && lines.begins)
        in[i] = every<LANES - 1, 1>(Floats{}, load<LANES>(from + 1), Count());
      else if (v == OUT)
        in[i] = Floats{from[0], lines.ends ? 0.f : from[1]};
      else
        in[i] = load<LANES>(from);
    }
    inwards(in, out);
#pragma GCC unroll 6
    for (int i = 0; i < EDGE; ++i) store<LANES>(half[i] + v * LANES, out[i]);
  }
  for (int i = 0; i < EDGE; ++i) {
    Floats part[OUT];
#pragma GCC unroll 4
    for (int v = 0; v < OUT; ++v) part[v] = load<LANES>(half[i] + v * LANES);
    const Floats rest = load<LANES>(half[i] + SPAN);
    const Floats even = evens(part[0], part[1]), even2 = evens(part[2], part[3]);
    const Floats odd = odds(part[0], part[1]), odd2 = odds(part[2], part[3]);
    in[0] = evens(even, even2), in[1] = evens(odd, odd2), in[2] = odds(even, even2), in[3] = odds(odd, odd2);
    in[4] = shift(in[0], rest);  // the first pixels of the next tile
    in[5] = shift(in[1], shift(rest, rest));
    inwards(in, out);
#pragma GCC unroll 6
    for (int j = 0; j < EDGE; ++j) store<LANES>(to + (i * EDGE + j) * gap, out[j]);
  }
}

}  // namespace ppvsr
