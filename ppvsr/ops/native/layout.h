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
inline long picture(const Deform& d) { return (d.h * d.w + 1) * (d.c / d.dg); }  // floats of one deformable group

// (channels, pixels) -> pixel by pixel, `stride` apart.
inline void interleave(const float* from, long channels, long pixels, float* to, long stride) {
  for (long p = 0; p < pixels; p += 16) {
    const long end = std::min(p + 16, pixels);
    for (long c = 0; c < channels; ++c)
      for (long i = p; i < end; ++i) to[i * stride + c] = from[c * pixels + i];
  }
}

// The other way round; `gap` apart lie the channels.
inline void part(const float* from, long stride, long channels, long pixels, float* to, long gap) {
  for (long p = 0; p < pixels; p += 16) {
    const long end = std::min(p + 16, pixels);
    for (long c = 0; c < channels; ++c)
      for (long i = p; i < end; ++i) to[c * gap + i] = from[i * stride + c];
  }
}

// Deformable group `item` of x (n * dg, c / dg, h * w) -> (n * dg, h * w + 1, c / dg), the last pixel zero.
inline void lay_out(const Deform& d, const float* x, float* to, long item) {
  const long channels = d.c / d.dg, pixels = d.h * d.w;
  interleave(x + item * channels * pixels, channels, pixels, to + item * picture(d), channels);
  std::fill_n(to + item * picture(d) + pixels * channels, channels, 0.f);
}

}  // namespace ppvsr
