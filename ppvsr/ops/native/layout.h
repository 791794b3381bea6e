// How pictures are laid out in memory for sampling, and which channels go together.
#pragma once

#include <algorithm>
#include <vector>

#include "deform.h"
#include "matrix.h"

namespace ppvsr {

// A run of channels that belong to the same deformable group and to the same group of the convolution.
struct Run {
  long dg, within;    // deformable group, first channel within it
  long group, inner;  // group of the convolution, first channel within it
  long width;
};

inline std::vector<Run> runs(const Deform& d) {
  const long cd = d.c / d.dg, cg = d.c / d.groups;
  std::vector<Run> all;
  for (long c = 0; c < d.c; c += all.back().width)
    all.push_back({c / cd, c % cd, c / cg, c % cg, std::min(cd - c % cd, cg - c % cg)});
  return all;
}

inline long tiles(const Deform& d) { return (d.pixels() + TILE - 1) / TILE; }
inline long lines(const Deform& d) { return round_up(d.co / d.groups, LANES); }  // outputs of a group, padded

// A deformable group of a picture lies pixel by pixel, with zeros around it: one line above, two below, and one pixel
// behind each line, which is also the one before the next. Pixel (-1, -1) comes first.
inline long pitch(const Deform& d) { return d.w + 1; }
inline long picture(const Deform& d) { return ((d.h + 3) * pitch(d) + 1) * (d.c / d.dg); }  // floats
inline long origin(const Deform& d) { return (pitch(d) + 1) * (d.c / d.dg); }               // of pixel (0, 0)

// Channels, `gap` apart -> pixels, `stride` apart.
APART void interleave(const float* from, long gap, long channels, long pixels, float* to, long stride) {
  for (long p = 0; p < pixels; p += 16) {
    const long end = std::min(p + 16, pixels);
    for (long c = 0; c < channels; ++c)
      for (long i = p; i < end; ++i) to[i * stride + c] = from[c * gap + i];
  }
}

// Pixels, `stride` apart -> channels, `gap` apart.
APART void part(const float* from, long stride, long channels, long pixels, float* to, long gap) {
  for (long p = 0; p < pixels; p += 16) {
    const long end = std::min(p + 16, pixels);
    for (long c = 0; c < channels; ++c)
      for (long i = p; i < end; ++i) to[c * gap + i] = from[i * stride + c];
  }
}

// Deformable group `item` (counted over the pictures) of x -> as described above.
inline void lay_out(const Deform& d, const float* x, float* to, long item) {
  const long channels = d.c / d.dg;
  float* at = std::fill_n(to + item * picture(d), origin(d), 0.f);
  for (long row = 0; row < d.h; ++row) {
    interleave(x + (item * channels * d.h + row) * d.w, d.h * d.w, channels, d.w, at, channels);
    at = std::fill_n(at + d.w * channels, channels, 0.f);
  }
  std::fill_n(at, 2 * pitch(d) * channels, 0.f);
}

}  // namespace ppvsr
