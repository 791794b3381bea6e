// Every thread owns tiles of pixels: it samples a tile into a buffer that stays in its cache and multiplies there.
#include <algorithm>
#include <vector>

#include "deform.h"
#include "layout.h"
#include "matrix.h"
#include "parallel.h"
#include "sampling.h"

namespace ppvsr {
namespace {

constexpr long CHUNK = 4;  // tiles that a thread takes at once, so that it is the one that needs the next tile

// Read W channels of a picture at the spots of a tile; `below` is how far apart its lines lie, `step` the pixels of `to`.
template <int W>
APART void gather(const Spots& s, const float* from, long below, long right, float* to, long step) {
  for (int p = 0; p < TILE; ++p, to += step) {
    const float* at = from + s.at[p];
    store<W>(to, s.share[0][p] * load<W>(at) + s.share[1][p] * load<W>(at + right) +
                     s.share[2][p] * load<W>(at + below) + s.share[3][p] * load<W>(at + below + right));
  }
}

// weight (co, c / groups, taps) -> (groups, taps, c / groups, outputs of a group, padded by zeros).
void pack(const Deform& d, const float* weight, float* to) {
  const long cg = d.c / d.groups, cog = d.co / d.groups, taps = d.taps();
  std::fill_n(to, d.c * taps * lines(d), 0.f);
  for (long o = 0; o < d.co; ++o)
    for (long i = 0; i < cg; ++i)
      for (long t = 0; t < taps; ++t)
        to[((o / cog * taps + t) * cg + i) * lines(d) + o % cog] = weight[(o * cg + i) * taps + t];
}

}  // namespace

size_t forward_scratch(const Deform& d) { return d.n * d.dg * picture(d) + d.c * d.taps() * lines(d); }

void forward(const Deform& d, const float* x, const float* offset, const float* weight, const float* bias,
             const float* mask, float* out, float* scratch) {
  const long cd = d.c / d.dg, cg = d.c / d.groups, cog = d.co / d.groups, taps = d.taps(), pixels = d.pixels();
  const long width = lines(d), depth = taps * cg, step = taps * d.c, line = d.groups * width;
  const long below = pitch(d) * cd;
  const std::vector<Run> all = runs(d);
  float* const pictures = scratch;
  float* const matrix = scratch + d.n * d.dg * picture(d);
  pack(d, weight, matrix);
  each(d.n * d.dg, [&](long item) { lay_out(d, x, pictures, item); });
  const long items = d.n * tiles(d);
  share(items, CHUNK, [&](const auto& take) {
    std::vector<float> columns(TILE * step), sums(TILE * line);
    Spots spots;
    for (long item; (item = take()) < items;) {
      const long n = item / tiles(d), first = item % tiles(d) * TILE, count = std::min<long>(TILE, pixels - first);
      const Places place = places(d, first);
      for (const Run& run : all)
        for (long t = 0; t < taps; ++t) {
          const float* from = pictures + (n * d.dg + run.dg) * picture(d) + run.within;
          float* to = &columns[run.group * depth + t * cg + run.inner];
          locate(d, place, offset, mask, n * d.dg + run.dg, t, first, count, spots);
          strips(run.width, [&](auto w, long c) {
            gather<decltype(w)::value>(spots, from + c, below, cd, to + c, step);
          });
        }
      for (long p = 0; p < TILE; ++p)
        for (long g = 0; g < d.groups; ++g) std::copy_n(bias + g * cog, cog, &sums[p * line + g * width]);
      for (long g = 0; g < d.groups; ++g) {
        multiply(TILE, width, depth, &columns[g * depth], step, 1, matrix + g * depth * width, width,
                 &sums[g * width], line);
        part(&sums[g * width], line, cog, count, out + (n * d.co + g * cog) * pixels + first, pixels);
      }
    }
  });
}

}  // namespace ppvsr
